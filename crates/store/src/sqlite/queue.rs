//! A bounded queue between the callers' tasks and the store's own threads.
//!
//! Bounded by count and by weight (bytes), so that a stalled disk costs a known amount of memory. `push` never waits:
//! a full queue is the caller's answer. What was accepted is handed out in order, also after `close`.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    bound: Bound,
}

struct State<T> {
    waiting: VecDeque<(usize, T)>,
    weight: usize,
    closed: bool,
}

/// How much may wait, or be taken at once: so many items of so many bytes together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) count: usize,
    pub(super) weight: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    Full,
    Closed,
}

/// What waiting for items came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Drained {
    Some,
    /// Nothing came in time.
    Idle,
    /// Nothing waits and nothing will come.
    Closed,
}

impl<T> Queue<T> {
    pub(super) fn new(bound: Bound) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            weight: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            bound,
        }
    }

    /// An item heavier than the whole bound is taken when nothing else waits.
    pub(super) fn push(&self, weight: usize, item: T) -> Result<(), NotTaken> {
        let mut state = self.lock();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        let heavy = state.weight > 0 && state.weight.saturating_add(weight) > self.bound.weight;
        if heavy || state.waiting.len() >= self.bound.count {
            return Err(NotTaken::Full);
        }
        state.weight += weight;
        state.waiting.push_back((weight, item));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The next item; `None` once closed and empty.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some((weight, item)) = state.waiting.pop_front() {
                state.weight -= weight;
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Everything that waits up to `most` (at least one item), waiting for the first.
    pub(super) fn drain(&self, into: &mut Vec<T>, most: Bound, patience: Duration) -> Drained {
        let idle = |state: &mut State<T>| state.waiting.is_empty() && !state.closed;
        let (mut state, _) = self
            .filled
            .wait_timeout_while(self.lock(), patience, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            return if state.closed {
                Drained::Closed
            } else {
                Drained::Idle
            };
        }
        let mut taken = 0;
        while let Some((weight, _)) = state.waiting.front() {
            if !into.is_empty() && (into.len() >= most.count || taken + weight > most.weight) {
                break;
            }
            if let Some((weight, item)) = state.waiting.pop_front() {
                taken += weight;
                state.weight -= weight;
                into.push(item);
            }
        }
        Drained::Some
    }

    /// Nothing is taken any more; what waits is still handed out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code of ours can panic while it holds the lock, and the state is valid between any two lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn queue(count: usize, weight: usize) -> Queue<u32> {
        Queue::new(Bound { count, weight })
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_takes_again_when_something_left() {
        let queue = queue(2, 100);
        assert_eq!(queue.push(1, 1), Ok(()));
        assert_eq!(queue.push(1, 2), Ok(()));
        assert_eq!(queue.push(1, 3), Err(NotTaken::Full));
        assert_eq!(queue.pop(), Some(1));
        assert_eq!(queue.push(1, 3), Ok(()));
    }

    #[test]
    fn weight_is_bounded_too_but_one_heavy_item_passes_alone() {
        let queue = queue(10, 100);
        assert_eq!(queue.push(500, 1), Ok(()));
        assert_eq!(queue.push(1, 2), Err(NotTaken::Full));
        assert_eq!(queue.pop(), Some(1));
        assert_eq!(queue.push(60, 2), Ok(()));
        assert_eq!(queue.push(60, 3), Err(NotTaken::Full));
    }

    #[test]
    fn a_drain_takes_what_waits_in_order_and_stops_at_its_bounds() {
        let queue = queue(10, 1000);
        for item in 0..6 {
            queue.push(10, item).unwrap();
        }
        let mut batch = Vec::new();
        assert_eq!(
            queue.drain(
                &mut batch,
                Bound {
                    count: 2,
                    weight: 1000
                },
                NOW
            ),
            Drained::Some
        );
        assert_eq!(batch, [0, 1]);
        batch.clear();
        assert_eq!(
            queue.drain(
                &mut batch,
                Bound {
                    count: 9,
                    weight: 5
                },
                NOW
            ),
            Drained::Some
        );
        assert_eq!(batch, [2], "one item passes whatever it weighs");
        batch.clear();
        assert_eq!(
            queue.drain(
                &mut batch,
                Bound {
                    count: 9,
                    weight: 1000
                },
                NOW
            ),
            Drained::Some
        );
        assert_eq!(batch, [3, 4, 5]);
        batch.clear();
        assert_eq!(
            queue.drain(
                &mut batch,
                Bound {
                    count: 9,
                    weight: 1000
                },
                NOW
            ),
            Drained::Idle
        );
    }

    #[test]
    fn a_closed_queue_hands_out_what_it_had_accepted() {
        let queue = queue(10, 1000);
        queue.push(1, 1).unwrap();
        queue.push(1, 2).unwrap();
        queue.close();
        assert_eq!(queue.push(1, 3), Err(NotTaken::Closed));
        assert_eq!(queue.pop(), Some(1));
        let mut batch = Vec::new();
        assert_eq!(
            queue.drain(
                &mut batch,
                Bound {
                    count: 9,
                    weight: 9
                },
                NOW
            ),
            Drained::Some
        );
        assert_eq!(
            queue.drain(
                &mut batch,
                Bound {
                    count: 9,
                    weight: 9
                },
                NOW
            ),
            Drained::Closed
        );
        assert_eq!(queue.pop(), None);
    }
}

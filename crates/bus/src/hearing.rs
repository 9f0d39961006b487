//! What a process hears, between the bus that says it and the one task that listens: bounded, and never silent about a
//! loss. Says [`BusEvent::Lost`] first, then confirmations, then envelopes in their order. Must never block who speaks.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use protocol::envelope::{Envelope, Topic};

use crate::hints::{BusEvent, EVENTS_MAX};

/// The listening end: what one process hears from its bus.
pub struct Events(Arc<Hearing>);

/// The speaking end. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Teller(Arc<Hearing>);

struct Hearing {
    heard: Mutex<Heard>,
    listener: AtomicWaker,
    said_max: usize,
}

#[derive(Default)]
struct Heard {
    lost: bool,
    /// At most one for each topic that is watched. A confirmation may overtake envelopes that were said before it: it
    /// speaks of those that come after.
    watched: BTreeSet<Topic>,
    said: VecDeque<Envelope>,
    closed: bool,
}

/// Both ends, with room for [`EVENTS_MAX`] envelopes.
pub(crate) fn hearing() -> (Teller, Events) {
    with_said_max(EVENTS_MAX)
}

fn with_said_max(said_max: usize) -> (Teller, Events) {
    let hearing = Arc::new(Hearing {
        heard: Mutex::default(),
        listener: AtomicWaker::new(),
        said_max,
    });
    (Teller(Arc::clone(&hearing)), Events(hearing))
}

impl Events {
    /// The next event; `None` once the bus is closed and everything is heard. Cancel-safe.
    pub async fn recv(&mut self) -> Option<BusEvent> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// The next event if one is there.
    pub fn try_recv(&mut self) -> Option<BusEvent> {
        self.0.locked().next()
    }

    /// [`Events::recv`] for futures that are written by hand.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<BusEvent>> {
        // Registered before looking, so that what comes in between wakes us.
        self.0.listener.register(context.waker());
        let mut heard = self.0.locked();
        match heard.next() {
            Some(event) => Poll::Ready(Some(event)),
            None if heard.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Teller {
    /// Says an envelope. When the listener is [`EVENTS_MAX`] behind, all that waits is dropped and `Lost` said once:
    /// comparing heads is cheaper than hearing so much that is old. Returns how many were dropped.
    pub(crate) fn said(&self, envelope: Envelope) -> usize {
        let mut heard = self.0.locked();
        let dropped = if heard.said.len() < self.0.said_max {
            0
        } else {
            heard.lost = true;
            std::mem::take(&mut heard.said).len()
        };
        heard.said.push_back(envelope);
        drop(heard);
        self.0.listener.wake();
        dropped
    }

    /// Says that a topic is confirmed.
    pub(crate) fn watched(&self, topic: Topic) {
        self.0.locked().watched.insert(topic);
        self.0.listener.wake();
    }

    /// A topic is not wanted any more: a confirmation that still waits would confuse.
    pub(crate) fn unwatched(&self, topic: Topic) {
        self.0.locked().watched.remove(&topic);
    }

    /// Says that envelopes may have been lost.
    pub(crate) fn lost(&self) {
        self.0.locked().lost = true;
        self.0.listener.wake();
    }

    /// Nothing more will be said.
    pub(crate) fn close(&self) {
        self.0.locked().closed = true;
        self.0.listener.wake();
    }
}

impl Hearing {
    fn locked(&self) -> MutexGuard<'_, Heard> {
        // No call in between can panic, so the queue is whole.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn next(&mut self) -> Option<BusEvent> {
        if std::mem::take(&mut self.lost) {
            return Some(BusEvent::Lost);
        }
        let watched = self.watched.pop_first().map(BusEvent::Watched);
        watched.or_else(|| self.said.pop_front().map(BusEvent::Said))
    }
}

#[cfg(test)]
mod tests {
    use protocol::envelope::slice_of;
    use protocol::ids::{RoomId, UserId};
    use uuid::Uuid;

    use super::*;

    fn added(n: u128) -> Envelope {
        Envelope::Added {
            user: UserId(Uuid::from_u128(n)),
            room: RoomId(Uuid::from_u128(n)),
        }
    }

    #[test]
    fn whoever_is_too_far_behind_is_told_once_and_hears_what_is_new() {
        let (teller, mut events) = with_said_max(3);
        let dropped: usize = (0..8).map(|n| teller.said(added(n))).sum();
        assert_eq!(dropped, 6);
        assert_eq!(events.try_recv(), Some(BusEvent::Lost));
        assert_eq!(events.try_recv(), Some(BusEvent::Said(added(6))));
        assert_eq!(events.try_recv(), Some(BusEvent::Said(added(7))));
        assert_eq!(events.try_recv(), None);
    }

    #[test]
    fn a_confirmation_is_never_dropped() {
        let (teller, mut events) = with_said_max(1);
        let topic = Topic::People(slice_of(UserId(Uuid::from_u128(1))));
        teller.watched(topic);
        for n in 0..10 {
            teller.said(added(n));
        }
        assert_eq!(events.try_recv(), Some(BusEvent::Lost));
        assert_eq!(events.try_recv(), Some(BusEvent::Watched(topic)));
    }

    #[tokio::test]
    async fn what_was_said_before_the_end_is_heard() {
        let (teller, mut events) = hearing();
        teller.said(added(1));
        teller.close();
        assert_eq!(events.recv().await, Some(BusEvent::Said(added(1))));
        assert_eq!(events.recv().await, None);
    }
}

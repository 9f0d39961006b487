//! Whose rooms are read: so many sockets at once, the others in the order in which they came. Pure.
//!
//! When all come back at once, a store that is slow would be asked for all of them at once, answer few in time, and be
//! asked again by the others for ever. In turn those are let in whom it can answer. Who leaves while they wait is not read for.

use std::collections::VecDeque;

use crate::ConnId;

/// Reads under way at once: enough to keep a store busy, few enough that each is answered in time.
const READING_MAX: usize = 16;
/// Those who left are cleared away when so many wait, and whenever twice as many as after the last clearing.
const WAITING_MIN: usize = 1_024;

/// See the module.
#[derive(Debug)]
pub(super) struct Turns {
    reading: usize,
    waiting: VecDeque<ConnId>,
    clear_at: usize,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            reading: 0,
            waiting: VecDeque::new(),
            clear_at: WAITING_MIN,
        }
    }
}

impl Turns {
    /// Whether this socket's rooms are read now; else it is one of those that [`Turns::next`] gives. Every read that
    /// begins must be [`Turns::done`] once, whatever became of the socket.
    pub(super) fn begin(&mut self, conn: ConnId, is_here: impl Fn(ConnId) -> bool) -> bool {
        if self.reading < READING_MAX {
            self.reading += 1;
            return true;
        }
        if self.waiting.len() >= self.clear_at {
            self.waiting.retain(|conn| is_here(*conn));
            self.clear_at = (2 * self.waiting.len()).max(WAITING_MIN);
        }
        self.waiting.push_back(conn);
        false
    }

    /// A read has ended.
    pub(super) fn done(&mut self) {
        self.reading = self.reading.saturating_sub(1);
    }

    /// Whose rooms are read next, if there is room for a read and somebody waits.
    pub(super) fn next(&mut self, is_here: impl Fn(ConnId) -> bool) -> Option<ConnId> {
        if self.reading >= READING_MAX {
            return None;
        }
        while let Some(conn) = self.waiting.pop_front() {
            if is_here(conn) {
                self.reading += 1;
                return Some(conn);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u32 = 100;

    fn conn(index: u32) -> ConnId {
        ConnId {
            index,
            generation: 0,
        }
    }

    fn full() -> (Turns, Vec<ConnId>) {
        let mut turns = Turns::default();
        let began = (0..ALL)
            .map(conn)
            .filter(|conn| turns.begin(*conn, |_| true))
            .collect();
        (turns, began)
    }

    #[test]
    fn so_many_are_read_at_once_and_the_others_in_their_order() {
        let (mut turns, mut began) = full();
        assert_eq!(began.len(), READING_MAX);
        assert_eq!(turns.next(|_| true), None, "all places are taken");
        while began.len() < ALL as usize {
            turns.done();
            began.extend(turns.next(|_| true));
            assert_eq!(turns.next(|_| true), None);
        }
        assert_eq!(began, (0..ALL).map(conn).collect::<Vec<_>>());
    }

    #[test]
    fn who_left_is_not_read_for() {
        let (mut turns, _) = full();
        turns.done();
        assert_eq!(turns.next(|conn| conn.index >= 50), Some(conn(50)));
    }

    #[test]
    fn those_who_left_take_no_memory_for_long() {
        let mut turns = Turns::default();
        for index in 0..100_000 {
            turns.begin(conn(index), |waiting| waiting.index + 10 > index);
            assert!(turns.waiting.len() <= WAITING_MIN);
        }
    }
}

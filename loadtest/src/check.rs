//! What one connection has heard of one room, against "each entry once, in order, without gaps". Pure.

use std::collections::BTreeSet;

/// How often an order was broken.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Entries below one that was acknowledged, or below one that was heard, and never came.
    pub(crate) lost: u64,
    /// Entries that came twice, and messages that stand at two places.
    pub(crate) doubled: u64,
    /// Entries that came after a later one.
    pub(crate) reordered: u64,
    /// Times that an entry was not the next one; the server's own `stream:gap` too.
    pub(crate) gaps: u64,
}

impl Faults {
    /// Whether there is none.
    pub(crate) fn is_none(&self) -> bool {
        *self == Faults::default()
    }

    /// Adds those of another connection.
    pub(crate) fn add(&mut self, other: Faults) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.gaps += other.gaps;
    }
}

/// A connection's place in a room.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The room's number.
    pub(crate) room: u32,
    /// The last entry heard; the cursor of a reconnect.
    pub(crate) last: u64,
    /// Entries below it that have not come. Empty, and without memory, as long as the server is right.
    missing: BTreeSet<u64>,
}

impl Place {
    /// A place in a room that starts behind `head`.
    pub(crate) fn at(room: u32, head: u64) -> Place {
        Place {
            room,
            last: head,
            missing: BTreeSet::new(),
        }
    }

    /// An entry was heard.
    pub(crate) fn hear(&mut self, seq: u64, faults: &mut Faults) {
        if seq == self.last + 1 {
            self.last = seq;
        } else if seq > self.last {
            faults.gaps += 1;
            self.missing.extend(self.last + 1..seq);
            self.last = seq;
        } else if self.missing.remove(&seq) {
            faults.reordered += 1;
        } else {
            faults.doubled += 1;
        }
    }

    /// Entries up to `head` that have not come.
    pub(crate) fn lost(&self, head: u64) -> u64 {
        self.missing.len() as u64 + head.saturating_sub(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(seqs: &[u64]) -> (Place, Faults) {
        let (mut place, mut faults) = (Place::at(0, 10), Faults::default());
        seqs.iter().for_each(|seq| place.hear(*seq, &mut faults));
        (place, faults)
    }

    #[test]
    fn entries_in_order_are_no_fault() {
        let (place, faults) = heard(&[11, 12, 13]);
        assert!(faults.is_none());
        assert_eq!(place.lost(13), 0);
    }

    #[test]
    fn an_entry_that_never_comes_is_a_gap_and_a_loss() {
        let (place, faults) = heard(&[11, 13]);
        assert_eq!(
            faults,
            Faults {
                gaps: 1,
                ..Faults::default()
            }
        );
        assert_eq!(place.lost(13), 1);
    }

    #[test]
    fn an_entry_that_comes_late_is_reordered_and_not_lost() {
        let (place, faults) = heard(&[12, 11]);
        assert_eq!(
            faults,
            Faults {
                gaps: 1,
                reordered: 1,
                ..Faults::default()
            }
        );
        assert_eq!(place.lost(12), 0);
    }

    #[test]
    fn an_entry_that_comes_twice_is_doubled() {
        assert_eq!(heard(&[11, 11]).1.doubled, 1);
        assert_eq!(heard(&[9]).1.doubled, 1, "below where it started");
    }

    #[test]
    fn a_tail_that_was_acknowledged_and_never_came_is_lost() {
        assert_eq!(heard(&[11]).0.lost(14), 3);
    }
}

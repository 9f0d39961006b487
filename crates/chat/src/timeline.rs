//! Puts a room's entries in order: delivers strictly the next `seq`, holds early ones for a moment, drops twins and
//! names the gap that must be fetched. It never skips a place, whatever is lost, doubled or late.

use std::collections::BTreeMap;

use protocol::entry::Entry;
use protocol::message::Seq;

/// How long an early entry waits for the ones before it: longer than two nodes' hints overtake each other, shorter
/// than a person notices.
pub(crate) const HOLD_MILLIS: u64 = 20;
/// Early entries held; beyond it they are dropped and come back with the fetched gap.
const EARLY_MAX: usize = 1_024;

/// What is known of a room's order on this node.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// The last entry that was delivered.
    position: Seq,
    /// A place that was surely reached by the log.
    target: Seq,
    /// Entries above `position + 1`.
    early: BTreeMap<Seq, Entry>,
    /// Since when something is missing.
    waiting_since: Option<u64>,
    /// The log was read for what is missing.
    fetched: bool,
    /// How long what was fetched had been missing, once it is there.
    repaired: Option<u64>,
}

impl Timeline {
    pub(crate) fn new(position: Seq) -> Self {
        Self {
            position,
            target: position,
            early: BTreeMap::new(),
            waiting_since: None,
            fetched: false,
            repaired: None,
        }
    }

    pub(crate) fn position(&self) -> Seq {
        self.position
    }

    /// Takes an entry in and returns those that are next, in order. What was delivered before is dropped.
    pub(crate) fn offer(&mut self, entry: Entry, now: u64) -> Vec<Entry> {
        self.target = self.target.max(entry.seq);
        let mut ready = Vec::new();
        if entry.seq == self.position + 1 {
            self.position = entry.seq;
            ready.push(entry);
            while let Some(next) = self.early.remove(&(self.position + 1)) {
                self.position = next.seq;
                ready.push(next);
            }
        } else if entry.seq > self.position && self.early.len() < EARLY_MAX {
            self.early.insert(entry.seq, entry);
        }
        self.early = self.early.split_off(&(self.position + 1));
        self.update_waiting(now);
        ready
    }

    /// The log has surely reached this place.
    pub(crate) fn aim(&mut self, seq: Seq, now: u64) {
        self.target = self.target.max(seq);
        self.update_waiting(now);
    }

    fn update_waiting(&mut self, now: u64) {
        if self.target > self.position {
            self.waiting_since.get_or_insert(now);
        } else if let Some(since) = self.waiting_since.take()
            && std::mem::take(&mut self.fetched)
        {
            self.repaired = Some(now.saturating_sub(since));
        }
    }

    /// What is missing is being fetched. Says whether that is news.
    pub(crate) fn fetching(&mut self) -> bool {
        self.waiting_since.is_some() && !std::mem::replace(&mut self.fetched, true)
    }

    /// How long a gap was open that has just been closed by fetching, in milliseconds; said once.
    pub(crate) fn repaired(&mut self) -> Option<u64> {
        self.repaired.take()
    }

    /// When the missing entries must be fetched; `None` while nothing is missing.
    pub(crate) fn fetch_at(&self) -> Option<u64> {
        self.waiting_since.map(|since| since + HOLD_MILLIS)
    }

    /// The bytes and order that an early entry has, if it is held.
    #[cfg(test)]
    fn holds(&self, seq: Seq) -> bool {
        self.early.contains_key(&seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::entry::Change;
    use protocol::ids::{ClientId, UserId};
    use protocol::time::Timestamp;
    use uuid::Uuid;

    fn entry(seq: Seq) -> Entry {
        Entry {
            seq,
            n: 0,
            at: Timestamp(0),
            actor: UserId(Uuid::nil()),
            key: ClientId(Uuid::from_u128(u128::from(seq))),
            digest: 0,
            change: Change::RoomDeleted,
        }
    }

    fn seqs(entries: Vec<Entry>) -> Vec<Seq> {
        entries.into_iter().map(|entry| entry.seq).collect()
    }

    #[test]
    fn entries_come_out_in_order_and_once() {
        let mut timeline = Timeline::new(3);
        assert_eq!(seqs(timeline.offer(entry(5), 0)), [0u64; 0]);
        assert_eq!(seqs(timeline.offer(entry(6), 0)), [0u64; 0]);
        assert_eq!(seqs(timeline.offer(entry(4), 1)), [4, 5, 6]);
        assert_eq!(seqs(timeline.offer(entry(5), 1)), [0u64; 0]);
        assert_eq!(timeline.position(), 6);
        assert!(!timeline.holds(5));
    }

    #[test]
    fn a_gap_is_named_after_the_hold_and_no_more_once_it_is_filled() {
        let mut timeline = Timeline::new(3);
        timeline.offer(entry(5), 100);
        timeline.offer(entry(6), 110);
        assert_eq!(timeline.fetch_at(), Some(100 + HOLD_MILLIS));
        timeline.offer(entry(4), 115);
        assert_eq!(timeline.fetch_at(), None);
    }

    #[test]
    fn only_a_gap_that_was_fetched_counts_as_repaired() {
        let mut timeline = Timeline::new(3);
        timeline.offer(entry(5), 100);
        timeline.offer(entry(4), 110);
        assert!(!timeline.fetching());
        assert_eq!(timeline.repaired(), None);
        timeline.offer(entry(7), 200);
        assert!(timeline.fetching());
        assert!(!timeline.fetching());
        timeline.offer(entry(6), 250);
        assert_eq!(timeline.repaired(), Some(50));
        assert_eq!(timeline.repaired(), None);
    }

    #[test]
    fn a_head_beyond_what_was_heard_is_a_gap_too() {
        let mut timeline = Timeline::new(3);
        timeline.aim(4, 50);
        assert_eq!(timeline.fetch_at(), Some(50 + HOLD_MILLIS));
        timeline.aim(2, 60);
        assert_eq!(timeline.fetch_at(), Some(50 + HOLD_MILLIS));
    }

    #[test]
    fn early_entries_are_bounded() {
        let mut timeline = Timeline::new(0);
        for seq in 2..5_000 {
            timeline.offer(entry(seq), 0);
        }
        assert!(timeline.early.len() <= EARLY_MAX);
        assert_eq!(timeline.fetch_at(), Some(HOLD_MILLIS));
    }
}

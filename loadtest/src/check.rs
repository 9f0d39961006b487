//! What one connection has heard of one room, against "each message once, in order, nothing left out". Pure.
//! Where a room has one log (chatify), the places in it are compared: two words a connection and room. Where it has
//! none, every message carries its sender and that sender's count, and each sender is followed by itself.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

/// How often an order was broken.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Faults {
    /// Messages that were accepted and did not come to somebody who was there.
    pub(crate) lost: u64,
    /// Messages that came twice or stand at two places.
    pub(crate) doubled: u64,
    /// Messages that came after a later one, or stand at another place than was acknowledged.
    pub(crate) reordered: u64,
    /// Times that the server's own number was not the next one; its `stream:gap` too.
    pub(crate) gaps: u64,
    /// Messages of a room that somebody is not in.
    pub(crate) strays: u64,
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
        self.strays += other.strays;
    }
}

/// A sender and how many of their messages: one number.
pub(crate) fn number(sender: u32, count: u32) -> u64 {
    u64::from(sender) << 32 | u64::from(count)
}

/// A connection's place in a room.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The room's number.
    pub(crate) room: u32,
    /// The last entry of the log that was heard; the cursor of a reconnect. 0 where there is no log.
    pub(crate) last: u64,
    /// What is below a heard one and has not come. Empty, and without memory, as long as the server is right.
    missing: BTreeSet<u64>,
    /// The last message heard of each sender, by sender; only where there is no log.
    lanes: Vec<u64>,
    /// It came late and was told nothing of what was before.
    blind: bool,
}

impl Place {
    /// A place in a room that starts behind `head`.
    pub(crate) fn at(room: u32, head: u64) -> Place {
        Place {
            room,
            last: head,
            ..Place::default()
        }
    }

    /// The connection is a new one, on a server that replays nothing: what was missed is nobody's fault.
    pub(crate) fn start_over(&mut self) {
        *self = Place {
            blind: true,
            ..Place::at(self.room, 0)
        };
    }

    /// An entry of the log was heard.
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

    /// A message was heard where there is no log: the sender's `count`-th in this room. `seq` is only looked at for gaps.
    pub(crate) fn hear_lane(&mut self, said: u64, seq: Option<u64>, faults: &mut Faults) {
        if let Some(seq) = seq {
            if self.last > 0 && seq > self.last + 1 {
                faults.gaps += 1;
            }
            self.last = self.last.max(seq);
        }
        let (sender, count) = (said >> 32, said as u32);
        let at = self.lanes.partition_point(|lane| lane >> 32 < sender);
        let is_new = self.lanes.get(at).is_none_or(|lane| lane >> 32 != sender);
        if is_new {
            let before = if self.blind {
                count.saturating_sub(1)
            } else {
                0
            };
            self.lanes.insert(at, sender << 32 | u64::from(before));
        }
        let lane = &mut self.lanes[at];
        let last = *lane as u32;
        if count > last {
            self.missing
                .extend((last + 1..count).map(|count| sender << 32 | u64::from(count)));
            *lane = said;
        } else if self.missing.remove(&said) {
            faults.reordered += 1;
        } else {
            faults.doubled += 1;
        }
    }

    /// Entries up to `head` that have not come.
    pub(crate) fn lost(&self, head: u64) -> u64 {
        self.missing.len() as u64 + head.saturating_sub(self.last)
    }

    /// Messages that were accepted (all of `said`, the last number of each sender of the room in the order of senders,
    /// but for those in `excused`) and have not come.
    pub(crate) fn lost_lanes(&self, said: &[u64], excused: &HashSet<(u32, u64)>) -> u64 {
        let is_lost = |number: &u64| !excused.contains(&(self.room, *number));
        let mut lost = self.missing.iter().filter(|number| is_lost(number)).count() as u64;
        let mut lanes = self.lanes.iter().peekable();
        for tail in said {
            while lanes.next_if(|lane| **lane >> 32 < tail >> 32).is_some() {}
            let heard = match lanes.peek() {
                Some(lane) if **lane >> 32 == tail >> 32 => **lane,
                _ if self.blind => continue,
                _ => tail >> 32 << 32,
            };
            lost += (heard + 1..=*tail).filter(is_lost).count() as u64;
        }
        lost
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

    fn heard_of(said: &[(u32, u32)]) -> (Place, Faults) {
        let (mut place, mut faults) = (Place::at(3, 0), Faults::default());
        said.iter().for_each(|(sender, count)| {
            place.hear_lane(number(*sender, *count), None, &mut faults)
        });
        (place, faults)
    }

    fn nothing() -> HashSet<(u32, u64)> {
        HashSet::new()
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
        assert_eq!((faults.gaps, faults.reordered, faults.doubled), (1, 0, 0));
        assert_eq!(place.lost(13), 1);
    }

    #[test]
    fn an_entry_that_comes_late_is_reordered_and_not_lost() {
        let (place, faults) = heard(&[12, 11]);
        assert_eq!((faults.gaps, faults.reordered, faults.doubled), (1, 1, 0));
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

    #[test]
    fn without_a_log_senders_may_mix_and_each_keeps_their_order() {
        let (place, faults) = heard_of(&[(7, 1), (2, 1), (2, 2), (7, 2), (2, 3)]);
        assert!(faults.is_none());
        assert_eq!(
            place.lost_lanes(&[number(2, 3), number(7, 2)], &nothing()),
            0
        );
    }

    #[test]
    fn without_a_log_a_message_left_out_is_lost_and_a_late_one_reordered() {
        let (place, faults) = heard_of(&[(7, 1), (7, 3)]);
        assert!(faults.is_none(), "it may still come");
        assert_eq!(place.lost_lanes(&[number(7, 3)], &nothing()), 1);
        let (place, faults) = heard_of(&[(7, 1), (7, 3), (7, 2)]);
        assert_eq!(faults.reordered, 1);
        assert_eq!(place.lost_lanes(&[number(7, 3)], &nothing()), 0);
        assert_eq!(heard_of(&[(7, 1), (7, 1)]).1.doubled, 1);
    }

    #[test]
    fn without_a_log_a_silent_sender_and_a_tail_are_lost_but_not_what_was_refused() {
        let (place, _) = heard_of(&[(7, 1)]);
        let said = [number(2, 2), number(7, 2)];
        assert_eq!(place.lost_lanes(&said, &nothing()), 3);
        let excused = [(3, number(2, 1)), (3, number(7, 2)), (4, number(2, 2))].into();
        assert_eq!(place.lost_lanes(&said, &excused), 1);
    }

    #[test]
    fn who_came_back_to_a_server_without_replay_is_owed_what_follows_only() {
        let (mut place, mut faults) = heard_of(&[(7, 1), (9, 1)]);
        place.start_over();
        place.hear_lane(number(7, 5), None, &mut faults);
        place.hear_lane(number(7, 7), None, &mut faults);
        assert!(faults.is_none());
        assert_eq!(
            place.lost_lanes(&[number(7, 8), number(9, 4)], &nothing()),
            2
        );
    }

    #[test]
    fn a_server_that_counts_without_a_log_is_held_to_its_count() {
        let (mut place, mut faults) = (Place::at(0, 4), Faults::default());
        place.hear_lane(number(1, 1), Some(5), &mut faults);
        place.hear_lane(number(1, 2), Some(7), &mut faults);
        assert_eq!(faults.gaps, 1);
    }
}

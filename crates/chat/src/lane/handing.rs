//! Handing a contested room's drafts to the one node that writes it.
//!
//! Nodes that write one room at one time claim the same places, and all but one lose. So whoever has lost a place lately
//! hands its drafts to the room's *writer*, the same node for all ([`writer_of`]), and that one's lane takes them in as its
//! own. Nothing rests on it, for it is the log that answers: an entry that is heard stands in it, whoever wrote it, and
//! acknowledges its draft here. What is not heard in time, or is sent back, this node appends itself, as ever; it is found by
//! its key if it is stored already. So a writer that dies, freezes, or is another one in another node's eyes costs time alone.

use protocol::entry::{Draft, Entry, Intent};
use protocol::ids::{ClientId, NodeId, RoomId, UserId};
use protocol::message::Meta;
use protocol::problem::{Code, Problem};

use super::{Lane, LaneEffect, Moment, Step, Waiting, made_of};
use crate::Outcome;
use crate::authority::{Granted, RoomState};

/// So long after a place was lost drafts are handed over; then it is seen whether others still write.
const CONTEST_MILLIS: u64 = 10_000;
/// A writer that did not answer is left alone for this long: it takes as long until the roster knows of a dead one.
const SILENCE_MILLIS: u64 = 10_000;
/// How long the log may take to answer, as a multiple of what it took lately, and the bounds of that.
const ANSWER_TIMES: u64 = 4;
const ANSWER_MILLIS: std::ops::RangeInclusive<u64> = 300..=2_000;
/// Drafts that are handed over at once, and the bytes of their texts: they travel as a hint does.
const HANDED_MAX: usize = 256;
const HANDED_BYTES_MAX: usize = 256 * 1024;

/// The node that writes a room while several want to: the same for all that know of the same nodes, and as good as even over
/// all rooms (rendezvous hashing).
pub(crate) fn writer_of(room: RoomId, nodes: &[NodeId]) -> Option<NodeId> {
    let room = room.as_u128();
    let room = room as u64 ^ (room >> 64) as u64;
    nodes
        .iter()
        .copied()
        .max_by_key(|node| mixed(room ^ mixed(u64::from(node.0))))
}

/// Every bit of it depends on every bit of `x` (the end of SplitMix64).
fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Whether others write this room too.
#[derive(Debug, Default)]
pub(super) struct Contest {
    /// Drafts are handed over before this time, and not before that one.
    until: u64,
    not_before: u64,
    /// How long the log took to answer, an own batch or what was handed over: the longest of late.
    took: u64,
}

impl Contest {
    fn is_on(&self, now: u64) -> bool {
        (self.not_before..self.until).contains(&now)
    }

    /// A place was lost to another node.
    pub(super) fn lost(&mut self, now: u64) {
        self.until = now + CONTEST_MILLIS;
    }

    /// The log has answered after so long.
    pub(super) fn answered(&mut self, took: u64) {
        self.took = took.max(self.took - self.took / 4);
    }
}

impl Lane {
    /// Hands over the drafts at the queue's front, as many as may go, if somebody else is to write them. What this node
    /// would refuse it judges by itself, and what changes members or settings it writes itself.
    pub(super) fn hand(&mut self, at: Moment, out: &mut Vec<LaneEffect>) -> bool {
        let (Some(writer), Some(state)) = (at.writer, &self.state) else {
            return false;
        };
        if !at.hears || !self.contest.is_on(at.now) {
            return false;
        }
        let may_go = |one: &mut Waiting| {
            !one.alone
                && matches!(state.admit(&one.draft, &self.loaded),
                    Ok(Granted::Change(change, _)) if !RoomState::is_changed_by(&change))
        };
        let (mut waiting, mut bytes) = (Vec::<Waiting>::new(), 0);
        while waiting.len() < HANDED_MAX
            && bytes < HANDED_BYTES_MAX
            && let Some(one) = self.queue.pop_front_if(may_go)
        {
            let is_of = |other: &Waiting| name(&other.draft) == name(&one.draft);
            if waiting.iter().any(is_of) {
                self.queue.push_front(one);
                break;
            }
            bytes += weight(&one.draft);
            waiting.push(one);
        }
        if waiting.is_empty() {
            return false;
        }
        for one in &mut waiting {
            (one.unclear, one.handed) = (true, true);
        }
        let drafts = waiting.iter().map(|one| one.draft.clone()).collect();
        out.push(LaneEffect::Hand(writer, drafts));
        let patience =
            (ANSWER_TIMES * self.contest.took).clamp(*ANSWER_MILLIS.start(), *ANSWER_MILLIS.end());
        self.step = Step::Handed {
            since: at.now,
            until: at.now + patience,
            waiting,
        };
        true
    }

    /// An entry of the log answers the draft that was handed over and has become it. When that draft was accepted.
    pub(super) fn settle(
        &mut self,
        entry: &Entry,
        now: u64,
        out: &mut Vec<LaneEffect>,
    ) -> Option<u64> {
        let mut one = match &mut self.step {
            Step::Handed { since, waiting, .. } => {
                let since = *since;
                let place = waiting
                    .iter()
                    .position(|one| name(&one.draft) == (entry.actor, entry.key))?;
                self.contest.answered(now.saturating_sub(since));
                waiting.remove(place)
            }
            _ => {
                let is_it =
                    |one: &Waiting| one.handed && name(&one.draft) == (entry.actor, entry.key);
                let place = self.queue.iter().position(is_it)?;
                self.queue.remove(place)?
            }
        };
        self.tries = 0;
        if entry.digest == one.draft.digest() {
            let duplicate = is_of_another_try(entry, &one.draft);
            let made = made_of(&entry.change);
            one.answer(Ok(Outcome { duplicate, made }), out);
            self.lately.keep(&[entry.clone()].into());
        } else {
            one.answer(Err(Code::ClientIdConflict.into()), out);
        }
        Some(one.accepted)
    }

    /// The writer sends a draft back: it makes no entry of it, now or later. Whether it has one already this node finds out.
    pub(crate) fn sent_back(
        &mut self,
        draft: (UserId, ClientId),
        at: Moment,
        out: &mut Vec<LaneEffect>,
    ) {
        let waiting = self.step.waiting_mut().iter_mut();
        let mut all = waiting.chain(&mut self.queue);
        if let Some(one) = all.find(|one| one.handed && name(&one.draft) == draft) {
            (one.alone, one.unclear, one.handed) = (true, false, false);
        }
        self.go_on(at, out);
    }

    /// Goes on when all that was handed over is answered or sent back.
    pub(super) fn go_on(&mut self, at: Moment, out: &mut Vec<LaneEffect>) {
        if let Step::Handed { waiting, .. } = &self.step
            && waiting.iter().all(|one| one.alone)
        {
            self.take_back(at, out);
        }
    }

    /// The log has not answered in time.
    pub(super) fn hears_nothing(&mut self, at: Moment, out: &mut Vec<LaneEffect>) {
        self.contest.not_before = at.now + SILENCE_MILLIS;
        out.push(LaneEffect::NotWritten);
        self.take_back(at, out);
    }

    fn take_back(&mut self, at: Moment, out: &mut Vec<LaneEffect>) {
        if let Step::Handed { waiting, .. } = std::mem::replace(&mut self.step, Step::Idle) {
            for mut one in waiting.into_iter().rev() {
                one.alone = true;
                self.queue.push_front(one);
            }
            self.advance(at, out);
        }
    }
}

impl Waiting {
    /// Refused by this node's picture, for good unless the writer may still store it.
    pub(super) fn refuse(&mut self, problem: Problem, out: &mut Vec<LaneEffect>) {
        let unknown = || Problem::new(Code::OutcomeUnknown).retry_after(1_000);
        let problem = if self.handed { unknown() } else { problem };
        self.answer(Err(problem), out);
    }
}

fn name(draft: &Draft) -> (UserId, ClientId) {
    (draft.actor, draft.key)
}

fn is_of_another_try(entry: &Entry, draft: &Draft) -> bool {
    use protocol::entry::Change::Said;
    matches!((&entry.change, &draft.intent), (Said { message }, Intent::Say { id, .. }) if message.id != *id)
}

/// About how many bytes it has as JSON.
fn weight(draft: &Draft) -> usize {
    const MORE: usize = 200;
    MORE + match &draft.intent {
        Intent::Say { text, meta, .. } => text.len() + Meta::bytes(meta.as_ref()),
        Intent::Edit { text, .. } => text.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn rooms_are_dealt_evenly_and_a_node_that_goes_leaves_the_others_theirs() {
        let nodes = [0x1111, 0x2222, 0x3333, 0x4444].map(NodeId);
        let mut written = BTreeMap::<NodeId, u32>::new();
        for n in 0..4_000 {
            let room = RoomId(Uuid::from_u128(n));
            let writer = writer_of(room, &nodes).unwrap();
            *written.entry(writer).or_default() += 1;
            let rest: Vec<NodeId> = nodes.into_iter().filter(|one| *one != nodes[0]).collect();
            if writer != nodes[0] {
                assert_eq!(writer_of(room, &rest), Some(writer));
            }
        }
        assert_eq!(written.len(), 4);
        assert!(
            written.values().all(|rooms| (900..1_100).contains(rooms)),
            "{written:?}"
        );
        assert_eq!(writer_of(RoomId(Uuid::nil()), &[]), None);
    }
}

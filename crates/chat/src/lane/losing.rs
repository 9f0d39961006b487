//! Losing a place to another node, and hearing to what: then the store is not asked.
//!
//! A place of the log is taken once and for ever. Whoever hears another's entry at the first place that a batch claims
//! (by a hint, which is published when it is acknowledged, or by a read) knows that the batch is not stored and never
//! will be, whatever became of its tries. Its drafts are judged anew behind what was heard, as after a look at the store.

use protocol::entry::Entry;
use protocol::room::Head;

use super::{Batch, Lane, LaneEffect, Moment, Step, Then};

/// How long the winner's hint is waited for, as a multiple of the time that the store took to refuse us: it takes two more
/// steps for the winner's acknowledgement, and the hint goes out behind that.
const HEAR_TIMES: u64 = 4;
/// And its bounds. A hint that is lost is made good within the longer one, a repeat of what is stored waits the shorter one.
const HEAR_MILLIS: std::ops::RangeInclusive<u64> = 30..=500;
/// Entries that are kept; those behind them are lost races of their own.
const HEARD_MAX: usize = 256;

/// Others' entries from the first place on that a batch of ours claims.
#[derive(Debug, Default)]
pub(super) struct Overheard(Vec<Entry>);

impl Overheard {
    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Keeps what is next behind `base`.
    pub(super) fn note(&mut self, base: Head, entry: &Entry) {
        if self.0.len() < HEARD_MAX && entry.seq == base.seq + 1 + self.0.len() as u64 {
            self.0.push(entry.clone());
        }
    }

    /// Whether this shows that a batch is not stored. Not if one of its drafts is among what was heard: a try of it whose
    /// answer was lost, or its repeat on another node.
    fn refutes(&self, batch: &Batch) -> bool {
        let of_batch = |heard: &Entry| {
            let mut own = batch.entries.iter();
            own.any(|entry| (entry.actor, entry.key) == (heard.actor, heard.key))
        };
        !self.0.is_empty() && !self.0.iter().any(of_batch)
    }
}

impl Lane {
    /// The store has refused a batch as standing against something.
    pub(super) fn lost(&mut self, batch: Batch, at: Moment, out: &mut Vec<LaneEffect>) {
        if self.overheard.refutes(&batch) && !batch.changes_room {
            self.give_way(batch, at, out);
        } else if at.hears && !batch.changes_room && self.overheard.0.is_empty() {
            let took = at.now.saturating_sub(batch.sent);
            self.step = Step::Hearing {
                until: at.now + (HEAR_TIMES * took).clamp(*HEAR_MILLIS.start(), *HEAR_MILLIS.end()),
                batch,
            };
        } else {
            self.look_up(batch, out);
        }
    }

    /// What was offered to [`Lane::follow`] may be what a lost batch waits for.
    pub(crate) fn heard(&mut self, at: Moment, out: &mut Vec<LaneEffect>) {
        self.go_on(at, out);
        if matches!(self.step, Step::Hearing { .. })
            && !self.overheard.0.is_empty()
            && let Step::Hearing { batch, .. } = std::mem::replace(&mut self.step, Step::Idle)
        {
            self.lost(batch, Moment { hears: false, ..at }, out);
        }
    }

    fn give_way(&mut self, batch: Batch, at: Moment, out: &mut Vec<LaneEffect>) {
        self.loaded.clear();
        if let Some(state) = &mut self.state {
            // Of our own batch the picture had only taken the head, which goes to the last of these.
            for entry in &self.overheard.0 {
                state.apply(entry);
            }
        }
        self.overheard.clear();
        for one in batch.waiting.into_iter().rev() {
            self.queue.push_front(one);
        }
        self.tries += 1;
        self.contest.lost(at.now);
        if self.tries == 1 {
            return self.advance(at, out);
        }
        self.stand_back(at.now);
    }

    /// Another try after a short while, of another length on each node that has lost the same race.
    pub(super) fn stand_back(&mut self, now: u64) {
        let first = self.queue.front().map_or(0, |one| one.draft.digest());
        self.step = Step::Pausing {
            until: now + (first % (4 << self.tries.min(6))).max(1),
            then: Then::Open,
        };
    }
}

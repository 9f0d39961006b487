//! What a home gives on: entries that are in the log, to this node's hubs, to the other nodes and to whoever asked.

use std::sync::Arc;

use protocol::entry::{Change, Entry, Hint};
use protocol::message::Seq;
use protocol::room::Head;

use super::{Doing, Home};
use crate::{Effect, Gap, HubId, Notice, Now, Told, Turn};

/// Turns kept for sockets that lag a little: most of those who reconnect missed less.
const TAIL_MAX: usize = 128;
/// When a head is said again after a commit, so that a lost hint costs 2 s at most.
const ANNOUNCE_MILLIS: [u64; 3] = [250, 1_000, 2_000];
/// All rooms' heads are said again at whole multiples of this, on this node's clock: many in one write, which wakes the bus
/// and the other nodes once.
const BEAT_MILLIS: u64 = 50;
/// Entries that travel in a hint, and about how many bytes of them: what a busy room commits at once. What is larger is read
/// from the store by those who need it.
const HINT_ENTRIES_MAX: usize = 256;
const HINT_BYTES_MAX: usize = 256 * 1024;
/// A batch that is not ours.
pub(super) const NONE_OWN: Own<'_> = Own {
    first: 0,
    accepted: &[],
};

/// What of some entries was made here, and when each was accepted.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) first: Seq,
    pub(super) accepted: &'a [u64],
}

impl Own<'_> {
    fn accepted_at(self, seq: Seq) -> Option<u64> {
        let at = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.accepted.get(at).copied()
    }
}

impl Home {
    /// Own entries are in the log: this node hears them directly, the others by a hint.
    pub(super) fn committed(
        &mut self,
        now: Now,
        entries: &Arc<[Entry]>,
        accepted: &[u64],
        doing: &mut Doing<'_>,
    ) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        for entry in entries.iter() {
            if let Change::Joined { member } = &entry.change {
                doing.tell_person(member.user_id, Told::AddedTo { room: self.room });
                if doing.ways.cluster {
                    doing.publish_added(member.user_id, self.room);
                    self.busy.get_or_insert_default().added.push(member.user_id);
                }
            }
        }
        let own = Own {
            first: first.seq,
            accepted,
        };
        self.deliver(now, entries.to_vec(), own, doing);
        if doing.ways.cluster {
            let busy = self.busy.get_or_insert_default();
            let on_the_beat = |millis: &u64| (now.mono + millis) / BEAT_MILLIS * BEAT_MILLIS;
            busy.announce = ANNOUNCE_MILLIS.iter().map(on_the_beat).collect();
            busy.wrote = last.seq;
            // A whole batch or none of it: what a hint ends with is where a store may put the next batch.
            let bytes: usize = entries.iter().map(Entry::weight).sum();
            let whole = entries.len() <= HINT_ENTRIES_MAX && bytes <= HINT_BYTES_MAX;
            let entries = if whole { entries.to_vec() } else { Vec::new() };
            self.publish((last.seq, last.n), entries, doing);
        }
    }

    /// Another node has said that the log goes on: from now on it says so again, and this one does not have to. Who was
    /// added is said by this one alone.
    pub(super) fn leave_announcing(&mut self, ends_at: Seq) {
        if let Some(busy) = &mut self.busy
            && busy.wrote < ends_at
            && busy.added.is_empty()
        {
            busy.announce.clear();
        }
    }

    /// Says where the log ends.
    pub(super) fn announce(&self, doing: &mut Doing<'_>) {
        let n = self.busy.as_ref().map_or(0, |busy| busy.last_n);
        self.publish((self.position(), n), Vec::new(), doing);
    }

    fn publish(&self, (seq, n): (Seq, u64), entries: Vec<Entry>, doing: &mut Doing<'_>) {
        let Some(epoch) = self.epoch else { return };
        let hint = Hint {
            room: self.room,
            head: Head { epoch, seq, n },
            entries,
        };
        doing.out.push(Effect::Publish(Box::new(hint)));
    }

    /// Says again who was added, as long as heads are said again: a lost word costs them 2 s at most.
    pub(super) fn announce_added(&mut self, doing: &mut Doing<'_>) {
        let Some(busy) = &mut self.busy else { return };
        for user in &busy.added {
            doing.publish_added(*user, self.room);
        }
        if busy.announce.is_empty() {
            busy.added = Vec::new();
        }
    }

    /// Offers entries to the timeline; what is next goes to every hub that listens. `own` were made here.
    pub(super) fn deliver(
        &mut self,
        now: Now,
        entries: Vec<Entry>,
        own: Own<'_>,
        doing: &mut Doing<'_>,
    ) {
        let Some(epoch) = self.epoch else { return };
        let (mut turns, mut effects) = (Vec::new(), Vec::new());
        for entry in entries {
            if entry.seq <= self.position() {
                self.check_twin(&entry, doing);
                continue;
            }
            for next in self.timeline.offer(entry, now.mono) {
                let busy = self.busy.get_or_insert_default();
                let accepted = own
                    .accepted_at(next.seq)
                    .or_else(|| busy.lane.follow(&next, now.mono, &mut effects));
                if doing.ways.cluster
                    && doing.ways.limits
                    && accepted.is_none()
                    && is_paced(&next.change)
                {
                    // Made on another node: it costs its sender here, too, so that a pace holds over all nodes.
                    let age = now.wall.0.saturating_sub(next.at.0);
                    let age = u64::try_from(age).unwrap_or(0);
                    busy.paces.charge(next.actor, now.mono, age);
                }
                busy.last_n = next.n;
                let key = next.key;
                let turn = Turn::of(self.room, next, accepted);
                if busy.tail.len() == TAIL_MAX {
                    busy.tail.pop_front();
                }
                busy.tail.push_back((key, turn.clone()));
                turns.push(turn);
            }
        }
        let at = self.moment(now, doing);
        if let Some(busy) = &mut self.busy {
            busy.lane.heard(at, &mut effects);
            self.perform(now, effects, doing);
        }
        if let Some(millis) = self.timeline.repaired() {
            doing.out.push(Effect::Gap(Gap::Repaired { millis }));
        }
        if !turns.is_empty() && self.hubs != 0 {
            self.tell_hubs(
                Notice::Live {
                    room: self.room,
                    epoch,
                    turns: turns.into(),
                },
                doing,
            );
        }
        self.read(now, doing);
    }

    /// A place is taken once: two bodies for one place mean that the store or the bus lies.
    pub(super) fn check_twin(&self, entry: &Entry, doing: &mut Doing<'_>) {
        let Some(busy) = &self.busy else { return };
        let known = busy.tail.iter().find(|(_, turn)| turn.seq == entry.seq);
        if known.is_some_and(|(key, _)| *key != entry.key) {
            doing.out.push(Effect::Diverged {
                room: self.room,
                seq: entry.seq,
            });
        }
    }

    pub(super) fn tell_hubs(&self, notice: Notice, doing: &mut Doing<'_>) {
        for hub in (0..64).filter(|hub| self.hubs & (1 << hub) != 0) {
            doing.out.push(Effect::ToHub {
                hub: HubId(hub),
                notice: notice.clone(),
            });
        }
    }
}

/// Whether a change costs its actor of their pace, as its intent did.
fn is_paced(change: &Change) -> bool {
    matches!(
        change,
        Change::Said { .. }
            | Change::Edited { .. }
            | Change::Deleted { .. }
            | Change::Reacted { .. }
    )
}

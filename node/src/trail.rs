//! What became of the last entries on this node, step by step, for `GET /v1/admin/trace/{msgId}`.
//!
//! Each shard keeps a ring of its own on its own thread: no lock, a bounded size, and a note a step of a message — never
//! one a delivery. An entry is known by its `key`, which its sender chose (`clientId`), which stands in the log and in every
//! hint, and which is 16 bytes: that is its trace id, on every node and in every version, and nothing more travels.

use std::collections::HashMap;

use protocol::entry::{Change, Entry};
use protocol::ids::{ClientId, MessageId, RoomId};
use protocol::message::Seq;
use protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Entries of which a shard remembers the way; what is older is overwritten.
pub(crate) const TRAILS_MAX: usize = 1_024;
/// Steps of one entry; a batch that is tried for minutes must not grow without bound.
const NOTES_MAX: usize = 16;

/// A step on the way of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Its sender's node took it from the sender.
    Accepted,
    /// It has its place and was handed to the store; again for each try of its batch.
    Appending,
    /// The store has acknowledged it.
    Committed,
    /// It was given to the bus for the other nodes.
    Published,
    /// It came from another node by the bus.
    Heard,
    /// It was written to the sockets that are live in the room, on one shard.
    Written,
}

/// When a step was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// The step.
    pub step: Step,
    /// When, in microseconds since 1970 by the node's clock; `accepted` is known to the millisecond only.
    pub at_micros: i64,
    /// On which of the node's shards.
    pub shard: u8,
    /// To how many sockets, of `written`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<u32>,
}

/// What a shard or a node knows of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trail {
    /// Its trace id: its sender's `clientId`.
    pub trace_id: ClientId,
    /// The message that it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    /// Its place in the room's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// In the order of time.
    pub steps: Vec<Taken>,
}

/// By what an entry is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The message that it said.
    Message(MessageId),
    /// Its trace id.
    Trace(ClientId),
}

/// Puts together what several shards know; `None` when none knows anything.
pub(crate) fn merged(trails: impl IntoIterator<Item = Trail>) -> Option<Trail> {
    let mut trails = trails.into_iter();
    let mut all = trails.next()?;
    for trail in trails {
        all.message_id = all.message_id.or(trail.message_id);
        all.room_id = all.room_id.or(trail.room_id);
        all.seq = all.seq.or(trail.seq);
        all.steps.extend(trail.steps);
    }
    // Nothing comes before the acceptance, whatever was done to the clock meanwhile.
    all.steps
        .sort_by_key(|taken| (taken.step != Step::Accepted, taken.at_micros));
    Some(all)
}

/// A shard's ring. The oldest place is taken over by whatever is new, with its memory.
#[derive(Default)]
pub(crate) struct Trails {
    ring: Vec<Way>,
    next: usize,
    by_key: HashMap<ClientId, usize>,
}

struct Way {
    key: ClientId,
    message: Option<MessageId>,
    place: Option<(RoomId, Seq)>,
    accepted: Option<Timestamp>,
    notes: Vec<Note>,
}

#[derive(Clone, Copy)]
struct Note {
    step: Step,
    /// By the monotonic clock.
    micros: u64,
    sockets: Option<u32>,
}

impl Trails {
    /// Notes a step of an entry that is at hand.
    pub(crate) fn note(&mut self, room: RoomId, entry: &Entry, step: Step, micros: u64) {
        let way = self.way(entry.key);
        way.place = Some((room, entry.seq));
        way.accepted = Some(entry.at);
        if let Change::Said { message } = &entry.change {
            way.message = Some(message.id);
        }
        way.add(step, micros, None);
    }

    /// Whether anything was noted of an entry.
    pub(crate) fn is_known(&self, key: ClientId) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Notes that an entry was written to so many sockets.
    pub(crate) fn written(&mut self, key: ClientId, micros: u64, sockets: usize) {
        let sockets = u32::try_from(sockets).unwrap_or(u32::MAX);
        self.way(key).add(Step::Written, micros, Some(sockets));
    }

    /// What is known of an entry. `now` is the present by both clocks, in microseconds.
    pub(crate) fn find(&self, wanted: Wanted, shard: u8, now: (u64, i64)) -> Option<Trail> {
        let way = match wanted {
            Wanted::Trace(key) => self.ring.get(*self.by_key.get(&key)?)?,
            Wanted::Message(id) => self.ring.iter().find(|way| way.message == Some(id))?,
        };
        let (mono, wall) = now;
        let accepted = way.accepted.map(|at| Taken {
            step: Step::Accepted,
            at_micros: at.0.saturating_mul(1_000),
            shard,
            sockets: None,
        });
        // Only where it was made: elsewhere it is hearsay.
        let made_here = way.notes.iter().any(|note| note.step == Step::Appending);
        let taken = |note: &Note| Taken {
            step: note.step,
            at_micros: wall.saturating_sub_unsigned(mono.saturating_sub(note.micros)),
            shard,
            sockets: note.sockets,
        };
        let steps = accepted.filter(|_| made_here).into_iter();
        Some(Trail {
            trace_id: way.key,
            message_id: way.message,
            room_id: way.place.map(|(room, _)| room),
            seq: way.place.map(|(_, seq)| seq),
            steps: steps.chain(way.notes.iter().map(taken)).collect(),
        })
    }

    fn way(&mut self, key: ClientId) -> &mut Way {
        let at = match self.by_key.get(&key) {
            Some(at) => *at,
            None => self.begin(key),
        };
        &mut self.ring[at]
    }

    fn begin(&mut self, key: ClientId) -> usize {
        let at = self.next;
        self.next = (at + 1) % TRAILS_MAX;
        if let Some(old) = self.ring.get_mut(at) {
            self.by_key.remove(&old.key);
            old.notes.clear();
            (old.key, old.message, old.place, old.accepted) = (key, None, None, None);
        } else {
            self.ring.push(Way {
                key,
                message: None,
                place: None,
                accepted: None,
                notes: Vec::with_capacity(4),
            });
        }
        self.by_key.insert(key, at);
        at
    }
}

impl Way {
    fn add(&mut self, step: Step, micros: u64, sockets: Option<u32>) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(Note {
                step,
                micros,
                sockets,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::UserId;
    use uuid::Uuid;

    use super::*;

    const ROOM: RoomId = RoomId(Uuid::from_u128(1));

    fn entry(n: u64) -> Entry {
        Entry {
            seq: n,
            n: 0,
            at: Timestamp(5),
            actor: UserId(Uuid::nil()),
            key: ClientId(Uuid::from_u128(u128::from(n))),
            digest: 0,
            change: Change::RoomDeleted,
        }
    }

    #[test]
    fn a_way_is_told_in_wall_time_and_only_its_maker_says_when_it_was_accepted() {
        let mut trails = Trails::default();
        trails.note(ROOM, &entry(7), Step::Appending, 100);
        trails.note(ROOM, &entry(7), Step::Committed, 250);
        trails.written(entry(7).key, 300, 12);
        let found = trails
            .find(Wanted::Trace(entry(7).key), 3, (1_000, 9_000))
            .unwrap();
        let times: Vec<_> = found
            .steps
            .iter()
            .map(|one| (one.step, one.at_micros))
            .collect();
        assert_eq!(
            times,
            [
                (Step::Accepted, 5_000),
                (Step::Appending, 8_100),
                (Step::Committed, 8_250),
                (Step::Written, 8_300),
            ]
        );
        assert_eq!((found.seq, found.steps[3].sockets), (Some(7), Some(12)));
        trails.note(ROOM, &entry(8), Step::Heard, 400);
        let heard = trails
            .find(Wanted::Trace(entry(8).key), 3, (1_000, 9_000))
            .unwrap();
        assert_eq!(heard.steps.len(), 1);
    }

    #[test]
    fn the_ring_forgets_the_oldest_and_bounds_every_way() {
        let mut trails = Trails::default();
        for n in 0..TRAILS_MAX as u64 + 10 {
            trails.note(ROOM, &entry(n), Step::Heard, n);
        }
        assert!(!trails.is_known(entry(9).key));
        assert!(trails.is_known(entry(10).key));
        assert_eq!(trails.by_key.len(), TRAILS_MAX);
        for _ in 0..100 {
            trails.note(ROOM, &entry(20), Step::Appending, 0);
        }
        let found = trails
            .find(Wanted::Trace(entry(20).key), 0, (0, 0))
            .unwrap();
        assert!(found.steps.len() <= NOTES_MAX + 1);
    }
}

//! Putting a batch behind the head that its sender knows: see the argument at the top of the store.
//!
//! One attempt of ours a call. The places that this process knows a majority to have are kept in [`Heads`]: what is in a
//! log stays there, so a place once known never turns false, and the usual append is one insert.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use protocol::entry::{Change, Entry};
use protocol::ids::RoomId;
use protocol::message::{SEQ_MAX, Seq};
use protocol::room::{Epoch, Head};

use super::Mongo;
use super::docs::{BATCH_MAX, BatchDoc, EntryDoc, RoomDoc, count, id, key_of, place, stored};
use super::failure::Failure;
use super::ops::Call;
use crate::{Append, AppendError, StoreError};

/// Bytes of bodies in one batch: a document holds 16 MiB.
const BATCH_BYTES: usize = 12 << 20;

/// Rooms whose place is remembered; beyond it all are forgotten and read again. About 10 MiB.
const ROOMS_MAX: usize = 100_000;

/// The end of a batch that a majority has, or of an empty log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
    pub(super) n: u64,
    /// The room's latest message and the first place of its batch, or zeros; who only heard of a place does not know.
    pub(super) said: Option<(Seq, Seq)>,
    /// Nothing may follow.
    pub(super) end: bool,
}

impl Place {
    pub(super) fn empty(epoch: Epoch) -> Self {
        Self {
            epoch,
            seq: 0,
            n: 0,
            said: Some((0, 0)),
            end: false,
        }
    }

    pub(super) fn of_room(doc: &RoomDoc) -> Result<Self, StoreError> {
        Ok(Self {
            epoch: doc.epoch(),
            seq: count(doc.seq)?,
            n: count(doc.n)?,
            said: Some((count(doc.said)?, count(doc.said_in)?)),
            end: doc.deleted,
        })
    }

    pub(super) fn leads_to(&self, epoch: Epoch, first: Seq) -> bool {
        self.epoch == epoch && self.seq.checked_add(1) == Some(first)
    }
}

/// Places up to which the projections have come, by room.
#[derive(Default)]
pub(super) struct Heads(Mutex<HashMap<RoomId, Place>>);

impl Heads {
    fn get(&self, room: RoomId) -> Option<Place> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&room)
            .copied()
    }

    pub(super) fn set(&self, room: RoomId, place: Place) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ROOMS_MAX && !known.contains_key(&room) {
            known.clear();
        }
        known.insert(room, place);
    }

    /// A place that somebody else has said to be acknowledged, if it is beyond what is known.
    pub(super) fn hear(&self, room: RoomId, head: Head) {
        let known = self.get(room);
        if known.is_none_or(|known| known.epoch != head.epoch || known.seq < head.seq) {
            let place = Place {
                epoch: head.epoch,
                seq: head.seq,
                n: head.n,
                said: None,
                end: false,
            };
            self.set(room, place);
        }
    }
}

/// The batch that these entries make behind a place, or why they do not fit there.
pub(super) fn batch_behind(
    before: &Place,
    room: RoomId,
    entries: &[Entry],
) -> Result<BatchDoc, AppendError> {
    let unfit = |why: &str| Err(AppendError::Unavailable(why.into()));
    let Some(first) = entries.first() else {
        return unfit("an empty batch has no place");
    };
    if entries.len() > BATCH_MAX {
        return unfit("a batch has at most 256 entries");
    }
    let mut after = *before;
    let mut keys = HashSet::new();
    let mut batch = BatchDoc {
        id: place(room, before.epoch, first.seq),
        room: id(room.0),
        epoch: before.epoch.0.cast_signed(),
        first: stored(first.seq),
        last: 0,
        n: 0,
        said_n: None,
        said: 0,
        said_in: 0,
        end: false,
        keys: Vec::with_capacity(entries.len()),
        messages: Vec::new(),
        entries: Vec::with_capacity(entries.len()),
    };
    let mut bytes = 0;
    for entry in entries {
        if entry.seq > SEQ_MAX {
            return unfit("the room's log is full: seq would pass 2^53 - 1");
        }
        let said = matches!(entry.change, Change::Said { .. });
        if after.end
            || entry.seq != after.seq + 1
            || entry.n != after.n + u64::from(said)
            || !keys.insert((entry.actor, entry.key))
        {
            return Err(AppendError::Conflict);
        }
        (after.seq, after.n) = (entry.seq, entry.n);
        match &entry.change {
            Change::Said { message } => {
                after.said = Some((entry.seq, first.seq));
                batch.said_n = Some(stored(entry.n));
                batch.messages.push(id(message.id.0));
            }
            Change::RoomDeleted => after.end = true,
            _ => {}
        }
        let written = EntryDoc::of(room, entry);
        bytes += written.body.bytes.len();
        batch.keys.push(key_of(entry.actor, entry.key));
        batch.entries.push(written);
    }
    if bytes > BATCH_BYTES {
        return unfit("a batch has at most 12 MiB");
    }
    (batch.last, batch.n, batch.end) = (stored(after.seq), stored(after.n), after.end);
    let (said, said_in) = after.said.ok_or(AppendError::Conflict)?;
    (batch.said, batch.said_in) = (stored(said), stored(said_in));
    Ok(batch)
}

/// Why a batch is refused whose place is taken, or that has none: what cannot be stored anywhere is told as such.
pub(super) fn no_place(room: RoomId, epoch: Epoch, entries: &[Entry]) -> AppendError {
    let nowhere = Place {
        seq: entries
            .first()
            .map_or(0, |entry| entry.seq)
            .saturating_sub(1),
        ..Place::empty(epoch)
    };
    match batch_behind(&nowhere, room, entries) {
        Err(unfit @ AppendError::Unavailable(_)) => unfit,
        _ => AppendError::Conflict,
    }
}

/// What this process knows about the place of a batch.
pub(super) enum Whereabouts {
    /// It would follow this one.
    Behind(Place),
    /// Something is there already.
    Taken,
    /// The store must be asked.
    Unknown,
}

impl Mongo {
    /// Appends one batch by operations of its own.
    pub(super) async fn append_alone(&self, call: &Call, batch: Append) -> Result<(), AppendError> {
        let Append {
            room,
            epoch,
            entries,
        } = batch;
        let before = match self.place_before(call, room, epoch, &entries).await {
            Ok(Some(place)) => place,
            Ok(None) => return Err(no_place(room, epoch, &entries)),
            // Nothing was sent that changes anything.
            Err(error) => return Err(AppendError::Unavailable(error.to_string())),
        };
        let batch = batch_behind(&before, room, &entries)?;
        match self.insert_batch(call, &batch).await {
            Ok(()) => {}
            Err(failure) => return Err(failure.of_append()),
        }
        // Stored, and acknowledged when it shows in every reading. Until then whoever looks the keys up does the rest.
        let unknown = |error: StoreError| AppendError::Unknown(error.to_string());
        let moved = self
            .project(call, room, &batch, false)
            .await
            .map_err(unknown)?;
        if moved {
            self.heads.set(room, end_of(&batch).map_err(unknown)?);
        } else {
            self.caught_up(call, room).await.map_err(unknown)?;
        }
        Ok(())
    }

    pub(super) async fn insert_batch(&self, call: &Call, batch: &BatchDoc) -> Result<(), Failure> {
        let (entries, batch) = (self.db.entries.clone(), batch.clone());
        call.write(async move { entries.insert_one(batch).await.map(drop) })
            .await
    }

    /// The place that this batch would follow, if a majority has it and the projections have come there.
    async fn place_before(
        &self,
        call: &Call,
        room: RoomId,
        epoch: Epoch,
        entries: &[Entry],
    ) -> Result<Option<Place>, StoreError> {
        if let Whereabouts::Behind(place) = self.whereabouts(room, epoch, entries) {
            return Ok(Some(place));
        }
        let doc = match self.caught_up(call, room).await {
            Ok(doc) => doc,
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let place = Place::of_room(&doc)?;
        self.heads.set(room, place);
        let first = entries.first().map_or(0, |entry| entry.seq);
        Ok(Some(place).filter(|place| place.leads_to(epoch, first)))
    }

    /// Without asking. A place that is known never turns false, so a taken one stays taken.
    pub(super) fn whereabouts(&self, room: RoomId, epoch: Epoch, entries: &[Entry]) -> Whereabouts {
        let first = entries.first().map_or(0, |entry| entry.seq);
        let says = |entry: &Entry| matches!(entry.change, Change::Said { .. });
        match self.heads.get(room) {
            // What is silent must name the room's latest message.
            Some(place)
                if place.leads_to(epoch, first)
                    && (place.said.is_some() || entries.iter().any(says)) =>
            {
                Whereabouts::Behind(place)
            }
            Some(place) if place.epoch == epoch && place.seq >= first => Whereabouts::Taken,
            _ => Whereabouts::Unknown,
        }
    }
}

pub(super) fn end_of(batch: &BatchDoc) -> Result<Place, StoreError> {
    Ok(Place {
        epoch: Epoch(batch.epoch.cast_unsigned()),
        seq: count(batch.last)?,
        n: count(batch.n)?,
        said: Some((count(batch.said)?, count(batch.said_in)?)),
        end: batch.end,
    })
}

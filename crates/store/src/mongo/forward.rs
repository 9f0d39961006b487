//! Carrying a room's projections to the end of its log, by whoever comes by.
//!
//! The process that inserted a batch may die before it has projected it. Nobody was told of the batch then, so nothing
//! shows too little; but from the moment on at which somebody is told, by an acknowledgement, a lookup or a page of the
//! log, everything must show it. Those calls come through here first. When nothing is missing that costs one question
//! with an empty answer.

use protocol::ids::RoomId;

use super::Mongo;
use super::append::{Place, batch_behind, end_of};
use super::docs::{BATCH_MAX, EntryDoc, RoomDoc, count};
use super::failure::Failure;
use super::ops::Call;
use crate::{AppendError, StoreError};

/// Entries and bytes of their bodies that are read at once.
const FORWARD: (usize, usize) = (BATCH_MAX, 4 << 20);

impl Mongo {
    /// The room, with everything that its log held when this was called. `NotFound` when there never was such a room.
    pub(super) async fn caught_up(&self, call: &Call, room: RoomId) -> Result<RoomDoc, StoreError> {
        // Others may be faster at any step; the call's deadline ends this in any case.
        loop {
            let doc = self
                .room_doc(call, room)
                .await?
                .ok_or(StoreError::NotFound)?;
            if let Some(founding) = &doc.founding {
                self.found(call, &doc, founding).await?;
                continue;
            }
            let missing = self
                .batches_above(call, (room, doc.epoch()), count(doc.seq)?, FORWARD)
                .await?;
            if missing.is_empty() {
                return Ok(doc);
            }
            for batch in &missing {
                if !self.project(call, room, batch, false).await? {
                    break;
                }
            }
        }
    }

    /// Writes the entries that make a room into its log. Every step may have been done already, by the process that made
    /// the room or by another that found it so.
    pub(super) async fn found(
        &self,
        call: &Call,
        doc: &RoomDoc,
        founding: &[EntryDoc],
    ) -> Result<(), StoreError> {
        let room = doc.room_id();
        let done = count(doc.seq)?;
        let mut before = Place::empty(doc.epoch());
        for chunk in founding.chunks(BATCH_MAX) {
            let entries = (before.seq + 1..)
                .zip(chunk)
                .map(|(seq, entry)| entry.entry(room, seq))
                .collect::<Result<Vec<_>, _>>()?;
            let batch = batch_behind(&before, room, &entries).map_err(|error| match error {
                AppendError::Conflict => StoreError::Corrupt(format!("{room} cannot be founded")),
                AppendError::Unavailable(why) | AppendError::Unknown(why) => {
                    StoreError::Unavailable(why)
                }
            })?;
            before = end_of(&batch)?;
            if before.seq <= done {
                continue;
            }
            match self.insert_batch(call, &batch).await {
                Ok(()) | Err(Failure::Duplicate) => {}
                Err(failure) => return Err(failure.of_write()),
            }
            let whole = before.seq as usize == founding.len();
            if !self.project(call, room, &batch, whole).await? {
                break;
            }
        }
        Ok(())
    }
}

//! The few questions that many calls ask.

use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Binary, Document, doc};
use protocol::ids::{MessageId, RoomId};
use protocol::message::Seq;
use protocol::room::Epoch;
use serde::de::DeserializeOwned;

use super::Mongo;
use super::docs::{BATCH_MAX, BatchDoc, RoomDoc, VersionDoc, count, id, stored};
use super::ops::Call;
use crate::StoreError;

/// Values in one `$in`, so that no question grows without bound.
pub(super) const IN_MAX: usize = 500;
/// Documents that a server puts into its first answer; it would be 101, and each question for more another operation.
const BATCH_DOCS: u32 = 1_000;

impl Call {
    pub(super) async fn find<T>(
        &self,
        collection: &Collection<T>,
        filter: Document,
    ) -> Result<Vec<T>, StoreError>
    where
        T: DeserializeOwned + Unpin + Send + Sync + 'static,
    {
        let collection = collection.clone();
        self.read(async move {
            let found = collection.find(filter).batch_size(BATCH_DOCS).await?;
            found.try_collect().await
        })
        .await
    }

    pub(super) async fn find_one<T>(
        &self,
        collection: &Collection<T>,
        filter: Document,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Unpin + Send + Sync + 'static,
    {
        let collection = collection.clone();
        self.read(async move { collection.find_one(filter).await })
            .await
    }

    /// Documents by id, in no particular order.
    pub(super) async fn by_ids<T, I>(
        &self,
        collection: &Collection<T>,
        ids: Vec<I>,
    ) -> Result<Vec<T>, StoreError>
    where
        T: DeserializeOwned + Unpin + Send + Sync + 'static,
        I: Into<mongodb::bson::Bson> + Clone,
    {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IN_MAX) {
            let ids: Vec<mongodb::bson::Bson> = ids.iter().cloned().map(Into::into).collect();
            found.extend(
                self.find(collection, doc! { "_id": { "$in": ids } })
                    .await?,
            );
        }
        Ok(found)
    }
}

/// The batches that end above a place and hold the next so many entries. Both bounds of the range are given: places
/// are dense, and some servers read a whole range to sort it.
pub(super) fn above(room: RoomId, epoch: Epoch, after: Seq, entries: usize) -> Document {
    let upto = stored(after).saturating_add((entries + BATCH_MAX) as i64);
    doc! {
        "room": id(room.0),
        "epoch": epoch.0.cast_signed(),
        "last": { "$gt": stored(after), "$lte": upto },
    }
}

impl Mongo {
    pub(super) async fn room_doc(
        &self,
        call: &Call,
        room: RoomId,
    ) -> Result<Option<RoomDoc>, StoreError> {
        call.find_one(&self.db.rooms, doc! { "_id": id(room.0) })
            .await
    }

    /// Batches in order that end above a place, at most `most` of them and not many more entries than `entries_max`
    /// or `bytes_max` of text.
    pub(super) async fn batches_above(
        &self,
        call: &Call,
        (room, epoch): (RoomId, Epoch),
        after: Seq,
        (entries_max, bytes_max): (usize, usize),
    ) -> Result<Vec<BatchDoc>, StoreError> {
        let most = entries_max.min(crate::rules::LIMIT_MAX);
        let filter = above(room, epoch, after, most);
        let entries = self.db.entries.clone();
        call.read(async move {
            let mut found = entries
                .find(filter)
                .sort(doc! { "last": 1 })
                .limit(i64::try_from(most.max(1)).unwrap_or(i64::MAX))
                .await?;
            let (mut batches, mut taken, mut bytes) = (Vec::new(), 0, 0);
            while taken < most
                && bytes <= bytes_max
                && let Some(batch) = found.try_next().await?
            {
                let above = usize::try_from(batch.last.saturating_sub(stored(after))).unwrap_or(0);
                let above = above.min(batch.entries.len());
                taken += above;
                bytes += batch.entries[batch.entries.len() - above..]
                    .iter()
                    .map(|entry| entry.body.bytes.len())
                    .sum::<usize>();
                batches.push(batch);
            }
            Ok(batches)
        })
        .await
    }

    /// How many messages there were with the entry at this place; the caller knows that it is there, or 0.
    pub(super) async fn n_at(
        &self,
        call: &Call,
        room: RoomId,
        epoch: Epoch,
        seq: Seq,
    ) -> Result<u64, StoreError> {
        if seq == 0 {
            return Ok(0);
        }
        let batches = self
            .batches_above(call, (room, epoch), seq - 1, (1, 0))
            .await?;
        let entry = batches.first().and_then(|batch| batch.at(seq));
        let entry =
            entry.ok_or_else(|| StoreError::Corrupt(format!("{room} has no entry {seq}")))?;
        count(entry.n)
    }

    /// The batches that first said these messages.
    pub(super) async fn batches_of(
        &self,
        call: &Call,
        room: RoomId,
        ids: &[MessageId],
    ) -> Result<Vec<BatchDoc>, StoreError> {
        let mut found = Vec::new();
        for ids in ids.chunks(IN_MAX) {
            let ids: Vec<_> = ids.iter().map(|message| id(message.0)).collect();
            let filter = doc! { "room": id(room.0), "messages": { "$in": ids } };
            found.extend(call.find(&self.db.entries, filter).await?);
        }
        Ok(found)
    }

    pub(super) async fn versions_of(
        &self,
        call: &Call,
        places: Vec<Binary>,
    ) -> Result<Vec<VersionDoc>, StoreError> {
        call.by_ids(&self.db.versions, places).await
    }
}

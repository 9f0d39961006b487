//! Pages of logs: of one room, and of many in two questions.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use protocol::entry::Entry;
use protocol::ids::RoomId;
use protocol::message::Seq;

use super::Mongo;
use super::docs::{BatchDoc, RoomDoc, id, stored, uuid};
use super::ops::Call;
use super::read::above;
use crate::rules::{LIMIT_MAX, PAGE_BYTES, PAGES_BYTES};
use crate::{Page, StoreError};

/// Rooms in one question: each is a branch of it, which the server answers from the index `last`.
const BRANCHES_MAX: usize = 256;

impl Mongo {
    pub(super) async fn pages_together(
        &self,
        of: Vec<(RoomId, Seq)>,
        limit: usize,
    ) -> Result<Vec<Option<Page>>, StoreError> {
        let call = self.call();
        let ids = of.iter().map(|(room, _)| id(room.0)).collect();
        let docs = call.by_ids(&self.db.rooms, ids).await?;
        let docs: HashMap<RoomId, RoomDoc> =
            docs.into_iter().map(|doc| (doc.room_id(), doc)).collect();
        let mut branches = Vec::new();
        for (room, after) in &of {
            // Everything acknowledged is projected: nothing is above the head that must be shown.
            if let Some(doc) = docs.get(room).filter(|doc| doc.seq > stored(*after)) {
                branches.push(above(*room, doc.epoch(), *after, limit.min(LIMIT_MAX)));
            }
        }
        let mut batches = HashMap::new();
        let mut bytes = 0;
        for some in branches.chunks(BRANCHES_MAX) {
            if bytes <= PAGES_BYTES {
                let found = self.in_order(&call, some, PAGES_BYTES - bytes).await?;
                for batch in found {
                    bytes += bytes_of(&batch);
                    let room = RoomId(uuid(batch.room));
                    batches.entry(room).or_insert_with(Vec::new).push(batch);
                }
            }
        }
        of.iter()
            .map(|(room, after)| {
                let Some(doc) = docs.get(room).filter(|doc| doc.founding.is_none()) else {
                    return Ok(None);
                };
                let none = Vec::new();
                let batches = batches.get(room).unwrap_or(&none);
                let unread = batches.is_empty() && doc.seq > stored(*after);
                // Nothing is shown that is not projected.
                let ahead = batches.last().is_some_and(|batch| batch.last > doc.seq);
                if unread || ahead {
                    return Ok(None);
                }
                page_of(doc, batches, *after, limit).map(Some)
            })
            .collect()
    }

    /// The batches that any of these filters finds, room by room and each room in order, until they are too large.
    async fn in_order(
        &self,
        call: &Call,
        filters: &[Document],
        bytes_max: usize,
    ) -> Result<Vec<BatchDoc>, StoreError> {
        let filter = doc! { "$or": filters };
        let entries = self.db.entries.clone();
        call.read(async move {
            let mut found = entries
                .find(filter)
                .sort(doc! { "room": 1, "epoch": 1, "last": 1 })
                .await?;
            let (mut batches, mut bytes) = (Vec::new(), 0);
            while bytes <= bytes_max
                && let Some(batch) = found.try_next().await?
            {
                bytes += bytes_of(&batch);
                batches.push(batch);
            }
            Ok(batches)
        })
        .await
    }
}

fn bytes_of(batch: &BatchDoc) -> usize {
    batch.entries.iter().map(|one| one.body.bytes.len()).sum()
}

/// The entries above a place of the batches that follow it.
pub(super) fn page_of(
    room: &RoomDoc,
    batches: &[BatchDoc],
    after: Seq,
    limit: usize,
) -> Result<Page, StoreError> {
    let id = room.room_id();
    let (mut entries, mut bytes) = (Vec::<Entry>::new(), 0);
    'page: for batch in batches {
        for (seq, entry) in batch.places()?.filter(|(seq, _)| *seq > after) {
            bytes += entry.body.bytes.len();
            if entries.len() >= limit || (bytes > PAGE_BYTES && !entries.is_empty()) {
                break 'page;
            }
            let next = entries.last().map_or(after, |last| last.seq) + 1;
            if seq != next {
                return Err(StoreError::Corrupt(format!("{id} has no entry {next}")));
            }
            entries.push(entry.entry(id, seq)?);
        }
    }
    Ok(Page {
        head: room.head()?,
        entries,
    })
}

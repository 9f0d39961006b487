//! A window of a room's messages: a range of `n`, which counts them without a gap.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use mongodb::bson::doc;
use protocol::event::client::History;
use protocol::message::Message;

use super::Mongo;
use super::docs::{BATCH_MAX, EntryDoc, RoomDoc, count, id, message, place, stored};
use super::ops::Call;
use crate::rules::{asked_place, window_of};
use crate::{Side, StoreError};

impl Mongo {
    pub(super) async fn window(&self, query: History) -> Result<Side, StoreError> {
        let (call, room) = (self.call(), query.room_id);
        let doc = self
            .room_doc(&call, room)
            .await?
            .ok_or(StoreError::NotFound)?;
        let head = doc.head()?;
        let asked = asked_place(&query);
        let n_asked = if asked >= head.seq {
            head.n
        } else {
            self.n_at(&call, room, head.epoch, asked).await?
        };
        let (first, last) = window_of(&query, n_asked, head.n);
        let messages = if last >= first {
            self.said_between(&call, &doc, first, last).await?
        } else {
            Vec::new()
        };
        Ok(Side {
            messages,
            more_before: first > 1 && head.n > 0,
            more_after: last < head.n,
        })
    }

    /// The messages `first..=last` by `n`, in their latest version.
    async fn said_between(
        &self,
        call: &Call,
        room: &RoomDoc,
        first: u64,
        last: u64,
    ) -> Result<Vec<Message>, StoreError> {
        let (id_of_room, epoch) = (room.room_id(), room.epoch());
        // The batch that holds the last one may end beyond it. The upper bound is there for servers that read all of a
        // range before they sort it.
        let filter = doc! {
            "room": id(id_of_room.0),
            "epoch": room.epoch,
            "said_n": { "$gte": stored(first), "$lte": stored(last) + BATCH_MAX as i64 },
        };
        let batches = self.db.entries.clone();
        let (from, upto) = (stored(first), stored(last));
        let said: Vec<(i64, EntryDoc)> = call
            .read(async move {
                let mut found = batches
                    .find(filter)
                    .sort(doc! { "said_n": 1 })
                    // Each holds one at least.
                    .limit(upto - from + 1)
                    .await?;
                let mut said = Vec::new();
                while let Some(batch) = found.try_next().await? {
                    let whole = batch.said_n >= Some(upto);
                    said.extend(
                        (batch.first..)
                            .zip(batch.entries)
                            .filter(|(_, entry)| entry.said() && (from..=upto).contains(&entry.n)),
                    );
                    if whole {
                        break;
                    }
                }
                Ok(said)
            })
            .await?;
        if said.len() as u64 != last - first + 1 {
            return Err(StoreError::Corrupt(format!(
                "{id_of_room} lacks messages between {first} and {last}"
            )));
        }
        let mut places = Vec::with_capacity(said.len());
        for (seq, _) in &said {
            places.push(place(id_of_room, epoch, count(*seq)?));
        }
        let versions: HashMap<_, _> = self
            .versions_of(call, places.clone())
            .await?
            .into_iter()
            .map(|version| (version.id.bytes.clone(), version))
            .collect();
        said.iter()
            .zip(&places)
            .map(|((seq, entry), place)| {
                message(entry, id_of_room, count(*seq)?, versions.get(&place.bytes))
            })
            .collect()
    }
}

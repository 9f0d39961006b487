//! Room logs on MongoDB: what is told of a log is projected first.

use std::collections::HashMap;

use futures_util::future::{join, try_join};
use mongodb::bson::doc;
use protocol::entry::Ban;
use protocol::event::client::History;
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::Head;
use protocol::time::Timestamp;
use tracing::warn;

use super::Mongo;
use super::append::Place;
use super::docs::{MemberDoc, RoomDoc, count, id, key_of, message, uuid};
use super::pages::page_of;
use super::read::IN_MAX;
use crate::rules::PAGE_BYTES;
use crate::{Answer, Append, AppendError, Found, Future, Log, Opened, Page, Side, StoreError};

impl Log for Mongo {
    fn append(&self, batch: Append) -> Future<'_, Result<(), AppendError>> {
        Box::pin(self.append_batch(batch))
    }

    fn heard(&self, room: RoomId, head: Head) {
        self.heads.hear(room, head);
    }

    fn lookup(
        &self,
        room: RoomId,
        keys: Vec<(UserId, ClientId)>,
    ) -> Answer<'_, (Head, Vec<Option<Found>>)> {
        Box::pin(async move {
            let call = self.call();
            let mut found = HashMap::new();
            // The keys first: what is found then is below the head that is read after, and shown by everything.
            for keys in keys.chunks(IN_MAX) {
                let keys: Vec<_> = keys
                    .iter()
                    .map(|(actor, key)| key_of(*actor, *key))
                    .collect();
                let filter = doc! { "room": id(room.0), "keys": { "$in": keys } };
                for batch in call.find(&self.db.entries, filter).await? {
                    for (seq, entry) in batch.places()? {
                        let entry = entry.entry(room, seq)?;
                        found.insert((entry.actor, entry.key), entry);
                    }
                }
            }
            let doc = self.caught_up(&call, room).await?;
            self.heads.set(room, Place::of_room(&doc)?);
            let found = keys
                .iter()
                .map(|key| found.get(key).cloned().map(|entry| Found { entry }))
                .collect();
            Ok((doc.head()?, found))
        })
    }

    fn open_room(&self, room: RoomId) -> Answer<'_, Opened> {
        Box::pin(async move {
            let call = self.call();
            loop {
                let doc = self.caught_up(&call, room).await?;
                let of_room = |flag: &str| doc! { "room": doc.id, flag: true };
                let (members, bans) = try_join(
                    call.find(&self.db.members, of_room("here")),
                    call.find(&self.db.members, of_room("banned")),
                )
                .await?;
                // A batch above the head may have begun to change people. If there is none still, it has not.
                let newer = |member: &MemberDoc| member.at > doc.seq;
                let counted = members.len() as i64 == doc.member_count;
                if !counted || members.iter().chain(&bans).any(newer) {
                    if self.caught_up(&call, room).await?.seq != doc.seq {
                        continue;
                    }
                    warn!(%room, counted = doc.member_count, there = members.len(), "a count of members is wrong");
                }
                self.heads.set(room, Place::of_room(&doc)?);
                return opened(&doc, &members, &bans);
            }
        })
    }

    fn entries(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Page> {
        Box::pin(async move {
            let call = self.call();
            let mut doc = self
                .room_doc(&call, room)
                .await?
                .ok_or(StoreError::NotFound)?;
            if doc.founding.is_some() {
                doc = self.caught_up(&call, room).await?;
            }
            let batches = self
                .batches_above(&call, (room, doc.epoch()), after, (limit, PAGE_BYTES))
                .await?;
            // Nothing is shown that is not projected.
            if batches.last().is_some_and(|batch| batch.last > doc.seq) {
                doc = self.caught_up(&call, room).await?;
            }
            page_of(&doc, &batches, after, limit)
        })
    }

    fn pages(&self, of: Vec<(RoomId, Seq)>, limit: usize) -> Answer<'_, Vec<Option<Page>>> {
        Box::pin(self.pages_together(of, limit))
    }

    fn heads(&self, rooms: Vec<RoomId>) -> Answer<'_, Vec<(RoomId, Head)>> {
        Box::pin(async move {
            let ids = rooms.iter().map(|room| id(room.0)).collect();
            let docs = self.call().by_ids(&self.db.rooms, ids).await?;
            docs.iter()
                .map(|doc| Ok((doc.room_id(), doc.head()?)))
                .collect()
        })
    }

    fn messages(&self, room: RoomId, ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Message>>> {
        Box::pin(async move {
            let call = self.call();
            // What stands in the log and is not projected yet shows nowhere.
            let (doc, origins) =
                join(self.room_doc(&call, room), self.origins(&call, room, &ids)).await;
            let (Some(doc), origins) = (doc?, origins?) else {
                return Ok(vec![None; ids.len()]);
            };
            let head = count(doc.seq)?;
            let places = origins.values().map(|said| said.place.clone()).collect();
            let versions: HashMap<_, _> = self
                .versions_of(&call, places)
                .await?
                .into_iter()
                .map(|version| (version.id.bytes.clone(), version))
                .collect();
            ids.iter()
                .map(|one| {
                    let said = origins.get(one).filter(|said| said.seq <= head);
                    said.map(|said| {
                        let version = versions.get(&said.place.bytes);
                        message(&said.entry, room, said.seq, version)
                    })
                    .transpose()
                })
                .collect()
        })
    }

    fn history(&self, query: History) -> Answer<'_, Side> {
        Box::pin(self.window(query))
    }
}

fn opened(room: &RoomDoc, members: &[MemberDoc], bans: &[MemberDoc]) -> Result<Opened, StoreError> {
    let mut members = members
        .iter()
        .map(MemberDoc::member)
        .collect::<Result<Vec<_>, _>>()?;
    members.sort_by_key(|member| member.user_id);
    let mut bans: Vec<Ban> = bans
        .iter()
        .map(|doc| Ban {
            user: UserId(uuid(doc.user)),
            until: doc.banned_until.map(Timestamp),
        })
        .collect();
    bans.sort_by_key(|ban| ban.user);
    Ok(Opened {
        room: room.settings()?,
        head: room.head()?,
        deleted: room.deleted,
        members,
        bans,
    })
}

//! A person's list of rooms: a few questions over all of them, whatever their number.

use std::collections::HashMap;

use futures_util::future::{join_all, try_join};
use mongodb::bson::{Document, doc};
use protocol::ids::{RoomId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::{RoomSummary, RoomType};

use super::Mongo;
use super::docs::{MemberDoc, RoomDoc, count, id, message, place, stored, unpair, uuid};
use super::ops::Call;
use crate::StoreError;

/// Rooms in one question after mentions: each is a branch of it.
const BRANCHES_MAX: usize = 100;

impl Mongo {
    /// Everything that a member's list of rooms shows, in a few questions over all rooms.
    pub(super) async fn summaries(
        &self,
        call: &Call,
        user: UserId,
        standing: Vec<MemberDoc>,
    ) -> Result<Vec<RoomSummary>, StoreError> {
        let ids = standing.iter().map(|standing| standing.room).collect();
        let rooms: HashMap<RoomId, RoomDoc> = call
            .by_ids(&self.db.rooms, ids)
            .await?
            .into_iter()
            .filter(|room| !room.deleted)
            .map(|room| (room.room_id(), room))
            .collect();
        let mut latest = self.latest(call, rooms.values()).await?;
        let mut unread = Vec::new();
        for one in &standing {
            let room = RoomId(uuid(one.room));
            // No message after the marker: nobody is named there either.
            if rooms.get(&room).is_some_and(|room| room.n > one.read_n) {
                unread.push((room, count(one.read_seq)?));
            }
        }
        let mentions = self.mentions(call, user, &unread).await?;
        let mut lines = Vec::with_capacity(rooms.len());
        for one in &standing {
            let Some(room) = rooms.get(&RoomId(uuid(one.room))) else {
                continue;
            };
            let head = room.head()?;
            let read_n = count(one.read_n)?;
            let settings = room.settings()?;
            let peer_id = match &room.dm {
                Some(dm) if settings.kind == RoomType::Dm => {
                    let (low, high) = unpair(dm)?;
                    [UserId(low), UserId(high)]
                        .into_iter()
                        .find(|one| *one != user)
                }
                _ => None,
            };
            lines.push(RoomSummary {
                role: one.member()?.role,
                epoch: head.epoch,
                head_seq: head.seq,
                head_n: head.n,
                read_seq: count(one.read_seq)?,
                read_n,
                unread: head.n.saturating_sub(read_n),
                mentions: mentions.get(&settings.id).copied().unwrap_or(0),
                peer_id,
                last_message: latest.remove(&settings.id),
                room: settings,
            });
        }
        Ok(lines)
    }

    /// The latest message of each room that has one.
    async fn latest(
        &self,
        call: &Call,
        rooms: impl Iterator<Item = &RoomDoc>,
    ) -> Result<HashMap<RoomId, Message>, StoreError> {
        let (mut batches, mut said) = (Vec::new(), HashMap::new());
        for room in rooms.filter(|room| room.said > 0) {
            let (id, epoch) = (room.room_id(), room.epoch());
            let seq = count(room.said)?;
            batches.push(place(id, epoch, count(room.said_in)?));
            said.insert(id, (seq, place(id, epoch, seq)));
        }
        let places = said.values().map(|(_, place)| place.clone()).collect();
        let (batches, versions) = try_join(
            call.by_ids(&self.db.entries, batches),
            self.versions_of(call, places),
        )
        .await?;
        let versions: HashMap<_, _> = versions
            .into_iter()
            .map(|version| (version.id.bytes.clone(), version))
            .collect();
        let mut latest = HashMap::with_capacity(batches.len());
        for batch in &batches {
            let room = RoomId(uuid(batch.room));
            if let Some((seq, place)) = said.get(&room)
                && let Some(entry) = batch.at(*seq)
            {
                let version = versions.get(&place.bytes);
                latest.insert(room, message(entry, room, *seq, version)?);
            }
        }
        Ok(latest)
    }

    /// How many messages above a place name a person, by room.
    pub(super) async fn mentions(
        &self,
        call: &Call,
        user: UserId,
        unread: &[(RoomId, Seq)],
    ) -> Result<HashMap<RoomId, u64>, StoreError> {
        let questions = unread.chunks(BRANCHES_MAX).map(|rooms| {
            let branches: Vec<Document> = rooms
                .iter()
                .map(|(room, seq)| {
                    doc! { "users": id(user.0), "room": id(room.0), "seq": { "$gt": stored(*seq) } }
                })
                .collect();
            call.find(&self.db.mentions, doc! { "$or": branches })
        });
        let mut counts = HashMap::new();
        for found in join_all(questions).await {
            for mention in found? {
                *counts.entry(RoomId(uuid(mention.room))).or_insert(0) += 1;
            }
        }
        Ok(counts)
    }
}

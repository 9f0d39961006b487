//! Lists of rooms, of one person or of many: a few questions over all of them, whatever their number.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt as _};
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
/// Such questions under way at once, of one call.
const QUESTIONS_MAX: usize = 8;

impl Mongo {
    /// Everything that the lists of some members show, in a few questions over all rooms; a room that many of them are
    /// in is read once.
    pub(super) async fn summaries(
        &self,
        call: &Call,
        standing: &[MemberDoc],
    ) -> Result<Vec<(UserId, RoomSummary)>, StoreError> {
        let ids: BTreeSet<RoomId> = standing.iter().map(|one| RoomId(uuid(one.room))).collect();
        let ids = ids.into_iter().map(|room| id(room.0)).collect();
        let rooms: HashMap<RoomId, RoomDoc> = call
            .by_ids(&self.db.rooms, ids)
            .await?
            .into_iter()
            .filter(|room| !room.deleted)
            .map(|room| (room.room_id(), room))
            .collect();
        let mut unread = Vec::new();
        for one in standing {
            let room = RoomId(uuid(one.room));
            // No message after the marker: nobody is named there either.
            if rooms.get(&room).is_some_and(|room| room.n > one.read_n) {
                unread.push((UserId(uuid(one.user)), room, count(one.read_seq)?));
            }
        }
        let latest = self.latest(call, rooms.values());
        let (latest, mentions) = try_join(latest, self.mentions(call, &unread)).await?;
        let mut lines = Vec::with_capacity(standing.len());
        for one in standing {
            let user = UserId(uuid(one.user));
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
            let line = RoomSummary {
                role: one.member()?.role,
                epoch: head.epoch,
                head_seq: head.seq,
                head_n: head.n,
                read_seq: count(one.read_seq)?,
                read_n,
                unread: head.n.saturating_sub(read_n),
                mentions: mentions.get(&(user, settings.id)).copied().unwrap_or(0),
                peer_id,
                last_message: latest.get(&settings.id).cloned(),
                room: settings,
            };
            lines.push((user, line));
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

    /// How many messages above a place name a person, by person and room.
    pub(super) async fn mentions(
        &self,
        call: &Call,
        unread: &[(UserId, RoomId, Seq)],
    ) -> Result<HashMap<(UserId, RoomId), u64>, StoreError> {
        let read: HashMap<(UserId, RoomId), Seq> = unread
            .iter()
            .map(|(user, room, seq)| ((*user, *room), *seq))
            .collect();
        let mut counts = HashMap::new();
        let branch = |(user, room, seq): &(UserId, RoomId, Seq)| -> Document {
            doc! { "users": id(user.0), "room": id(room.0), "seq": { "$gt": stored(*seq) } }
        };
        let questions: Vec<Vec<Document>> = unread
            .chunks(BRANCHES_MAX)
            .map(|some| some.iter().map(branch).collect())
            .collect();
        let ask = |branches: Vec<Document>| call.find(&self.db.mentions, doc! { "$or": branches });
        // A message that names two of them may be found twice, in two questions.
        let mut seen = HashSet::new();
        let mut answers = stream::iter(questions)
            .map(ask)
            .buffer_unordered(QUESTIONS_MAX);
        while let Some(found) = answers.next().await {
            for mention in found? {
                let (room, seq) = (RoomId(uuid(mention.room)), count(mention.seq)?);
                if !seen.insert((room, seq)) {
                    continue;
                }
                let named: HashSet<UserId> =
                    mention.users.iter().map(|one| UserId(uuid(*one))).collect();
                for user in named {
                    if read.get(&(user, room)).is_some_and(|read| seq > *read) {
                        *counts.entry((user, room)).or_insert(0) += 1;
                    }
                }
            }
        }
        Ok(counts)
    }
}

//! Rooms, members and read markers on MongoDB.

use std::collections::{HashMap, HashSet};

use mongodb::bson::{self, Document, doc};
use mongodb::options::ReturnDocument;
use protocol::entry::Entry;
use protocol::ids::{RoomId, UserId};
use protocol::message::Seq;
use protocol::room::{Member, ReadMarker, Room, RoomSummary, RoomType};

use super::Mongo;
use super::append::{Place, batch_behind};
use super::claims::perhaps;
use super::docs::{BATCH_MAX, EntryDoc, MemberDoc, RoomDoc, count, id, pair, stored, uuid};
use super::failure::Failure;
use super::ops::Call;
use super::project::grams_of;
use crate::rules::{LIMIT_MAX, newest_first};
use crate::{Answer, AppendError, NewRoom, Rooms, StoreError, body};

impl Rooms for Mongo {
    fn create_room(&self, new: NewRoom) -> Answer<'_, RoomId> {
        Box::pin(async move {
            let call = self.call();
            let doc = founded(&new)?;
            if doc.dm.is_some() {
                return self.open_pair(&call, doc).await;
            }
            let (rooms, inserted) = (self.db.rooms.clone(), doc.clone());
            let made = call
                .write(async move { rooms.insert_one(inserted).await.map(drop) })
                .await;
            let room = match made {
                Ok(()) => {
                    let founding = doc.founding.clone().unwrap_or_default();
                    // The room is made from here on: whoever comes by writes the rest of it.
                    self.found(&call, &doc, &founding).await.map_err(perhaps)?;
                    return Ok(new.room.id);
                }
                Err(Failure::Duplicate) => self.made_before(&call, &new).await?,
                Err(failure) => return Err(failure.of_write()),
            };
            self.caught_up(&call, room).await.map_err(perhaps)?;
            Ok(room)
        })
    }

    fn rooms_of_each(&self, users: Vec<UserId>) -> Answer<'_, Vec<Vec<RoomSummary>>> {
        Box::pin(async move {
            let call = self.call();
            let mut standing: Vec<MemberDoc> = Vec::new();
            for some in users.chunks(super::read::IN_MAX) {
                let some: Vec<_> = some.iter().map(|user| id(user.0)).collect();
                let filter = doc! { "user": { "$in": some }, "here": true };
                standing.extend(call.find(&self.db.members, filter).await?);
            }
            let mut lists: HashMap<UserId, Vec<RoomSummary>> = HashMap::new();
            for (user, line) in self.summaries(&call, &standing).await? {
                lists.entry(user).or_default().push(line);
            }
            lists.values_mut().for_each(|list| newest_first(list));
            // A person may be asked for twice: each has two connections.
            Ok(users
                .iter()
                .map(|user| lists.get(user).cloned().unwrap_or_default())
                .collect())
        })
    }

    fn rooms_ever(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Answer<'_, Vec<RoomId>> {
        Box::pin(async move {
            if limit == 0 {
                return Ok(Vec::new());
            }
            // Rows stay when people leave; one that keeps out somebody who never came leads to a log without them.
            let mut filter = doc! { "user": id(user.0) };
            if let Some(after) = after {
                filter.insert("room", doc! { "$gt": id(after.0) });
            }
            let members = self.db.members.clone();
            let page: Vec<MemberDoc> = self
                .call()
                .read(async move {
                    use futures_util::TryStreamExt as _;
                    members
                        .find(filter)
                        .sort(doc! { "room": 1 })
                        .limit(limit.min(LIMIT_MAX) as i64)
                        .await?
                        .try_collect()
                        .await
                })
                .await?;
            Ok(page.iter().map(|row| RoomId(uuid(row.room))).collect())
        })
    }

    fn room_for(&self, user: UserId, room: RoomId) -> Answer<'_, RoomSummary> {
        Box::pin(async move {
            let call = self.call();
            let standing = self.standing(&call, room, user).await?;
            let standing: Vec<_> = standing.into_iter().collect();
            let lines = self.summaries(&call, &standing).await?;
            let line = lines.into_iter().next().ok_or(StoreError::NotFound)?;
            Ok(line.1)
        })
    }

    fn member(&self, room: RoomId, user: UserId) -> Answer<'_, Option<Member>> {
        Box::pin(async move {
            let standing = self.standing(&self.call(), room, user).await?;
            standing.as_ref().map(MemberDoc::member).transpose()
        })
    }

    fn room(&self, room: RoomId) -> Answer<'_, Room> {
        Box::pin(async move {
            let doc = self.room_doc(&self.call(), room).await?;
            let doc = doc.filter(|doc| !doc.deleted).ok_or(StoreError::NotFound)?;
            doc.settings()
        })
    }

    fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Answer<'_, Vec<Member>> {
        Box::pin(async move {
            let call = self.call();
            self.room_doc(&call, room)
                .await?
                .ok_or(StoreError::NotFound)?;
            if limit == 0 {
                return Ok(Vec::new());
            }
            let mut filter = doc! { "room": id(room.0), "here": true };
            if let Some(after) = after {
                filter.insert("user", doc! { "$gt": id(after.0) });
            }
            let members = self.db.members.clone();
            let page: Vec<MemberDoc> = call
                .read(async move {
                    use futures_util::TryStreamExt as _;
                    members
                        .find(filter)
                        .sort(doc! { "user": 1 })
                        .limit(limit.min(LIMIT_MAX) as i64)
                        .await?
                        .try_collect()
                        .await
                })
                .await?;
            page.iter().map(MemberDoc::member).collect()
        })
    }

    fn directory(&self, text: String, offset: usize, limit: usize) -> Answer<'_, Vec<Room>> {
        Box::pin(self.find_rooms(text, offset, limit))
    }

    fn mark_read(&self, room: RoomId, user: UserId, seq: Seq) -> Answer<'_, (ReadMarker, u64)> {
        Box::pin(async move {
            let call = self.call();
            let doc = self
                .room_doc(&call, room)
                .await?
                .ok_or(StoreError::NotFound)?;
            let standing = self.standing(&call, room, user).await?;
            let mut standing = standing.ok_or(StoreError::NotFound)?;
            let head = doc.head()?;
            let seq = seq.min(head.seq);
            if stored(seq) > standing.read_seq {
                let n = if seq == head.seq {
                    head.n
                } else {
                    self.n_at(&call, room, head.epoch, seq).await?
                };
                let lower =
                    doc! { "_id": &standing.id, "here": true, "read_seq": { "$lt": stored(seq) } };
                let mark: Document =
                    doc! { "$set": { "read_seq": stored(seq), "read_n": stored(n) } };
                let members = self.db.members.clone();
                let marked = call
                    .write(async move {
                        members
                            .find_one_and_update(lower, mark)
                            .return_document(ReturnDocument::After)
                            .await
                    })
                    .await
                    .map_err(Failure::of_write)?;
                standing = match marked {
                    Some(marked) => marked,
                    // Somebody marked more at this moment, or they have left.
                    None => self
                        .standing(&call, room, user)
                        .await?
                        .ok_or(StoreError::NotFound)?,
                };
            }
            let marker = ReadMarker {
                read_seq: count(standing.read_seq)?,
                read_n: count(standing.read_n)?,
            };
            let unread = [(user, room, marker.read_seq)];
            let mentions = self.mentions(&call, &unread).await?;
            Ok((marker, mentions.get(&(user, room)).copied().unwrap_or(0)))
        })
    }

    fn acquaintances(&self, user: UserId, of: Vec<UserId>) -> Answer<'_, Vec<UserId>> {
        Box::pin(async move {
            let call = self.call();
            let filter = doc! { "user": id(user.0), "here": true };
            let theirs = call.find(&self.db.members, filter).await?;
            let ids = theirs.iter().map(|standing| standing.room).collect();
            let rooms: Vec<bson::Uuid> = call
                .by_ids(&self.db.rooms, ids)
                .await?
                .iter()
                .filter(|room| !room.deleted)
                .map(|room| room.id)
                .collect();
            let mut known: HashSet<UserId> = HashSet::from([user]);
            for rooms in rooms.chunks(super::read::IN_MAX) {
                let others: Vec<_> = of
                    .iter()
                    .filter(|other| !known.contains(other))
                    .map(|other| id(other.0))
                    .collect();
                if others.is_empty() {
                    break;
                }
                let filter =
                    doc! { "user": { "$in": others }, "room": { "$in": rooms }, "here": true };
                let shared = call.find(&self.db.members, filter).await?;
                known.extend(shared.iter().map(|standing| UserId(uuid(standing.user))));
            }
            Ok(of
                .into_iter()
                .filter(|other| known.contains(other))
                .collect())
        })
    }
}

/// The document that makes a room: with the entries that it begins with, so that there is no half-made room that
/// nobody could finish.
pub(super) fn founded(new: &NewRoom) -> Result<RoomDoc, StoreError> {
    let mut before = Place::empty(new.epoch);
    for entries in new.entries.chunks(BATCH_MAX) {
        let batch = batch_behind(&before, new.room.id, entries).map_err(|error| match error {
            AppendError::Conflict => StoreError::Conflict,
            AppendError::Unavailable(why) | AppendError::Unknown(why) => {
                StoreError::Unavailable(why)
            }
        })?;
        before = super::append::end_of(&batch)?;
    }
    let room = &new.room;
    let founding: Vec<EntryDoc> = new
        .entries
        .iter()
        .map(|entry: &Entry| EntryDoc::of(room.id, entry))
        .collect();
    Ok(RoomDoc {
        id: id(room.id.0),
        epoch: new.epoch.0.cast_signed(),
        kind: body::room_type(room.kind).into(),
        name: room.name.clone(),
        topic: room.topic.clone(),
        created_by: id(room.created_by.0),
        created_at: room.created_at.0,
        member_count: 0,
        deleted: false,
        listed: room.kind == RoomType::Public,
        grams: grams_of(room),
        dm: new.dm.map(|(low, high)| pair(low.0, high.0)),
        seq: 0,
        n: 0,
        said: 0,
        said_in: 0,
        founding: Some(founding).filter(|founding| !founding.is_empty()),
    })
}

impl Mongo {
    /// The DM of two people, made if they have none.
    async fn open_pair(&self, call: &Call, doc: RoomDoc) -> Result<RoomId, StoreError> {
        loop {
            let (room, made) = self.named_or(call, doc.clone()).await?;
            let epoch = room.epoch();
            let room = self
                .caught_up(call, room.room_id())
                .await
                .map_err(perhaps)?;
            if made && epoch != doc.epoch() {
                return Err(StoreError::Conflict);
            }
            // Its log may have said by then that it is gone, and the pair with it.
            if room.dm == doc.dm {
                return Ok(room.room_id());
            }
        }
    }

    /// What stands against a new room: itself, made by the same wish before.
    async fn made_before(&self, call: &Call, new: &NewRoom) -> Result<RoomId, StoreError> {
        match self.room_doc(call, new.room.id).await? {
            Some(existing) if existing.epoch() == new.epoch => Ok(new.room.id),
            _ => Err(StoreError::Conflict),
        }
    }

    async fn standing(
        &self,
        call: &Call,
        room: RoomId,
        user: UserId,
    ) -> Result<Option<MemberDoc>, StoreError> {
        let filter = doc! { "_id": pair(room.0, user.0), "here": true };
        call.find_one(&self.db.members, filter).await
    }
}

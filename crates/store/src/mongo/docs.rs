//! The documents as they are stored; schema.md tells the same to operators. Everything is a typed value: nothing that a
//! client sent is ever a key or an operator.
//!
//! Ids are UUIDs, times are milliseconds since 1970, 64-bit patterns are kept as signed numbers.

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{self, Binary};
use protocol::entry::Entry;
use protocol::ids::{ClientId, RoomId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::{Epoch, Head, Member, Room};
use protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::StoreError;
use crate::body::{self, Broken, Origin};

/// Entries in one batch, which is one document. The lanes of `chat` send no more.
pub(super) const BATCH_MAX: usize = 256;

pub(super) fn id(id: Uuid) -> bson::Uuid {
    bson::Uuid::from_bytes(*id.as_bytes())
}

pub(super) fn uuid(id: bson::Uuid) -> Uuid {
    Uuid::from_bytes(id.bytes())
}

pub(super) fn binary(bytes: Vec<u8>) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    }
}

/// A count as it is stored; the callers have checked that it is below 2^53.
pub(super) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn count(stored: i64) -> Result<u64, StoreError> {
    u64::try_from(stored).map_err(|_| corrupt("a count is negative"))
}

pub(super) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.into())
}

impl From<Broken> for StoreError {
    fn from(broken: Broken) -> Self {
        corrupt(broken.0)
    }
}

fn code(stored: i32) -> Result<u8, StoreError> {
    u8::try_from(stored).map_err(|_| corrupt("a code is out of range"))
}

/// `(room, epoch, seq)` in 32 bytes that sort as the three do.
pub(super) fn place(room: RoomId, epoch: Epoch, seq: Seq) -> Binary {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend_from_slice(room.0.as_bytes());
    bytes.extend_from_slice(&epoch.0.to_be_bytes());
    bytes.extend_from_slice(&seq.to_be_bytes());
    binary(bytes)
}

/// Two ids in 32 bytes: a person in a room, a key of an actor, the two people of a DM.
pub(super) fn pair(one: Uuid, two: Uuid) -> Binary {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend_from_slice(one.as_bytes());
    bytes.extend_from_slice(two.as_bytes());
    binary(bytes)
}

pub(super) fn unpair(pair: &Binary) -> Result<(Uuid, Uuid), StoreError> {
    let ids = pair.bytes.split_at_checked(16);
    let ids = ids.and_then(|(one, two)| Some((one.try_into().ok()?, two.try_into().ok()?)));
    ids.map(|(one, two)| (Uuid::from_bytes(one), Uuid::from_bytes(two)))
        .ok_or_else(|| corrupt("a pair of ids is not 32 bytes"))
}

pub(super) fn key_of(actor: UserId, key: ClientId) -> Binary {
    pair(actor.0, key.0)
}

/// One entry within its batch; its `seq` is its place in the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EntryDoc {
    pub(super) n: i64,
    pub(super) at: i64,
    pub(super) actor: bson::Uuid,
    pub(super) key: bson::Uuid,
    pub(super) digest: i64,
    pub(super) kind: i32,
    pub(super) body: Binary,
}

impl EntryDoc {
    pub(super) fn of(room: RoomId, entry: &Entry) -> Self {
        let mut bytes = Vec::new();
        let kind = body::encode(&entry.change, &Origin::of(room, entry), &mut bytes);
        Self {
            n: stored(entry.n),
            at: entry.at.0,
            actor: id(entry.actor.0),
            key: id(entry.key.0),
            digest: entry.digest.cast_signed(),
            kind: kind.into(),
            body: binary(bytes),
        }
    }

    pub(super) fn said(&self) -> bool {
        self.kind == i32::from(body::SAID)
    }

    pub(super) fn origin(&self, room: RoomId, seq: Seq) -> Result<Origin, StoreError> {
        Ok(Origin {
            room,
            seq,
            n: count(self.n)?,
            at: Timestamp(self.at),
            actor: UserId(uuid(self.actor)),
            key: ClientId(uuid(self.key)),
        })
    }

    pub(super) fn entry(&self, room: RoomId, seq: Seq) -> Result<Entry, StoreError> {
        let origin = self.origin(room, seq)?;
        Ok(Entry {
            seq,
            n: origin.n,
            at: origin.at,
            actor: origin.actor,
            key: origin.key,
            digest: self.digest.cast_unsigned(),
            change: body::decode(code(self.kind)?, &self.body.bytes, &origin)?,
        })
    }
}

/// A batch of entries: what one append stores, whole or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BatchDoc {
    /// [`place`] of its first entry: of all that claim one place, one is stored.
    #[serde(rename = "_id")]
    pub(super) id: Binary,
    pub(super) room: bson::Uuid,
    pub(super) epoch: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    /// Messages up to its last entry.
    pub(super) n: i64,
    /// `n` of its last message, if it has one: what history is found by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) said_n: Option<i64>,
    /// The room's latest message up to here, and the first place of the batch that holds it; 0 when there is none.
    pub(super) said: i64,
    pub(super) said_in: i64,
    /// It ends with the room's deletion.
    pub(super) end: bool,
    /// [`key_of`] each entry.
    pub(super) keys: Vec<Binary>,
    /// Ids of its messages.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) messages: Vec<bson::Uuid>,
    pub(super) entries: Vec<EntryDoc>,
}

impl BatchDoc {
    /// The entries with their places.
    pub(super) fn places(&self) -> Result<impl Iterator<Item = (Seq, &EntryDoc)>, StoreError> {
        Ok((count(self.first)?..).zip(&self.entries))
    }

    pub(super) fn at(&self, seq: Seq) -> Option<&EntryDoc> {
        let offset = stored(seq).checked_sub(self.first)?;
        self.entries.get(usize::try_from(offset).ok()?)
    }
}

/// A room: its settings, and how far its projections have followed its log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RoomDoc {
    #[serde(rename = "_id")]
    pub(super) id: bson::Uuid,
    pub(super) epoch: i64,
    pub(super) kind: i32,
    pub(super) name: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) created_by: bson::Uuid,
    pub(super) created_at: i64,
    pub(super) member_count: i64,
    pub(super) deleted: bool,
    /// In the directory.
    pub(super) listed: bool,
    /// Every run of one to three characters of the name in lower case; only in the directory.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) grams: Vec<String>,
    /// The two people of a DM that is not deleted, lower id first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dm: Option<Binary>,
    /// All projections show the log up to here.
    pub(super) seq: i64,
    pub(super) n: i64,
    pub(super) said: i64,
    pub(super) said_in: i64,
    /// The entries that make the room, until they are in its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) founding: Option<Vec<EntryDoc>>,
}

impl RoomDoc {
    pub(super) fn room_id(&self) -> RoomId {
        RoomId(uuid(self.id))
    }

    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.cast_unsigned())
    }

    pub(super) fn head(&self) -> Result<Head, StoreError> {
        Ok(Head {
            epoch: self.epoch(),
            seq: count(self.seq)?,
            n: count(self.n)?,
        })
    }

    pub(super) fn settings(&self) -> Result<Room, StoreError> {
        Ok(Room {
            id: self.room_id(),
            kind: body::room_type_of(code(self.kind)?)?,
            name: self.name.clone(),
            topic: self.topic.clone(),
            created_by: UserId(uuid(self.created_by)),
            created_at: Timestamp(self.created_at),
            member_count: u32::try_from(self.member_count)
                .map_err(|_| corrupt("a count of members is out of range"))?,
        })
    }
}

/// A person in a room, or one who was there or is kept out: never removed, so that a late write finds it newer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MemberDoc {
    /// [`pair`] of room and user.
    #[serde(rename = "_id")]
    pub(super) id: Binary,
    pub(super) room: bson::Uuid,
    pub(super) user: bson::Uuid,
    /// First place of the batch that last changed this, read markers apart.
    pub(super) at: i64,
    pub(super) here: bool,
    /// `here` before that batch: the count of members can be taken from it again.
    pub(super) was: bool,
    pub(super) role: i32,
    pub(super) joined_at: i64,
    pub(super) muted_until: Option<i64>,
    pub(super) read_seq: i64,
    pub(super) read_n: i64,
    pub(super) banned: bool,
    pub(super) banned_until: Option<i64>,
}

impl MemberDoc {
    pub(super) fn member(&self) -> Result<Member, StoreError> {
        Ok(Member {
            user_id: UserId(uuid(self.user)),
            role: body::role_of(code(self.role)?)?,
            joined_at: Timestamp(self.joined_at),
            muted_until: self.muted_until.map(Timestamp),
        })
    }
}

/// The latest version of a message that is no longer as it was first said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct VersionDoc {
    /// [`place`] of the entry that said it.
    #[serde(rename = "_id")]
    pub(super) id: Binary,
    pub(super) room: bson::Uuid,
    /// First place of the batch that last changed it.
    pub(super) at: i64,
    pub(super) body: Binary,
}

/// Whom a message names, in its latest version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MentionDoc {
    pub(super) room: bson::Uuid,
    pub(super) seq: i64,
    pub(super) users: Vec<bson::Uuid>,
}

/// A message as its entry and its latest version give it.
pub(super) fn message(
    entry: &EntryDoc,
    room: RoomId,
    seq: Seq,
    version: Option<&VersionDoc>,
) -> Result<Message, StoreError> {
    let origin = entry.origin(room, seq)?;
    let bytes = version.map_or(&entry.body.bytes, |version| &version.body.bytes);
    Ok(body::decode_message(bytes, &origin)?)
}

//! Rooms, their members and what a member's client needs to know of a room when it connects.

use serde::{Deserialize, Serialize};

use crate::ids::{RoomId, UserId};
use crate::message::{Message, Seq};
use crate::time::Timestamp;

/// How a room is found and who may enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoomType {
    /// Listed in the directory; anyone may join.
    Public,
    /// Named, not listed; members are added.
    Private,
    /// A few people, usually without a name; members are added.
    Group,
    /// Two people, once per pair.
    Dm,
}

/// What a member may do, each including the ones below.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads and writes.
    Member,
    /// Deletes others' messages, mutes, removes and bans members.
    Moderator,
    /// Changes the room and the roles below their own.
    Admin,
    /// May do everything, deleting the room included.
    Owner,
}

/// One incarnation of a room: random, new when the room is restored from a backup.
///
/// A cursor is `(room, epoch, seq)`; a reader who holds another epoch must start over, and is told so.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
#[schema(value_type = u64)]
pub struct Epoch(pub u64);

/// Where a room's log ends.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The room's incarnation.
    pub epoch: Epoch,
    /// The last entry; 0 in an empty log.
    pub seq: Seq,
    /// How many messages there were so far.
    pub n: u64,
}

/// A room's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: RoomType,
    /// Its name; DMs and most groups have none.
    pub name: Option<String>,
    /// A line about it.
    pub topic: Option<String>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many members it has.
    pub member_count: u32,
}

/// A person in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// What they may do.
    pub role: Role,
    /// When they came.
    pub joined_at: Timestamp,
    /// They may not write before this time.
    pub muted_until: Option<Timestamp>,
}

/// Why somebody is no longer a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LeaveReason {
    /// They left.
    Left,
    /// They were removed.
    Removed,
    /// They were removed and may not come back (for a while).
    Banned,
    /// The account was deleted.
    Deleted,
}

/// How far a member has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadMarker {
    /// The last entry read.
    pub read_seq: Seq,
    /// `n` at that entry.
    pub read_n: u64,
}

/// A room as one of its members sees it in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomSummary {
    /// The room.
    #[serde(flatten)]
    pub room: Room,
    /// The reader's role in it.
    pub role: Role,
    /// The room's incarnation; part of a cursor.
    pub epoch: Epoch,
    /// The last entry of its log.
    pub head_seq: Seq,
    /// How many messages there are.
    pub head_n: u64,
    /// The last entry that the reader has read.
    pub read_seq: Seq,
    /// `n` at that entry.
    pub read_n: u64,
    /// Messages not read: `headN - readN`.
    pub unread: u64,
    /// Unread messages that name the reader.
    pub mentions: u64,
    /// The other person, in a DM.
    pub peer_id: Option<UserId>,
    /// The latest message.
    pub last_message: Option<Message>,
}

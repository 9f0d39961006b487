//! What a client may say: the payloads of its events. [`ClientEvent`] reads them.

mod check;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{ClientId, MessageId, RoomId, UserId};
use crate::message::{Meta, Seq};
use crate::room::Epoch;
use crate::user::PresenceStatus;

pub use check::{emoji, message_text};
pub use read::{ClientEvent, json};

/// `message:send`, and the body of `POST /v1/rooms/{id}/messages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendMessage {
    /// Where.
    pub room_id: RoomId,
    /// The client's own name for it: a UUID, the same at every repeat.
    pub client_id: ClientId,
    /// The text, up to 4,000 characters.
    pub text: String,
    /// The message it answers.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// Members it names, up to 50.
    #[serde(default)]
    pub mentions: Vec<UserId>,
    /// An object of the client's own, up to 2 KiB.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub meta: Option<Meta>,
}

/// `message:edit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditMessage {
    /// Where.
    pub room_id: RoomId,
    /// Which message.
    pub id: MessageId,
    /// The new text.
    pub text: String,
    /// Refuse unless this is still its version.
    #[serde(default)]
    pub version: Option<u32>,
}

/// `message:delete`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteMessage {
    /// Where.
    pub room_id: RoomId,
    /// Which message.
    pub id: MessageId,
}

/// `reaction:add` and `reaction:remove`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct React {
    /// Where.
    pub room_id: RoomId,
    /// Under which message.
    pub id: MessageId,
    /// One emoji.
    pub emoji: String,
}

/// Where a client stands in a room: a bare `seq`, or with the room's incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Cursor {
    /// The last entry it has, of whatever incarnation the room has now.
    Seq(Seq),
    /// The last entry it has, and of which incarnation.
    Exact {
        /// The last entry it has.
        seq: Seq,
        /// The incarnation.
        epoch: Epoch,
    },
}

impl Cursor {
    /// The last entry that the client has.
    pub fn seq(self) -> Seq {
        match self {
            Cursor::Seq(seq) | Cursor::Exact { seq, .. } => seq,
        }
    }

    /// Whether it speaks of this incarnation (or of none in particular).
    pub fn fits(self, epoch: Epoch) -> bool {
        match self {
            Cursor::Seq(_) => true,
            Cursor::Exact { epoch: held, .. } => held == epoch,
        }
    }
}

/// `sync`, and the body of `POST /v1/sync`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sync {
    /// The last entry held of each room.
    #[schema(value_type = BTreeMap<String, Cursor>)]
    pub rooms: BTreeMap<RoomId, Cursor>,
}

/// `history`: one of `before`, `after`, `around`, or none for the newest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Where.
    pub room_id: RoomId,
    /// Messages with a lower `seq`.
    #[serde(default)]
    pub before: Option<Seq>,
    /// Messages with a higher `seq`.
    #[serde(default)]
    pub after: Option<Seq>,
    /// Messages on both sides of a `seq`.
    #[serde(default)]
    pub around: Option<Seq>,
    /// How many, 1 to 100.
    #[serde(default = "default_limit")]
    pub limit: u32,
}

fn default_limit() -> u32 {
    50
}

/// `room:subscribe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscribe {
    /// Which room.
    pub room_id: RoomId,
    /// Replay what came after this.
    #[serde(default)]
    pub after: Option<Cursor>,
}

/// `room:unsubscribe`, `typing:start`, `typing:stop`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InRoom {
    /// Which room.
    pub room_id: RoomId,
}

/// `receipt:read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarkRead {
    /// Where.
    pub room_id: RoomId,
    /// Everything up to this was read.
    pub seq: Seq,
}

/// `presence:set`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetPresence {
    /// `online`, `away` or `dnd`.
    pub status: PresenceStatus,
    /// A line of their own.
    #[serde(default)]
    pub text: Option<String>,
}

/// `presence:watch`: replaces what this socket watched before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", untagged)]
pub enum WatchPresence {
    /// These people; those who share no room with the watcher look offline.
    Users {
        /// Up to 200.
        #[serde(rename = "userIds")]
        user_ids: Vec<UserId>,
    },
    /// A room's members.
    Room {
        /// Which room.
        #[serde(rename = "roomId")]
        room_id: RoomId,
    },
}

/// `auth:refresh`.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshAuth {
    /// A new access token of the same session.
    pub token: String,
}

impl std::fmt::Debug for RefreshAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshAuth")
    }
}

/// What a client sends along when it connects.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectAuth {
    /// The access token.
    pub token: Option<String>,
    /// Where it stands.
    pub resume: Option<Resume>,
}

/// Where a client stands in each of its rooms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resume {
    /// The last entry held of each room.
    #[schema(value_type = BTreeMap<String, Cursor>)]
    pub cursors: BTreeMap<RoomId, Cursor>,
}

//! What the acks of client events carry in `data`, as clients read it.
//!
//! The hub writes them; these types describe them strictly, so that a test can read a real ack into them.

use protocol::message::Message;
use protocol::problem::Problem;
use protocol::time::Timestamp;
use protocol::user::Presence;
use serde::Deserialize;
use utoipa::ToSchema;

/// Of `message:send`, `message:edit` and `message:delete`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageAck {
    /// The message: new, in its new version, or its tombstone.
    pub message: Message,
    /// It had been done before.
    pub duplicate: bool,
}

/// Of `reaction:add` and `reaction:remove`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactionAck {
    /// The emoji.
    pub emoji: String,
    /// How many chose it, after this.
    pub count: u32,
}

/// Of `receipt:read`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReadAck {
    /// `n` at the last entry read.
    pub read_n: u64,
    /// Messages not read.
    pub unread: u64,
    /// Unread messages that name you.
    pub mentions: u64,
}

/// Of `presence:watch`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, untagged)]
pub enum PresenceAck {
    /// Of people.
    People {
        /// How each is now.
        users: Vec<Presence>,
    },
    /// Of a room.
    Room {
        /// How many are there.
        count: u32,
        /// Some of them.
        sample: Vec<Presence>,
    },
}

/// Of `auth:refresh`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RefreshAck {
    /// When the new token ends.
    pub token_expires_at: Timestamp,
}

/// Of events that have nothing to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyAck {}

/// An ack that refuses.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusedAck {
    /// `false`.
    pub ok: bool,
    /// Why; `retryAfter` is in milliseconds here.
    pub error: Problem,
}

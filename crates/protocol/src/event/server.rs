//! What a server says to clients. Durable events are rendered from log entries and from nothing else.

use serde::Serialize;
use utoipa::ToSchema;

use crate::entry::{Change, Entry};
use crate::ids::{MessageId, RoomId, SessionId, UserId};
use crate::message::{Message, Seq};
use crate::room::{LeaveReason, Member, Room, RoomSummary};
use crate::time::Timestamp;
use crate::user::Presence;

macro_rules! events {
    ($($variant:ident, $name:literal, $doc:literal { $($(#[$attr:meta])* $field:ident: $type:ty, $fdoc:literal;)* })+) => {
        /// Everything that a server says; serialises to the event's payload.
        #[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
        #[serde(untagged)]
        pub enum ServerEvent {
            $(#[doc = $doc] #[serde(rename_all = "camelCase")] $variant { $(#[doc = $fdoc] $(#[$attr])* $field: $type,)* },)+
        }

        impl ServerEvent {
            /// The name of each event and what it says.
            pub const ALL: &'static [(&'static str, &'static str)] = &[$(($name, $doc)),+];

            /// The event's name on the wire.
            pub fn name(&self) -> &'static str {
                match self { $(ServerEvent::$variant { .. } => $name,)+ }
            }
        }
    };
}

events! {
    SessionReady, "session:ready", "The first event: who you are, your rooms, and where each stands." {
        session_id: SessionId, "The session of the access token.";
        user_id: UserId, "Whose it is.";
        resumed: bool, "Whether cursors were taken up.";
        server_time: Timestamp, "The server's clock.";
        node: String, "Which node answers.";
        limits: Limits, "The limits in force.";
        rooms: Vec<RoomSummary>, "The rooms that this user is in.";
        token_expires_at: Timestamp, "When the access token ends.";
    }
    MessageNew, "message:new", "Somebody said something." {
        room_id: RoomId, "Where.";
        seq: Seq, "Its place in the room's log.";
        message: Message, "The message.";
    }
    MessageUpdated, "message:updated", "A message was edited." {
        room_id: RoomId, "Where.";
        seq: Seq, "The edit's place in the room's log.";
        message: Message, "The message in its new version; its own `seq` is unchanged.";
    }
    MessageDeleted, "message:deleted", "A message was deleted." {
        room_id: RoomId, "Where.";
        seq: Seq, "The deletion's place in the room's log.";
        id: MessageId, "Which.";
        message: Message, "The tombstone.";
    }
    ReactionUpdated, "reaction:updated", "Somebody added or took back a reaction." {
        room_id: RoomId, "Where.";
        seq: Seq, "Its place in the room's log.";
        id: MessageId, "Under which message.";
        emoji: String, "The emoji.";
        count: u32, "How many chose it, after this.";
        user_id: UserId, "Who.";
        op: ReactionOp, "Added, or taken back.";
    }
    RoomUpdated, "room:updated", "The room's settings changed." {
        room_id: RoomId, "Where.";
        seq: Seq, "Its place in the room's log.";
        room: Room, "The settings, as they are now.";
    }
    RoomDeleted, "room:deleted", "The room is gone." {
        room_id: RoomId, "Which.";
        seq: Seq, "The last place in its log.";
    }
    MemberJoined, "member:joined", "Somebody became a member." {
        room_id: RoomId, "Where.";
        seq: Seq, "Its place in the room's log.";
        member: Member, "The new member.";
    }
    MemberLeft, "member:left", "Somebody is no longer a member." {
        room_id: RoomId, "Where.";
        seq: Seq, "Its place in the room's log.";
        user_id: UserId, "Who.";
        reason: LeaveReason, "Why.";
    }
    MemberUpdated, "member:updated", "A member's role or mute changed, or a ban was lifted." {
        room_id: RoomId, "Where.";
        seq: Seq, "Its place in the room's log.";
        user_id: UserId, "Who.";
        member: Option<Member>, "The member, as they are now; null when a ban was lifted.";
    }
    ReceiptUpdated, "receipt:updated", "Another member has read on." {
        room_id: RoomId, "Where.";
        user_id: UserId, "Who.";
        read_seq: Seq, "The last entry read.";
        read_n: u64, "`n` at that entry.";
    }
    UnreadUpdated, "unread:updated", "You have read on, on another device." {
        room_id: RoomId, "Where.";
        read_seq: Seq, "The last entry read.";
        read_n: u64, "`n` at that entry.";
        unread: u64, "Messages not read.";
        mentions: u64, "Unread messages that name you.";
    }
    RoomAdded, "room:added", "You are in a room now; its events follow." {
        room: RoomSummary, "The room.";
    }
    RoomRemoved, "room:removed", "You are not in a room any more." {
        room_id: RoomId, "Which.";
        reason: LeaveReason, "Why.";
    }
    Typing, "typing", "A member writes, or has stopped; ends by itself after 6 s." {
        room_id: RoomId, "Where.";
        user_id: UserId, "Who.";
        active: bool, "Writing, or stopped.";
    }
    PresenceChanged, "presence:changed", "Watched people came, went or changed their status." {
        users: Vec<Presence>, "Each as they are now.";
    }
    AuthExpiring, "auth:expiring", "The access token ends soon: send `auth:refresh`." {
        token_expires_at: Timestamp, "When it ends.";
    }
    SessionRevoked, "session:revoked", "This session was signed out; the socket is closed next." {
        reason: &'static str, "`logout`, `revoked`, `refresh_reused` or `token_expired`.";
    }
    ServerDraining, "server:draining", "This node stops; the transport is closed next, and any node takes you." {
        reconnect_in_ms: u64, "How long to wait before connecting again.";
    }
    StreamGap, "stream:gap", "More was missed than is replayed: read the history between." {
        room_id: RoomId, "Where.";
        have_seq: Seq, "The last entry that this socket was given; 0 when the room's incarnation is another.";
        head_seq: Seq, "Where the log ends; live events follow from here.";
    }
}

/// Added, or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReactionOp {
    /// Added.
    Add,
    /// Taken back.
    Remove,
}

/// The limits that a client should know from the start; all of them are at `GET /v1/limits`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Characters in a message.
    pub text_chars: u32,
    /// Bytes in a frame.
    pub frame_bytes: u32,
    /// Events replayed for a room before `stream:gap`.
    pub replay_events: u32,
}

impl ServerEvent {
    /// The event that a log entry is to a room's members.
    pub fn of_entry(room_id: RoomId, entry: Entry) -> Self {
        let (seq, actor) = (entry.seq, entry.actor);
        match entry.change {
            Change::Said { message } => Self::MessageNew {
                room_id,
                seq,
                message,
            },
            Change::Edited { message } => Self::MessageUpdated {
                room_id,
                seq,
                message,
            },
            Change::Deleted { message } => Self::MessageDeleted {
                room_id,
                seq,
                id: message.id,
                message,
            },
            Change::Reacted {
                message,
                emoji,
                added,
                count,
            } => Self::ReactionUpdated {
                room_id,
                seq,
                id: message,
                emoji,
                count,
                user_id: actor,
                op: if added {
                    ReactionOp::Add
                } else {
                    ReactionOp::Remove
                },
            },
            Change::Joined { member } => Self::MemberJoined {
                room_id,
                seq,
                member,
            },
            Change::Left { user, reason, .. } => Self::MemberLeft {
                room_id,
                seq,
                user_id: user,
                reason,
            },
            Change::MemberChanged { member } => Self::MemberUpdated {
                room_id,
                seq,
                user_id: member.user_id,
                member: Some(member),
            },
            Change::Unbanned { user } => Self::MemberUpdated {
                room_id,
                seq,
                user_id: user,
                member: None,
            },
            Change::RoomChanged { room } => Self::RoomUpdated { room_id, seq, room },
            Change::RoomDeleted => Self::RoomDeleted { room_id, seq },
        }
    }
}

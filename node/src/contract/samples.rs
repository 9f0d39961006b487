//! One example of each server event, made of the real types: what the documents show is what the wire carries.

use protocol::event::ServerEvent;
use protocol::event::server::{Limits, ReactionOp};
use protocol::ids::{ClientId, MessageId, RoomId, SessionId, UserId};
use protocol::limits;
use protocol::message::{Message, Reaction};
use protocol::room::{Epoch, LeaveReason, Member, Role, Room, RoomSummary, RoomType};
use protocol::time::Timestamp;
use protocol::user::{Presence, PresenceStatus};
use serde_json::{Value, json};
use uuid::Uuid;

/// The example of an event's payload; `None` when there is none, which a test refuses.
pub(super) fn server(name: &str) -> Option<Value> {
    all()
        .iter()
        .find(|event| event.name() == name)
        .map(|event| json!(event))
}

const AT: Timestamp = Timestamp(1_790_000_000_000);

fn ada() -> UserId {
    UserId(Uuid::from_u128(0x0190_a5c4_7b1e_7c3a_9a51_3f0c_2f6c_1a2b))
}

fn ben() -> UserId {
    UserId(Uuid::from_u128(0x0190_a5c4_9d02_7f11_8c40_52b1_e6a9_77d0))
}

fn place() -> RoomId {
    RoomId(Uuid::from_u128(0x9b2f_7b0e_3a63_4c8e_8f5e_0c7f_6a2f_4d11))
}

fn words() -> MessageId {
    MessageId(Uuid::from_u128(0x0190_a5c5_0c7f_7a2f_9d11_3a63_4c8e_8f5e))
}

fn message() -> Message {
    Message {
        id: words(),
        room_id: place(),
        seq: 42,
        n: 37,
        client_id: ClientId(Uuid::from_u128(0x0190_a5c5_0c7e_7c3a_8a51_3f0c_2f6c_1a2b)),
        sender_id: ada(),
        text: "Hello, Ben.".to_owned(),
        reply_to: None,
        mentions: vec![ben()],
        reactions: vec![Reaction {
            emoji: "👍".to_owned(),
            count: 1,
            user_ids: vec![ben()],
        }],
        version: 1,
        created_at: AT,
        edited_at: None,
        deleted_at: None,
        meta: None,
    }
}

fn edited() -> Message {
    Message {
        text: "Hello, dear Ben.".to_owned(),
        version: 2,
        edited_at: Some(AT),
        ..message()
    }
}

fn room() -> Room {
    Room {
        id: place(),
        kind: RoomType::Public,
        name: Some("general".to_owned()),
        topic: Some("Everything".to_owned()),
        created_by: ada(),
        created_at: AT,
        member_count: 2,
    }
}

fn summary() -> RoomSummary {
    RoomSummary {
        room: room(),
        role: Role::Member,
        epoch: Epoch(5_172_044_110_934_201),
        head_seq: 42,
        head_n: 37,
        read_seq: 41,
        read_n: 36,
        unread: 1,
        mentions: 1,
        peer_id: None,
        last_message: Some(message()),
    }
}

fn member() -> Member {
    Member {
        user_id: ben(),
        role: Role::Member,
        joined_at: AT,
        muted_until: None,
    }
}

fn all() -> Vec<ServerEvent> {
    let (room_id, user_id) = (place(), ben());
    vec![
        ServerEvent::SessionReady {
            session_id: SessionId(Uuid::from_u128(0x0190_a5c4_aa00_7a2f_9d11_3a63_4c8e_8f5e)),
            user_id,
            resumed: true,
            server_time: AT,
            node: "node-a".to_owned(),
            limits: Limits {
                text_chars: limits::TEXT_CHARS_MAX as u32,
                frame_bytes: limits::FRAME_BYTES_MAX as u32,
                replay_events: limits::REPLAY_EVENTS_MAX as u32,
            },
            rooms: vec![summary()],
            token_expires_at: AT.plus_millis(600_000),
        },
        ServerEvent::MessageNew {
            room_id,
            seq: 42,
            message: message(),
        },
        ServerEvent::MessageUpdated {
            room_id,
            seq: 43,
            message: edited(),
        },
        ServerEvent::MessageDeleted {
            room_id,
            seq: 44,
            id: words(),
            message: edited().deleted(AT),
        },
        ServerEvent::ReactionUpdated {
            room_id,
            seq: 45,
            id: words(),
            emoji: "👍".to_owned(),
            count: 1,
            user_id,
            op: ReactionOp::Add,
        },
        ServerEvent::RoomUpdated {
            room_id,
            seq: 46,
            room: room(),
        },
        ServerEvent::RoomDeleted { room_id, seq: 47 },
        ServerEvent::MemberJoined {
            room_id,
            seq: 48,
            member: member(),
        },
        ServerEvent::MemberLeft {
            room_id,
            seq: 49,
            user_id,
            reason: LeaveReason::Left,
        },
        ServerEvent::MemberUpdated {
            room_id,
            seq: 50,
            user_id,
            member: Some(Member {
                role: Role::Moderator,
                ..member()
            }),
        },
        ServerEvent::ReceiptUpdated {
            room_id,
            user_id,
            read_seq: 42,
            read_n: 37,
        },
        ServerEvent::UnreadUpdated {
            room_id,
            read_seq: 42,
            read_n: 37,
            unread: 0,
            mentions: 0,
        },
        ServerEvent::RoomAdded { room: summary() },
        ServerEvent::RoomRemoved {
            room_id,
            reason: LeaveReason::Removed,
        },
        ServerEvent::Typing {
            room_id,
            user_id,
            active: true,
        },
        ServerEvent::PresenceChanged {
            users: vec![Presence {
                user_id,
                status: PresenceStatus::Online,
                text: Some("in Kyoto".to_owned()),
            }],
        },
        ServerEvent::AuthExpiring {
            token_expires_at: AT,
        },
        ServerEvent::SessionRevoked { reason: "revoked" },
        ServerEvent::ServerDraining {
            reconnect_in_ms: 1_200,
        },
        ServerEvent::StreamGap {
            room_id,
            have_seq: 42,
            head_seq: 1_900,
        },
    ]
}

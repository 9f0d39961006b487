//! Every change reads back from its bytes, and no bytes make the reading panic.

use proptest::prelude::*;
use protocol::ids::RoomId;
use protocol::message::{Message, Meta, Reaction};
use protocol::room::{LeaveReason, Member, Role, Room, RoomType};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::*;

fn id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn user() -> impl Strategy<Value = UserId> {
    id().prop_map(UserId)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

fn origin() -> impl Strategy<Value = Origin> {
    (id(), any::<u64>(), any::<u64>(), time(), user(), id()).prop_map(
        |(room, seq, n, at, actor, key)| Origin {
            room: RoomId(room),
            seq,
            n,
            at,
            actor,
            key: ClientId(key),
        },
    )
}

fn member() -> impl Strategy<Value = Member> {
    let role = prop::sample::select(vec![
        Role::Member,
        Role::Moderator,
        Role::Admin,
        Role::Owner,
    ]);
    (user(), role, time(), prop::option::of(time())).prop_map(
        |(user_id, role, joined_at, muted_until)| Member {
            user_id,
            role,
            joined_at,
            muted_until,
        },
    )
}

fn room() -> impl Strategy<Value = Room> {
    let kind = prop::sample::select(vec![
        RoomType::Public,
        RoomType::Private,
        RoomType::Group,
        RoomType::Dm,
    ]);
    (
        id(),
        kind,
        any::<Option<String>>(),
        any::<Option<String>>(),
        user(),
        time(),
        any::<u32>(),
    )
        .prop_map(
            |(id, kind, name, topic, created_by, created_at, member_count)| Room {
                id: RoomId(id),
                kind,
                name,
                topic,
                created_by,
                created_at,
                member_count,
            },
        )
}

/// A message that agrees with its origin in all, some or none of what the origin says.
fn message(origin: Origin) -> impl Strategy<Value = Message> {
    let reaction = (
        any::<String>(),
        any::<u32>(),
        prop::collection::vec(user(), 0..3),
    )
        .prop_map(|(emoji, count, user_ids)| Reaction {
            emoji,
            count,
            user_ids,
        });
    let content = (
        any::<String>(),
        prop::option::of(id().prop_map(MessageId)),
        prop::collection::vec(user(), 0..3),
        prop::collection::vec(reaction, 0..3),
        prop::option::of(any::<i64>()),
    );
    let versions = (
        prop_oneof![Just(1), any::<u32>()],
        prop::option::of(time()),
        prop::option::of(time()),
    );
    let other = prop::option::of((id(), any::<u64>(), any::<u64>(), time(), user(), id()));
    (id(), content, versions, other).prop_map(move |(id, content, versions, other)| {
        let (text, reply_to, mentions, reactions, meta) = content;
        let (version, edited_at, deleted_at) = versions;
        let mut message = Message {
            id: MessageId(id),
            room_id: origin.room,
            seq: origin.seq,
            n: origin.n,
            client_id: origin.key,
            sender_id: origin.actor,
            text,
            reply_to,
            mentions,
            reactions,
            version,
            created_at: origin.at,
            edited_at,
            deleted_at,
            meta: meta
                .map(|number| Meta(RawValue::from_string(format!("{{\"a\": {number}}}")).unwrap())),
        };
        if let Some((room, seq, n, at, sender, client)) = other {
            message.room_id = RoomId(room);
            (message.seq, message.n, message.created_at) = (seq, n, at);
            (message.sender_id, message.client_id) = (UserId(sender.0), ClientId(client));
        }
        message
    })
}

fn change(origin: Origin) -> impl Strategy<Value = Change> {
    let reasons = vec![
        LeaveReason::Left,
        LeaveReason::Removed,
        LeaveReason::Banned,
        LeaveReason::Deleted,
    ];
    prop_oneof![
        message(origin).prop_map(|message| Change::Said { message }),
        message(origin).prop_map(|message| Change::Edited { message }),
        message(origin).prop_map(|message| Change::Deleted { message }),
        (id(), any::<String>(), any::<bool>(), any::<u32>()).prop_map(
            |(message, emoji, added, count)| {
                Change::Reacted {
                    message: MessageId(message),
                    emoji,
                    added,
                    count,
                }
            }
        ),
        member().prop_map(|member| Change::Joined { member }),
        (
            user(),
            prop::sample::select(reasons),
            prop::option::of(time())
        )
            .prop_map(|(user, reason, until)| Change::Left {
                user,
                reason,
                until
            }),
        member().prop_map(|member| Change::MemberChanged { member }),
        user().prop_map(|user| Change::Unbanned { user }),
        room().prop_map(|room| Change::RoomChanged { room }),
        Just(Change::RoomDeleted),
    ]
}

fn change_at() -> impl Strategy<Value = (Origin, Change)> {
    origin().prop_flat_map(|origin| (Just(origin), change(origin)))
}

proptest! {
    #[test]
    fn every_change_reads_back((origin, change) in change_at()) {
        let mut bytes = Vec::new();
        let kind = encode(&change, &origin, &mut bytes);
        prop_assert_eq!(decode(kind, &bytes, &origin), Ok(change));
    }

    #[test]
    fn a_cut_or_longer_body_is_broken((origin, change) in change_at(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        let kind = encode(&change, &origin, &mut bytes);
        if !bytes.is_empty() {
            prop_assert!(decode(kind, &bytes[..cut.index(bytes.len())], &origin).is_err());
        }
        bytes.push(0);
        prop_assert!(decode(kind, &bytes, &origin).is_err());
    }

    #[test]
    fn no_bytes_make_the_reading_panic(kind in 0_u8..12, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let origin = Origin {
            room: RoomId(Uuid::nil()), seq: 1, n: 1, at: Timestamp(0), actor: UserId(Uuid::nil()), key: ClientId(Uuid::nil()),
        };
        drop(decode(kind, &bytes, &origin));
    }
}

#[test]
fn a_plain_message_costs_eighteen_bytes_and_its_text() {
    let id = Uuid::from_u128(7);
    let origin = Origin {
        room: RoomId(id),
        seq: 9,
        n: 8,
        at: Timestamp(7),
        actor: UserId(id),
        key: ClientId(id),
    };
    let message = Message {
        id: MessageId(id),
        room_id: origin.room,
        seq: 9,
        n: 8,
        client_id: origin.key,
        sender_id: origin.actor,
        text: "hello".into(),
        reply_to: None,
        mentions: vec![],
        reactions: vec![],
        version: 1,
        created_at: origin.at,
        edited_at: None,
        deleted_at: None,
        meta: None,
    };
    let mut bytes = Vec::new();
    encode_message(&message, &origin, &mut bytes);
    assert_eq!(bytes.len(), 18 + "hello".len());
}

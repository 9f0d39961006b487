//! What earlier releases wrote is read by this one as what they meant, and what this one writes still holds everything
//! that they look for: so two releases can run in one cluster, and a repeat that comes to the other one is a repeat.
//!
//! `tests/earlier/VERSION/` holds what a release said. The tests of a new one write its own, once; nothing there is ever
//! changed.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use protocol::entry::{Change, Draft, Entry, Hint, Intent};
use protocol::envelope::{Envelope, Standing};
use protocol::ids::{ClientId, MessageId, NodeId, RoomId, SessionId, UserId};
use protocol::mail_job::{Mail, MailJob};
use protocol::message::{Message, Reaction};
use protocol::room::{Epoch, Head, LeaveReason, Member, ReadMarker, Role, Room, RoomType};
use protocol::time::Timestamp;
use protocol::user::PresenceStatus;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_800_000_000_123);
const ROOM: RoomId = RoomId(Uuid::from_u128(1));
const ME: UserId = UserId(Uuid::from_u128(2));
const YOU: UserId = UserId(Uuid::from_u128(3));
const MESSAGE: MessageId = MessageId(Uuid::from_u128(4));

fn message() -> Message {
    Message {
        id: MESSAGE,
        room_id: ROOM,
        seq: 7,
        n: 5,
        client_id: ClientId(Uuid::from_u128(5)),
        sender_id: ME,
        text: "Grüße 👋 \"quoted\"\n".into(),
        reply_to: Some(MessageId(Uuid::from_u128(6))),
        mentions: vec![YOU],
        reactions: vec![Reaction {
            emoji: "👍".into(),
            count: 1,
            user_ids: vec![YOU],
        }],
        version: 2,
        created_at: NOW,
        edited_at: Some(NOW),
        deleted_at: None,
        meta: serde_json::from_str(r#"{"a":[1,{"b":null}]}"#).unwrap(),
    }
}

fn member() -> Member {
    Member {
        user_id: YOU,
        role: Role::Moderator,
        joined_at: NOW,
        muted_until: Some(NOW),
    }
}

fn room() -> Room {
    Room {
        id: ROOM,
        kind: RoomType::Public,
        name: Some("Lobby".into()),
        topic: None,
        created_by: ME,
        created_at: NOW,
        member_count: 2,
    }
}

fn changes() -> Vec<Change> {
    let (message, member, room) = (message(), member(), room());
    vec![
        Change::Said {
            message: message.clone(),
        },
        Change::Edited {
            message: message.clone(),
        },
        Change::Deleted { message },
        Change::Reacted {
            message: MESSAGE,
            emoji: "👍".into(),
            added: true,
            count: 3,
        },
        Change::Joined {
            member: member.clone(),
        },
        Change::Left {
            user: YOU,
            reason: LeaveReason::Banned,
            until: Some(NOW),
        },
        Change::MemberChanged { member },
        Change::Unbanned { user: YOU },
        Change::RoomChanged { room },
        Change::RoomDeleted,
    ]
}

fn envelopes() -> Vec<Envelope> {
    let entries: Vec<Entry> = (7..)
        .zip(changes())
        .map(|(seq, change)| Entry {
            seq,
            n: 5,
            at: NOW,
            actor: ME,
            key: ClientId(Uuid::from_u128(5)),
            digest: u64::MAX - 1,
            change,
        })
        .collect();
    let head = Head {
        epoch: Epoch(u64::MAX - 2),
        seq: 16,
        n: 5,
    };
    let standing = Standing {
        status: PresenceStatus::Dnd,
        text: Some("busy".into()),
        said_at: NOW.0,
    };
    let marker = ReadMarker {
        read_seq: 7,
        read_n: 5,
    };
    let node = NodeId(9);
    vec![
        Envelope::Grown {
            hint: Box::new(Hint {
                room: ROOM,
                head,
                entries,
            }),
        },
        Envelope::Typing {
            room: ROOM,
            user: ME,
            active: true,
        },
        Envelope::Receipt {
            room: ROOM,
            user: ME,
            marker,
        },
        Envelope::Added {
            user: ME,
            room: ROOM,
        },
        Envelope::ReadOn {
            user: ME,
            room: ROOM,
            marker,
            unread: 3,
            mentions: 1,
        },
        Envelope::Standing {
            user: ME,
            node,
            standing: Some(standing),
        },
        Envelope::Standing {
            user: ME,
            node,
            standing: None,
        },
        Envelope::Revoked {
            sessions: vec![SessionId(Uuid::from_u128(8))],
            reason: "logout".into(),
        },
    ]
}

fn mails() -> Vec<MailJob> {
    let job = |mail| MailJob {
        id: "0123456789abcdef0123456789abcdef".into(),
        to: "me@example.org".parse().unwrap(),
        mail,
        made_at: NOW,
        expires_at: NOW,
    };
    let asked_from = Some("192.0.2.0".parse().unwrap());
    vec![
        job(Mail::Code {
            code: "12345678".into(),
            asked_from,
        }),
        job(Mail::Test),
    ]
}

/// Of each kind of wish, and of what it may leave out.
fn intents() -> Vec<Intent> {
    let (id, user, until) = (MESSAGE, YOU, Some(NOW));
    let text = || "Grüße 👋 \"quoted\"\n".to_owned();
    let meta = serde_json::from_str(r#"{"a":[1,{"b":null}]}"#).unwrap();
    vec![
        Intent::Say {
            id,
            text: text(),
            reply_to: Some(id),
            mentions: vec![user],
            meta,
        },
        Intent::Say {
            id,
            text: text(),
            reply_to: None,
            mentions: vec![],
            meta: None,
        },
        Intent::Edit {
            id,
            text: text(),
            version: Some(2),
        },
        Intent::Edit {
            id,
            text: text(),
            version: None,
        },
        Intent::Delete { id },
        Intent::React {
            id,
            emoji: "👍".into(),
            add: true,
        },
        Intent::Join,
        Intent::Add { user },
        Intent::Leave,
        Intent::Remove {
            user,
            ban: Some(until),
        },
        Intent::Remove { user, ban: None },
        Intent::Unban { user },
        Intent::ChangeMember {
            user,
            role: Some(Role::Admin),
            mute: Some(until),
        },
        Intent::ChangeMember {
            user,
            role: None,
            mute: None,
        },
        Intent::ChangeRoom {
            name: Some(Some("Lobby".into())),
            topic: Some(None),
        },
        Intent::DeleteRoom,
    ]
}

fn digests() -> Vec<u64> {
    let digest = |intent| {
        Draft {
            actor: ME,
            key: ClientId(Uuid::from_u128(5)),
            at: NOW,
            intent,
        }
        .digest()
    };
    intents().into_iter().map(digest).collect()
}

fn all() -> PathBuf {
    PathBuf::from("tests/earlier")
}

/// Name and lines of a file of every release.
fn said(file: &str) -> Vec<(String, Vec<Value>)> {
    let releases: Vec<_> = std::fs::read_dir(all())
        .unwrap()
        .map(|release| {
            let path = release.unwrap().path();
            let text = std::fs::read_to_string(path.join(file)).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            (path.display().to_string(), lines.collect())
        })
        .collect();
    assert!(!releases.is_empty());
    releases
}

fn is_understood<T: Serialize + DeserializeOwned + PartialEq + Debug>(file: &str, meant: &[T]) {
    for (release, lines) in said(file) {
        assert!(
            lines.len() <= meant.len(),
            "{release}: a kind that is no more"
        );
        for (line, meant) in lines.iter().zip(meant) {
            // As a receiver does it: from text.
            let read: T = serde_json::from_str(&line.to_string()).unwrap();
            assert_eq!(&read, meant, "{release}: {line}");
            // As this release says it, an earlier one finds all that it knows.
            holds(&serde_json::to_value(meant).unwrap(), line, &release);
        }
    }
}

/// Everything of `old` is in `new`, with the same value.
fn holds(new: &Value, old: &Value, release: &str) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (key, value) in old {
                let found = new.get(key);
                holds(
                    found.unwrap_or_else(|| panic!("{release} needs `{key}`")),
                    value,
                    release,
                );
            }
        }
        (Value::Array(new), Value::Array(old)) if new.len() == old.len() => {
            for (new, old) in new.iter().zip(old) {
                holds(new, old, release);
            }
        }
        _ => assert_eq!(new, old, "{release}"),
    }
}

#[test]
fn envelopes_of_every_earlier_release_are_understood_and_ours_by_it() {
    is_understood("envelopes.jsonl", &envelopes());
}

#[test]
fn mails_of_every_earlier_release_are_understood_and_ours_by_it() {
    is_understood("mails.jsonl", &mails());
}

#[test]
fn a_wish_has_the_fingerprint_that_every_earlier_release_gave_it() {
    for (release, lines) in said("digests.jsonl") {
        let before: Vec<u64> = lines.iter().map(|line| line.as_u64().unwrap()).collect();
        assert_eq!(digests()[..before.len()], before, "{release}");
    }
}

#[test]
fn this_release_keeps_what_it_says() {
    fn write<T: Serialize>(path: &Path, lines: &[T]) {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| serde_json::to_string(line).unwrap())
            .collect();
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    let folder = all().join(env!("CARGO_PKG_VERSION"));
    if folder.exists() {
        return;
    }
    std::fs::create_dir(&folder).unwrap();
    write(&folder.join("envelopes.jsonl"), &envelopes());
    write(&folder.join("mails.jsonl"), &mails());
    write(&folder.join("digests.jsonl"), &digests());
    panic!("{} is new: look at it, and commit it", folder.display());
}

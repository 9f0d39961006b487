//! From SQLite to a file to MongoDB and back: the same content, and no damaged file taken.

#![allow(
    clippy::unwrap_used,
    reason = "a test or bench ends at the first thing that should not be"
)]

#[path = "../../store/tests/contract/fixtures.rs"]
#[allow(dead_code, reason = "shared with the contract suite of the store")]
mod fixtures;

use std::path::{Path, PathBuf};

use archive::{ArchiveError, Devices, Keep, Person, Summary};
use fixtures::*;
use proptest::prelude::{Strategy, any};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use protocol::entry::Change;
use protocol::ids::UserId;
use protocol::message::Message;
use protocol::room::{LeaveReason, Role, RoomType};
use store::{KeyRow, Revoke, StoreError};

fn quiet(_: &'static str, _: u64) {}

async fn sqlite(folder: &Path, name: &str) -> Handle {
    let path = folder.join(name);
    store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap()
}

fn mongo() -> String {
    let url = std::env::var("CHATIFY_TEST_MONGODB")
        .expect("CHATIFY_TEST_MONGODB is not set: run `make test`, or `eval \"$(ops/dev/servers.sh start)\"`");
    let (hosts, query) = url.split_once('?').unwrap_or((&url, ""));
    format!(
        "{}/a{}?{query}",
        hosts.trim_end_matches('/'),
        fresh().simple()
    )
}

/// A few people in rooms of every kind, with everything that may happen in one, by chance.
async fn live(store: &Handle, steps: &[(u8, u8, String)]) -> Vec<UserId> {
    let mut people = Vec::new();
    for i in 0..6 {
        let entered = store.user_by_email(
            format!("p{i}.{}@example.org", fresh()),
            person(&format!("P{i}")),
        );
        people.push(entered.await.unwrap().0.user.id);
        store
            .create_session(session(people[i], i as i64))
            .await
            .unwrap();
    }
    let mut rooms = vec![room_of(store, &people[..4]).await];
    for (kind, name, members) in [
        (RoomType::Private, Some("hidden"), &people[1..]),
        (RoomType::Dm, None, &people[..2]),
        (RoomType::Dm, None, &people[2..4]),
    ] {
        let mut room = Writer::new();
        let new = room.new_room(kind, name, members);
        assert_eq!(store.create_room(new).await, Ok(room.id));
        rooms.push(room);
    }
    let mut said: Vec<Vec<Message>> = vec![Vec::new(); rooms.len()];
    for (what, which, text) in steps {
        let at = usize::from(*which) % rooms.len();
        let (room, said) = (&mut rooms[at], &mut said[at]);
        let who = people[usize::from(*what) % people.len()];
        let other = people[usize::from(*which) % people.len()];
        let latest = said.last().cloned();
        match (what % 9, latest) {
            (0, Some(mut message)) => {
                message.text.clone_from(text);
                message.version += 1;
                message.edited_at = Some(at_time(room));
                message.mentions = vec![other];
                room.record(store, who, Change::Edited { message }).await;
            }
            (1, Some(message)) => {
                let message = message.deleted(at_time(room));
                room.record(store, who, Change::Deleted { message }).await;
                said.pop();
            }
            (2, Some(message)) => {
                let (message, emoji) = (message.id, "👍".to_owned());
                let reacted = Change::Reacted {
                    message,
                    emoji,
                    added: true,
                    count: 1,
                };
                room.record(store, who, reacted).await;
            }
            (3, _) if at < 2 => {
                let (reason, until) = (LeaveReason::Banned, Some(at_time(room)));
                let banned = Change::Left {
                    user: other,
                    reason,
                    until,
                };
                room.record(store, who, banned).await;
            }
            (4, _) if at < 2 => {
                let mut member = member(other);
                member.role = Role::Moderator;
                room.record(store, who, Change::Joined { member }).await;
            }
            (5, _) if at < 2 => {
                let room_now = room.settings(RoomType::Public, Some(text), who);
                room.record(store, who, Change::RoomChanged { room: room_now })
                    .await;
            }
            (6, _) => {
                let marked = store.mark_read(room.id, who, room.head.seq).await;
                assert!(matches!(marked, Ok(_) | Err(StoreError::NotFound)));
            }
            _ => {
                let entry = room.said_to(who, text, &[other]);
                room.append(store, std::slice::from_ref(&entry)).await;
                said.push(fixtures::said(&entry).clone());
            }
        }
    }
    rooms[3].record(store, people[2], Change::RoomDeleted).await;
    store.erase_user(people[5], at(9)).await.unwrap();
    let key = KeyRow {
        kid: format!("{}", fresh()),
        sealed: vec![1, 2],
        public: vec![3],
        created_at: at(0),
        retires_at: None,
    };
    store.put_key(key).await.unwrap();
    store.secret("pepper".into(), vec![7; 32]).await.unwrap();
    people
}

fn at_time(room: &Writer) -> protocol::time::Timestamp {
    at(room.head.seq as i64)
}

fn steps(how_many: usize) -> Vec<(u8, u8, String)> {
    let step = (any::<u8>(), any::<u8>(), "[a-zA-Zéß🦊 \"\\\\\n]{1,20}");
    let many = proptest::collection::vec(step, how_many);
    many.new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current()
}

async fn written(store: &Handle, to: PathBuf) -> (Summary, PathBuf) {
    let summary = archive::write(store.as_ref(), &to, &quiet).await.unwrap();
    assert_eq!(archive::check(&to, &quiet).unwrap(), summary);
    (summary, to)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_goes_to_mongodb_and_back_with_the_same_content() {
    let folder = tempfile::tempdir().unwrap();
    let first = sqlite(folder.path(), "first.db").await;
    let people = live(&first, &steps(400)).await;
    // More than a batch and a page hold.
    let mut long = room_of(&first, &people[..2]).await;
    for _ in 0..13 {
        let batch: Vec<_> = (0..100)
            .map(|i| long.said(people[i % 2], "on and on"))
            .collect();
        long.append(&first, &batch).await;
    }
    let (wanted, file) = written(&first, folder.path().join("first.archive")).await;
    assert!(
        wanted.entries > 1_550 && wanted.rooms == 5 && wanted.users == 6 && wanted.sessions == 6
    );

    let url = mongo();
    let second = store::open(&url).await.unwrap();
    let filled = archive::fill(second.as_ref(), &file, Keep::Everything, &quiet)
        .await
        .unwrap();
    assert_eq!(filled, wanted);
    let (again, file) = written(&second, folder.path().join("second.archive")).await;
    assert_eq!(again, wanted);

    let third = sqlite(folder.path(), "third.db").await;
    archive::fill(third.as_ref(), &file, Keep::Everything, &quiet)
        .await
        .unwrap();
    let (last, third_file) = written(&third, folder.path().join("third.archive")).await;
    assert_eq!(last, wanted);
    // Not only the digests: the bytes, epochs and secrets too.
    let bytes = |path: &Path| std::fs::read(path).unwrap();
    assert_eq!(bytes(&third_file), bytes(&file));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_room_has_another_epoch_and_the_same_places_and_nobody_is_signed_in() {
    let folder = tempfile::tempdir().unwrap();
    let first = sqlite(folder.path(), "first.db").await;
    let people = live(&first, &steps(100)).await;
    let (wanted, file) = written(&first, folder.path().join("first.archive")).await;
    for to in [
        sqlite(folder.path(), "second.db").await,
        store::open(&mongo()).await.unwrap(),
    ] {
        let filled = archive::fill(to.as_ref(), &file, Keep::Content, &quiet)
            .await
            .unwrap();
        assert_eq!(
            (filled.content, filled.sessions),
            (wanted.content.clone(), 0)
        );
        for key in first.room_keys(None, 9).await.unwrap() {
            let (before, after) = (
                first.open_room(key.id).await.unwrap(),
                to.open_room(key.id).await.unwrap(),
            );
            assert_ne!(before.head.epoch, after.head.epoch);
            assert_eq!(
                (before.head.seq, before.head.n),
                (after.head.seq, after.head.n)
            );
            assert_eq!(
                whole_log(&first, key.id).await,
                whole_log(&to, key.id).await
            );
        }
        let lists = (
            first.rooms_of(people[0]).await.unwrap(),
            to.rooms_of(people[0]).await.unwrap(),
        );
        let unread = |list: &[protocol::room::RoomSummary]| -> Vec<_> {
            list.iter()
                .map(|room| {
                    (
                        room.room.id,
                        room.unread,
                        room.mentions,
                        room.last_message.clone(),
                    )
                })
                .collect()
        };
        assert_eq!(unread(&lists.0), unread(&lists.1));
        assert_eq!(to.sessions_of(people[0]).await, Ok(vec![]));
        assert_eq!(to.keys().await, Ok(vec![]));
        assert_eq!(
            to.me(people[5]).await,
            Err(StoreError::NotFound),
            "who was erased stays so"
        );
        let ada = to.me(people[0]).await.unwrap();
        assert_eq!(to.find_email(ada.email.clone()).await, Ok(Some(ada)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_not_empty_is_not_filled() {
    let folder = tempfile::tempdir().unwrap();
    let first = sqlite(folder.path(), "first.db").await;
    live(&first, &steps(20)).await;
    let (_, file) = written(&first, folder.path().join("first.archive")).await;
    let refused = archive::fill(first.as_ref(), &file, Keep::Content, &quiet).await;
    assert!(refused.unwrap_err().to_string().contains("not empty"));
    let twice = archive::write(first.as_ref(), &file, &quiet).await;
    assert!(twice.unwrap_err().to_string().contains("is there already"));
    let url = mongo();
    let second = store::open(&url).await.unwrap();
    second.begin_filling().await.unwrap();
    assert!(matches!(
        second.begin_filling().await,
        Err(StoreError::Refused(_))
    ));
    let other = store::open(&url).await.err().unwrap();
    assert!(
        other.to_string().contains("being filled by an import"),
        "{other}"
    );
    second.end_filling().await.unwrap();
    assert!(store::open(&url).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_cut_or_changed_by_a_bit_is_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let first = sqlite(folder.path(), "first.db").await;
    live(&first, &steps(30)).await;
    let (_, file) = written(&first, folder.path().join("first.archive")).await;
    let whole = std::fs::read(&file).unwrap();
    let damaged = folder.path().join("damaged");
    let refused = |bytes: &[u8]| -> String {
        std::fs::write(&damaged, bytes).unwrap();
        match archive::check(&damaged, &quiet) {
            Err(ArchiveError::Broken(why)) => why,
            other => panic!("taken: {other:?}"),
        }
    };
    for cut in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        let why = refused(&whole[..cut]);
        assert!(
            cut < 80 || why.contains("ends early") && why.contains("line "),
            "{cut}: {why}"
        );
    }
    let mut flipped = whole.clone();
    for at in (0..whole.len()).step_by(13) {
        flipped[at] ^= 1 << (at % 8);
        let why = refused(&flipped);
        assert!(at < 80 || why.contains("line "), "{at}: {why}");
        flipped[at] = whole[at];
    }
    let twice = [whole.as_slice(), b"\n"].concat();
    assert!(refused(&twice).contains("damaged"));
    let newer = String::from_utf8(whole)
        .unwrap()
        .replacen("\"format\":1", "\"format\":2", 1);
    assert!(refused(newer.as_bytes()).contains("use a newer one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_running_store_is_whole_and_a_store_made_from_it_begins_new_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let first = sqlite(folder.path(), "first.db").await;
    live(&first, &steps(60)).await;
    let wanted = archive::content(first.as_ref(), &quiet).await.unwrap();
    let at = |name: &str| folder.path().join(name);
    store::sqlite::copy(&at("first.db"), &at("copy.db")).unwrap();
    let twice = store::sqlite::copy(&at("first.db"), &at("copy.db")).unwrap_err();
    assert!(twice.to_string().contains("is there already"), "{twice}");
    store::sqlite::restore(&at("copy.db"), &at("restored.db")).unwrap();
    let restored = sqlite(folder.path(), "restored.db").await;
    let there = archive::content(restored.as_ref(), &quiet).await.unwrap();
    assert_eq!((there.content, there.sessions), (wanted.content, 0));
    for key in first.room_keys(None, 9).await.unwrap() {
        let (before, after) = (
            first.open_room(key.id).await.unwrap(),
            restored.open_room(key.id).await.unwrap(),
        );
        assert_ne!(before.head.epoch, after.head.epoch);
        assert!(after.head.epoch.0 <= protocol::message::SEQ_MAX);
    }
    let mut bytes = std::fs::read(at("copy.db")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 512].fill(0xff);
    std::fs::write(at("damaged.db"), bytes).unwrap();
    let damaged = store::sqlite::restore(&at("damaged.db"), &at("never.db")).unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt(_)), "{damaged:?}");
    assert!(!at("never.db").exists() && !at("never.db.half").exists());
    std::fs::write(at("text.db"), "no database").unwrap();
    assert!(store::sqlite::copy(&at("text.db"), &at("never.db")).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_person_is_in_no_byte_of_the_file_and_in_no_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first.db");
    let store = sqlite(folder.path(), "first.db").await;
    let ada = person("Augusta Ada King");
    let id = ada.id;
    let entered = store.user_by_email("countess@lovelace.example".into(), ada);
    entered.await.unwrap();
    live(&store, &steps(20)).await;
    store.erase_user(id, at(1)).await.unwrap();
    let (_, file) = written(&store, folder.path().join("first.archive")).await;
    let copy = folder.path().join("copy.db");
    store::sqlite::copy(&path, &copy).unwrap();
    store.close().await;
    for place in [path, file, copy] {
        let bytes = std::fs::read(&place).unwrap().to_ascii_lowercase();
        for trace in ["countess@", "lovelace.example", "augusta", "king"] {
            let found = bytes
                .windows(trace.len())
                .any(|bytes| bytes == trace.as_bytes());
            assert!(!found, "{trace} in {}", place.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_is_given_is_theirs_and_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path(), "first.db").await;
    let people = live(&store, &[]).await;
    let mut room = room_of(&store, &people[..2]).await;
    let mine = room.say(&store, people[0], "mine, all mine").await;
    room.say(&store, people[1], "a secret of another").await;
    let (message, emoji) = (mine.id, "🦊".to_owned());
    let reacted = Change::Reacted {
        message,
        emoji,
        added: true,
        count: 1,
    };
    room.record(&store, people[1], reacted).await;
    let mut left = room_of(&store, &people[..2]).await;
    left.say(&store, people[0], "said before I left").await;
    let went = Change::Left {
        user: people[0],
        reason: LeaveReason::Left,
        until: None,
    };
    left.record(&store, people[0], went).await;
    left.say(&store, people[1], "a word behind my back").await;
    let out = store.revoke(people[0], Revoke::All, at(2)).await.unwrap();
    assert_eq!(out.len(), 1);

    let mut own = Person::new(people[0], Devices::Known);
    let mut text = String::new();
    while let Some(piece) = own.next(store.as_ref()).await.unwrap() {
        text.push_str(&piece);
    }
    assert_eq!(text.lines().count() as u64, own.lines());
    let end = format!("{{\"end\":{{\"lines\":{}}}}}\n", own.lines());
    assert!(text.ends_with(&end), "{text}");
    let address = store.me(people[0]).await.unwrap().email;
    for own in [
        "mine, all mine",
        "said before I left",
        "a phone",
        &address,
        "joined",
        "left",
    ] {
        assert!(text.contains(own), "{own}");
    }
    for others in [
        "a secret of another",
        "a word behind my back",
        "🦊",
        &people[1].to_string(),
        "refresh",
    ] {
        assert!(!text.contains(others), "{others}");
    }
    let mut erased = Person::new(people[5], Devices::Known);
    assert_eq!(erased.next(store.as_ref()).await, Err(StoreError::NotFound));
}

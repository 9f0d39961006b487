//! What only a store of many processes can get wrong: crashes between the log and what follows from it, races of two
//! handles, weak servers. The promises that all backends share are in the contract suite.

#![allow(
    clippy::unwrap_used,
    reason = "a test or bench ends at the first thing that should not be"
)]

#[path = "contract/fixtures.rs"]
#[allow(
    dead_code,
    reason = "shared with the contract suite, which uses all of it"
)]
mod fixtures;
#[path = "servers/mongod.rs"]
#[allow(dead_code, reason = "shared with the other suites")]
mod mongod;

use std::sync::Arc;

use fixtures::*;
use futures_util::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use protocol::entry::Change;
use protocol::message::{Reaction, SEQ_MAX};
use protocol::room::{LeaveReason, Role, RoomType};
use store::mongo::{Mongo, Options};
use store::{AppendError, Store as _, StoreError};

const PROJECTIONS: [&str; 4] = ["members", "versions", "mentions", "rooms"];

async fn open(url: &str) -> Handle {
    store::open(url).await.unwrap()
}

async fn raw(url: &str) -> Database {
    let client = mongodb::Client::with_uri_str(url).await.unwrap();
    client.default_database().unwrap()
}

async fn copy(raw: &Database, collection: &str) -> Vec<Document> {
    let found = raw.collection::<Document>(collection).find(doc! {}).await;
    found.unwrap().try_collect().await.unwrap()
}

async fn put_back(raw: &Database, collection: &str, docs: &[Document]) {
    let collection = raw.collection::<Document>(collection);
    collection.delete_many(doc! {}).await.unwrap();
    if !docs.is_empty() {
        collection.insert_many(docs).await.unwrap();
    }
}

/// What a process leaves that dies after the insert and some of the projections: the log as it is, everything else as it
/// was before, but for the collections that the bits of `done` name.
async fn die_before_projecting(raw: &Database, before: &[Vec<Document>], done: usize) {
    for (bit, (collection, docs)) in PROJECTIONS.iter().zip(before).enumerate() {
        if done & (1 << bit) == 0 {
            put_back(raw, collection, docs).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_log_and_what_follows_from_it_is_made_good_by_whoever_comes_by() {
    let url = mongod::database();
    let (store, raw) = (open(&url).await, raw(&url).await);
    let (ada, bob, eve, new) = (user(), user(), user(), user());
    for done in 0..8 {
        let mut room = room_of(&store, &[ada, bob, eve]).await;
        let first = room.say(&store, ada, "first").await;
        let mut before = Vec::new();
        for collection in PROJECTIONS {
            before.push(copy(&raw, collection).await);
        }
        let mut moderator = member(bob);
        moderator.role = Role::Moderator;
        let mut renamed = room.settings(RoomType::Public, Some("renamed"), ada);
        renamed.topic = Some(format!("{done}"));
        let batch = [
            room.said_to(ada, "second", &[bob]),
            room.entry(
                bob,
                Change::Reacted {
                    message: first.id,
                    emoji: "👍".into(),
                    added: true,
                    count: 1,
                },
            ),
            room.joined(new),
            room.entry(
                ada,
                Change::MemberChanged {
                    member: moderator.clone(),
                },
            ),
            room.entry(
                ada,
                Change::Left {
                    user: eve,
                    reason: LeaveReason::Banned,
                    until: None,
                },
            ),
            room.entry(
                ada,
                Change::RoomChanged {
                    room: renamed.clone(),
                },
            ),
        ];
        room.append(&store, &batch).await;
        die_before_projecting(&raw, &before, done).await;

        // Another process, which knows nothing. Each way of hearing of the batch makes it good.
        let other = open(&url).await;
        match done % 3 {
            0 => {
                let asked = vec![(ada, batch[0].key)];
                let (head, found) = other.lookup(room.id, asked).await.unwrap();
                assert_eq!(head, room.head);
                assert_eq!(found[0].as_ref().unwrap().entry, batch[0]);
            }
            1 => {
                let page = other.entries(room.id, 4, 100).await.unwrap();
                assert_eq!(
                    (page.head, page.entries.as_slice()),
                    (room.head, &batch[..])
                );
            }
            _ => assert_eq!(other.append(room.batch(&batch)).await, conflict()),
        }
        let opened = other.open_room(room.id).await.unwrap();
        renamed.member_count = 3;
        assert_eq!((opened.head, &opened.room), (room.head, &renamed), "{done}");
        assert_eq!(opened.members, [member(ada), moderator, member(new)]);
        assert_eq!(opened.bans.len(), 1);
        let shown = other.messages(room.id, vec![first.id]).await.unwrap();
        let reaction = Reaction {
            emoji: "👍".into(),
            count: 1,
            user_ids: vec![bob],
        };
        assert_eq!(shown[0].as_ref().unwrap().reactions, [reaction], "{done}");
        assert_eq!(other.room_for(bob, room.id).await.unwrap().mentions, 1);
        assert_eq!(other.room_for(ada, room.id).await.unwrap().unread, 0);
        assert_eq!(other.room_for(new, room.id).await.unwrap().unread, 0);
        // The one that died comes back to life and goes on from where it was.
        let entry = room.said(ada, "third");
        room.append(&store, std::slice::from_ref(&entry)).await;
        assert_eq!(whole_log(&other, room.id).await.len(), 11);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_made_room_is_finished_by_whoever_comes_by() {
    let url = mongod::database();
    let (store, raw) = (open(&url).await, raw(&url).await);
    let (ada, bob) = (user(), user());
    for finisher in 0..4 {
        let mut room = Writer::new();
        let new = room.new_room(RoomType::Dm, None, &[ada, bob]);
        store.create_room(new.clone()).await.unwrap();
        // As the first step of its making left it.
        let log = copy(&raw, "entries").await;
        let founding = log[0].get_array("entries").unwrap();
        let begun = doc! { "seq": 0_i64, "n": 0_i64, "member_count": 0_i64, "founding": founding };
        let rooms = raw.collection::<Document>("rooms");
        rooms
            .update_many(doc! {}, doc! { "$set": begun })
            .await
            .unwrap();
        put_back(&raw, "members", &[]).await;
        if finisher % 2 == 0 {
            put_back(&raw, "entries", &[]).await;
        }
        let other = open(&url).await;
        match finisher {
            0 => assert_eq!(other.create_room(new.clone()).await, Ok(room.id)),
            1 => {
                let again = Writer::new().new_room(RoomType::Dm, None, &[ada, bob]);
                assert_eq!(other.create_room(again).await, Ok(room.id));
            }
            2 => assert_eq!(other.open_room(room.id).await.unwrap().head, room.head),
            _ => assert_eq!(other.sweep(at(0)).await, Ok(0)),
        }
        let line = other.room_for(ada, room.id).await.unwrap();
        assert_eq!((line.peer_id, line.room.member_count), (Some(bob), 2));
        assert_eq!(whole_log(&other, room.id).await, new.entries);
        for collection in ["rooms", "pairs", "entries", "members"] {
            put_back(&raw, collection, &[]).await;
        }
    }
}

/// Says something as a lane does: on a conflict it looks, and tries again behind the new head.
async fn say_among_others(store: &Handle, mut room: Writer, texts: usize) -> usize {
    let (me, mut tries) = (user(), 0);
    for text in 0..texts {
        let entry = room.said(me, &format!("{text}"));
        let mut draft = entry;
        loop {
            tries += 1;
            let answer = store.append(room.batch(std::slice::from_ref(&draft))).await;
            if answer == Ok(()) {
                break;
            }
            assert_eq!(answer, conflict());
            let asked = vec![(me, draft.key)];
            let (head, found) = store.lookup(room.id, asked).await.unwrap();
            assert_eq!(found, [None]);
            room.head = head;
            let mut again = room.said(me, &format!("{text}"));
            again.key = draft.key;
            said_mut(&mut again).client_id = draft.key;
            draft = again;
        }
    }
    tries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_that_race_lose_nothing_and_leave_no_hole() {
    let url = mongod::database();
    let handles = [open(&url).await, open(&url).await];
    let ada = user();
    let room = room_of(&handles[0], &[ada]).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let (store, room) = (Arc::clone(&handles[writer % 2]), room.clone());
        writers.spawn(async move { say_among_others(&store, room, 10).await });
    }
    let tries: usize = writers.join_all().await.into_iter().sum();
    assert!(tries >= 60);
    for store in &handles {
        let log = whole_log(store, room.id).await;
        assert_eq!(log.len(), 61);
        assert!(log.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
        assert!(log.iter().zip(0..).all(|(entry, n)| entry.n == n));
        let keys: std::collections::HashSet<_> = log.iter().map(|entry| entry.key).collect();
        assert_eq!(keys.len(), 61, "each once");
        let head = store.open_room(room.id).await.unwrap().head;
        assert_eq!((head.seq, head.n), (61, 60));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_say_at_once_shares_operations_and_who_fails_fails_alone() {
    in_groups(mongod::database()).await;
    in_groups(mongod::database() + "&chatifyBulkWrite=off").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_says_is_one_operation_where_the_server_takes_it_as_one() {
    for (more, each) in [("", 1), ("&chatifyBulkWrite=off", 3)] {
        let mongo = Mongo::open(&(mongod::database() + more)).await.unwrap();
        let (store, ada): (Handle, _) = (Arc::new(mongo.clone()), user());
        let mut room = room_of(&store, &[ada]).await;
        room.say(&store, ada, "the first").await;
        let before = mongo.stats().begun;
        for n in 0..10 {
            room.say(&store, ada, &format!("{n}")).await;
        }
        assert_eq!(mongo.stats().begun - before, 10 * each);
        let listed = store.room_for(ada, room.id).await.unwrap();
        assert_eq!((listed.head_seq, listed.unread), (room.head.seq, 0));
    }
}

async fn in_groups(url: String) {
    const ROOMS: usize = 120;
    let mongo = Mongo::open(&url).await.unwrap();
    let (store, other): (Handle, Handle) = (Arc::new(mongo.clone()), open(&url).await);
    let (ada, bob) = (user(), user());
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(room_of(&store, &[ada, bob]).await);
    }
    // Of all those who speak at once: in one room somebody else has spoken, unseen; in one a key was used before; one
    // was made for another life of the room; one claims a place far beyond; one comes twice.
    let stranger = rooms[0].clone().said(bob, "first");
    rooms[0]
        .append(&other, std::slice::from_ref(&stranger))
        .await;
    let used = rooms[1].said(ada, "once");
    rooms[1].append(&store, std::slice::from_ref(&used)).await;
    let mut drafts: Vec<_> = rooms
        .iter()
        .map(|room| (room.clone(), room.clone().said(ada, "at once")))
        .collect();
    (drafts[1].1.key, said_mut(&mut drafts[1].1).client_id) = (used.key, used.key);
    drafts[2].0.head.epoch.0 ^= 1;
    drafts[3].1.seq += 10;
    drafts.push((
        rooms[4].clone(),
        rooms[4].clone().said(bob, "the same place"),
    ));

    let before = mongo.stats().begun;
    let mut appends = tokio::task::JoinSet::new();
    for (number, (room, entry)) in drafts.iter().cloned().enumerate() {
        let store = Arc::clone(&store);
        appends.spawn(async move { (number, store.append(room.batch(&[entry])).await) });
    }
    let mut answers = vec![Ok(()); drafts.len()];
    while let Some(done) = appends.join_next().await {
        let (number, answer) = done.unwrap();
        answers[number] = answer;
    }
    let operations = mongo.stats().begun - before;
    assert!(
        operations < ROOMS as u64,
        "{operations} operations for {ROOMS} messages"
    );
    assert_eq!(answers[..4], [const { Err(AppendError::Conflict) }; 4]);
    let (mut both, rest) = (
        vec![answers[4].clone(), answers[ROOMS].clone()],
        &answers[5..ROOMS],
    );
    both.sort_by_key(Result::is_err);
    assert_eq!(both, [Ok(()), conflict()]);
    assert!(rest.iter().all(Result::is_ok), "{rest:?}");

    // What was acknowledged shows to everybody: in the log, in heads, in the sender's marker and not in others'.
    let ids: Vec<_> = rooms.iter().map(|room| room.id).collect();
    let heads: std::collections::HashMap<_, _> =
        other.heads(ids).await.unwrap().into_iter().collect();
    for (room, (_, entry)) in rooms.iter().zip(&drafts).skip(5) {
        assert_eq!(heads[&room.id].seq, entry.seq);
        let log = whole_log(&other, room.id).await;
        assert_eq!(log.last().map(|last| last.key), Some(entry.key));
    }
    let unread = async |user, room| other.room_for(user, room).await.unwrap().unread;
    for room in &rooms[5..10] {
        assert_eq!(
            (unread(ada, room.id).await, unread(bob, room.id).await),
            (0, 1)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_who_come_and_go_through_two_handles_are_counted_once() {
    let url = mongod::database();
    let handles = [open(&url).await, open(&url).await];
    let ada = user();
    let room = room_of(&handles[0], &[ada]).await;
    let mut guests = tokio::task::JoinSet::new();
    for guest in 0..4 {
        let (store, mut room) = (Arc::clone(&handles[guest % 2]), room.clone());
        guests.spawn(async move {
            let me = user();
            for step in 0..5 {
                loop {
                    room.head = store.open_room(room.id).await.unwrap().head;
                    let change = if step % 2 == 0 {
                        Change::Joined { member: member(me) }
                    } else {
                        Change::Left {
                            user: me,
                            reason: LeaveReason::Left,
                            until: None,
                        }
                    };
                    let entry = room.entry(me, change);
                    if store.append(room.batch(&[entry])).await.is_ok() {
                        break;
                    }
                }
            }
        });
    }
    guests.join_all().await;
    let opened = handles[1].open_room(room.id).await.unwrap();
    assert_eq!((opened.room.member_count, opened.members.len()), (5, 5));
    assert_eq!(opened.head.seq, 21);
}

#[tokio::test]
async fn no_place_is_given_beyond_what_javascript_can_count() {
    let url = mongod::database();
    let (store, raw) = (open(&url).await, raw(&url).await);
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    // A room that has been talked in for 285,000 years.
    let late = (SEQ_MAX - 1) as i64;
    let aged = doc! { "$set": { "seq": late, "n": late } };
    let rooms = raw.collection::<Document>("rooms");
    rooms.update_one(doc! {}, aged).await.unwrap();
    let store = open(&url).await;
    (room.head.seq, room.head.n) = (SEQ_MAX - 1, SEQ_MAX - 1);
    let mut next = room.clone();
    let (last, beyond) = (next.said(ada, "the last"), next.said(ada, "one too many"));
    for batch in [vec![last.clone(), beyond.clone()], vec![beyond.clone()]] {
        let answer = store.append(room.batch(&batch)).await;
        assert!(
            !matches!(answer, Ok(()) | Err(AppendError::Unknown(_))),
            "{answer:?}"
        );
    }
    room.append(&store, std::slice::from_ref(&last)).await;
    let answer = store.append(room.batch(&[beyond])).await;
    assert!(
        matches!(&answer, Err(AppendError::Unavailable(why)) if why.contains("2^53")),
        "{answer:?}"
    );
    let page = store.entries(room.id, SEQ_MAX - 1, 9).await.unwrap();
    assert_eq!(
        (page.head.seq, page.entries.as_slice()),
        (SEQ_MAX, &[last][..])
    );
}

#[tokio::test]
async fn a_database_that_would_break_the_promise_is_refused_with_what_to_do() {
    let refused = async |url: &str, word: &str| match store::open(url).await {
        Err(StoreError::Refused(why)) => assert!(why.contains(word), "{why}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{word} was taken"),
    };
    let url = mongod::database();
    let meta = raw(&url).await.collection::<Document>("meta");
    meta.insert_one(doc! { "_id": "schema", "version": 99 })
        .await
        .unwrap();
    refused(&url, "newer").await;

    let url = mongod::database();
    let weak = mongodb::IndexModel::builder()
        .keys(doc! { "room": 1, "keys": 1 })
        .options(
            mongodb::options::IndexOptions::builder()
                .name("keys".to_owned())
                .build(),
        )
        .build();
    let entries = raw(&url).await.collection::<Document>("entries");
    entries.create_index(weak).await.unwrap();
    refused(&url, "index").await;

    refused(
        "mongodb://127.0.0.1:1/x?chatifyGuarantee=perhaps",
        "degraded",
    )
    .await;
    refused("mongodb://host:none/x", "URL").await;
    refused("redis://secret@host", "expected sqlite").await;
}

#[tokio::test]
async fn a_weak_topology_is_refused_unless_it_is_asked_for() {
    let server = mongod::Private::start_with(&["--standalone"]);
    let url = server.database().replace("?replicaSet=secantus", "");
    let refused = store::open(&url).await.err();
    assert!(
        matches!(&refused, Some(StoreError::Refused(why)) if why.contains("standalone")),
        "{refused:?}"
    );
    let degraded = format!("{url}?chatifyGuarantee=degraded");
    let store = Mongo::open_with(&degraded, Options::default())
        .await
        .unwrap();
    assert!(store.stats().degraded);
}

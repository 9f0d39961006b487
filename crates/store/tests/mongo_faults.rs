//! A server that freezes or dies: nobody waits longer than the deadline, nothing piles up, nothing acknowledged is lost.

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
use std::time::Duration;

use fixtures::*;
use protocol::entry::Entry;
use store::mongo::{Mongo, Options};
use store::{AppendError, Store as _, StoreError};

/// Polls what must become true; the limit is for a run that hangs, no figure of the product.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(120);
    while !holds().await {
        assert!(tokio::time::Instant::now() < patience, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_keeps_nobody_beyond_the_deadline_and_nothing_piles_up() {
    const BOUND: usize = 40;
    let server = mongod::Private::start();
    let options = Options {
        deadline: Duration::from_secs(2),
        operations_max: BOUND,
        ..Options::default()
    };
    let mongo = Mongo::open_with(&server.database(), options).await.unwrap();
    let store: Handle = Arc::new(mongo.clone());
    let ada = user();
    let mut rooms = Vec::new();
    for _ in 0..60 {
        let mut room = room_of(&store, &[ada]).await;
        // A room that this process has written to is appended to without a question before it.
        room.say(&store, ada, "before the frost").await;
        rooms.push(room);
    }

    server.freeze();
    let (mut unknown, mut unavailable) = (Vec::new(), 0);
    let mut appends = tokio::task::JoinSet::new();
    for mut room in rooms.clone() {
        let store = Arc::clone(&store);
        appends.spawn(async move {
            // Who names somebody has operations of their own.
            let entry = room.said_to(ada, "into the ice", &[ada]);
            let answer = store.append(room.batch(std::slice::from_ref(&entry))).await;
            (room, entry, answer)
        });
    }
    while let Some(done) = appends.join_next().await {
        match done.unwrap() {
            (room, entry, Err(AppendError::Unknown(_))) => unknown.push((room, entry)),
            (_, _, Err(AppendError::Unavailable(_))) => unavailable += 1,
            (_, _, other) => panic!("{other:?}"),
        }
    }
    assert_eq!(
        (unknown.len(), unavailable),
        (BOUND, 20),
        "beyond the bound nothing is begun"
    );
    assert!(!mongo.healthy(), "nobody is sent here now");
    assert!(mongo.stats().running <= BOUND);
    for room in &rooms {
        let read = store.member(room.id, ada).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    }
    assert!(
        mongo.stats().running <= BOUND,
        "refused before anything was begun"
    );

    server.thaw();
    until("the circuit closes", async || mongo.healthy()).await;
    until("the orphans end", async || mongo.stats().orphans == 0).await;
    assert_eq!(mongo.stats().running, 0);
    // What was unknown is sent again: stored once, whichever way it went.
    for (room, entry) in unknown {
        let again = store.append(room.batch(std::slice::from_ref(&entry))).await;
        assert!(again == Ok(()) || again == conflict(), "{again:?}");
        let asked = vec![(ada, entry.key)];
        let (head, found) = store.lookup(room.id, asked).await.unwrap();
        assert_eq!(
            (head.seq, found[0].as_ref().map(|found| found.entry.seq)),
            (3, Some(3))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_talk_to_a_frozen_server_gathers_in_few_operations_and_hears_in_time() {
    let server = mongod::Private::start();
    let options = Options {
        deadline: Duration::from_secs(2),
        ..Options::default()
    };
    let mongo = Mongo::open_with(&server.database(), options).await.unwrap();
    let store: Handle = Arc::new(mongo.clone());
    let ada = user();
    let mut rooms = Vec::new();
    for _ in 0..200 {
        rooms.push(room_of(&store, &[ada]).await);
    }

    server.freeze();
    let mut appends = tokio::task::JoinSet::new();
    for (number, mut room) in rooms.into_iter().enumerate() {
        let store = Arc::clone(&store);
        appends.spawn(async move {
            // Over many groups' time: a slow server gets larger groups and not more of them.
            tokio::time::sleep(Duration::from_millis(number as u64)).await;
            let entry = room.said(ada, "into the ice");
            let answer = store.append(room.batch(std::slice::from_ref(&entry))).await;
            (room, entry, answer)
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let running = mongo.stats().running;
    assert!((1..=8).contains(&running), "{running}");
    let mut unsure = Vec::new();
    while let Some(done) = appends.join_next().await {
        let (room, entry, answer) = done.unwrap();
        assert!(
            matches!(
                answer,
                Err(AppendError::Unknown(_) | AppendError::Unavailable(_))
            ),
            "{answer:?}"
        );
        unsure.push((room, entry));
    }

    server.thaw();
    until("the circuit closes", async || mongo.healthy()).await;
    for (room, entry) in &unsure {
        insist(&store, room, entry).await;
    }
    for (room, _) in &unsure {
        let log = whole_log(&store, room.id).await;
        assert_eq!(log.len(), 2, "the joining, and what was said once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_acknowledged_is_there_when_it_is_back() {
    let mut server = mongod::Private::start();
    let options = Options {
        deadline: Duration::from_secs(3),
        ..Options::default()
    };
    let store: Handle = Arc::new(Mongo::open_with(&server.database(), options).await.unwrap());
    let ada = user();
    let mut writers = tokio::task::JoinSet::new();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let acked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for _ in 0..4 {
        let mut room = room_of(&store, &[ada]).await;
        let (store, stopped, acked) = (Arc::clone(&store), stopped.clone(), Arc::clone(&acked));
        writers.spawn(async move {
            let mut log: Vec<Entry> = Vec::new();
            while !*stopped.borrow() {
                let entry = room.said(ada, "still here");
                insist(&store, &room, &entry).await;
                acked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                log.push(entry);
            }
            (room, log)
        });
    }
    for kill in 1..=3 {
        let enough = kill * 40;
        until("messages are stored again", async || {
            acked.load(std::sync::atomic::Ordering::Relaxed) >= enough
        })
        .await;
        server.kill_and_restart();
    }
    let back = acked.load(std::sync::atomic::Ordering::Relaxed) + 20;
    until("messages are stored at the end", async || {
        acked.load(std::sync::atomic::Ordering::Relaxed) >= back
    })
    .await;
    stop.send(true).unwrap();
    for (room, log) in writers.join_all().await {
        assert_eq!(whole_log(&store, room.id).await[1..], log);
        assert_eq!(store.open_room(room.id).await.unwrap().head, room.head);
    }
}

/// Sends one batch until it is acknowledged, as a lane does; nobody else writes to the room.
async fn insist(store: &Handle, room: &Writer, entry: &Entry) {
    loop {
        match store.append(room.batch(std::slice::from_ref(entry))).await {
            Ok(()) => return,
            Err(AppendError::Conflict) => {
                let asked = vec![(entry.actor, entry.key)];
                if let Ok((_, found)) = store.lookup(room.id, asked).await
                    && let Some(found) = &found[0]
                {
                    assert_eq!(found.entry, *entry);
                    return;
                }
            }
            Err(AppendError::Unavailable(_) | AppendError::Unknown(_)) => {}
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

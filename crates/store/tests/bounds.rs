//! What is bounded: waiting commands, the write-ahead log, and the numbers that JavaScript can count.

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

use std::sync::Arc;
use std::time::Duration;

use fixtures::*;
use protocol::message::SEQ_MAX;
use rusqlite::{Connection, params};
use store::AppendError;
use store::sqlite::{Options, Sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_disk_refuses_at_once_what_would_wait_too_long() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chatify.db");
    let options = Options {
        queue: 4,
        ..Options::default()
    };
    let store: Handle = Arc::new(
        Sqlite::open_with(path.to_str().unwrap(), options)
            .await
            .unwrap(),
    );
    let ada = user();
    let mut rooms = Vec::new();
    for _ in 0..100 {
        rooms.push(room_of(&store, &[ada]).await);
    }

    // Another program holds the file: the writer waits as it would for a stalled disk.
    let outside = Connection::open(&path).unwrap();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut appends = tokio::task::JoinSet::new();
    for mut room in rooms {
        let store = Arc::clone(&store);
        appends.spawn(async move {
            let entry = room.said(ada, "hello");
            store.append(room.batch(&[entry])).await
        });
    }
    // Four may be with the writer and four in the queue.
    for _ in 0..92 {
        let answer = appends.join_next().await.unwrap().unwrap();
        assert!(
            matches!(&answer, Err(AppendError::Unavailable(why)) if why.contains("waiting")),
            "{answer:?}"
        );
    }
    assert_eq!(store.rooms_of(ada).await.unwrap().len(), 100, "reads go on");
    outside.execute_batch("COMMIT").unwrap();
    let mut stored = 0;
    while let Some(answer) = appends.join_next().await {
        stored += usize::from(answer.unwrap().is_ok());
    }
    assert!(stored >= 4, "{stored}");
}

#[tokio::test]
async fn a_reader_with_an_old_snapshot_holds_up_nobody_and_the_log_shrinks_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chatify.db");
    let store: Handle = store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let outside = Connection::open(&path).unwrap();
    outside.execute_batch("BEGIN").unwrap();
    let count = |db: &Connection| {
        db.query_row("SELECT count(*) FROM entries", [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap()
    };
    assert_eq!(count(&outside), 1);
    for _ in 0..40 {
        let batch: Vec<_> = (0..200)
            .map(|_| room.said(ada, &"x".repeat(3_000)))
            .collect();
        room.append(&store, &batch).await;
    }
    assert_eq!(count(&outside), 1, "its picture stands still");
    outside.execute_batch("COMMIT").unwrap();
    let log = directory.path().join("chatify.db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 16 << 20);
    let shrunk = async {
        // Idle: an earlier attempt may have met the reader, so a small write gives the store another occasion.
        while std::fs::metadata(&log).unwrap().len() > 1 << 20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), shrunk)
        .await
        .unwrap();
    store.close().await;
}

#[tokio::test]
async fn no_place_is_given_beyond_what_javascript_can_count() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chatify.db");
    let url = format!("sqlite:{}", path.display());
    let store: Handle = store::open(&url).await.unwrap();
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    room.say(&store, ada, "the first").await;
    store.close().await;

    // A room that has been talked in for 285,000 years.
    let late = SEQ_MAX - 1;
    Connection::open(&path)
        .unwrap()
        .execute(
            "UPDATE entries SET seq = ?1, n = ?1 WHERE seq = 2",
            params![late as i64],
        )
        .unwrap();
    let store: Handle = store::open(&url).await.unwrap();
    room.head.seq = late;
    room.head.n = late;
    let mut next = room.clone();
    let (last, beyond) = (next.said(ada, "the last"), next.said(ada, "one too many"));
    for batch in [vec![last.clone(), beyond.clone()], vec![beyond.clone()]] {
        let answer = store.append(room.batch(&batch)).await;
        assert!(
            !matches!(answer, Ok(()) | Err(AppendError::Unknown(_))),
            "{answer:?}"
        );
        assert_eq!(store.open_room(room.id).await.unwrap().head, room.head);
    }
    room.append(&store, std::slice::from_ref(&last)).await;
    let answer = store.append(room.batch(&[beyond])).await;
    assert!(
        matches!(&answer, Err(AppendError::Unavailable(why)) if why.contains("2^53")),
        "{answer:?}"
    );
    assert_eq!(
        store.entries(room.id, late, 9).await.unwrap().entries,
        std::slice::from_ref(&last)
    );
    assert_eq!(
        store
            .mark_read(room.id, ada, u64::MAX)
            .await
            .unwrap()
            .0
            .read_seq,
        SEQ_MAX
    );
    let newest = store.history(newest(room.id, 1)).await.unwrap();
    assert_eq!(newest.messages, [said(&last).clone()]);
    store.close().await;
}

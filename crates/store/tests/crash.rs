//! A process that dies, by a kill or by its own hand on a failing disk, has kept everything that it acknowledged.
//!
//! The child is this test binary itself: it appends to a few rooms for ever and prints each acknowledgement. A kill
//! leaves the page cache alive, so this says nothing of power cuts.

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

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fixtures::*;
use protocol::ids::{ClientId, RoomId, UserId};
use protocol::message::Seq;
use uuid::Uuid;

const ROOMS: usize = 8;
const ADA: UserId = UserId(Uuid::from_u128(1));
const FILE: &str = "CHATIFY_TEST_FILE";

/// What the child said was stored.
#[derive(Debug)]
struct Acked {
    room: RoomId,
    seq: Seq,
    key: ClientId,
}

/// No test of its own: the process that the tests below start, and kill. Without their file it does nothing.
#[test]
fn child_that_appends_for_ever() {
    let Ok(file) = std::env::var(FILE) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store: Handle = store::open(&format!("sqlite:{file}")).await.unwrap();
        let mut rooms = tokio::task::JoinSet::new();
        for line in store.rooms_of(ADA).await.unwrap() {
            let store = Arc::clone(&store);
            rooms.spawn(async move {
                let head = store.open_room(line.room.id).await.unwrap().head;
                let mut room = Writer {
                    id: line.room.id,
                    head,
                };
                loop {
                    let batch: Vec<_> = (0..=room.head.seq % 3)
                        .map(|_| room.said(ADA, "still here"))
                        .collect();
                    room.append(&store, &batch).await;
                    for entry in batch {
                        println!("acked {} {} {}", room.id, entry.seq, entry.key);
                    }
                }
            });
        }
        rooms.join_all().await;
    });
}

async fn prepare(file: &Path) {
    let store = open(file).await;
    for _ in 0..ROOMS {
        room_of(&store, &[ADA]).await;
    }
    store.close().await;
}

async fn open(file: &Path) -> Handle {
    store::open(&format!("sqlite:{}", file.display()))
        .await
        .unwrap()
}

/// Starts the child under a shell, which may first set limits for it.
fn child(file: &Path, limits: &str) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{limits} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_appends_for_ever", "--nocapture"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads what the child says until it has said so many things, kills it then, and reads the rest.
fn listen(mut child: Child, kill_after: usize) -> (Vec<Acked>, std::process::ExitStatus) {
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut acked = Vec::new();
    for line in lines {
        let Some(words) = line.split_once("acked ").map(|(_, words)| words) else {
            continue;
        };
        // The last line of a killed process may be cut off; it was never said then.
        let mut words = words.split(' ');
        let (Some(room), Some(seq), Some(key)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let (Ok(room), Ok(seq), Ok(key)) = (room.parse(), seq.parse(), Uuid::try_parse(key)) else {
            continue;
        };
        acked.push(Acked {
            room,
            seq,
            key: ClientId(key),
        });
        if acked.len() == kill_after {
            child.kill().unwrap();
        }
    }
    (acked, child.wait().unwrap())
}

/// The file is whole, every log is dense, and everything that was acknowledged stands at its place.
async fn assert_kept(file: &Path, acked: &[Acked]) {
    let store = open(file).await;
    let mut kept = HashMap::new();
    for line in store.rooms_of(ADA).await.unwrap() {
        let log = whole_log(&store, line.room.id).await;
        assert!(
            log.iter().zip(1..).all(|(entry, seq)| entry.seq == seq),
            "{} has a hole",
            line.room.id
        );
        assert_eq!(line.head_n, log.len() as u64 - 1);
        kept.extend(
            log.into_iter()
                .map(|entry| ((line.room.id, entry.seq), entry.key)),
        );
    }
    for one in acked {
        assert_eq!(
            kept.get(&(one.room, one.seq)),
            Some(&one.key),
            "{one:?} is lost"
        );
    }
    store.close().await;
    let verdict: String = rusqlite::Connection::open(file)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}

#[tokio::test]
async fn a_killed_process_has_kept_everything_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("chatify.db");
    prepare(&file).await;
    let mut acked = Vec::new();
    for round in 0..10 {
        let (said, status) = listen(child(&file, ""), 20 + 37 * round);
        assert_eq!(status.signal(), Some(9));
        acked.extend(said);
        assert_kept(&file, &acked).await;
    }
    assert!(acked.len() > 1_000, "only {} acknowledged", acked.len());
}

/// A file that may not grow stands for a disk that fails: a write is refused in the middle of a commit, for another
/// reason than a lack of space.
#[tokio::test]
async fn a_failing_disk_ends_the_process_and_nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("chatify.db");
    prepare(&file).await;
    let (acked, status) = listen(
        child(&file, "trap '' XFSZ; ulimit -c 0; ulimit -f 2000;"),
        usize::MAX,
    );
    assert_eq!(status.signal(), Some(6), "it must abort: {status:?}");
    assert!(!acked.is_empty());
    assert_kept(&file, &acked).await;
}

//! A full disk refuses writes by name and loses nothing; reads go on; it recovers by itself when space returns.

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

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fixtures::*;
use protocol::entry::Entry;
use store::sqlite::{Options, Sqlite};
use store::{AppendError, KeptAnswer};

/// Appends until it is refused, and returns what was refused.
async fn fill(store: &Handle, room: &mut Writer, ada: protocol::ids::UserId) -> Entry {
    loop {
        let mut next = room.clone();
        let entry = next.said(ada, &"x".repeat(3_000));
        match store.append(room.batch(std::slice::from_ref(&entry))).await {
            Ok(()) => *room = next,
            Err(AppendError::Unavailable(why)) => {
                assert!(why.contains("no space"), "{why}");
                return entry;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

async fn assert_reads_go_on(store: &Handle, room: &Writer, ada: protocol::ids::UserId) {
    assert!(!store.healthy());
    assert_eq!(store.open_room(room.id).await.unwrap().head, room.head);
    assert_eq!(whole_log(store, room.id).await.len() as u64, room.head.seq);
    assert_eq!(
        store.rooms_of(ada).await.unwrap()[0].head_seq,
        room.head.seq
    );
    assert!(
        !store
            .history(newest(room.id, 5))
            .await
            .unwrap()
            .messages
            .is_empty()
    );
}

#[tokio::test]
async fn a_full_file_refuses_writes_until_something_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chatify.db");
    let options = Options {
        pages_max: Some(400),
        ..Options::default()
    };
    let store: Handle = Arc::new(
        Sqlite::open_with(path.to_str().unwrap(), options)
            .await
            .unwrap(),
    );
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    for key in 0..100 {
        let key = format!("{key}");
        assert_eq!(
            store
                .claim_key("s".into(), key.clone(), [0; 32], at(0))
                .await,
            Ok(None)
        );
        let answer = KeptAnswer {
            digest: [0; 32],
            status: 200,
            body: "x".repeat(5_000),
        };
        store.keep_answer("s".into(), key, answer).await.unwrap();
    }
    let refused = fill(&store, &mut room, ada).await;
    assert_reads_go_on(&store, &room, ada).await;
    let lookup = store
        .lookup(room.id, vec![(ada, refused.key)])
        .await
        .unwrap();
    assert_eq!(
        lookup,
        (room.head, vec![None]),
        "nothing of what was refused is stored"
    );

    let day = 24 * 60 * 60 * 1_000;
    assert_eq!(store.sweep(at(day)).await, Ok(100));
    assert!(store.healthy());
    room.head.seq += 1;
    room.head.n += 1;
    room.append(&store, &[refused]).await;
}

/// A file system of its own with 32 MiB, for tests that run as root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"])
            .arg(at)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(at.to_path_buf()))
    }

    /// Leaves half a MiB of what is free.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = std::fs::File::create(&ballast).unwrap();
        while file.write_all(&[0; 64 << 10]).is_ok() {}
        let written = file.metadata().unwrap().len();
        file.set_len(written.checked_sub(512 << 10).unwrap())
            .unwrap();
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a failed test may still have files open there.
        Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status()
            .unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_the_store_recovers_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(directory.path()) else {
        eprintln!("skipped: only root may mount a small disk");
        return;
    };
    let path = disk.0.join("chatify.db");
    let store: Handle = store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    for round in 0..6 {
        let ballast = disk.fill();
        fill(&store, &mut room, ada).await;
        assert_reads_go_on(&store, &room, ada).await;
        std::fs::remove_file(&ballast).unwrap();
        if round % 2 == 0 {
            room.say(&store, ada, "there is space").await;
        } else {
            // Nobody writes: the store notices of its own accord.
            let noticed = async {
                while !store.healthy() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), noticed)
                .await
                .unwrap();
        }
        assert!(store.healthy());
    }
    store.close().await;
    let verdict: String = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    let store: Handle = store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    assert_eq!(whole_log(&store, room.id).await.len() as u64, room.head.seq);
    store.close().await;
}

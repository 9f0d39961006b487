//! Which files are opened, and which are refused with a line that says why.

#![allow(
    clippy::unwrap_used,
    reason = "a test or bench ends at the first thing that should not be"
)]

use std::path::Path;

use store::{Store, StoreError};

async fn refusal(path: &Path) -> String {
    match store::open(&format!("sqlite:{}", path.display())).await {
        Err(StoreError::Refused(why)) => why,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{} was opened", path.display()),
    }
}

async fn made(path: &Path) -> std::sync::Arc<dyn Store> {
    store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap()
}

fn change(path: &Path, sql: &str) {
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

#[tokio::test]
async fn a_file_is_open_once_and_free_after_the_close() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chatify.db");
    for _ in 0..3 {
        let store = made(&path).await;
        let why = refusal(&path).await;
        assert!(
            why.contains("in use by another process") && why.contains("chatify.lock"),
            "{why}"
        );
        store.close().await;
    }
}

#[tokio::test]
async fn a_file_is_free_when_its_handle_is_gone_without_a_close() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chatify.db");
    drop(made(&path).await);
    // The threads end by themselves; there is no handle left to wait with.
    while let Err(error) = store::open(&format!("sqlite:{}", path.display())).await {
        assert!(error.to_string().contains("in use"), "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chatify.db");
    made(&path).await.close().await;
    change(&path, "PRAGMA user_version = 99");
    let why = refusal(&path).await;
    assert!(why.contains("schema 99") && why.contains("newer"), "{why}");
    change(&path, "PRAGMA user_version = 3");
    made(&path).await.close().await;
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.db");
    change(&path, "CREATE TABLE notes (text TEXT)");
    let why = refusal(&path).await;
    assert!(why.contains("another program"), "{why}");
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    std::fs::write(&path, "Dear Ada, ".repeat(1_000)).unwrap();
    assert!(refusal(&path).await.contains("not a database"));
    assert!(
        refusal(&directory.path().join("no/such/folder.db"))
            .await
            .contains("cannot open")
    );
    assert!(
        refusal(&directory.path().join("store.lock"))
            .await
            .contains("cannot be called .lock")
    );
}

#[tokio::test]
async fn an_unknown_scheme_is_refused() {
    for url in ["mongo:x", "chatify.db", ""] {
        assert!(
            matches!(store::open(url).await, Err(StoreError::Refused(_))),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_file_is_kept_with_a_log_and_full_sync() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chatify.db");
    let store = made(&path).await;
    let mode: String = rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    store.close().await;
    assert!(
        !path.with_extension("db-wal").exists(),
        "a closed store is one file"
    );
}

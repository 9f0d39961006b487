//! The threads that read. Each has a read-only connection and runs one read at a time, in one snapshot.
//!
//! A snapshot is begun when a read starts and ended with it, so that none can hold the write-ahead log open for longer
//! than the read takes. A read whose caller has gone is not begun.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tracing::error;

use super::queue::Queue;
use super::row::Failure;
use crate::StoreError;

pub(super) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

pub(super) fn run(db: Connection, queue: &Queue<ReadJob>) {
    while let Some(job) = queue.pop() {
        // A read changes nothing, so a panic in one harms nobody but its caller, who hears that it failed.
        if catch_unwind(AssertUnwindSafe(|| job(&db))).is_err() {
            error!("a read panicked");
            if !db.is_autocommit() {
                end(&db);
            }
        }
    }
}

pub(super) fn job<T, F>(work: F, reply: oneshot::Sender<Result<T, StoreError>>) -> ReadJob
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
{
    Box::new(move |db| {
        if reply.is_closed() {
            return;
        }
        let outcome = execute(db, "BEGIN").map_err(Failure::from).and_then(|()| {
            let outcome = work(db);
            end(db);
            outcome
        });
        // The caller may have gone meanwhile; nothing was changed that they would have to know of.
        drop(reply.send(outcome.map_err(StoreError::from)));
    })
}

fn end(db: &Connection) {
    if let Err(error) = execute(db, "COMMIT") {
        error!(%error, "a snapshot did not end");
    }
}

fn execute(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

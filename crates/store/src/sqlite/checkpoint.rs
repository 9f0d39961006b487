//! Moving the write-ahead log into the database file, beside the writer and not within its commits.
//!
//! A thread of its own copies (`PASSIVE`, which holds up nobody). The writer only finishes what came in meanwhile, so
//! that the log can start again at its beginning: under steady load a copy alone never catches up. A reader that holds
//! an old snapshot delays that; the log grows meanwhile, is warned about, and shrinks when the reader ends.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode};
use tracing::{debug, warn};

use super::schema;
use super::writer::{die, no_space};
use crate::StoreError;

/// Pages in the log from which on it is copied: few enough for a short recovery after a crash, enough that a page
/// which changes with every message is copied once for many of them.
const COPY_FROM: i32 = 4_000;
/// Pages from which on the writer itself finishes the copy.
const FINISH_FROM: i32 = 16_000;
/// Pages from which on the writer waits for readers (for `READERS_WAIT`), and says so.
const WAIT_FROM: i32 = 64_000;
const READERS_WAIT: Duration = Duration::from_millis(250);
/// An idle store gives the log's space back if it has at least so many pages.
const SHRINK_FROM: i32 = 256;

/// The writer's side.
pub(super) struct Checkpoints {
    wake: SyncSender<()>,
    copying: Arc<AtomicBool>,
    /// In the log after the last commit, not counting what a finished copy made free.
    pages: Arc<AtomicI32>,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    /// Takes the checkpoints of the writer's connection over from SQLite, which would run them within a commit.
    pub(super) fn start(path: &Path, writer: &mut Connection) -> Result<Self, StoreError> {
        let pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&pages);
        let watched = writer.wal_hook(Some(move |_: &mut Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        }));
        watched.map_err(|error| {
            StoreError::Refused(format!("cannot watch the write-ahead log: {error}"))
        })?;
        let db = schema::connect(path)?;
        let (wake, woken) = sync_channel(1);
        let copying = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&copying);
        let thread = std::thread::Builder::new()
            .name("store-copy".into())
            .spawn(move || copy(&db, &woken, &flag))
            .map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))?;
        Ok(Self {
            wake,
            copying,
            pages,
            thread,
        })
    }

    pub(super) fn after_commit(&self, db: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < COPY_FROM || self.copying.load(Ordering::Acquire) {
            return;
        }
        if pages >= WAIT_FROM {
            warn!(
                pages,
                "the write-ahead log is long: a reader has held it open, or the disk is slow"
            );
            // The next commit would otherwise try again at once.
            self.pages.store(COPY_FROM, Ordering::Relaxed);
            checkpoint(db, "RESTART");
        } else if pages >= FINISH_FROM {
            checkpoint(db, "PASSIVE");
            self.pages.store(0, Ordering::Relaxed);
        } else {
            self.copying.store(true, Ordering::Release);
            if self.wake.try_send(()).is_err() {
                self.copying.store(false, Ordering::Release);
            }
        }
    }

    pub(super) fn when_idle(&self, db: &Connection) {
        if self.pages.load(Ordering::Relaxed) >= SHRINK_FROM
            && !self.copying.load(Ordering::Acquire)
        {
            self.pages.store(0, Ordering::Relaxed);
            checkpoint(db, "TRUNCATE");
        }
    }

    /// Ends the copying thread and copies everything.
    pub(super) fn finish(self, db: &Connection) {
        drop(self.wake);
        if self.thread.join().is_err() {
            warn!("the copying thread has panicked; the writer copies what is left");
        }
        checkpoint(db, "TRUNCATE");
    }
}

fn copy(db: &Connection, woken: &Receiver<()>, copying: &AtomicBool) {
    while woken.recv().is_ok() {
        checkpoint(db, "PASSIVE");
        copying.store(false, Ordering::Release);
    }
}

fn checkpoint(db: &Connection, mode: &str) {
    let waited = db.busy_timeout(READERS_WAIT).and_then(|()| {
        db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
            ))
        })
    });
    let restored = db.busy_timeout(schema::BUSY);
    match waited.and_then(|done| restored.map(|()| done)) {
        Ok((busy, pages, copied)) => debug!(mode, busy, pages, copied, "checkpoint"),
        // The log keeps everything; the copy is tried again later.
        Err(error) if no_space(&error) => {
            warn!(%error, "no space to copy the write-ahead log into")
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => die(&error),
        Err(error) => debug!(%error, mode, "checkpoint put off"),
    }
}

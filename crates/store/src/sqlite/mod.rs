//! The store on one SQLite file: one thread writes, a few read, and no caller waits on a lock.
//!
//! Invariants: only the writer changes the file; nothing is answered before its commit has reached the disk; a read is
//! one snapshot; every queue has a bound and a full one is an answer (`Unavailable`). The file's lock lives as long as
//! the last thread that has it open.

mod append;
mod audit;
mod checkpoint;
mod copy;
mod facts;
mod history;
mod log;
mod queue;
mod reader;
mod rooms;
mod rooms_cache;
mod row;
mod schema;
mod users;
mod whole;
mod writer;

pub use self::copy::{copy, is_database, restore};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use self::checkpoint::Checkpoints;
use self::queue::{Bound, NotTaken, Queue};
use self::reader::ReadJob;
use self::row::Failure;
use self::writer::{Command, Job, Write, Writer};
use crate::{Answer, Future, SeedBatch, Stats, Store, StoreError};

/// What may be set apart from the path; the defaults are right for a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Commands that may wait for the writer; one more is refused as unavailable. With [`Options::queue_bytes`]
    /// this is what a stalled disk can cost in memory.
    pub queue: usize,
    /// Bytes of such commands.
    pub queue_bytes: usize,
    /// Commands in one transaction: about 20 ms of work, which is what the last of them waits beside the disk.
    pub batch: usize,
    /// Threads that read, each with a connection; as many again times 1,000 reads may wait.
    pub readers: usize,
    /// Pages of 4 KiB that the file may have; more is refused as a full disk is. For tests and quotas.
    pub pages_max: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            queue: 16_384,
            queue_bytes: 64 << 20,
            batch: 2_048,
            readers: cores.clamp(2, 8),
            pages_max: None,
        }
    }
}

/// One file, open in this process and in no other.
pub struct Sqlite {
    writes: Arc<Queue<Box<dyn Command>>>,
    reads: Arc<Queue<ReadJob>>,
    healthy: Arc<AtomicBool>,
    gone: watch::Receiver<()>,
}

/// Held by each thread that has the file open. Fields drop in this order: who hears that all are gone finds the lock free.
struct InUse {
    _lock: std::fs::File,
    /// Where a private file lies, which goes with it.
    _private: Option<tempfile::TempDir>,
    _gone: watch::Sender<()>,
}

impl Sqlite {
    /// Opens the file, makes it if there is none, and brings its schema up to this binary's. `:memory:` is a private
    /// file that is deleted with its handle and is spared the fsyncs.
    pub async fn open(path: &str) -> Result<Self, StoreError> {
        Self::open_with(path, Options::default()).await
    }

    /// As [`Sqlite::open`], with other bounds.
    pub async fn open_with(path: &str, options: Options) -> Result<Self, StoreError> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || start(&path, &options))
            .await
            .map_err(|error| StoreError::Unavailable(format!("opening was cut off: {error}")))?
    }

    /// Runs work on the writer's thread; the answer comes after the commit that holds it. It may be run a second time,
    /// after the first was undone.
    fn write<'a, T, F>(&'a self, weight: usize, work: F) -> Answer<'a, T>
    where
        T: Send + 'static,
        F: Fn(&mut Write<'_>) -> Result<T, Failure> + Send + 'static,
    {
        Box::pin(async move {
            let (job, answer) = Job::new(work);
            self.writes
                .push(weight, Box::new(job))
                .map_err(|refused| not_taken(&refused))?;
            // The writer answers every command that it took; if it could not, nobody knows.
            answer.await.unwrap_or_else(|_| {
                Err(StoreError::Unknown(
                    "the writer ended without an answer".into(),
                ))
            })
        })
    }

    /// Runs work on a reader's thread, within one snapshot that holds everything acknowledged until now.
    fn read<'a, T, F>(&'a self, work: F) -> Answer<'a, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.reads
                .push(1, reader::job(work, reply))
                .map_err(|refused| not_taken(&refused))?;
            answer
                .await
                .unwrap_or_else(|_| Err(StoreError::Unavailable("the read failed".into())))
        })
    }
}

impl Store for Sqlite {
    fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn close(&self) -> Future<'_, ()> {
        Box::pin(async move {
            self.writes.close();
            self.reads.close();
            // Every sender gone means every thread gone: an error is what is waited for.
            let mut gone = self.gone.clone();
            while gone.changed().await.is_ok() {}
        })
    }

    fn seed(&self, batch: SeedBatch) -> Answer<'_, ()> {
        let entries: usize = batch.rooms.iter().map(|room| room.entries.len() + 1).sum();
        let weight = rooms::SMALL * (batch.users.len() + batch.sessions.len() + entries);
        self.write(weight, move |write| {
            for (user, email) in &batch.users {
                users::insert(write.db, user, email)?;
            }
            for session in &batch.sessions {
                users::insert_session(write.db, session)?;
            }
            for room in &batch.rooms {
                append::create_room(write, room)?;
            }
            Ok(())
        })
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.writes.close();
        self.reads.close();
    }
}

fn not_taken(refused: &NotTaken) -> StoreError {
    StoreError::Unavailable(match refused {
        NotTaken::Full => "too much is waiting for the disk".into(),
        NotTaken::Closed => "the store is closed".into(),
    })
}

fn start(path: &str, options: &Options) -> Result<Sqlite, StoreError> {
    let private = if path == ":memory:" {
        Some(tempfile::tempdir().map_err(no_directory)?)
    } else {
        None
    };
    let path: PathBuf = private
        .as_ref()
        .map_or_else(|| Path::new(path).into(), |dir| dir.path().join("store.db"));
    let lock = schema::lock(&path)?;
    let mut db = schema::open(&path, private.is_none())?;
    if let Some(pages) = options.pages_max {
        db.pragma_update(None, "max_page_count", pages)
            .map_err(|error| {
                StoreError::Refused(format!("cannot bound {}: {error}", path.display()))
            })?;
    }
    let readers = (0..options.readers)
        .map(|_| schema::open_reader(&path))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let checkpoints = Checkpoints::start(&path, &mut db)?;

    let (sender, gone) = watch::channel(());
    let in_use = Arc::new(InUse {
        _lock: lock,
        _private: private,
        _gone: sender,
    });
    let waiting = Bound {
        count: options.queue,
        weight: options.queue_bytes,
    };
    let writes = Arc::new(Queue::new(waiting));
    let reads = Arc::new(Queue::new(Bound {
        count: 1_000 * options.readers,
        weight: usize::MAX,
    }));
    let healthy = Arc::new(AtomicBool::new(true));
    let sqlite = Sqlite {
        writes: Arc::clone(&writes),
        reads: Arc::clone(&reads),
        healthy: Arc::clone(&healthy),
        gone,
    };
    for reader in readers {
        let (queue, in_use) = (Arc::clone(&reads), Arc::clone(&in_use));
        thread("store-reader", move || {
            reader::run(reader, &queue);
            drop(in_use);
        })?;
    }
    let batch = Bound {
        count: options.batch,
        weight: options.queue_bytes,
    };
    thread("store-writer", move || {
        let writer = Writer {
            db,
            queue: writes,
            healthy,
            checkpoints,
            batch,
        };
        if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
            // Callers would wait for ever for a thread that is gone, and what it knew of the rooms may be half a truth.
            tracing::error!("the writer panicked; ending the process");
            std::process::abort();
        }
        drop(in_use);
    })?;
    Ok(sqlite)
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let started = std::thread::Builder::new().name(name.into()).spawn(work);
    started
        .map(drop)
        .map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))
}

fn no_directory(error: std::io::Error) -> StoreError {
    StoreError::Refused(format!("no temporary directory: {error}"))
}

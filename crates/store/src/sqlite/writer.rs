//! The one thread that writes: it takes all commands that wait, runs them in one transaction, commits with an fsync, and
//! only then answers.
//!
//! A batch is what gathered while the last fsync ran, and under load for at least [`PACE`]; who writes alone never waits.
//!
//! A command that fails leaves nothing behind and its neighbours unharmed: most fail before they change anything, and if
//! one did not, the batch is run again with a savepoint for each (which costs a quarter of the writer's time, too much to
//! pay for the rare case always). A full disk refuses the batch and nothing more. Any other I/O error ends the process:
//! after a failed fsync nobody knows what is on the disk, and the log is read again from there at the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::checkpoint::Checkpoints;
use super::queue::{Bound, Drained, Queue};
use super::rooms_cache::RoomStates;
use super::row::Failure;
use crate::StoreError;

/// How long nothing must come until the thread tidies up, and how often it tries again on a full disk.
const IDLE: Duration = Duration::from_secs(1);

/// From the begin of one commit to that of the next, while several write at once. Each commit writes the same few pages
/// and asks the disk once, whatever it holds: at 2,000 messages a second one holds ten of them, for a few
/// milliseconds of their latency.
const PACE: Duration = Duration::from_millis(5);

/// What a command may use.
pub(super) struct Write<'c> {
    pub(super) db: &'c Connection,
    pub(super) rooms: &'c mut RoomStates,
}

/// Something to write, of any result type.
pub(super) trait Command: Send {
    /// May be called again after what it did was undone.
    fn run(&mut self, write: &mut Write<'_>) -> Ran;
    /// Called once, after the commit (`Ok`) or instead of it.
    fn answer(self: Box<Self>, stored: Result<(), StoreError>);
}

/// How a command ended.
pub(super) enum Ran {
    /// Its changes are part of the transaction.
    Done,
    /// It failed by itself; its changes are to be undone.
    Failed,
    /// The database failed; so does the batch.
    Broke(rusqlite::Error),
}

/// A command made of a closure and somebody who waits.
pub(super) struct Job<T, F> {
    work: F,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job<T, F> {
    pub(super) fn new(work: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                work,
                outcome: None,
                reply,
            },
            answer,
        )
    }
}

impl<T, F> Command for Job<T, F>
where
    T: Send,
    F: Fn(&mut Write<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, write: &mut Write<'_>) -> Ran {
        match (self.work)(write) {
            Ok(value) => {
                self.outcome = Some(Ok(value));
                Ran::Done
            }
            Err(Failure::Sql(error)) if breaks(&error) => Ran::Broke(error),
            Err(failure) => {
                self.outcome = Some(Err(failure.into()));
                Ran::Failed
            }
        }
    }

    fn answer(self: Box<Self>, stored: Result<(), StoreError>) {
        let outcome = match (stored, self.outcome) {
            // What a command found out is told as well only if the transaction that it saw became the truth.
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(StoreError::Unavailable("the command was not run".into())),
            (Err(error), _) => Err(error),
        };
        // The caller may have gone: what they asked for is stored all the same, and they can find it there.
        drop(self.reply.send(outcome));
    }
}

/// The writing thread.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) queue: Arc<Queue<Box<dyn Command>>>,
    pub(super) healthy: Arc<AtomicBool>,
    pub(super) checkpoints: Checkpoints,
    pub(super) batch: Bound,
}

impl Writer {
    /// Runs until the queue is closed and empty.
    pub(super) fn run(self) {
        let mut rooms = RoomStates::default();
        let mut batch: Vec<Box<dyn Command>> = Vec::new();
        loop {
            match self.queue.drain(&mut batch, self.batch, IDLE) {
                Drained::Some => {
                    let (begun, together) = (Instant::now(), batch.len() > 1);
                    self.store(&mut rooms, &mut batch);
                    // Of one caller who waits for each answer there is never more than one command.
                    if together {
                        std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
                    }
                }
                Drained::Idle => self.idle(),
                Drained::Closed => break,
            }
        }
        self.healthy.store(false, Ordering::Relaxed);
        // The checkpointing thread ends before this connection does: the last one to close tidies the log away.
        self.checkpoints.finish(&self.db);
    }

    fn store(&self, rooms: &mut RoomStates, batch: &mut Vec<Box<dyn Command>>) {
        let stored = self.transaction(rooms, batch).map_err(|error| {
            rooms.clear();
            self.give_up(error)
        });
        if self.healthy.swap(!full(&stored), Ordering::Relaxed) == full(&stored) {
            match &stored {
                Err(error) => warn!(%error, "writes are refused until there is space again"),
                Ok(()) => info!("there is space again; writes are taken"),
            }
        }
        let verdict = stored.map_err(|refused| refused.into());
        for command in batch.drain(..) {
            command.answer(verdict.clone());
        }
        self.checkpoints.after_commit(&self.db);
    }

    fn transaction(
        &self,
        rooms: &mut RoomStates,
        batch: &mut [Box<dyn Command>],
    ) -> rusqlite::Result<()> {
        if self.run_all(rooms, batch, false)? == Batch::Tainted {
            execute(&self.db, "ROLLBACK")?;
            rooms.clear();
            self.run_all(rooms, batch, true)?;
        }
        execute(&self.db, "COMMIT")
    }

    /// Runs each command, with a savepoint if `careful`. `Tainted`: one failed after it had changed something.
    fn run_all(
        &self,
        rooms: &mut RoomStates,
        batch: &mut [Box<dyn Command>],
        careful: bool,
    ) -> rusqlite::Result<Batch> {
        let db = &self.db;
        execute(db, "BEGIN IMMEDIATE")?;
        for command in batch {
            let before = db.total_changes();
            if careful {
                execute(db, "SAVEPOINT command")?;
            }
            match command.run(&mut Write { db, rooms }) {
                Ran::Done => rooms.keep(),
                Ran::Failed => {
                    rooms.forget();
                    if careful {
                        execute(db, "ROLLBACK TO command")?;
                    } else if db.total_changes() != before {
                        return Ok(Batch::Tainted);
                    }
                }
                Ran::Broke(error) => return Err(error),
            }
            if careful {
                execute(db, "RELEASE command")?;
            }
        }
        Ok(Batch::Clean)
    }

    /// Nothing of the batch is stored when this returns.
    fn give_up(&self, error: rusqlite::Error) -> Refused {
        let refused = match error.sqlite_error_code() {
            _ if no_space(&error) => Refused::Full(error.to_string()),
            // The name of what failed is logged before the process ends: "COMMIT" alone would help nobody.
            Some(ErrorCode::SystemIoFailure) => die(&error),
            _ => Refused::Other(error.to_string()),
        };
        if !self.db.is_autocommit()
            && let Err(error) = execute(&self.db, "ROLLBACK")
        {
            die(&error);
        }
        refused
    }

    fn idle(&self) {
        if self.healthy.load(Ordering::Relaxed) {
            return self.checkpoints.when_idle(&self.db);
        }
        // One page, the first, is written as it is: enough to see whether the disk takes writes again.
        let tried = self
            .db
            .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
            .and_then(|version| self.db.pragma_update(None, "user_version", version));
        match tried.map_err(|error| self.give_up(error)) {
            Ok(()) => {
                info!("there is space again; writes are taken");
                self.healthy.store(true, Ordering::Relaxed);
            }
            Err(error) => warn!(%error, "writes are still refused"),
        }
    }
}

/// What a batch that was run but not yet committed holds.
#[derive(PartialEq, Eq)]
enum Batch {
    /// What its commands did, and of the failed ones nothing.
    Clean,
    /// Also a part of what a failed command did.
    Tainted,
}

/// Why a batch was rolled back.
#[derive(Debug)]
enum Refused {
    Full(String),
    Other(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full(why) => write!(f, "no space left: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        Self::Unavailable(refused.to_string())
    }
}

fn full(stored: &Result<(), Refused>) -> bool {
    matches!(stored, Err(Refused::Full(_)))
}

fn execute(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

/// Whether an error is of the whole database and not of one command.
fn breaks(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
        )
    )
}

/// A full disk, seen by the database file, its log, or the log's index (which grows by its own call).
pub(super) fn no_space(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_extended_error_code() == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

/// Ends the process. The disk has failed in a way after which memory and disk may differ: whoever waits for an answer
/// must not get one, and the next start reads what is really there.
pub(super) fn die(error: &rusqlite::Error) -> ! {
    let code = error.sqlite_extended_error_code();
    tracing::error!(%error, ?code, "the disk failed; ending the process, so that nothing is acknowledged that is not stored");
    std::process::abort();
}

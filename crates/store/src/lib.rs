//! Durable state: what is promised, and the backends that keep it.
//!
//! Everything that must survive lies behind [`Store`]. A backend is chosen by URL in [`open`]; every backend passes
//! `tests/contract.rs`. Callers act on the kind of a [`StoreError`] and never on its text.

mod audit;
mod body;
mod error;
mod facts;
mod log;
pub mod mongo;
mod packed;
mod rooms;
mod rules;
mod seed;
pub mod sqlite;
mod users;
mod whole;

use std::sync::Arc;

pub use audit::{Audit, AuditRow};
pub use error::StoreError;
pub use facts::{ChallengeRow, Facts, KeptAnswer, KeyRow, MailJobRow, MailState};
pub use log::{Append, AppendError, Found, Log, Opened, Page, Side};
pub use packed::PackedEntry;
pub use rooms::{NewRoom, Rooms};
pub use seed::SeedBatch;
pub use users::{NewSession, Refresh, Revoke, SessionRow, UserPatch, Users};
pub use whole::{RoomKey, UserRow, Whole};

/// All that a node or auth keeps, in one object-safe handle that any task may share.
pub trait Store: Log + Rooms + Users + Facts + Audit + Whole + Send + Sync + 'static {
    /// Whether writes are taken now; feeds readiness. Cheap, never blocks.
    fn healthy(&self) -> bool;
    /// How the backend is doing, for metrics. Cheap, never blocks.
    fn stats(&self) -> Stats;
    /// Ends the backend after what was accepted is durable. Later calls fail as unavailable.
    fn close(&self) -> Future<'_, ()>;
    /// Makes many people, devices and rooms in one step, all or nothing. `Conflict` if one of them exists already.
    fn seed(&self, batch: SeedBatch) -> Answer<'_, ()>;
}

/// How a backend is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Operations on a server that have not ended; 0 for a backend without a server.
    pub running: usize,
    /// Those of them that nobody waits for any more: their callers were told at the deadline, or have gone.
    pub orphans: usize,
    /// All that were begun since the backend was opened.
    pub begun: u64,
    /// The topology is weak, and that was allowed: acknowledged messages may be lost.
    pub degraded: bool,
}

/// What every call returns: it may be polled on any thread and dropped at any await without harm to the store.
pub type Future<'a, T> = std::pin::Pin<Box<dyn std::future::Future<Output = T> + Send + 'a>>;

/// The result of a call that may fail.
pub type Answer<'a, T> = Future<'a, Result<T, StoreError>>;

/// Opens the backend that the URL names: `sqlite:PATH` (`sqlite::memory:` for tests) or `mongodb://HOSTS/DATABASE`.
///
/// Fails with a line that names what is wrong: an unknown scheme, a path that cannot be written, a file that
/// another process holds, servers that cannot keep the promise, a schema that is newer than this binary.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    match url.split_once(':') {
        Some(("sqlite", path)) => Ok(Arc::new(sqlite::Sqlite::open(path).await?)),
        Some(("mongodb", _)) => Ok(Arc::new(mongo::Mongo::open(url).await?)),
        // Not the whole URL: there may be a password in it.
        scheme => Err(StoreError::Refused(format!(
            "unknown store {:?}: expected sqlite:PATH or mongodb://HOSTS/DATABASE",
            scheme.map_or(url, |(scheme, _)| scheme)
        ))),
    }
}

//! Between processes: hints and mail jobs, at most once or at least once, said aloud.
//!
//! - [`hints::Bus`]: news between nodes, at most once.
//! - [`roster::Roster`]: which nodes there are and who is connected where, right again within a lease.
//! - [`mail::MailQueue`]: mail jobs, at least once.
//! - [`limits::Limiter`]: budgets that hold over all processes, never a place for one-time facts.

mod clocks;
pub mod counters;
pub mod gcra;
mod hearing;
pub mod hints;
pub mod hints_local;
pub mod limits;
pub mod limits_local;
pub mod mail;
pub mod mail_local;
pub mod mail_rabbit;
mod open;
mod redis;
pub mod roster;
pub mod roster_local;
mod seal;
pub mod window;

pub use clocks::{ServerClock, clocks};
pub use open::{Cluster, OpenError, Patience, open, open_with};
pub use seal::{ClusterKey, WeakKey};

/// What every call across processes returns.
pub type Future<'a, T> = std::pin::Pin<Box<dyn std::future::Future<Output = T> + Send + 'a>>;

//! A backend chosen by URL: the one place that knows them all.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::counters::BusCounters;
use crate::hints::Bus;
use crate::hints_local::LocalBus;
use crate::limits::Limiter;
use crate::limits_local::LocalLimiter;
use crate::redis;
use crate::roster::Roster;
use crate::roster_local::LocalRoster;
use crate::seal::ClusterKey;

/// What a process shares with the others of its cluster.
#[derive(Clone)]
pub struct Cluster {
    /// News.
    pub bus: Arc<dyn Bus>,
    /// Who is there.
    pub roster: Arc<dyn Roster>,
    /// Budgets.
    pub limiter: Arc<dyn Limiter>,
    /// What is counted on the way.
    pub counters: Arc<BusCounters>,
}

/// A URL cannot be used. One line for the operator, without a password; the caller adds the name of the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError(pub(crate) String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// How long this process waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the shared limiter, before it counts alone. It stands in the way of each request.
    pub limits: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            limits: Duration::from_millis(50),
        }
    }
}

/// Opens the bus that a URL names:
///
/// - `local:` within this process;
/// - `redis://[user:password@]host:port[/db]` one server;
/// - `redis://a:1,b:2,c:3` several independent ones: each name lives on one of them, by rendezvous hash over the
///   addresses as they are spelled here, so all processes must spell them alike (the order is free);
/// - `redis+cluster://a,b,c` a Redis Cluster (7.0 or later), found through any of these nodes;
/// - `rediss://` and `rediss+cluster://` the same over TLS, names checked, with the public authorities, or with the one
///   whose certificate (PEM) stands in the file of `?ca-file=/path` at the end.
///
/// Returns at once and connects in the background, on the tokio runtime that it is called on. A server that is away is
/// no error, now or later: until it comes, nothing is confirmed, what is published is dropped and counted, the roster
/// says `Away` and limits are local.
pub fn open(url: &str, key: &ClusterKey) -> Result<Cluster, OpenError> {
    open_with(url, key, Patience::default())
}

/// [`open`] with another patience.
pub fn open_with(url: &str, key: &ClusterKey, patience: Patience) -> Result<Cluster, OpenError> {
    if url == "local:" {
        return Ok(Cluster {
            bus: Arc::new(LocalBus::new()),
            roster: Arc::new(LocalRoster::new()),
            limiter: Arc::new(LocalLimiter::new()),
            counters: Arc::default(),
        });
    }
    redis::open(url, key, patience)
}

//! What the bus counts, for whoever shows it: plain numbers, since this crate knows no metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that several tasks change.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: usize) {
        self.0.store(value as u64, Ordering::Relaxed);
    }
}

/// Everything that is counted since the start of the process, unless it says "now".
#[derive(Debug, Default)]
pub struct BusCounters {
    /// Envelopes that a server has taken.
    pub published: Count,
    /// Envelopes that no server took: a full queue, or a server that is away.
    pub publish_dropped: Count,
    /// Envelopes that came, were genuine and were understood.
    pub heard: Count,
    /// What came and was not sealed with the cluster's key.
    pub forged: Count,
    /// Genuine envelopes of a kind that this version does not know.
    pub unreadable: Count,
    /// Envelopes that were dropped since the listener was too far behind.
    pub overflowed: Count,
    /// How often envelopes may have been lost: a connection, a failover, a moved slot.
    pub losses: Count,
    /// Connections to servers that were made.
    pub connections: Count,
    /// Topics that are wanted now.
    pub watched: Count,
    /// Topics that are wanted and not confirmed now.
    pub unconfirmed: Count,
    /// Verdicts of the stricter local limiter, since the shared one was away or slow.
    pub limits_local: Count,
    /// Questions to the roster that found it away.
    pub roster_away: Count,
}

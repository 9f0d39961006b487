//! Spares callers a server that does not answer in time: after a few failures only one call in a while still tries.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row until calls are spared.
const FAILURES_MAX: u32 = 3;
/// How often one call tries then.
const TRY_PERIOD: Duration = Duration::from_millis(500);

pub(crate) struct Breaker {
    made: Instant,
    failures: AtomicU32,
    /// When the next call may try, in milliseconds after `made`.
    try_at_ms: AtomicU64,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self {
            made: Instant::now(),
            failures: AtomicU32::new(0),
            try_at_ms: AtomicU64::new(0),
        }
    }

    /// Whether this call may try.
    pub(crate) fn lets_through(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) < FAILURES_MAX {
            return true;
        }
        let (now, at) = (self.now_ms(), self.try_at_ms.load(Ordering::Relaxed));
        let next = now + u64::try_from(TRY_PERIOD.as_millis()).unwrap_or(u64::MAX);
        // Of all that come at once, one tries.
        now >= at
            && self
                .try_at_ms
                .compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(crate) fn worked(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        let failures = self
            .failures
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if failures == FAILURES_MAX {
            let at = self.now_ms() + u64::try_from(TRY_PERIOD.as_millis()).unwrap_or(u64::MAX);
            self.try_at_ms.store(at, Ordering::Relaxed);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_costs_one_call_in_a_while_and_its_end_is_noticed() {
        let breaker = Breaker::new();
        for _ in 0..FAILURES_MAX {
            assert!(breaker.lets_through());
            breaker.failed();
        }
        assert!(!breaker.lets_through());
        tokio::time::advance(TRY_PERIOD).await;
        assert!(breaker.lets_through());
        assert!(!breaker.lets_through());
        breaker.failed();
        tokio::time::advance(TRY_PERIOD).await;
        assert!(breaker.lets_through());
        breaker.worked();
        assert!(breaker.lets_through() && breaker.lets_through());
    }
}

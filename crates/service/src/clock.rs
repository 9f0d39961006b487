//! The one home of the wall clock. Everything that needs to know the time is given a [`Clock`] or a plain `now`;
//! nothing else in the repository may call `SystemTime::now` (clippy refuses it).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where monotonic time starts counting: the first reading in this process.
static MONOTONIC_START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Tells the time. Cheap to clone; clones of a manual clock share their hands.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until a test moves it.
    Manual(ManualClock),
}

/// The hands of a clock that only a test moves.
#[derive(Clone, Debug)]
pub struct ManualClock {
    unix_ms: Arc<AtomicU64>,
    monotonic_ms: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that stands at `unix_ms` until [`ManualClock::advance`] or [`ManualClock::set`] moves it.
    pub fn manual(unix_ms: u64) -> (Self, ManualClock) {
        let hands = ManualClock {
            unix_ms: Arc::new(AtomicU64::new(unix_ms)),
            monotonic_ms: Arc::new(AtomicU64::new(0)),
        };
        (Self::Manual(hands.clone()), hands)
    }

    /// Milliseconds since 1970-01-01 UTC; 0 on a machine whose clock stands before that. May jump, also backwards.
    pub fn unix_ms(&self) -> u64 {
        match self {
            Self::System => system_unix_ms(),
            Self::Manual(hands) => hands.unix_ms.load(Ordering::SeqCst),
        }
    }

    /// The same in microseconds, to compare with other machines by.
    pub fn unix_us(&self) -> u64 {
        match self {
            Self::System => u64::try_from(since_1970().as_micros()).unwrap_or(u64::MAX),
            Self::Manual(_) => self.unix_ms().saturating_mul(1_000),
        }
    }

    /// Whole seconds since 1970-01-01 UTC, as tokens count them.
    pub fn unix_seconds(&self) -> u64 {
        self.unix_ms() / 1000
    }

    /// Milliseconds since some fixed moment of this process; never goes back. For deadlines and durations.
    pub fn monotonic_ms(&self) -> u64 {
        self.monotonic_us() / 1_000
    }

    /// The same in microseconds, to measure by.
    pub fn monotonic_us(&self) -> u64 {
        match self {
            Self::System => {
                u64::try_from(MONOTONIC_START.elapsed().as_micros()).unwrap_or(u64::MAX)
            }
            Self::Manual(hands) => hands.monotonic_ms.load(Ordering::SeqCst) * 1_000,
        }
    }
}

impl ManualClock {
    /// Moves both the wall clock and monotonic time forward.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.unix_ms.fetch_add(ms, Ordering::SeqCst);
        self.monotonic_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the wall clock alone, as an administrator or NTP would; monotonic time does not notice.
    pub fn set(&self, unix_ms: u64) {
        self.unix_ms.store(unix_ms, Ordering::SeqCst);
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place that may read the wall clock"
)]
fn since_1970() -> Duration {
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn system_unix_ms() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_moved() {
        let (clock, hands) = Clock::manual(1_000);
        assert_eq!((clock.unix_ms(), clock.monotonic_ms()), (1_000, 0));
        hands.advance(Duration::from_millis(1_500));
        assert_eq!((clock.unix_ms(), clock.monotonic_ms()), (2_500, 1_500));
        assert_eq!(clock.unix_seconds(), 2);
    }

    #[test]
    fn setting_the_wall_clock_back_leaves_monotonic_time_alone() {
        let (clock, hands) = Clock::manual(10_000);
        hands.advance(Duration::from_secs(1));
        hands.set(5_000);
        assert_eq!((clock.unix_ms(), clock.monotonic_ms()), (5_000, 1_000));
    }

    #[test]
    fn the_system_clock_knows_that_this_code_was_written_after_2025() {
        assert!(Clock::System.unix_ms() > 1_735_689_600_000);
    }

    #[test]
    fn monotonic_time_never_goes_back() {
        let readings: Vec<u64> = (0..1_000).map(|_| Clock::System.monotonic_ms()).collect();
        assert!(readings.is_sorted());
    }
}

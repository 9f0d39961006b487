//! The generic cell rate algorithm: a budget that refills evenly, kept as one number. Pure.
//!
//! The number is the moment when the budget is whole again (the "theoretical arrival time"), in microseconds since 1970.

use std::time::Duration;

use crate::limits::Verdict;

/// A budget's pace, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long one takes to come back. Rounded up: the limit is never exceeded.
    cost: u64,
    /// The whole budget.
    whole: u64,
}

impl Pace {
    /// `limit` in a period, `burst` of them at once. Zeros count as one.
    pub fn new(limit: u32, period: Duration, burst: u32) -> Self {
        let period = u64::try_from(period.as_micros()).unwrap_or(u64::MAX).max(1);
        let cost = period.div_ceil(u64::from(limit.max(1)));
        Self {
            cost,
            whole: cost.saturating_mul(u64::from(burst.max(1))),
        }
    }

    /// How long one takes to come back, in microseconds.
    pub(crate) fn cost(self) -> u64 {
        self.cost
    }

    /// The whole budget, in microseconds.
    pub(crate) fn whole(self) -> u64 {
        self.whole
    }

    /// Takes one at `now_ms` from a budget that is whole again at `whole_at`; says what that moment is now.
    pub fn take(self, whole_at: u64, now_ms: u64) -> (u64, Verdict) {
        let now = now_ms.saturating_mul(1_000);
        // More than the whole cannot be owed: if it is, the clock went back.
        let owed = whole_at.saturating_sub(now).min(self.whole);
        let allowed = owed.saturating_add(self.cost) <= self.whole;
        let after = if allowed { owed + self.cost } else { owed };
        let verdict = Verdict {
            allowed,
            remaining: u32::try_from((self.whole - after) / self.cost).unwrap_or(u32::MAX),
            reset_ms: after.div_ceil(1_000),
            retry_after_ms: if allowed {
                0
            } else {
                (owed + self.cost - self.whole).div_ceil(1_000)
            },
        };
        (now.saturating_add(after), verdict)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, by all that passed: from each earlier one on, no more than the burst and what has come back since.
    fn exact(passed: &[u64], now: u64, cost: u64, burst: u64) -> bool {
        (0..=passed.len()).all(|from| {
            let start = passed.get(from).copied().unwrap_or(now);
            let count = (passed.len() - from + 1) as u64;
            count * cost <= burst * cost + (now - start)
        })
    }

    proptest! {
        #[test]
        fn the_number_decides_as_the_whole_history_would(
            limit in 1u32..20, period_ms in 1u64..10_000, burst in 1u32..20,
            gaps in proptest::collection::vec(0u64..2_000, 1..120),
        ) {
            let pace = Pace::new(limit, Duration::from_millis(period_ms), burst);
            let cost = (period_ms * 1_000).div_ceil(u64::from(limit));
            let (mut now_ms, mut whole_at, mut passed) = (1_800_000_000_000u64, 0, Vec::new());
            for gap in gaps {
                now_ms += gap;
                let (next, verdict) = pace.take(whole_at, now_ms);
                let expected = exact(&passed, now_ms * 1_000, cost, u64::from(burst));
                prop_assert_eq!(verdict.allowed, expected);
                if verdict.allowed { passed.push(now_ms * 1_000); }
                prop_assert_eq!(verdict.retry_after_ms == 0, verdict.allowed);
                whole_at = next;
            }
        }

        #[test]
        fn whoever_waits_as_long_as_told_passes(
            limit in 1u32..20, period_ms in 1u64..10_000, burst in 1u32..20, early in 0u64..3,
        ) {
            let pace = Pace::new(limit, Duration::from_millis(period_ms), burst);
            let (mut now, mut whole_at) = (1_000_000, 0);
            for _ in 0..60 {
                let (next, verdict) = pace.take(whole_at, now);
                whole_at = next;
                if !verdict.allowed {
                    let just_before = now + verdict.retry_after_ms.saturating_sub(1 + early);
                    prop_assert!(!pace.take(whole_at, just_before).1.allowed);
                    now += verdict.retry_after_ms;
                    let (next, verdict) = pace.take(whole_at, now);
                    prop_assert!(verdict.allowed);
                    whole_at = next;
                }
            }
        }
    }

    #[test]
    fn what_is_left_and_when_it_is_whole_are_told() {
        let pace = Pace::new(10, Duration::from_secs(10), 20);
        let (whole_at, verdict) = pace.take(0, 5_000);
        assert_eq!((verdict.remaining, verdict.reset_ms), (19, 1_000));
        assert_eq!(whole_at, 6_000_000);
        let (_, verdict) = pace.take(whole_at, 6_000);
        assert_eq!((verdict.remaining, verdict.reset_ms), (19, 1_000));
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out_for_long() {
        let pace = Pace::new(5, Duration::from_secs(5), 5);
        let (whole_at, _) = pace.take(0, 10_000_000);
        let (whole_at, verdict) = pace.take(whole_at, 1_000);
        assert!(!verdict.allowed && verdict.retry_after_ms == 1_000);
        assert!(pace.take(whole_at, 2_000).1.allowed);
    }
}

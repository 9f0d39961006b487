//! A strict budget: never more than the limit within any stretch of one period, by remembering each that passed. Pure.

use std::time::Duration;

use crate::limits::Verdict;

/// The moments that count, oldest first, in milliseconds since 1970; never more than the limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window(Vec<u64>);

impl Window {
    /// A window of moments that were kept elsewhere, oldest first.
    pub(crate) fn of(moments: Vec<u64>) -> Self {
        Self(moments)
    }

    /// Takes one at `now_ms`, if fewer than `limit` passed within the period before it.
    pub fn take(&mut self, limit: u32, period: Duration, now_ms: u64) -> Verdict {
        let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1);
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        for at in &mut self.0 {
            // Later than now: the clock went back. It counts as just now, so that nothing is given away.
            *at = (*at).min(now_ms);
        }
        self.0.retain(|at| now_ms - at < period);
        let allowed = self.0.len() < limit;
        if allowed {
            self.0.push(now_ms);
        }
        let until_over = |at: Option<&u64>| at.map_or(0, |at| (at + period).saturating_sub(now_ms));
        Verdict {
            allowed,
            remaining: u32::try_from(limit.saturating_sub(self.0.len())).unwrap_or(u32::MAX),
            reset_ms: until_over(self.0.last()),
            retry_after_ms: if allowed {
                0
            } else {
                until_over(self.0.first())
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_stretch_of_one_period_holds_more_than_the_limit(
            limit in 1u32..8, period in 1u64..5_000,
            gaps in proptest::collection::vec(0u64..2_000, 1..150),
        ) {
            let mut window = Window::default();
            let (mut now, mut passed) = (1_800_000_000_000u64, Vec::<u64>::new());
            for gap in gaps {
                now += gap;
                let recent = passed.iter().filter(|at| now - **at < period).count();
                let verdict = window.take(limit, Duration::from_millis(period), now);
                prop_assert_eq!(verdict.allowed, recent < limit as usize);
                if verdict.allowed {
                    passed.push(now);
                } else {
                    prop_assert!(verdict.retry_after_ms > 0);
                    let mut later = window.clone();
                    prop_assert!(later.take(limit, Duration::from_millis(period), now + verdict.retry_after_ms).allowed);
                }
            }
            for start in &passed {
                let within = passed.iter().filter(|at| *at >= start && *at - start < period).count();
                prop_assert!(within <= limit as usize);
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_neither_gives_away_nor_locks_out() {
        let mut window = Window::default();
        let second = Duration::from_secs(1);
        assert!(window.take(1, second, 100_000).allowed);
        assert_eq!(window.take(1, second, 5_000).retry_after_ms, 1_000);
        assert!(window.take(1, second, 6_000).allowed);
    }
}

//! Budgets of one process, in bounded memory: when it is full, the budgets that are nearest to whole are forgotten first.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::Future;
use crate::gcra::Pace;
use crate::limits::{Limiter, Policy, Shape, Verdict, whole};
use crate::window::Window;

/// So that threads seldom meet at one lock.
const SHARDS: usize = 16;
/// How many budgets one process keeps: some 16 MB. A botnet of more addresses than this is for the balancer to stop.
pub const KEYS_MAX: usize = 131_072;
/// A full shard is searched for whole budgets at most this often.
const SEARCH_PERIOD_MS: u64 = 1_000;
/// How many budgets are looked at when one must go.
const SAMPLE: usize = 16;

/// Budgets of this process.
pub struct LocalLimiter {
    shards: Vec<Mutex<Shard>>,
    /// Two hashes of a key with secret seeds: 128 bits that nobody can make collide, and no key in clear.
    seeds: [RandomState; 2],
}

#[derive(Default)]
struct Shard {
    budgets: HashMap<u128, Budget>,
    keys_max: usize,
    searched_at: u64,
}

struct Budget {
    spent: Spent,
    whole_at_ms: u64,
}

#[derive(Clone)]
enum Spent {
    Even(u64),
    Strict(Window),
}

impl Spent {
    fn take(&mut self, policy: Policy, now_ms: u64) -> Verdict {
        match self {
            Self::Even(whole_at) => {
                let pace = Pace::new(policy.limit, policy.period, policy.most_at_once());
                let (next, verdict) = pace.take(*whole_at, now_ms);
                *whole_at = next;
                verdict
            }
            Self::Strict(window) => window.take(policy.limit, policy.period, now_ms),
        }
    }
}

impl LocalLimiter {
    /// Keeps at most [`KEYS_MAX`] budgets.
    pub fn new() -> Self {
        Self::with_keys_max(KEYS_MAX)
    }

    /// Keeps at most so many budgets (rounded up to a multiple of the shards).
    pub fn with_keys_max(keys_max: usize) -> Self {
        let keys_max = keys_max.div_ceil(SHARDS).max(1);
        let shard = || {
            Mutex::new(Shard {
                keys_max,
                ..Shard::default()
            })
        };
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            seeds: [RandomState::new(), RandomState::new()],
        }
    }

    /// How many budgets are kept now.
    pub fn keys(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| locked(shard).budgets.len())
            .sum()
    }

    /// Takes one, without waiting for anything.
    pub fn take_now(&self, key: &str, policy: Policy, now_ms: u64) -> Verdict {
        let (name, shard) = self.place(key, policy);
        locked(shard).take(name, policy, now_ms)
    }

    fn place(&self, key: &str, policy: Policy) -> (u128, &Mutex<Shard>) {
        let [high, low] = [0, 1].map(|i| self.seeds[i].hash_one((policy.name, key)));
        let name = u128::from(high) << 64 | u128::from(low);
        (
            name,
            &self.shards[usize::try_from(low % SHARDS as u64).unwrap_or(0)],
        )
    }
}

impl Default for LocalLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Limiter for LocalLimiter {
    fn take<'a>(&'a self, key: &'a str, policy: Policy, now_ms: u64) -> Future<'a, Verdict> {
        Box::pin(std::future::ready(self.take_now(key, policy, now_ms)))
    }

    fn look<'a>(&'a self, key: &'a str, policy: Policy, now_ms: u64) -> Future<'a, Verdict> {
        let (name, shard) = self.place(key, policy);
        let verdict = match locked(shard).budgets.get(&name) {
            Some(budget) => budget.spent.clone().take(policy, now_ms),
            None => whole(policy),
        };
        Box::pin(std::future::ready(verdict))
    }
}

fn locked(shard: &Mutex<Shard>) -> std::sync::MutexGuard<'_, Shard> {
    // A panic cannot leave a budget half changed: each is replaced as a whole.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn take(&mut self, name: u128, policy: Policy, now_ms: u64) -> Verdict {
        if !self.budgets.contains_key(&name) && self.budgets.len() >= self.keys_max {
            self.make_room(now_ms);
        }
        let budget = self.budgets.entry(name).or_insert_with(|| Budget {
            spent: match policy.shape {
                Shape::Even { .. } => Spent::Even(0),
                Shape::Strict => Spent::Strict(Window::default()),
            },
            whole_at_ms: now_ms,
        });
        let verdict = budget.spent.take(policy, now_ms);
        budget.whole_at_ms = now_ms.saturating_add(verdict.reset_ms);
        verdict
    }

    fn make_room(&mut self, now_ms: u64) {
        if now_ms.abs_diff(self.searched_at) >= SEARCH_PERIOD_MS {
            self.searched_at = now_ms;
            self.budgets.retain(|_, budget| budget.whole_at_ms > now_ms);
        }
        while self.budgets.len() >= self.keys_max {
            let nearest = self
                .budgets
                .iter()
                .take(SAMPLE)
                .min_by_key(|(_, b)| b.whole_at_ms);
            let Some(name) = nearest.map(|(name, _)| *name) else {
                return;
            };
            self.budgets.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const POLICY: Policy = Policy::even("t", 5, Duration::from_secs(10));

    #[test]
    fn a_flood_of_keys_stays_within_its_memory() {
        let limiter = LocalLimiter::with_keys_max(160);
        for i in 0..10_000 {
            limiter.take_now(&format!("10.0.{i}"), POLICY, 1_000 + i);
        }
        assert!(limiter.keys() <= 160, "{}", limiter.keys());
    }

    #[test]
    fn a_flood_does_not_free_whoever_is_limited() {
        let limiter = LocalLimiter::with_keys_max(160);
        let strict = Policy::strict("mail", 5, Duration::from_secs(3_600));
        for _ in 0..5 {
            assert!(limiter.take_now("victim", strict, 1_000).allowed);
        }
        for i in 0..5_000 {
            limiter.take_now(&format!("flood {i}"), POLICY, 1_000 + i / 10);
        }
        assert!(!limiter.take_now("victim", strict, 2_000).allowed);
    }

    #[test]
    fn whole_budgets_are_forgotten_before_others() {
        let limiter = LocalLimiter::with_keys_max(16);
        for i in 0..16 {
            limiter.take_now(&format!("old {i}"), POLICY, 1_000);
        }
        limiter.take_now("new", POLICY, 60_000);
        assert!(limiter.keys() <= 16);
    }
}

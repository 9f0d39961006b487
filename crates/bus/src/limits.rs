//! Budgets by key that hold over all processes. They slow people and programs down; they never decide a one-time fact
//! (that is the store's), since a backend may forget them when it fails over.

use std::time::Duration;

use crate::Future;

/// A budget: so many in a period, in one of two shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name, as it stands in `RateLimit-Policy`. Part of the key: two policies never share a budget.
    pub name: &'static str,
    /// How many in a period; at least 1.
    pub limit: u32,
    /// The period, at least a millisecond and at most [`PERIOD_MAX`].
    pub period: Duration,
    /// How it is spent.
    pub shape: Shape,
}

/// How a budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It refills evenly (GCRA); so many may be spent at once. Constant memory, so for everything that is frequent.
    /// Within one period up to `burst + limit` can pass.
    Even {
        /// How many at once, at least 1.
        burst: u32,
    },
    /// Never more than `limit` within any stretch of one period. Remembers each: for small limits.
    Strict,
}

/// The longest period of a budget.
pub const PERIOD_MAX: Duration = Duration::from_secs(31 * 24 * 3600);
/// The greatest limit of a strict budget: eight bytes are kept for each.
pub const STRICT_LIMIT_MAX: u32 = 64;

impl Policy {
    /// A budget that refills evenly, all of it spendable at once.
    pub const fn even(name: &'static str, limit: u32, period: Duration) -> Self {
        Self {
            name,
            limit,
            period,
            shape: Shape::Even { burst: limit },
        }
    }

    /// The same budget with another number that may be spent at once.
    #[must_use]
    pub const fn with_burst(mut self, burst: u32) -> Self {
        self.shape = Shape::Even { burst };
        self
    }

    /// A budget that is never exceeded in any stretch of one period; `limit` at most [`STRICT_LIMIT_MAX`].
    pub const fn strict(name: &'static str, limit: u32, period: Duration) -> Self {
        Self {
            name,
            limit,
            period,
            shape: Shape::Strict,
        }
    }

    /// How many can be spent at once when nothing was spent for long.
    pub const fn most_at_once(&self) -> u32 {
        match self.shape {
            Shape::Even { burst } => burst,
            Shape::Strict => self.limit,
        }
    }
}

/// What a budget says to one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may pass. What may not pass costs nothing.
    pub allowed: bool,
    /// How many more could pass right now.
    pub remaining: u32,
    /// Milliseconds until the budget is whole again.
    pub reset_ms: u64,
    /// Milliseconds until one more can pass; 0 when this one did.
    pub retry_after_ms: u64,
}

/// Keeps budgets. Never fails: a backend that is away is replaced by a stricter local count.
pub trait Limiter: Send + Sync + 'static {
    /// Takes one from the key's budget, if it is there. `now_ms` counts from 1970; a clock that goes back gives nothing
    /// away and locks nobody out for longer than one period.
    ///
    /// The key may be anything a client sent: it is used as an opaque name and is not kept in clear.
    fn take<'a>(&'a self, key: &'a str, policy: Policy, now_ms: u64) -> Future<'a, Verdict>;

    /// What [`Limiter::take`] would say about `allowed` and `retry_after_ms`, without taking. For budgets of failures,
    /// which are known only afterwards; whoever looks at the same time sees the same, so a few too many may pass.
    fn look<'a>(&'a self, key: &'a str, policy: Policy, now_ms: u64) -> Future<'a, Verdict>;
}

/// The limiter of `--limits off`: everything passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Limiter for Unlimited {
    fn take<'a>(&'a self, _key: &'a str, policy: Policy, _now_ms: u64) -> Future<'a, Verdict> {
        Box::pin(std::future::ready(whole(policy)))
    }

    fn look<'a>(&'a self, _key: &'a str, policy: Policy, _now_ms: u64) -> Future<'a, Verdict> {
        Box::pin(std::future::ready(whole(policy)))
    }
}

/// The verdict of a budget that nothing was taken from.
pub(crate) fn whole(policy: Policy) -> Verdict {
    Verdict {
        allowed: true,
        remaining: policy.most_at_once(),
        reset_ms: 0,
        retry_after_ms: 0,
    }
}

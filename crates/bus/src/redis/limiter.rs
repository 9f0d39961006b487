//! Budgets in Redis, held over all processes. While a budget's server is away or slow, this process counts alone and
//! stricter, and nobody waits longer than the deadline for it.
//!
//! How much stricter: a process cannot know how much the others let pass, so each takes an equal share: the limit and
//! what may be spent at once are divided by the number of nodes at the last beat, at least by [`SHARES_MIN`] (a process
//! that is no node does not know their number), and never below one. With an even balancer the whole cluster then stays
//! within the limit. The local budget is also charged in good times, so that an outage is no gift of a fresh budget.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio_util::sync::DropGuard;

use crate::Future;
use crate::gcra::Pace;
use crate::limits::{Limiter, Policy, Shape, Verdict};
use crate::limits_local::LocalLimiter;
use crate::redis::fleet::{Fleet, Station};
use crate::redis::{ask, scripts};
use crate::seal::{Kind, Name};
use crate::window::Window;

/// The fewest shares of a budget while Redis is away.
pub(crate) const SHARES_MIN: usize = 4;

pub(crate) struct RedisLimiter {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) local: LocalLimiter,
    /// How long Redis may take.
    pub(crate) deadline: Duration,
    /// The fleet ends with the last of its handles.
    pub(crate) _end: Arc<DropGuard>,
}

impl RedisLimiter {
    fn name(&self, key: &str, policy: Policy) -> Name {
        let parts = [policy.name.as_bytes(), key.as_bytes()];
        self.fleet.key.name(Kind::Limit, &parts)
    }

    /// This process's share of a budget.
    fn share(&self, policy: Policy) -> Policy {
        let shares = self.fleet.nodes.load(Ordering::Relaxed).max(SHARES_MIN);
        let shares = u32::try_from(shares).unwrap_or(u32::MAX);
        let part = |whole: u32| (whole / shares).max(1);
        let shape = match policy.shape {
            Shape::Even { burst } => Shape::Even { burst: part(burst) },
            Shape::Strict => Shape::Strict,
        };
        Policy {
            limit: part(policy.limit),
            shape,
            ..policy
        }
    }

    /// What Redis kept of a budget; `None` when it did not say in time.
    async fn kept(&self, name: &Name, command: &Cmd) -> Option<Vec<u8>> {
        let owner = self.fleet.layout().owner(name).map(Arc::clone);
        let breaker = owner
            .as_ref()
            .map_or(&self.fleet.unowned, |owner| &owner.breaker);
        if !breaker.lets_through() {
            return None;
        }
        let asking = async {
            match &owner {
                Some(owner) => self.ask(owner, command).await,
                None => self.ask(&self.fleet.owner_soon(name).await?, command).await,
            }
        };
        let kept = tokio::time::timeout(self.deadline, asking)
            .await
            .ok()
            .flatten();
        match kept {
            Some(_) => breaker.worked(),
            None => breaker.failed(),
        }
        kept
    }

    async fn ask(&self, station: &Arc<Station>, command: &Cmd) -> Option<Vec<u8>> {
        let mut line = station.line.soon().await?;
        loop {
            match line.send_packed_command(command).await {
                Ok(Value::BulkString(kept)) => return Some(kept),
                Ok(Value::Nil) => return Some(Vec::new()),
                Ok(Value::ServerError(error)) if error.code() == "NOSCRIPT" => {
                    scripts::load(&mut line).await.ok()?;
                }
                Ok(Value::ServerError(error)) => {
                    // The next call finds the owner.
                    ask::note(&self.fleet, station, &error);
                    self.fleet.doubt.notify_one();
                    return None;
                }
                Ok(_) | Err(_) => return None,
            }
        }
    }

    async fn taken(&self, key: &str, policy: Policy, now_ms: u64) -> Verdict {
        let name = self.name(key, policy);
        let command = take(&name, policy, now_ms);
        let Some(kept) = self.kept(&name, &command).await else {
            self.fleet.counters.limits_local.add(1);
            return self.local.take_now(key, self.share(policy), now_ms);
        };
        let verdict = verdict(&kept, policy, now_ms);
        if verdict.allowed {
            self.local.take_now(key, self.share(policy), now_ms);
        }
        verdict
    }

    async fn looked(&self, key: &str, policy: Policy, now_ms: u64) -> Verdict {
        let name = self.name(key, policy);
        let mut command = redis::cmd("GET");
        command.arg(name.as_bytes());
        match self.kept(&name, &command).await {
            Some(kept) => verdict(&kept, policy, now_ms),
            None => {
                self.fleet.counters.limits_local.add(1);
                self.local.look(key, self.share(policy), now_ms).await
            }
        }
    }
}

impl Limiter for RedisLimiter {
    fn take<'a>(&'a self, key: &'a str, policy: Policy, now_ms: u64) -> Future<'a, Verdict> {
        Box::pin(self.taken(key, policy, now_ms))
    }

    fn look<'a>(&'a self, key: &'a str, policy: Policy, now_ms: u64) -> Future<'a, Verdict> {
        Box::pin(self.looked(key, policy, now_ms))
    }
}

fn pace(policy: Policy) -> Pace {
    Pace::new(policy.limit, policy.period, policy.most_at_once())
}

fn take(name: &Name, policy: Policy, now_ms: u64) -> Cmd {
    match policy.shape {
        Shape::Even { .. } => {
            let pace = pace(policy);
            let mut command = scripts::call(&scripts::EVEN, name);
            command
                .arg(now_ms.saturating_mul(1_000))
                .arg(pace.cost())
                .arg(pace.whole());
            command
        }
        Shape::Strict => {
            let period = u64::try_from(policy.period.as_millis()).unwrap_or(u64::MAX);
            let mut command = scripts::call(&scripts::STRICT, name);
            command
                .arg(now_ms)
                .arg(period.max(1))
                .arg(policy.limit.max(1));
            command
        }
    }
}

/// The verdict that the script came to, from what it found: the same arithmetic once more, so that the script need
/// not say it.
fn verdict(kept: &[u8], policy: Policy, now_ms: u64) -> Verdict {
    let text = std::str::from_utf8(kept).unwrap_or_default();
    let mut numbers = text.split(' ').filter_map(|word| word.parse().ok());
    match policy.shape {
        Shape::Even { .. } => pace(policy).take(numbers.next().unwrap_or(0), now_ms).1,
        Shape::Strict => Window::of(numbers.collect()).take(policy.limit, policy.period, now_ms),
    }
}

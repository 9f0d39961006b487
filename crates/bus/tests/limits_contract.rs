//! What every limiter must keep, whatever it is made of: one suite, run for each backend by `contract!`.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod servers;

use std::sync::Arc;
use std::time::Duration;

use bus::limits::{Limiter, Policy, Unlimited};
use bus::limits_local::LocalLimiter;
use servers::{Server, limited, processes, shared};

const EVEN: Policy = Policy::even("even", 10, Duration::from_secs(10)).with_burst(20);
const STRICT: Policy = Policy::strict("strict", 5, Duration::from_secs(3_600));
const SHORT: Policy = Policy::strict("short", 3, Duration::from_secs(7));
const NOW: u64 = 1_800_000_000_000;

mod behaviour {
    use super::*;

    pub(super) async fn a_burst_passes_and_then_an_even_pace(limiter: Arc<dyn Limiter>) {
        for left in (0..20).rev() {
            let verdict = limiter.take("a", EVEN, NOW).await;
            assert!(verdict.allowed);
            assert_eq!(verdict.remaining, left);
        }
        let verdict = limiter.take("a", EVEN, NOW).await;
        assert_eq!((verdict.allowed, verdict.retry_after_ms), (false, 1_000));
        assert!(limiter.take("a", EVEN, NOW + 1_000).await.allowed);
        assert!(!limiter.take("a", EVEN, NOW + 1_000).await.allowed);
    }

    pub(super) async fn a_strict_budget_is_never_exceeded_in_any_period(limiter: Arc<dyn Limiter>) {
        let mut passed: Vec<u64> = Vec::new();
        for minute in 0..600u64 {
            let now = NOW + minute * 60_000;
            if limiter.take("a", STRICT, now).await.allowed {
                passed.push(now);
            }
        }
        for start in &passed {
            let within = passed
                .iter()
                .filter(|at| *at >= start && *at - start < 3_600_000)
                .count();
            assert!(within <= 5, "{within}");
        }
        assert!(passed.len() >= 50, "ten hours have fifty: {}", passed.len());
    }

    pub(super) async fn keys_and_policies_do_not_share_budgets(limiter: Arc<dyn Limiter>) {
        let one = Policy::strict("one", 1, Duration::from_secs(60));
        let other = Policy::strict("other", 1, Duration::from_secs(60));
        assert!(limiter.take("a", one, NOW).await.allowed);
        assert!(!limiter.take("a", one, NOW).await.allowed);
        assert!(limiter.take("b", one, NOW).await.allowed);
        assert!(limiter.take("a", other, NOW).await.allowed);
        assert!(limiter.take("{a}*?[\0\r\n", one, NOW).await.allowed);
    }

    pub(super) async fn what_is_refused_costs_nothing(limiter: Arc<dyn Limiter>) {
        let one = Policy::strict("one", 1, Duration::from_secs(60));
        assert!(limiter.take("a", one, NOW).await.allowed);
        for second in 1..60 {
            let verdict = limiter.take("a", one, NOW + second * 1_000).await;
            assert_eq!(
                (verdict.allowed, verdict.retry_after_ms),
                (false, 60_000 - second * 1_000)
            );
        }
        assert!(limiter.take("a", one, NOW + 60_000).await.allowed);
    }

    pub(super) async fn looking_costs_nothing(limiter: Arc<dyn Limiter>) {
        for policy in [EVEN, STRICT] {
            for _ in 0..100 {
                assert!(limiter.look("a", policy, NOW).await.allowed);
            }
            while limiter.take("a", policy, NOW).await.allowed {}
            let looked = limiter.look("a", policy, NOW).await;
            assert!(!looked.allowed && looked.retry_after_ms > 0);
            assert!(
                limiter
                    .look("a", policy, NOW + looked.retry_after_ms)
                    .await
                    .allowed
            );
        }
    }

    pub(super) async fn a_hundred_at_once_get_what_one_would(limiter: Arc<dyn Limiter>) {
        let mut tasks = Vec::new();
        for _ in 0..100 {
            let limiter = Arc::clone(&limiter);
            #[allow(clippy::disallowed_methods, reason = "a test's own task")]
            tasks.push(tokio::spawn(async move {
                limiter.take("a", STRICT, NOW).await.allowed
            }));
        }
        let mut allowed = 0;
        for task in tasks {
            allowed += usize::from(task.await.unwrap());
        }
        assert_eq!(allowed, 5);
    }
}

macro_rules! contract {
    ($backend:ident, $open:expr) => {
        mod $backend {
            use super::*;
            contract!(@tests $open,
                a_burst_passes_and_then_an_even_pace
                a_strict_budget_is_never_exceeded_in_any_period
                keys_and_policies_do_not_share_budgets
                what_is_refused_costs_nothing
                looking_costs_nothing
                a_hundred_at_once_get_what_one_would
            );
        }
    };
    (@tests $open:expr, $($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            behaviour::$name($open).await;
        }
    )*};
}

fn limiter(variable: &str) -> Arc<dyn Limiter> {
    processes(&shared(variable), 1).remove(0).limiter
}

contract!(local, Arc::new(LocalLimiter::new()));
contract!(redis, limiter("CHATIFY_TEST_REDIS"));
contract!(redis_cluster, limiter("CHATIFY_TEST_REDIS_CLUSTER"));

/// A refused command would be answered from the local budget: that it never was is what counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_few_rights_may_do_all_that_limits_need_and_nothing_beyond() {
    let url = limited("CHATIFY_TEST_REDIS").await;
    let process = processes(&url, 1).remove(0);
    for policy in [EVEN, STRICT] {
        for _ in 0..5 {
            process.limiter.take("somebody", policy, NOW).await;
            process.limiter.look("somebody", policy, NOW).await;
        }
    }
    assert_eq!(process.counters.limits_local.get(), 0);
    let client = ::redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for words in [
        &["FLUSHALL"][..],
        &["CONFIG", "GET", "*"],
        &["KEYS", "*"],
        &["EVAL", "return 1", "0"],
        &["SCRIPT", "FLUSH"],
        &["ACL", "LIST"],
        &["CLUSTER", "NODES"],
        &["GET", "somebody-elses"],
        &["PUBLISH", "somebody-elses", "x"],
        &["SUBSCRIBE", "somebody-elses"],
    ] {
        let mut command = ::redis::cmd(words[0]);
        command.arg(&words[1..]);
        let answer: Result<::redis::Value, _> = command.query_async(&mut connection).await;
        let refused = answer.unwrap_err().to_string();
        assert!(
            refused.to_lowercase().contains("noperm"),
            "{words:?}: {refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_share_the_budgets() {
    let servers = [Server::start().await, Server::start().await];
    let addresses = servers.each_ref().map(Server::address);
    let both = processes(&format!("redis://{}", addresses.join(",")), 2);
    for n in 0..100 {
        let key = format!("key {n}");
        for process in both.iter().cycle().take(5) {
            assert!(process.limiter.take(&key, STRICT, NOW).await.allowed);
        }
        assert!(!both[0].limiter.take(&key, STRICT, NOW).await.allowed);
    }
    for server in &servers {
        let keys: usize = ::redis::from_redis_value(server.ask(&["DBSIZE"]).await).unwrap();
        assert!((20..80).contains(&keys), "{keys}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_counts_exactly_as_one_process_does() {
    // A walk of a few hundred steps with pauses and a clock that sometimes goes back.
    let (redis, local) = (limiter("CHATIFY_TEST_REDIS"), LocalLimiter::new());
    let mut chance = 7u64;
    let mut now = NOW;
    for step in 0..400 {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let gap = chance >> 33;
        now = match gap % 20 {
            0 => now - 5_000,
            1..8 => now,
            _ => now + gap % 900,
        };
        for policy in [EVEN, SHORT] {
            let expected = local.take_now("a", policy, now);
            assert_eq!(redis.take("a", policy, now).await, expected, "step {step}");
            assert_eq!(
                redis.look("a", policy, now).await.allowed,
                local.look("a", policy, now).await.allowed
            );
        }
    }
}

#[tokio::test]
async fn without_limits_everything_passes() {
    for _ in 0..1_000 {
        assert!(Unlimited.take("a", STRICT, NOW).await.allowed);
    }
}

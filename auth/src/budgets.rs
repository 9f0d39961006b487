//! How often codes are asked for and guessed at: by mailbox and its domain, by address of the internet, and over all.
//!
//! The budgets of a mailbox and a domain are spent in silence: the answer is the same 202 whether a mail goes out or not, since a visible
//! limit would tell a stranger who is signing in. What depends on the asker alone is answered with 429.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bus::limits::{Limiter, Policy, Verdict};
use protocol::mail_job::EmailAddress;
use protocol::problem::{Code, Problem};
use service::http::limited_address;
use service::metrics::Counter;

use crate::config::AuthConfig;
use crate::metrics::AuthMetrics;
use crate::otp::RESEND_AFTER;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// One mail to a mailbox each half minute.
pub(crate) const MAILBOX_PAUSE: Policy = Policy::strict("otp-mailbox-pause", 1, RESEND_AFTER);
/// Mails to a mailbox in any hour.
pub(crate) const MAILBOX_HOUR: Policy = Policy::strict("otp-mailbox-hour", 5, HOUR);
/// Mails to a mailbox in any day.
pub(crate) const MAILBOX_DAY: Policy = Policy::strict("otp-mailbox-day", 10, DAY);
/// Wrong codes from one address of the internet: a school behind one address mistypes less than this.
pub(crate) const WRONG_BY_ADDRESS: Policy = Policy::even("otp-wrong", 100, HOUR).with_burst(50);
/// Wrong codes for one mailbox from one address of the internet in any hour. By address, so that a stranger elsewhere
/// cannot use it to keep the owner out.
pub(crate) const WRONG_BY_PAIR_HOUR: Policy = Policy::strict("otp-wrong-pair-hour", 10, HOUR);
/// The same in any day.
pub(crate) const WRONG_BY_PAIR_DAY: Policy = Policy::strict("otp-wrong-pair-day", 30, DAY);
/// Wrong codes for one mailbox in any day, from everywhere, after which its owner is told. Nobody is refused by it. People
/// who mistype do it a few times.
pub(crate) const WRONG_BY_MAILBOX: Policy = Policy::strict("otp-wrong-mailbox", 20, DAY);
/// Renewals from one address of the internet.
pub(crate) const RENEWALS: Policy = Policy::even("token", 1_200, MINUTE);

/// The budgets of auth.
pub(crate) struct Budgets {
    limiter: Arc<dyn Limiter>,
    on: bool,
    by_address: Policy,
    by_network: Policy,
    by_domain: Policy,
    over_all: Policy,
}

impl Budgets {
    /// `on` is off for load tests.
    pub(crate) fn new(limiter: Arc<dyn Limiter>, on: bool, config: &AuthConfig) -> Self {
        let by_address = config.sends_per_address;
        Self {
            limiter,
            on,
            by_address: Policy::even("otp", by_address, HOUR),
            // Softer: a /24 or /48 holds many who do not know of each other.
            by_network: Policy::even("otp-network", by_address.saturating_mul(8), HOUR),
            by_domain: Policy::even("otp-domain", config.sends_per_domain, MINUTE),
            over_all: Policy::even("otp-all", config.sends_per_minute, MINUTE),
        }
    }

    /// Whether limits are on.
    pub(crate) fn are_on(&self) -> bool {
        self.on
    }

    /// Takes one code request from the asker's budgets; the headers tell the asker's own.
    pub(crate) async fn ask(
        &self,
        client: IpAddr,
        now_ms: u64,
    ) -> (HeaderMap, Result<(), Problem>) {
        if !self.on {
            return (HeaderMap::new(), Ok(()));
        }
        let own = self
            .take(
                &limited_address(client).to_string(),
                self.by_address,
                now_ms,
            )
            .await;
        let headers = announced(self.by_address, own);
        if !own.allowed {
            return (
                headers,
                Err(limited("too many codes were asked for from here", own)),
            );
        }
        let wide = self
            .take(&wide_network(client).to_string(), self.by_network, now_ms)
            .await;
        if !wide.allowed {
            return (
                headers,
                Err(limited(
                    "too many codes were asked for from this network",
                    wide,
                )),
            );
        }
        let all = self.take("all", self.over_all, now_ms).await;
        if !all.allowed {
            let problem =
                Problem::because(Code::Overloaded, "no more codes are sent at the moment");
            return (headers, Err(problem.retry_after(all.retry_after_ms)));
        }
        (headers, Ok(()))
    }

    /// Takes one mail from the budgets of its mailbox and then of its domain; milliseconds to wait when there is none left.
    /// In this order: what a mailbox does not get is not taken from its neighbours.
    pub(crate) async fn mail(&self, to: &EmailAddress, now_ms: u64) -> Result<(), u64> {
        if !self.on {
            return Ok(());
        }
        let mailbox = to.mailbox();
        for policy in [MAILBOX_PAUSE, MAILBOX_HOUR, MAILBOX_DAY] {
            let verdict = self.take(&mailbox, policy, now_ms).await;
            if !verdict.allowed {
                return Err(verdict.retry_after_ms);
            }
        }
        let verdict = self.take(to.domain(), self.by_domain, now_ms).await;
        verdict.allowed.then_some(()).ok_or(verdict.retry_after_ms)
    }

    /// Whether this asker may guess at a code for this mailbox.
    pub(crate) async fn may_guess(
        &self,
        client: IpAddr,
        mailbox: &str,
        now_ms: u64,
    ) -> Result<(), Problem> {
        if !self.on {
            return Ok(());
        }
        for (key, policy) in wrong_budgets(client, mailbox) {
            let verdict = self.limiter.look(&key, policy, now_ms).await;
            if !verdict.allowed {
                return Err(limited("too many wrong codes came from here", verdict));
            }
        }
        Ok(())
    }

    /// Counts a wrong code.
    pub(crate) async fn guessed_wrong(&self, client: IpAddr, mailbox: &str, now_ms: u64) {
        if !self.on {
            return;
        }
        for (key, policy) in wrong_budgets(client, mailbox) {
            self.take(&key, policy, now_ms).await;
        }
    }

    /// Counts a wrong code for its mailbox, wherever it came from; whether there were many in a day.
    pub(crate) async fn many_wrong(&self, to: &EmailAddress, now_ms: u64) -> bool {
        let verdict = self.take(&to.mailbox(), WRONG_BY_MAILBOX, now_ms).await;
        verdict.remaining == 0
    }

    /// Takes one notice from what its domain gets.
    pub(crate) async fn notice(&self, to: &EmailAddress, now_ms: u64) -> bool {
        self.take(to.domain(), self.by_domain, now_ms).await.allowed
    }

    /// Takes one renewal.
    pub(crate) async fn renew(
        &self,
        client: IpAddr,
        now_ms: u64,
    ) -> (HeaderMap, Result<(), Problem>) {
        if !self.on {
            return (HeaderMap::new(), Ok(()));
        }
        let verdict = self
            .take(&limited_address(client).to_string(), RENEWALS, now_ms)
            .await;
        let outcome = if verdict.allowed {
            Ok(())
        } else {
            Err(limited("too many renewals came from here", verdict))
        };
        (announced(RENEWALS, verdict), outcome)
    }

    async fn take(&self, key: &str, policy: Policy, now_ms: u64) -> Verdict {
        self.limiter.take(key, policy, now_ms).await
    }
}

fn wrong_budgets(client: IpAddr, mailbox: &str) -> [(String, Policy); 3] {
    let client = limited_address(client);
    let pair = format!("{client} {mailbox}");
    [
        (client.to_string(), WRONG_BY_ADDRESS),
        (pair.clone(), WRONG_BY_PAIR_HOUR),
        (pair, WRONG_BY_PAIR_DAY),
    ]
}

/// Counts refusals; looked up once, since a flood of them must stay cheap.
static LIMITED: LazyLock<Counter> = LazyLock::new(|| AuthMetrics::register().limited);

fn limited(detail: &str, verdict: Verdict) -> Problem {
    LIMITED.increment(1);
    Problem::because(Code::RateLimited, detail).retry_after(verdict.retry_after_ms)
}

/// draft-ietf-httpapi-ratelimit-headers: what the budget is, and what is left of it.
fn announced(policy: Policy, verdict: Verdict) -> HeaderMap {
    let rule = format!(
        "\"{}\";q={};w={}",
        policy.name,
        policy.limit,
        policy.period.as_secs()
    );
    let left = format!(
        "\"{}\";r={};t={}",
        policy.name,
        verdict.remaining,
        verdict.reset_ms.div_ceil(1_000)
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [("ratelimit-policy", rule), ("ratelimit", left)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// The network around an address: /24 of IPv4, /48 of IPv6.
fn wide_network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & 0xffff_ff00).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into(),
    }
}

/// What a mail may say about where its request came from: the network, not the person. Nothing for addresses that mean
/// something only to the asker's own house.
pub(crate) fn told_network(client: IpAddr) -> Option<IpAddr> {
    let client = client.to_canonical();
    let house = match client {
        IpAddr::V4(address) => {
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    };
    (!house).then(|| wide_network(client))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// O9: a hint without city and device.
    #[test]
    fn a_mail_tells_the_network_and_never_the_address() {
        assert_eq!(told_network(ip("203.0.113.77")), Some(ip("203.0.113.0")));
        assert_eq!(
            told_network(ip("::ffff:203.0.113.77")),
            Some(ip("203.0.113.0"))
        );
        assert_eq!(
            told_network(ip("2001:db8:1:2::3")),
            Some(ip("2001:db8:1::"))
        );
        for house in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.9",
            "::1",
            "fd00::1",
            "0.0.0.0",
        ] {
            assert_eq!(told_network(ip(house)), None, "{house}");
        }
    }
}

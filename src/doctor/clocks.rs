//! The other processes as they are reached: their clocks, their keys, and the address under which nodes find us.

use std::collections::BTreeSet;

use client::{Endpoint, Fault, Http, Reply};
use http::{Method, header};
use serde::Deserialize;
use service::clock::Clock;
use tokio::time::timeout;

use super::LOOK_MAX;
use super::finding::Finding;
use super::view::View;

/// Tokens are believed with about this much tolerance (`protocol::token`): beyond it sign-ins fail.
const SKEW_MAX_SECONDS: i64 = 5;
/// The header has whole seconds, and the answer took its time.
const SKEW_SEEN_SECONDS: i64 = 2;
const JWKS: &str = "/.well-known/jwks.json";

pub(crate) async fn checks(view: &View, urls: &[Endpoint]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut keys = Vec::new();
    for endpoint in urls {
        match ask(endpoint, JWKS).await {
            Ok(reply) => {
                findings.push(skew(endpoint, &reply));
                keys.push((endpoint.to_string(), kids(&reply)));
            }
            Err(fault) => findings.push(unreachable("url", &fault)),
        }
    }
    for (check, url, path) in [
        ("auth-url", &view.auth_url, JWKS),
        ("advertise", &view.advertise, "/v1/limits"),
    ] {
        if url.is_empty() {
            continue;
        }
        let asked = match url.parse::<Endpoint>() {
            Ok(endpoint) => ask(&endpoint, path).await,
            Err(fault) => Err(fault),
        };
        match asked {
            Ok(reply) if check == "auth-url" => keys.push((url.clone(), kids(&reply))),
            Ok(_) => findings.push(Finding::ok(check, format!("{url} answers"))),
            Err(fault) => findings.push(unreachable(check, &fault)),
        }
    }
    findings.extend(signing_keys(&keys));
    findings.extend(bus(&view.bus).await);
    findings
}

/// Every server of the bus, reached as the bus reaches it: whether it lets us in, and its time.
async fn bus(url: &str) -> Vec<Finding> {
    const CHECK: &str = "bus";
    if url.is_empty() {
        return Vec::new();
    }
    let servers = match bus::clocks(url).await {
        Ok(servers) => servers,
        Err(error) => return vec![unreachable(CHECK, &Fault(error.to_string()))],
    };
    let mut findings = Vec::new();
    for clock in servers {
        match clock.unix_seconds {
            Ok(theirs) => {
                findings.push(Finding::ok(CHECK, format!("{} answers", clock.server)));
                let (theirs, ours) = (i64::try_from(theirs).ok(), Clock::System.unix_seconds());
                findings.push(judge_skew(&clock.server, theirs, ours as i64));
            }
            Err(why) => findings.push(unreachable(CHECK, &Fault(why))),
        }
    }
    findings
}

async fn ask(endpoint: &Endpoint, path: &str) -> Result<Reply, Fault> {
    let mut http = Http::new(endpoint.clone());
    let asked = timeout(LOOK_MAX, http.call(Method::GET, path, (None, None)));
    let reply = asked
        .await
        .map_err(|_| Fault(format!("{endpoint}: no answer in time")))??;
    reply
        .success()
        .map_err(|fault| Fault(format!("{endpoint}{path}: {fault}")))?;
    Ok(reply)
}

fn unreachable(check: &'static str, fault: &Fault) -> Finding {
    Finding::wrong(
        check,
        fault.0.clone(),
        "start it, open the way to it, or correct the URL",
    )
}

fn skew(endpoint: &Endpoint, reply: &Reply) -> Finding {
    let theirs = reply
        .headers
        .get(header::DATE)
        .and_then(|date| date.to_str().ok());
    let theirs = theirs.and_then(date_seconds);
    let ours = Clock::System.unix_seconds() as i64;
    judge_skew(&endpoint.to_string(), theirs, ours)
}

/// Unix seconds of a `Date` header.
fn date_seconds(date: &str) -> Option<i64> {
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(date.timestamp().as_second())
}

fn judge_skew(whose: &str, theirs: Option<i64>, ours: i64) -> Finding {
    const CHECK: &str = "clock";
    const MEND: &str = "run a time service (chrony, systemd-timesyncd) on every machine";
    let Some(theirs) = theirs else {
        return Finding::warn(CHECK, format!("{whose} does not tell its time"), MEND);
    };
    let apart = theirs.saturating_sub(ours);
    let side = if apart > 0 { "ahead of" } else { "behind" };
    let told = format!("{whose} is {} s {side} us", apart.unsigned_abs());
    match apart.saturating_abs() {
        apart if apart <= SKEW_SEEN_SECONDS => Finding::ok(CHECK, format!("{whose} has our time")),
        apart if apart <= SKEW_MAX_SECONDS => Finding::warn(CHECK, told, MEND),
        _ => Finding::wrong(CHECK, told, MEND),
    }
}

fn kids(reply: &Reply) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct Jwks {
        keys: Vec<Jwk>,
    }
    #[derive(Deserialize)]
    struct Jwk {
        kid: String,
    }
    let keys = reply
        .json::<Jwks>()
        .map(|jwks| jwks.keys)
        .unwrap_or_default();
    keys.into_iter().map(|key| key.kid).collect()
}

/// All must share a key, or a token of one is refused by another.
fn signing_keys(sets: &[(String, BTreeSet<String>)]) -> Option<Finding> {
    const CHECK: &str = "signing keys";
    const MEND: &str =
        "one store and one auth.key-secret for all, and auth-url to the auth of this deployment";
    let ((_, first), rest) = sets.split_first()?;
    let shared = rest.iter().fold(first.clone(), |shared, (_, keys)| {
        shared.intersection(keys).cloned().collect()
    });
    let names = sets.iter().map(|(name, _)| name.as_str());
    let names = names.collect::<Vec<_>>().join(", ");
    Some(if shared.is_empty() {
        Finding::wrong(CHECK, format!("none that all of {names} publish"), MEND)
    } else {
        Finding::ok(CHECK, format!("{} published by {names}", shared.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_clock_that_is_ahead_or_behind_is_told() {
        let ours = 784_111_777;
        let level = |date: Option<&str>| judge_skew("x", date.and_then(date_seconds), ours).level;
        assert_eq!(level(Some("Sun, 06 Nov 1994 08:49:37 GMT")), Level::Ok);
        assert_eq!(level(Some("Sun, 06 Nov 1994 08:49:41 GMT")), Level::Warn);
        assert_eq!(level(Some("Sun, 06 Nov 1994 09:49:37 GMT")), Level::Wrong);
        assert_eq!(level(Some("Sun, 06 Nov 1994 08:48:37 GMT")), Level::Wrong);
        assert_eq!(level(None), Level::Warn);
    }

    #[test]
    fn everybody_must_share_a_key() {
        let set = |name: &str, keys: &[&str]| {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            (name.to_owned(), keys)
        };
        let level = |sets: &[_]| signing_keys(sets).map(|finding| finding.level);
        assert_eq!(level(&[]), None);
        let rotating = [set("a", &["1", "2"]), set("b", &["2"])];
        assert_eq!(level(&rotating), Some(Level::Ok));
        assert_eq!(
            level(&[set("a", &["1"]), set("b", &["2"])]),
            Some(Level::Wrong)
        );
        assert_eq!(level(&[set("a", &[])]), Some(Level::Wrong));
    }

    #[tokio::test]
    async fn a_bus_on_this_machine_answers_and_has_our_time() {
        let url = std::env::var("CHATIFY_TEST_REDIS").expect(
            "CHATIFY_TEST_REDIS: run `make test`, or `eval \"$(ops/dev/servers.sh start)\"`",
        );
        let levels: Vec<_> = bus(&url).await.iter().map(|found| found.level).collect();
        assert_eq!(levels, [Level::Ok; 2]);
        let closed = bus("redis://:hunter2@127.0.0.1:1").await;
        assert_eq!([closed[0].level], [Level::Wrong]);
        assert!(!closed[0].told.contains("hunter2"), "{}", closed[0].told);
        assert_eq!(bus("local:").await, []);
    }
}

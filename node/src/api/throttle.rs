//! Rate limits of REST, held over the whole cluster. The pace of changes within one room is the room's own (`chat`).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bus::limits::{Policy, Verdict};
use protocol::problem::{Code, Problem};
use service::http::{ClientAddress, limited_address};
use service::metrics::Counter;

use super::answer::Refused;
use super::caller;
use crate::NodeMetrics;
use crate::ports::Ports;

const MINUTE: Duration = Duration::from_secs(60);

/// A person's calls, whatever they are: ten a second for minutes is a program, and a program has sockets.
pub(crate) const CALLS: Policy = Policy::even("calls", 600, MINUTE).with_burst(200);
/// A person's searches for people: enough to type names, too few to list everybody.
pub(crate) const SEARCHES: Policy = Policy::even("searches", 60, MINUTE);
/// Rooms and conversations that a person makes.
pub(crate) const ROOMS: Policy = Policy::even("rooms", 30, MINUTE);
/// Exports of all that is stored about a person: each reads the logs of all their rooms.
pub(crate) const EXPORTS: Policy = Policy::strict("exports", 5, Duration::from_secs(24 * 3600));
/// Calls without a valid token, by address.
pub(crate) const STRANGERS: Policy = Policy::even("strangers", 300, MINUTE);

/// Counts refusals; looked up once, since a flood of them must stay cheap.
static LIMITED: LazyLock<Counter> = LazyLock::new(|| NodeMetrics::register().limited_calls);

/// Every budget, for `GET /v1/limits`.
pub(crate) const ALL: [Policy; 5] = [CALLS, SEARCHES, ROOMS, EXPORTS, STRANGERS];

/// Takes one from the budget that the call belongs to, or refuses.
pub(crate) async fn throttle(
    State(ports): State<Arc<Ports>>,
    request: Request,
    next: Next,
) -> Response {
    let (policy, key) = match caller::of_request(&request) {
        Some(caller) => (policy_of(&request), caller.user.to_string()),
        None => (STRANGERS, address(&request).to_string()),
    };
    let verdict = ports
        .limiter
        .take(&key, policy, ports.clock.unix_ms())
        .await;
    let mut response = if verdict.allowed {
        next.run(request).await
    } else {
        LIMITED.increment(1);
        let detail = format!(
            "more than {} calls in {} s",
            policy.limit,
            policy.period.as_secs()
        );
        Refused(
            Problem::because(Code::RateLimited, detail).retry_after(verdict.retry_after_ms.max(1)),
        )
        .into_response()
    };
    announce(response.headers_mut(), policy, verdict);
    response
}

fn policy_of(request: &Request) -> Policy {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    match (request.method(), path) {
        (&Method::GET, "/v1/users") => SEARCHES,
        (&Method::POST, "/v1/users/me/export") => EXPORTS,
        (&Method::POST, "/v1/rooms") | (_, "/v1/dms/{userId}") => ROOMS,
        _ => CALLS,
    }
}

fn address(request: &Request) -> IpAddr {
    let client = request.extensions().get::<ClientAddress>();
    limited_address(client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0))
}

/// draft-ietf-httpapi-ratelimit-headers: what the budget is, and what is left of it.
fn announce(headers: &mut HeaderMap, policy: Policy, verdict: Verdict) {
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
    for (name, value) in [("ratelimit-policy", rule), ("ratelimit", left)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

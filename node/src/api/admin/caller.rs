//! Who calls, may they, and the note of it: done for every route by taking an [`Administrator`].

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use bus::limits::Policy;
use protocol::problem::{Code, Problem};
use protocol::time::Timestamp;
use service::http::{ClientAddress, limited_address};
use store::AuditRow;
use tracing::{info, warn};
use uuid::{ContextV7, Uuid};

use super::AdminPorts;
use super::token::{Grant, Scope};
use crate::api::answer::Refused;
use crate::api::caller::bearer;

/// Keeps the notes of one millisecond in their order.
static ORDER: LazyLock<Mutex<ContextV7>> = LazyLock::new(|| Mutex::new(ContextV7::new()));
const MINUTE: Duration = Duration::from_secs(60);
/// Calls in the name of one administrator. A trace asks every other node, twice at most, in the same name.
const CALLS: Policy = Policy::even("admin", 600, MINUTE).with_burst(200);
/// Calls without a token that is valid, by address of the internet.
const STRANGERS: Policy = Policy::even("admin-strangers", 60, MINUTE);

/// Characters of the path and query in a note; the rest of an absurd one is of no use.
const TARGET_CHARS_MAX: usize = 512;

/// An administrator whose call may be done, and is written down.
pub(super) struct Administrator {
    /// What their token says.
    pub(super) grant: Grant,
    /// The token, to ask another node in their name.
    pub(super) token: HeaderValue,
}

impl FromRequestParts<Arc<AdminPorts>> for Administrator {
    type Rejection = Refused;

    async fn from_request_parts(
        parts: &mut Parts,
        ports: &Arc<AdminPorts>,
    ) -> Result<Self, Refused> {
        let now = ports.clock.unix_ms();
        let read = bearer(&parts.headers).and_then(|token| ports.key.read(token, now / 1_000));
        let (policy, key) = match &read {
            Ok(grant) => (CALLS, grant.name.clone()),
            Err(_) => (STRANGERS, limited_address(client(parts)).to_string()),
        };
        let verdict = ports.limiter.take(&key, policy, now).await;
        if !verdict.allowed {
            let why = format!("more than {} calls in a minute", policy.limit);
            let problem = Problem::because(Code::RateLimited, why);
            return Err(problem.retry_after(verdict.retry_after_ms.max(1)).into());
        }
        let grant = read.map_err(Code::from)?;
        let wanted = match parts.method {
            Method::GET | Method::HEAD => Scope::Read,
            _ => Scope::Operate,
        };
        if grant.scope < wanted {
            let why = "this administrator may only look: make a token with --operate";
            return Err(Problem::because(Code::Forbidden, why).into());
        }
        let note = noted(parts, &grant, now);
        info!(
            who = note.who,
            action = note.action,
            target = note.target,
            "an administrator's call"
        );
        if let Err(error) = ports.store.note(note).await {
            warn!(%error, "an administrator's call could not be written down and is not done");
            return Err(Problem::new(Code::Unavailable).retry_after(1_000).into());
        }
        let token = parts.headers.get(header::AUTHORIZATION).cloned();
        Ok(Self {
            grant,
            token: token.ok_or(Code::TokenMissing)?,
        })
    }
}

fn client(parts: &Parts) -> IpAddr {
    let client = parts.extensions.get::<ClientAddress>();
    client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0)
}

fn noted(parts: &Parts, grant: &Grant, now: u64) -> AuditRow {
    let route = parts.extensions.get::<MatchedPath>();
    let target = parts.uri.path_and_query().map_or("", |all| all.as_str());
    let (seconds, millis) = (now / 1_000, (now % 1_000) as u32);
    AuditRow {
        id: Uuid::new_v7(uuid::Timestamp::from_unix(
            &*ORDER,
            seconds,
            millis * 1_000_000,
        )),
        at: Timestamp(i64::try_from(now).unwrap_or(i64::MAX)),
        who: grant.name.clone(),
        address: client(parts).to_string(),
        action: format!("{} {}", parts.method, route.map_or("", MatchedPath::as_str)),
        target: target.chars().take(TARGET_CHARS_MAX).collect(),
    }
}

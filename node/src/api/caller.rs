//! Who calls: the token in `Authorization: Bearer`, verified here and nowhere else for REST.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use chat::Outcome;
use protocol::entry::{Draft, Intent};
use protocol::ids::{ClientId, RoomId, SessionId, UserId};
use protocol::problem::{Code, Problem};
use protocol::token::TokenRefused;

use super::answer::Refused;
use super::mint::CallName;
use crate::ports::Ports;

/// A signed-in person.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) user: UserId,
    /// On which device.
    pub(crate) session: SessionId,
    /// What names this call.
    pub(crate) call: CallName,
}

impl Caller {
    /// Asks a room's home for a change, in the caller's name; answered after the commit.
    pub(crate) async fn submit(
        &self,
        ports: &Ports,
        room: RoomId,
        intent: Intent,
    ) -> Result<Outcome, Refused> {
        self.submit_as(ports, room, self.call.draft_key(0), intent)
            .await
    }

    /// The same under a key of the client's own.
    pub(crate) async fn submit_as(
        &self,
        ports: &Ports,
        room: RoomId,
        key: ClientId,
        intent: Intent,
    ) -> Result<Outcome, Refused> {
        let draft = Draft {
            actor: self.user,
            key,
            at: ports.now(),
            intent,
        };
        Ok(ports.hubs.submit(room, draft).await?)
    }
}

/// What the token said; put into each request once.
#[derive(Clone)]
struct Identity(Result<Caller, Problem>);

/// Reads the token of a request, so that limits, idempotency and the handler all see the same caller.
pub(crate) async fn identify(
    State(ports): State<Arc<Ports>>,
    mut request: Request,
    next: Next,
) -> Response {
    let identity = Identity(caller(&ports, request.headers()));
    request.extensions_mut().insert(identity);
    next.run(request).await
}

fn caller(ports: &Ports, headers: &HeaderMap) -> Result<Caller, Problem> {
    let token = bearer(headers).map_err(Code::from)?;
    let claims = ports.keys.verify(token, ports.clock.unix_seconds())?;
    if ports.revoked.contains(claims.sid) {
        return Err(Code::SessionRevoked.into());
    }
    let call = CallName::of(claims.sub, idempotency_key(headers)?);
    Ok(Caller {
        user: claims.sub,
        session: claims.sid,
        call,
    })
}

pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, TokenRefused> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or(TokenRefused::Missing)?;
    let value = value.to_str().map_err(|_| TokenRefused::Invalid)?;
    let (scheme, token) = value.split_once(' ').ok_or(TokenRefused::Invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenRefused::Invalid);
    }
    Ok(token.trim())
}

/// The call's own name for itself: 1 to 128 printable characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default().trim();
    if !(1..=128).contains(&key.len()) {
        let detail = "an Idempotency-Key has 1 to 128 printable characters";
        return Err(Problem::field(
            Code::InvalidRequest,
            "/Idempotency-Key",
            "format",
            detail,
        ));
    }
    Ok(Some(key))
}

/// Whoever the request's token names, if it names anybody.
pub(crate) fn of_request(request: &Request) -> Option<Caller> {
    request
        .extensions()
        .get::<Identity>()
        .and_then(|identity| identity.0.as_ref().ok().copied())
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        match parts.extensions.get::<Identity>() {
            Some(Identity(Ok(caller))) => Ok(*caller),
            Some(Identity(Err(problem))) => Err(Refused(problem.clone())),
            None => Err(Code::TokenMissing.into()),
        }
    }
}

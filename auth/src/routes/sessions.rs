//! `/v1/auth/sessions`: a person's devices, and signing them out from another one.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use protocol::ids::SessionId;
use protocol::limits::PAGE_MAX;
use protocol::problem::{Code, Problem};
use serde::Deserialize;
use store::Revoke;
use utoipa::IntoParams;

use super::answer::{self, Refused};
use super::bodies::{Page, Revoked, SessionPage};
use crate::Auth;
use crate::sessions::Caller;

/// Rows of a page when nothing is asked for.
const LIMIT: usize = 50;

/// Which part of a list. Values are read by hand, so that what is wrong is named.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// 1 to 100, otherwise 50.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// `page.next` of the answer before.
    cursor: Option<String>,
}

/// My signed-in devices, newest sign-in first.
#[utoipa::path(
    get, path = "/v1/auth/sessions", operation_id = "listSessions", tag = "auth", params(Paging),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The devices", body = SessionPage),
        (status = 401, description = "`token_missing`, `token_invalid`, `token_expired`, `session_revoked`", body = Problem),
    )
)]
pub(crate) async fn list(
    State(auth): State<Auth>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Response, Refused> {
    let limit = match &paging.limit {
        None => LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=PAGE_MAX).contains(limit))
            .ok_or_else(|| {
                Problem::field(Code::InvalidRequest, "/limit", "range", "limit is 1 to 100")
            })?,
    };
    let after: Option<SessionId> = paging
        .cursor
        .map(|cursor| cursor.parse())
        .transpose()
        .map_err(|_| {
            Problem::field(
                Code::InvalidRequest,
                "/cursor",
                "format",
                "not one of our cursors",
            )
        })?;
    let mut devices = auth.devices(caller).await?;
    if let Some(after) = after {
        // A device that was signed out meanwhile is no place to go on from: begin again.
        let place = devices.iter().position(|device| device.id == after);
        devices.drain(..place.map_or(0, |place| place + 1));
    }
    let more = devices.len() > limit;
    devices.truncate(limit);
    let next = devices
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    answer::ok(&SessionPage {
        data: devices,
        page: Page { next, prev: None },
    })
}

/// Sign one of my devices out; its live sockets are closed within a second.
#[utoipa::path(
    delete, path = "/v1/auth/sessions/{id}", operation_id = "revokeSession", tag = "auth",
    params(("id" = SessionId, Path, description = "The device")),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Signed out"),
        (status = 404, description = "`session_not_found`", body = Problem),
    )
)]
pub(crate) async fn revoke(
    State(auth): State<Auth>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let id: SessionId = id.parse().map_err(|_| Code::SessionNotFound)?;
    match auth.revoke(caller.user, Revoke::One(id), "revoked").await? {
        0 => Err(Code::SessionNotFound.into()),
        _ => Ok(answer::nothing()),
    }
}

/// Sign all my other devices out.
#[utoipa::path(
    post, path = "/v1/auth/sessions/revoke-others", operation_id = "revokeOtherSessions", tag = "auth",
    security(("bearer" = [])),
    responses((status = 200, description = "How many were signed out", body = Revoked))
)]
pub(crate) async fn revoke_others(
    State(auth): State<Auth>,
    caller: Caller,
) -> Result<Response, Refused> {
    let which = Revoke::AllBut(caller.session);
    let revoked = auth.revoke(caller.user, which, "revoked").await?;
    answer::ok(&Revoked { revoked })
}

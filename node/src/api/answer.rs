//! How a REST call is answered: data as JSON, refusals as problem documents, each written in one place.
//!
//! A handler returns [`Refused`]; the document's body is written by the front (`front.rs`), which knows the trace id.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::problem::{Code, Problem};
use serde::Serialize;
use store::StoreError;
use tracing::error;

/// What handlers return.
pub(crate) type Result<T, E = Refused> = std::result::Result<T, E>;

/// Milliseconds after which a call that failed for a passing reason may be repeated.
const AGAIN_MILLIS: u64 = 1_000;

/// A call that is not done, and why.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Code> for Refused {
    fn from(code: Code) -> Self {
        Self(Problem::new(code))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = StatusCode::OK.into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// In an answer's extensions: its body is made while it is read, and nobody may gather it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed;

/// Whether an answer is a refusal that has not been written yet.
pub(crate) fn is_refused(response: &Response) -> bool {
    response.extensions().get::<Problem>().is_some()
}

/// Writes the problem document that a handler has left in an answer's extensions, if there is one.
///
/// Problems carry `retryAfter` in milliseconds within the house; REST says it in whole seconds.
pub(crate) fn write_problem(response: Response, trace: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(mut problem) = parts.extensions.remove::<Problem>() else {
        return Response::from_parts(parts, body);
    };
    trace.clone_into(&mut problem.trace_id);
    problem.retry_after = problem.retry_after.map(|millis| millis.div_ceil(1_000));
    if let Some(seconds) = problem.retry_after {
        parts
            .headers
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    parts.status =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if parts.status == StatusCode::UNAUTHORIZED {
        parts
            .headers
            .insert(header::WWW_AUTHENTICATE, challenge(problem.code));
    }
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    Response::from_parts(parts, body.into())
}

fn challenge(code: Code) -> HeaderValue {
    HeaderValue::from_static(match code {
        Code::TokenMissing => "Bearer",
        _ => "Bearer error=\"invalid_token\"",
    })
}

/// Data with a status, and headers that keep it out of caches.
pub(crate) fn data(status: StatusCode, value: &impl Serialize) -> Result<Response> {
    let body = serde_json::to_vec(value).map_err(|failed| {
        error!(%failed, "an answer could not be written");
        Code::Internal
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((status, headers, body).into_response())
}

/// Data that was made at a new place.
pub(crate) fn created(place: &str, value: &impl Serialize) -> Result<Response> {
    let mut response = data(StatusCode::CREATED, value)?;
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// 200 with data.
pub(crate) fn ok(value: &impl Serialize) -> Result<Response> {
    data(StatusCode::OK, value)
}

/// 204.
pub(crate) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// What a store's refusal is to a client; `absent` is what was not found.
pub(crate) fn of_store(error: StoreError, absent: Code) -> Problem {
    match error {
        StoreError::NotFound => absent.into(),
        StoreError::Unknown(_) => Problem::new(Code::OutcomeUnknown).retry_after(AGAIN_MILLIS),
        other => crate::reads::of_read(other),
    }
}

/// Reads of things that must be there.
pub(crate) trait Kept<T> {
    /// The value, or the problem; `absent` is what a missing row means.
    fn or_absent(self, absent: Code) -> Result<T>;
}

impl<T> Kept<T> for std::result::Result<T, StoreError> {
    fn or_absent(self, absent: Code) -> Result<T> {
        self.map_err(|error| Refused(of_store(error, absent)))
    }
}

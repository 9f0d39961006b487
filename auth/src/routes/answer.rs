//! How auth answers: data as JSON, refusals as problem documents, cookies. Nothing of it may be cached.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::problem::{Code, Problem};
use serde::Serialize;
use service::telemetry::TraceId;

use super::read::TRACE_ID;
use crate::challenges::internal;

/// A call that is not done, and why. The document is written by [`front`], which knows the trace id.
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

/// The outermost layer: problem documents, and headers that keep answers out of caches.
pub(crate) async fn front(request: Request, next: Next) -> Response {
    let trace = request
        .headers()
        .get(TRACE_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map_or_else(|| TraceId::random().to_string(), str::to_owned);
    let mut response = written(next.run(request).await, &trace);
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(trace) = HeaderValue::from_str(&trace) {
        headers.insert(TRACE_ID, trace);
    }
    response
}

/// Problems carry `retryAfter` in milliseconds within the house; REST says it in whole seconds.
fn written(response: Response, trace: &str) -> Response {
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
    if problem.status == 401 {
        let challenge = if problem.code == Code::TokenMissing {
            "Bearer"
        } else {
            "Bearer error=\"invalid_token\""
        };
        parts.headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        );
    }
    parts.status =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    parts.headers.remove(header::CONTENT_LENGTH);
    let kind = HeaderValue::from_static("application/problem+json");
    parts.headers.insert(header::CONTENT_TYPE, kind);
    Response::from_parts(
        parts,
        Body::from(serde_json::to_vec(&problem).unwrap_or_default()),
    )
}

/// Data with a status.
pub(crate) fn data(status: StatusCode, body: &impl Serialize) -> Result<Response, Refused> {
    let body = serde_json::to_vec(body).map_err(internal)?;
    let kind = HeaderValue::from_static("application/json");
    Ok((status, [(header::CONTENT_TYPE, kind)], body).into_response())
}

/// 200 with data.
pub(crate) fn ok(body: &impl Serialize) -> Result<Response, Refused> {
    data(StatusCode::OK, body)
}

/// 204.
pub(crate) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// An answer, or a refusal, with these headers.
pub(crate) fn with(headers: HeaderMap, answer: Result<Response, Refused>) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().extend(headers);
    response
}

/// A header value of our own making.
pub(crate) fn value(text: &str) -> Result<HeaderValue, Refused> {
    HeaderValue::from_str(text).map_err(|error| Refused(internal(error)))
}

/// A cookie that no script can read and no other site can send, for auth's own paths.
pub(crate) fn cookie(
    (name, content): (&str, &str),
    max_age_seconds: u64,
    secure: bool,
) -> Result<HeaderMap, Refused> {
    let secure = if secure { "; Secure" } else { "" };
    let mut cookie = value(&format!(
        "{name}={content}; Path=/v1/auth; Max-Age={max_age_seconds}; HttpOnly; SameSite=Strict{secure}"
    ))?;
    cookie.set_sensitive(true);
    Ok(HeaderMap::from_iter([(header::SET_COOKIE, cookie)]))
}

//! What every answer of the public HTTP side has in common: a trace id, problem documents, protective headers, CORS.
//!
//! Tokens in a URL are refused here, before anything could log them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::problem::{Code, Problem};
use service::http::{Content, protect};
use tracing::{Instrument, debug_span, warn};
use uuid::Uuid;

use super::answer::{Refused, write_problem};
use crate::ports::Settings;
use crate::web;

/// Under what the logs know a request; in requests it is ours, whatever the client sent.
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// Headers of answers that a page of another origin may read.
const EXPOSED: &str =
    "X-Trace-Id, RateLimit, RateLimit-Policy, Retry-After, Location, Idempotency-Replayed";
/// Headers that a page of another origin may send.
const ACCEPTED: &str =
    "Authorization, Content-Type, Idempotency-Key, Traceparent, X-Chatify-Client";

/// The outermost layer.
pub(crate) async fn front(
    State(settings): State<Arc<Settings>>,
    mut request: Request,
    next: Next,
) -> Response {
    let trace = trace_id(request.headers());
    let name = HeaderValue::from_str(&trace).unwrap_or(HeaderValue::from_static("0"));
    request.headers_mut().insert(TRACE_ID, name.clone());
    let origin = allowed_origin(&settings, request.headers());

    let response = if token_in_query(request.uri().query()) {
        Refused::from(Problem::because(
            Code::TokenInQuery,
            "send the token as Authorization: Bearer",
        ))
        .into_response()
    } else if is_preflight(&request) {
        preflight(origin.is_some())
    } else {
        let span =
            debug_span!("rest", trace, method = %request.method(), path = request.uri().path());
        next.run(request).instrument(span).await
    };

    let mut response = write_problem(response, &trace);
    if response.status().is_server_error() {
        warn!(
            trace,
            status = response.status().as_u16(),
            "a call was not served"
        );
    }
    let headers = response.headers_mut();
    headers.insert(TRACE_ID, name);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }
    protect(headers, Content::Data, settings.https);
    response
}

/// The caller's own trace (W3C `traceparent`), or a new one; 32 hexadecimal digits.
fn trace_id(headers: &HeaderMap) -> String {
    headers
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split('-').nth(1))
        .filter(|id| {
            id.len() == 32
                && id
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
        .filter(|id| id.bytes().any(|byte| byte != b'0'))
        .map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned)
}

fn token_in_query(query: Option<&str>) -> bool {
    let names = query
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default());
    names.into_iter().any(|name| {
        ["token", "access_token", "accesstoken", "authorization"]
            .contains(&name.to_ascii_lowercase().as_str())
    })
}

/// The request's origin, if it is one of those that may call; compared byte by byte, never by a pattern.
fn allowed_origin(settings: &Settings, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    settings
        .origins
        .iter()
        .any(|allowed| allowed.as_bytes() == origin.as_bytes())
        .then(|| origin.clone())
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(allowed: bool) -> Response {
    if !allowed {
        return Refused::from(Code::OriginRefused).into_response();
    }
    let headers = [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, POST, PUT, PATCH, DELETE",
        ),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ACCEPTED),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Where no route leads: the web client finds its way on pages of its own; calls are told that there is nothing.
pub(crate) async fn nowhere(request: Request, https: bool) -> Response {
    let path = request.uri().path();
    let call = ["/v1/", "/.well-known/", "/docs/", "/dev/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
        || path == "/v1";
    let page = matches!(*request.method(), Method::GET | Method::HEAD);
    match page
        .then(|| web::answer(&request, https))
        .flatten()
        .filter(|_| !call)
    {
        Some(response) => response,
        None => Refused::from(Code::NotFound).into_response(),
    }
}

/// Where no route leads and there is no web client.
pub(crate) async fn nothing() -> Refused {
    Code::NotFound.into()
}

/// A route that does not know the method.
pub(crate) async fn not_so() -> Refused {
    Code::MethodNotAllowed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_and_a_broken_one_starts_anew() {
        let trace = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_static(value));
            trace_id(&headers)
        };
        let good = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            good
        );
        for broken in [
            "",
            "00-xyz-1-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "4bf9",
        ] {
            assert_ne!(trace(broken), good);
            assert_eq!(trace(broken).len(), 32);
        }
    }

    #[test]
    fn a_token_in_the_query_is_seen_in_any_case_and_place() {
        for query in ["token=x", "a=1&access_token=x", "TOKEN=x", "token"] {
            assert!(token_in_query(Some(query)), "{query}");
        }
        assert!(!token_in_query(Some("q=token")) && !token_in_query(None));
    }
}

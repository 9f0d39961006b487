//! What a request of ours is told when it cannot be served: the words of the reference server, so that clients
//! and people recognise them.

use crate::application::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineRefusal {
    UnknownTransport,
    UnknownSid,
    BadMethod,
    BadRequest,
    Forbidden,
    UnsupportedVersion,
    /// A token in a query ends in logs and histories: it belongs into CONNECT.
    TokenInQuery,
    UriTooLong,
    TooLarge,
    TooSlow,
    Overloaded,
    RetryAfter(Duration),
}

impl EngineRefusal {
    fn parts(self) -> (StatusCode, u8, &'static str) {
        match self {
            EngineRefusal::UnknownTransport => (StatusCode::BAD_REQUEST, 0, "Transport unknown"),
            EngineRefusal::UnknownSid => (StatusCode::BAD_REQUEST, 1, "Session ID unknown"),
            EngineRefusal::BadMethod => (StatusCode::BAD_REQUEST, 2, "Bad handshake method"),
            EngineRefusal::BadRequest => (StatusCode::BAD_REQUEST, 3, "Bad request"),
            EngineRefusal::Forbidden => (StatusCode::FORBIDDEN, 4, "Forbidden"),
            EngineRefusal::UnsupportedVersion => {
                (StatusCode::BAD_REQUEST, 5, "Unsupported protocol version")
            }
            EngineRefusal::TokenInQuery => (
                StatusCode::BAD_REQUEST,
                3,
                "A token in the query is refused: send it as auth",
            ),
            EngineRefusal::UriTooLong => (StatusCode::URI_TOO_LONG, 3, "URI too long"),
            EngineRefusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 3, "Payload too large"),
            EngineRefusal::TooSlow => (StatusCode::REQUEST_TIMEOUT, 3, "Request timed out"),
            EngineRefusal::Overloaded | EngineRefusal::RetryAfter(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, 3, "Try again later")
            }
        }
    }

    pub(crate) fn response(self) -> Response<Body> {
        let (status, code, message) = self.parts();
        let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
        let mut response = text_response(status, "application/json", body);
        let retry_after = match self {
            EngineRefusal::Overloaded => Some(Duration::from_secs(5)),
            EngineRefusal::RetryAfter(after) => Some(after),
            _ => None,
        };
        let headers = response.headers_mut();
        if let Some(after) = retry_after {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(after.as_secs().max(1)),
            );
        }
        // What the client still sends behind such a request is not worth reading.
        if matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

pub(crate) fn text_response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

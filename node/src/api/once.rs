//! `Idempotency-Key`: a POST that is repeated within 24 hours is answered as it was the first time.
//!
//! The kept answer is a shortcut and not the safety: every id that a call makes is derived from its key (`mint.rs`), so
//! that a repeat which finds no answer yet (the first is under way, or its node died) may simply run again.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::limits::FRAME_BYTES_MAX;
use protocol::problem::Code;
use store::KeptAnswer;
use tracing::warn;

use super::answer::{Kept, Refused, Streamed, is_refused};
use super::read::too_large;
use super::{caller, mint};
use crate::ports::Ports;

/// Bytes of an answer that is kept; longer ones are made again.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Answers a repeated call from what was kept; lets all others pass.
pub(crate) async fn once(
    State(ports): State<Arc<Ports>>,
    request: Request,
    next: Next,
) -> Response {
    let key = caller::idempotency_key(request.headers())
        .ok()
        .flatten()
        .map(str::to_owned);
    let (Some(key), Some(caller)) = (key, caller::of_request(&request)) else {
        return next.run(request).await;
    };
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let scope = caller.user.to_string();
    match run(&ports, (scope, key), request, next).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn run(
    ports: &Ports,
    name: (String, String),
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, FRAME_BYTES_MAX)
        .await
        .map_err(|_| too_large())?;
    let mut asked = format!("{} {}\n", parts.method, parts.uri.path()).into_bytes();
    asked.extend_from_slice(&body);
    let digest = mint::hash(&asked);

    let (scope, key) = name;
    let held = ports
        .store
        .claim_key(scope.clone(), key.clone(), digest, ports.now())
        .await
        .or_absent(Code::NotFound)?;
    if let Some(held) = held {
        if held.digest != digest {
            return Err(Code::IdempotencyKeyReused.into());
        }
        if held.status != 0 {
            return replay(held);
        }
    }

    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (response, answer) = kept(response, digest).await?;
    // The call itself is done: a key that could not be kept only means that a repeat runs again.
    if let Err(error) = ports.store.keep_answer(scope, key, answer).await {
        warn!(%error, "an answer could not be kept under its idempotency key");
    }
    Ok(response)
}

fn replay(held: KeptAnswer) -> Result<Response, Refused> {
    let status = StatusCode::from_u16(held.status).map_err(|_| Code::Internal)?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let mut response = (status, headers, held.body).into_response();
    response
        .headers_mut()
        .insert("idempotency-replayed", HeaderValue::from_static("true"));
    Ok(response)
}

/// What to keep of an answer: only what was done. A refusal gives the key back, so that a mended call may use it; so does
/// an answer that is streamed.
async fn kept(response: Response, digest: [u8; 32]) -> Result<(Response, KeptAnswer), Refused> {
    let back = KeptAnswer {
        digest,
        status: 0,
        body: String::new(),
    };
    let done = response.status().is_success() && !is_refused(&response);
    if !done || response.extensions().get::<Streamed>().is_some() {
        return Ok((response, back));
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX)
        .await
        .map_err(|_| Code::Internal)?;
    let answer = match std::str::from_utf8(&bytes) {
        Ok(text) if text.len() <= KEPT_BYTES_MAX => KeptAnswer {
            digest,
            status: parts.status.as_u16(),
            body: text.to_owned(),
        },
        _ => back,
    };
    Ok((Response::from_parts(parts, Body::from(bytes)), answer))
}

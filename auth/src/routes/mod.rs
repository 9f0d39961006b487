//! The HTTP side of auth: routes, bodies, and how calls are read and answered. What is decided, is decided elsewhere.

mod answer;
mod bodies;
mod otp;
mod read;
mod sessions;
mod token;

use axum::Router;
use axum::http::header;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use protocol::problem::Code;
use utoipa::OpenApi as _;

use crate::Auth;
use crate::keyring::JWKS_MAX_AGE_SECONDS;
use answer::Refused;

/// `/v1/auth/…` and `/.well-known/jwks.json`. The listener puts [`service::http::ClientAddress`] into each request.
pub fn router(auth: Auth) -> Router {
    Router::new()
        .route("/v1/auth/otp", post(otp::ask))
        .route("/v1/auth/otp/{id}", get(otp::watch))
        .route("/v1/auth/otp/{id}/resend", post(otp::resend))
        .route("/v1/auth/otp/{id}/verify", post(otp::redeem))
        .route("/v1/auth/token", post(token::renew))
        .route("/v1/auth/logout", post(token::logout))
        .route("/v1/auth/sessions", get(sessions::list))
        .route(
            "/v1/auth/sessions/revoke-others",
            post(sessions::revoke_others),
        )
        .route("/v1/auth/sessions/{id}", delete(sessions::revoke))
        .route("/.well-known/jwks.json", get(jwks))
        .method_not_allowed_fallback(async || Refused::from(Code::MethodNotAllowed))
        .layer(middleware::from_fn(answer::front))
        .with_state(auth)
}

/// The part of the API document that is auth's.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        otp::ask,
        otp::watch,
        otp::resend,
        otp::redeem,
        token::renew,
        token::logout,
        sessions::list,
        sessions::revoke,
        sessions::revoke_others,
        jwks,
    ),
    components(schemas(protocol::problem::Problem)),
    tags((name = "auth", description = "Codes by mail, tokens, signed-in devices."))
)]
struct Document;

/// The keys whose tokens are to be believed.
///
/// A new key is published before it signs; cache this for as long as the answer says.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "getKeys", tag = "auth",
    responses((status = 200, description = "The keys", body = bodies::Jwks))
)]
async fn jwks(axum::extract::State(auth): axum::extract::State<Auth>) -> Result<Response, Refused> {
    let keys = auth.inner.ring.borrow().published.clone();
    let mut response = answer::ok(&bodies::Jwks { keys })?;
    let cache = format!("public, max-age={JWKS_MAX_AGE_SECONDS}");
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, answer::value(&cache)?);
    Ok(response.into_response())
}

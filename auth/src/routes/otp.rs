//! `/v1/auth/otp`: ask for a code, watch its mail, ask again, sign in with it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use protocol::ids::ChallengeId;
use protocol::problem::{Code as Refusal, Problem};
use protocol::user::display_name;

use super::answer::{self, Refused};
use super::bodies::{Ask, Asked, MailState, Redeem, SignedIn, Watched};
use super::read::{Context, Json};
use super::token;
use crate::Auth;
use crate::challenges::{self, Outcome};
use crate::otp::{Code, RESEND_AFTER};
use crate::sessions::device_name;

/// Holds the secret of a browser's challenge.
const COOKIE: &str = "chatify_challenge";
/// Seconds for which a challenge can be watched; longer than any code lives.
const COOKIE_SECONDS: u64 = 3_600;

/// Ask for a code by mail.
///
/// The answer is the same for every address, whether it has an account or not and whether a mail goes out or not.
#[utoipa::path(
    post, path = "/v1/auth/otp", operation_id = "askCode", tag = "auth", request_body = Ask,
    responses(
        (status = 202, description = "A code is on its way", body = Asked),
        (status = 400, description = "`invalid_request`: the address is none", body = Problem),
        (status = 429, description = "`rate_limited`: too many requests from here", body = Problem),
        (status = 503, description = "`unavailable`, `overloaded`", body = Problem),
    )
)]
pub(crate) async fn ask(
    State(auth): State<Auth>,
    context: Context,
    Json(body): Json<Ask>,
) -> Response {
    let outcome = auth.ask(&body.email, context.client).await;
    asked(&auth, &context, outcome)
}

/// Ask for another code; the one before is void.
#[utoipa::path(
    post, path = "/v1/auth/otp/{id}/resend", operation_id = "resendCode", tag = "auth",
    params(("id" = ChallengeId, Path, description = "The challenge")),
    responses(
        (status = 202, description = "Another code is on its way", body = Asked),
        (status = 404, description = "`challenge_not_found`", body = Problem),
        (status = 410, description = "`otp_expired`: the code was used", body = Problem),
        (status = 429, description = "`otp_cooldown`, `otp_locked`, `rate_limited`", body = Problem),
    )
)]
pub(crate) async fn resend(
    State(auth): State<Auth>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Refused> {
    let outcome = auth.resend(challenge(&id)?, context.client).await;
    Ok(asked(&auth, &context, outcome))
}

fn asked(
    auth: &Auth,
    context: &Context,
    (headers, outcome): Outcome<challenges::Asked>,
) -> Response {
    let answer = || {
        let asked = outcome?;
        let config = &auth.inner.config;
        let limits = auth.inner.budgets.are_on();
        let (cookie, shown) = match asked.secret {
            Some(secret) if context.web => {
                let cookie = (COOKIE, secret.as_str());
                (
                    answer::cookie(cookie, COOKIE_SECONDS, token::secure(auth, context))?,
                    None,
                )
            }
            secret => (Default::default(), secret),
        };
        let body = Asked {
            challenge_id: asked.id,
            expires_in: config.otp_ttl.as_secs(),
            resend_after: if limits { RESEND_AFTER.as_secs() } else { 0 },
            code_length: config.otp_digits,
            challenge_secret: shown,
        };
        Ok(answer::with(
            cookie,
            answer::data(StatusCode::ACCEPTED, &body),
        ))
    };
    let answer = answer();
    answer::with(headers, answer)
}

/// Watch what becomes of a code's mail.
///
/// Needs the secret that came with the challenge: the cookie, or `challengeSecret` as a header.
#[utoipa::path(
    get, path = "/v1/auth/otp/{id}", operation_id = "getChallenge", tag = "auth",
    params(
        ("id" = ChallengeId, Path, description = "The challenge"),
        ("X-Challenge-Secret" = Option<String>, Header, description = "Its secret, without a cookie"),
    ),
    responses(
        (status = 200, description = "How it stands", body = Watched),
        (status = 404, description = "`challenge_not_found`: there is none, or the secret is another one's", body = Problem),
    )
)]
pub(crate) async fn watch(
    State(auth): State<Auth>,
    Path(id): Path<String>,
    context: Context,
) -> Result<Response, Refused> {
    let secret = context
        .header("x-challenge-secret")
        .or_else(|| context.cookie(COOKIE));
    let watched = auth
        .watch(challenge(&id)?, secret.unwrap_or_default())
        .await?;
    answer::ok(&Watched {
        state: match watched.mail {
            store::MailState::Queued => MailState::Queued,
            store::MailState::Sent => MailState::Sent,
            store::MailState::Failed => MailState::Failed,
        },
        resend_after: watched.resend_after_ms.div_ceil(1_000),
        attempts_left: watched.attempts_left,
    })
}

/// Sign in with a code.
///
/// Each guess counts, right or wrong; after five the code is locked. An address without an account gets one here.
#[utoipa::path(
    post, path = "/v1/auth/otp/{id}/verify", operation_id = "verifyCode", tag = "auth", request_body = Redeem,
    params(("id" = ChallengeId, Path, description = "The challenge")),
    responses(
        (status = 200, description = "Signed in", body = SignedIn),
        (status = 400, description = "`otp_invalid` with `attemptsLeft`", body = Problem),
        (status = 404, description = "`challenge_not_found`", body = Problem),
        (status = 410, description = "`otp_expired`: too old, used or replaced", body = Problem),
        (status = 429, description = "`otp_locked`, `rate_limited`", body = Problem),
    )
)]
pub(crate) async fn redeem(
    State(auth): State<Auth>,
    Path(id): Path<String>,
    context: Context,
    Json(body): Json<Redeem>,
) -> Result<Response, Refused> {
    // Before the code is spent: a name that is refused must not cost it.
    let name = body
        .display_name
        .map(|name| display_name(&name, "/displayName"))
        .transpose()?;
    let device = body
        .device
        .as_deref()
        .or_else(|| context.header("user-agent"));
    let device = device.and_then(device_name);
    let email = auth
        .redeem(challenge(&id)?, &Code::typed(&body.code), context.client)
        .await?;
    let signed_in = auth.sign_in(&email, name, device).await?;
    let (cookie, shown) = token::refresh_for(&auth, &context, &signed_in.tokens.refresh)?;
    let body = SignedIn {
        user: signed_in.user,
        access_token: signed_in.tokens.access.expose().to_owned(),
        token_type: "Bearer",
        expires_in: signed_in.tokens.expires_in,
        refresh_token: shown,
        session: signed_in.session,
    };
    Ok(answer::with(cookie, answer::ok(&body)))
}

/// An id that is none names no challenge.
fn challenge(id: &str) -> Result<ChallengeId, Refused> {
    id.parse()
        .map_err(|_| Refused::from(Refusal::ChallengeNotFound))
}

//! `/v1/auth/token` and `/v1/auth/logout`, and where a browser keeps its refresh token.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use protocol::problem::{Code, Problem};
use service::secret::Secret;
use store::Revoke;

use super::answer::{self, Refused};
use super::bodies::{Logout, Renew, Tokens};
use super::read::{Context, Json, OptionalJson};
use crate::Auth;

/// Holds a browser's refresh token.
const COOKIE: &str = "chatify_refresh";

/// Renew tokens.
///
/// The refresh token is spent and a new one given. For ten seconds the spent one gets the same new one again, since an
/// answer may be lost; after that it signs the device out, since somebody may have stolen it. Browsers send
/// `X-Chatify-Client: web` and their cookie.
#[utoipa::path(
    post, path = "/v1/auth/token", operation_id = "refreshTokens", tag = "auth", request_body = Renew,
    params(("X-Chatify-Client" = Option<String>, Header, description = "`web`: the refresh token is in the cookie")),
    responses(
        (status = 200, description = "New tokens", body = Tokens),
        (status = 401, description = "`refresh_invalid`, `refresh_reused`, `session_revoked`", body = Problem),
        (status = 429, description = "`rate_limited`", body = Problem),
    )
)]
pub(crate) async fn renew(
    State(auth): State<Auth>,
    context: Context,
    Json(body): Json<Renew>,
) -> Response {
    let (headers, allowed) = auth
        .inner
        .budgets
        .renew(context.client, auth.now_ms())
        .await;
    let answer = match allowed {
        Ok(()) => renewed(&auth, &context, body.refresh_token.as_deref()).await,
        Err(problem) => Err(Refused(problem)),
    };
    answer::with(headers, answer)
}

async fn renewed(auth: &Auth, context: &Context, given: Option<&str>) -> Result<Response, Refused> {
    let token = match given.or_else(|| context.cookie(COOKIE)) {
        Some(token) => token,
        None if context.web => return Err(Code::RefreshInvalid.into()),
        None => {
            let detail = "refreshToken is required";
            return Err(
                Problem::field(Code::InvalidRequest, "/refreshToken", "required", detail).into(),
            );
        }
    };
    let tokens = match auth.renew(token).await {
        Ok(tokens) => tokens,
        Err(problem) if context.web && problem.status == 401 => {
            // The cookie is of no use any more: the page need not send it again.
            return Ok(answer::with(cleared(auth, context)?, Err(Refused(problem))));
        }
        Err(problem) => return Err(problem.into()),
    };
    let (cookie, shown) = refresh_for(auth, context, &tokens.refresh)?;
    let body = Tokens {
        access_token: tokens.access.expose().to_owned(),
        token_type: "Bearer",
        expires_in: tokens.expires_in,
        refresh_token: shown,
    };
    Ok(answer::with(cookie, answer::ok(&body)))
}

/// Sign this device out.
///
/// Named by the access token, or by the refresh token (in the body or the cookie) when that has ended. Signing out twice
/// is signing out once.
#[utoipa::path(
    post, path = "/v1/auth/logout", operation_id = "logout", tag = "auth", request_body = Option<Logout>,
    responses(
        (status = 204, description = "Signed out"),
        (status = 401, description = "`token_missing`, `token_invalid`: nobody was named", body = Problem),
    )
)]
pub(crate) async fn logout(
    State(auth): State<Auth>,
    context: Context,
    OptionalJson(body): OptionalJson<Logout>,
) -> Result<Response, Refused> {
    let refresh = body
        .refresh_token
        .as_deref()
        .or_else(|| context.cookie(COOKIE));
    let owner = match refresh {
        Some(token) => auth.owner_of(token).await?,
        None => None,
    };
    let caller = match owner {
        Some(owner) => Ok(owner),
        None => match context.bearer() {
            Ok(token) => auth.caller(token).await,
            Err(problem) => Err(problem),
        },
    };
    match caller {
        Ok(caller) => {
            auth.revoke(caller.user, Revoke::One(caller.session), "logout")
                .await?;
        }
        Err(problem) if problem.code == Code::SessionRevoked => {}
        // A page whose cookie means nothing is signed out already.
        Err(problem) if context.web && problem.status == 401 => {}
        Err(problem) => return Err(problem.into()),
    }
    let headers = if context.web {
        cleared(&auth, &context)?
    } else {
        HeaderMap::new()
    };
    Ok(answer::with(headers, Ok(answer::nothing())))
}

/// Where a client gets its refresh token: our pages as a cookie, all others in the body.
pub(super) fn refresh_for(
    auth: &Auth,
    context: &Context,
    token: &Secret,
) -> Result<(HeaderMap, Option<String>), Refused> {
    if !context.web {
        return Ok((HeaderMap::new(), Some(token.expose().to_owned())));
    }
    let seconds = auth.inner.config.refresh_ttl.as_secs();
    let cookie = answer::cookie((COOKIE, token.expose()), seconds, secure(auth, context))?;
    Ok((cookie, None))
}

fn cleared(auth: &Auth, context: &Context) -> Result<HeaderMap, Refused> {
    answer::cookie((COOKIE, ""), 0, secure(auth, context))
}

/// Whether cookies are for HTTPS alone.
pub(super) fn secure(auth: &Auth, context: &Context) -> bool {
    auth.inner.config.secure_cookies || context.https
}

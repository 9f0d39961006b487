//! How calls to auth are read: JSON bodies, cookies, tokens, who calls and from where. Nothing is believed that a client
//! could have made up about another.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use protocol::problem::{Code, Problem};
use serde::de::DeserializeOwned;
use service::http::ClientAddress;

use super::answer::Refused;
use crate::Auth;
use crate::sessions::Caller;

/// Under what the logs know a request.
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");
/// Said by our own pages: tokens travel in cookies. Another site's form cannot set it, which is what keeps cookies safe.
const CLIENT: &str = "x-chatify-client";
/// Bytes of a body: ours have some hundred.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// A JSON body. Only `application/json` is read: a form of another site cannot send that without asking first.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Auth> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Auth) -> Result<Self, Refused> {
        if !is_json(request.headers()) {
            return Err(Code::UnsupportedMediaType.into());
        }
        Ok(Self(protocol::event::client::json(&body(request).await?)?))
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<Auth> for OptionalJson<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Auth) -> Result<Self, Refused> {
        let is_json = is_json(request.headers());
        let body = body(request).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json {
            return Err(Code::UnsupportedMediaType.into());
        }
        Ok(Self(protocol::event::client::json(&body)?))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    kind.eq_ignore_ascii_case("application/json")
}

async fn body(request: Request) -> Result<String, Refused> {
    let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX)
        .await
        .map_err(|_| Refused::from(Code::PayloadTooLarge))?;
    String::from_utf8(bytes.into())
        .map_err(|_| Problem::because(Code::InvalidJson, "the body is not UTF-8").into())
}

/// What a request says beside its body.
pub(crate) struct Context {
    /// Whom it comes from.
    pub(crate) client: IpAddr,
    /// Whether it is one of our pages.
    pub(crate) web: bool,
    /// Whether cookies may be marked for HTTPS alone because the request came that way.
    pub(crate) https: bool,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let client = parts
            .extensions
            .get::<ClientAddress>()
            // Without a listener that tells, all share one budget: strict, and never a way around it.
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.0);
        let headers = parts.headers.clone();
        let says = |name: &str, what: &str| {
            headers
                .get(name)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(what.as_bytes()))
        };
        Ok(Self {
            client,
            web: says(CLIENT, "web"),
            // Believing a forged one only makes the forger's own cookie stricter.
            https: says("x-forwarded-proto", "https"),
            headers,
        })
    }
}

impl Context {
    /// A cookie by its name, if our own page sends it.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        if !self.web {
            return None;
        }
        self.headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(given, _)| *given == name)
            .map(|(_, content)| content)
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The access token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> Result<&str, Problem> {
        let value = self
            .headers
            .get(header::AUTHORIZATION)
            .ok_or(Code::TokenMissing)?;
        let value = value.to_str().map_err(|_| Code::TokenInvalid)?;
        let (scheme, token) = value.split_once(' ').ok_or(Code::TokenInvalid)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Code::TokenInvalid.into());
        }
        Ok(token.trim())
    }
}

impl FromRequestParts<Auth> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, Refused> {
        let Ok(context) = Context::from_request_parts(parts, auth).await;
        Ok(auth.caller(context.bearer()?).await?)
    }
}

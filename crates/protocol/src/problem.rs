//! Every way in which chatify says no: a closed list of codes, and the RFC 9457 document that carries one.
//!
//! The same object is a REST error body, the `error` of a socket ack and the `data` of a connect error.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($name:ident, $text:literal, $status:literal, $title:literal;)+) => {
        /// A reason to refuse, one page each under `/docs/errors/CODE`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $title] $name,)+
        }

        impl Code {
            /// All of them, in the order of their status.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// As it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Code::$name => $status,)+ }
            }

            /// What it means, for people.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)+ }
            }
        }
    };
}

codes! {
    InvalidRequest, "invalid_request", 400, "The request is not of the documented form";
    InvalidJson, "invalid_json", 400, "The body is not valid JSON";
    UnknownEvent, "unknown_event", 400, "There is no such event";
    TextTooLong, "text_too_long", 400, "The text is longer than a message may be";
    TextEmpty, "text_empty", 400, "The text is empty";
    TokenInQuery, "token_in_query", 400, "Tokens do not belong into a URL";
    OtpInvalid, "otp_invalid", 400, "The code is not right";
    TokenMissing, "token_missing", 401, "No access token was sent";
    TokenInvalid, "token_invalid", 401, "The access token is not valid";
    TokenExpired, "token_expired", 401, "The access token has expired";
    SessionRevoked, "session_revoked", 401, "This session was signed out";
    RefreshInvalid, "refresh_invalid", 401, "The refresh token is not valid";
    RefreshReused, "refresh_reused", 401, "The refresh token was used before; its sessions were signed out";
    Forbidden, "forbidden", 403, "Your role does not allow this";
    Muted, "muted", 403, "You are muted in this room";
    Banned, "banned", 403, "You are banned from this room";
    OriginRefused, "origin_refused", 403, "This web origin is not allowed";
    NotFound, "not_found", 404, "There is nothing here";
    RoomNotFound, "room_not_found", 404, "There is no such room, or you are not in it";
    MessageNotFound, "message_not_found", 404, "There is no such message in this room";
    UserNotFound, "user_not_found", 404, "There is no such user";
    SessionNotFound, "session_not_found", 404, "There is no such session";
    ChallengeNotFound, "challenge_not_found", 404, "There is no such code request";
    MethodNotAllowed, "method_not_allowed", 405, "This method is not allowed here";
    ClientIdConflict, "client_id_conflict", 409, "This clientId was used for something else";
    VersionConflict, "version_conflict", 409, "The message has changed meanwhile";
    LastOwner, "last_owner", 409, "A room needs an owner: name another one first";
    RoomFull, "room_full", 409, "The room has as many members as it may have";
    OtpExpired, "otp_expired", 410, "The code has expired or was replaced";
    PayloadTooLarge, "payload_too_large", 413, "The body is too large";
    UnsupportedMediaType, "unsupported_media_type", 415, "The body must be application/json";
    IdempotencyKeyReused, "idempotency_key_reused", 422, "This Idempotency-Key was used with another body";
    RateLimited, "rate_limited", 429, "Too many requests";
    OtpCooldown, "otp_cooldown", 429, "A code was sent a moment ago";
    OtpLocked, "otp_locked", 429, "Too many wrong codes; ask for a new one";
    TooManyConnections, "too_many_connections", 429, "This user has as many connections as allowed";
    Internal, "internal", 500, "Something went wrong on our side";
    Unavailable, "unavailable", 503, "Not stored; try again in a moment";
    OutcomeUnknown, "outcome_unknown", 503, "It is not known whether this was stored; retry with the same clientId";
    Overloaded, "overloaded", 503, "The server is busy; try again in a moment";
    Draining, "draining", 503, "This server is about to stop; connect again";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where it stands, as a JSON pointer (`/text`).
    pub pointer: String,
    /// `required`, `type`, `format`, `too_long`, `too_short`, `range` or `unknown`.
    pub code: Cow<'static, str>,
    /// What is wrong with it.
    pub detail: String,
}

/// A refusal (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The page that explains the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's meaning.
    pub title: Cow<'static, str>,
    /// HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The code; programs act on this.
    pub code: Code,
    /// Under what the logs know it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub trace_id: String,
    /// When to try again: milliseconds on a socket, seconds over REST.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after: Option<u64>,
    /// How many tries a code has left.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempts_left: Option<u32>,
    /// Which fields are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A refusal with its code's own words.
    pub fn new(code: Code) -> Self {
        Self::because(code, code.title())
    }

    /// A refusal that says what happened this time.
    pub fn because(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs/errors/{}", code.as_str()),
            title: Cow::Borrowed(code.title()),
            status: code.status(),
            detail: detail.into(),
            code,
            trace_id: String::new(),
            retry_after: None,
            attempts_left: None,
            errors: Vec::new(),
        }
    }

    /// A refusal that points at one field.
    pub fn field(code: Code, pointer: &str, kind: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut problem = Self::because(code, detail.clone());
        problem.errors.push(FieldError {
            pointer: pointer.to_owned(),
            code: Cow::Borrowed(kind),
            detail,
        });
        problem
    }

    /// When it may be tried again.
    pub fn retry_after(mut self, after: u64) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_the_same_way_everywhere() {
        for code in Code::ALL {
            assert_eq!(
                serde_json::to_string(code).unwrap(),
                format!("\"{}\"", code.as_str())
            );
            assert!((400..600).contains(&code.status()));
        }
    }

    #[test]
    fn a_problem_points_at_the_field() {
        let problem = Problem::field(
            Code::TextTooLong,
            "/text",
            "too_long",
            "4001 of 4000 characters",
        );
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["code"], "text_too_long");
        assert_eq!(json["type"], "/docs/errors/text_too_long");
        assert_eq!(json["errors"][0]["pointer"], "/text");
        assert!(json.get("retryAfter").is_none());
    }
}

//! What travels in bodies. Secrets leave the house here and nowhere else: none of these types implements `Debug`.

use protocol::ids::ChallengeId;
use protocol::mail_job::EmailAddress;
use protocol::token::Jwk;
use protocol::user::{Me, Session};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/auth/otp`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AskCode)]
pub(crate) struct Ask {
    /// Where the code goes.
    pub(crate) email: EmailAddress,
    /// A hint for the words of a page; it changes nothing here.
    #[serde(default, rename = "intent")]
    pub(crate) _intent: Intent,
}

/// Why somebody asks for a code.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Intent {
    /// They think that they have an account.
    #[default]
    Login,
    /// They think that they have none.
    Signup,
}

/// A code is on its way, or seems to be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Challenge)]
pub(crate) struct Asked {
    /// The challenge that the code answers.
    pub(crate) challenge_id: ChallengeId,
    /// Seconds that the code can be used.
    pub(crate) expires_in: u64,
    /// Seconds until another code may be asked for.
    pub(crate) resend_after: u64,
    /// Digits of the code.
    pub(crate) code_length: u32,
    /// What `GET /v1/auth/otp/{id}` wants as `X-Challenge-Secret`. Browsers (`X-Chatify-Client: web`) get it as a cookie
    /// instead; a resend does not repeat it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) challenge_secret: Option<String>,
}

/// How a challenge stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChallengeState)]
pub(crate) struct Watched {
    /// What became of the mail.
    pub(crate) state: MailState,
    /// Seconds until another code may be asked for.
    pub(crate) resend_after: u64,
    /// Guesses left.
    pub(crate) attempts_left: u32,
}

/// What became of a mail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailState {
    /// It waits.
    Queued,
    /// A mail server took it.
    Sent,
    /// It was refused for good.
    Failed,
}

/// `POST /v1/auth/otp/{id}/verify`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VerifyCode)]
pub(crate) struct Redeem {
    /// The digits; spaces and dashes do not count.
    #[schema(max_length = 64)]
    pub(crate) code: String,
    /// The name of a new account, 1 to 64 characters; an account that exists keeps its own.
    #[serde(default)]
    pub(crate) display_name: Option<String>,
    /// What the device calls itself; otherwise its `User-Agent` is kept.
    #[serde(default)]
    pub(crate) device: Option<String>,
}

/// Signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedIn {
    /// Who.
    pub(crate) user: Me,
    /// For `Authorization: Bearer` and the socket's `auth.token`.
    pub(crate) access_token: String,
    /// `Bearer`.
    pub(crate) token_type: &'static str,
    /// Seconds that the access token lives.
    pub(crate) expires_in: u64,
    /// For `POST /v1/auth/token`; browsers get it as a cookie that no script can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    /// The device.
    pub(crate) session: Session,
}

/// `POST /v1/auth/token`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RefreshTokens)]
pub(crate) struct Renew {
    /// `refresh_token`.
    #[serde(rename = "grantType")]
    pub(crate) _grant_type: GrantType,
    /// The newest refresh token; browsers send their cookie instead.
    #[serde(default)]
    pub(crate) refresh_token: Option<String>,
}

/// How tokens are asked for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GrantType {
    /// With a refresh token.
    RefreshToken,
}

/// New tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tokens {
    /// For `Authorization: Bearer` and the socket's `auth.token`.
    pub(crate) access_token: String,
    /// `Bearer`.
    pub(crate) token_type: &'static str,
    /// Seconds that the access token lives.
    pub(crate) expires_in: u64,
    /// The next refresh token; browsers get it as a cookie that no script can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
}

/// `POST /v1/auth/logout`; may be empty.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Logout {
    /// For clients whose access token has ended.
    #[serde(default)]
    pub(crate) refresh_token: Option<String>,
}

/// A page of devices.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionList)]
pub(crate) struct SessionPage {
    /// Newest sign-in first.
    pub(crate) data: Vec<Session>,
    /// Where the neighbours are.
    pub(crate) page: Page,
}

/// Cursors of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page {
    /// Of the next page.
    pub(crate) next: Option<String>,
    /// Of the page before.
    pub(crate) prev: Option<String>,
}

/// Devices that were signed out.
#[derive(Serialize, ToSchema)]
pub(crate) struct Revoked {
    /// How many.
    pub(crate) revoked: usize,
}

/// Published keys (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct Jwks {
    /// In no particular order.
    pub(crate) keys: Vec<Jwk>,
}

//! Access tokens: one signature algorithm (EdDSA), one header form, strict claims. Reads no clock: `now` is an argument.
//!
//! The only header that is accepted has exactly `alg`, `typ` and `kid`; whatever names, fetches or embeds a key another
//! way is refused before a signature is looked at. `kid` is looked up in a fixed map and is never a path or a query.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::ids::{SessionId, UserId};
use crate::problem::Code;

/// Clocks of two machines may differ by this much, in seconds.
pub const LEEWAY_SECONDS: u64 = 5;
/// Bytes of a token: three times what ours have; longer ones are refused before they are read.
pub const TOKEN_BYTES_MAX: usize = 1_536;
/// Times beyond this (year 9999) are no times.
const SECONDS_MAX: u64 = 253_402_300_799;
/// The one algorithm.
const ALGORITHM: &str = "EdDSA";
/// The one type (RFC 9068).
const TYPE: &str = "at+jwt";

/// What a token says. No profile data: tokens travel through logs of proxies and memories of browsers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// For whom it is meant.
    pub aud: String,
    /// The person.
    pub sub: UserId,
    /// The signed-in device.
    pub sid: SessionId,
    /// The token's own name.
    pub jti: Uuid,
    /// When it was issued, seconds since 1970.
    pub iat: u64,
    /// When it ends, seconds since 1970.
    pub exp: u64,
    /// When it begins; ours do not say.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub nbf: Option<u64>,
}

/// A claim that may be absent, but not null: a null is a wrong type.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    u64::deserialize(deserializer).map(Some)
}

/// Why a token does not open the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefused {
    /// There is none.
    Missing,
    /// It is not one of ours, or not one any more.
    Invalid,
    /// It was one of ours and has ended.
    Expired,
}

impl From<TokenRefused> for Code {
    fn from(refused: TokenRefused) -> Self {
        match refused {
            TokenRefused::Missing => Code::TokenMissing,
            TokenRefused::Invalid => Code::TokenInvalid,
            TokenRefused::Expired => Code::TokenExpired,
        }
    }
}

impl fmt::Display for TokenRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Code::from(*self).title())
    }
}

impl std::error::Error for TokenRefused {}

/// A public key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Ed25519 key")
    }
}

impl std::error::Error for BadKey {}

/// The keys whose signatures are believed, and for whom tokens must be meant. Immutable: a rotation makes a new set.
pub struct KeySet {
    issuer: String,
    audience: String,
    keys: BTreeMap<String, ParsedPublicKey>,
}

impl KeySet {
    /// No keys yet: refuses everything.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            keys: BTreeMap::new(),
        }
    }

    /// Believes this key too.
    ///
    /// # Errors
    /// When the bytes are no point of the curve.
    pub fn with(mut self, kid: impl Into<String>, public: &[u8]) -> Result<Self, BadKey> {
        let key = ParsedPublicKey::new(&ED25519, public).map_err(|_| BadKey)?;
        self.keys.insert(kid.into(), key);
        Ok(self)
    }

    /// Whether the token has our header and names a key that is not here: it may be of a newer set, or of nobody.
    pub fn lacks_key_of(&self, token: &str) -> bool {
        if token.len() > TOKEN_BYTES_MAX {
            return false;
        }
        let header = token.split('.').next().map(object);
        let Some(Ok(header)) = header else {
            return false;
        };
        serde_json::from_slice::<Header<'_>>(&header).is_ok_and(|header| {
            header.alg == ALGORITHM
                && header.typ == TYPE
                && !self.keys.contains_key(header.kid.as_ref())
        })
    }

    /// The names of the keys, in their order.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("kids", &self.keys.keys())
            .finish()
    }
}

/// The one header form, in its fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    #[serde(borrow)]
    alg: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    typ: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    kid: std::borrow::Cow<'a, str>,
}

/// Reads a token and believes it, or says why not. `now_seconds` counts from 1970.
///
/// # Errors
/// `Expired` only for a token that was valid once; everything forged or malformed is `Invalid`.
pub fn verify(token: &str, keys: &KeySet, now_seconds: u64) -> Result<Claims, TokenRefused> {
    if token.is_empty() {
        return Err(TokenRefused::Missing);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenRefused::Invalid);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefused::Invalid)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenRefused::Invalid)?;

    let header = object(header)?;
    let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| TokenRefused::Invalid)?;
    if header.alg != ALGORITHM || header.typ != TYPE {
        return Err(TokenRefused::Invalid);
    }
    let key = keys
        .keys
        .get(header.kid.as_ref())
        .ok_or(TokenRefused::Invalid)?;
    key.verify_sig(signed.as_bytes(), &decoded(signature)?)
        .map_err(|_| TokenRefused::Invalid)?;

    let claims: Claims =
        serde_json::from_slice(&object(payload)?).map_err(|_| TokenRefused::Invalid)?;
    judged(claims, keys, now_seconds)
}

/// Claims that were signed by one of our keys may still be meant for others, or for another time.
fn judged(claims: Claims, keys: &KeySet, now: u64) -> Result<Claims, TokenRefused> {
    let times = [claims.iat, claims.exp, claims.nbf.unwrap_or_default()];
    if claims.iss != keys.issuer
        || claims.aud != keys.audience
        || times.into_iter().any(|time| time > SECONDS_MAX)
        || claims.exp <= claims.iat
        || claims.iat > now.saturating_add(LEEWAY_SECONDS)
        || claims
            .nbf
            .is_some_and(|begin| begin > now.saturating_add(LEEWAY_SECONDS))
    {
        return Err(TokenRefused::Invalid);
    }
    if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
        return Err(TokenRefused::Expired);
    }
    Ok(claims)
}

/// The bytes of a JSON object; serde would take an array for a struct too.
fn object(part: &str) -> Result<Vec<u8>, TokenRefused> {
    decoded(part).and_then(|bytes| match bytes.first() {
        Some(b'{') => Ok(bytes),
        _ => Err(TokenRefused::Invalid),
    })
}

/// Base64url without padding and with no stray bits: one spelling a token.
fn decoded(part: &str) -> Result<Vec<u8>, TokenRefused> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenRefused::Invalid)
}

/// Makes tokens with one key.
pub struct Signer {
    key: Ed25519KeyPair,
    /// The header never changes: encoded once.
    header: String,
    kid: String,
}

impl Signer {
    /// A signer whose private key is this seed. Nothing of it can be read back.
    ///
    /// # Errors
    /// When the seed has another length than 32 bytes.
    pub fn from_seed(kid: impl Into<String>, seed: &[u8]) -> Result<Self, BadKey> {
        let kid = kid.into();
        let key = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadKey)?;
        let header = Header {
            alg: ALGORITHM.into(),
            typ: TYPE.into(),
            kid: kid.as_str().into(),
        };
        let header = serde_json::to_vec(&header).map_err(|_| BadKey)?;
        Ok(Self {
            key,
            header: URL_SAFE_NO_PAD.encode(header),
            kid,
        })
    }

    /// The key's name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key, 32 bytes.
    pub fn public(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// A token that says this.
    pub fn sign(&self, claims: &Claims) -> String {
        self.sign_json(&serde_json::json!(claims).to_string())
    }

    /// Signs whatever payload it is given: kept private, since a token must never carry more than [`Claims`].
    fn sign_json(&self, payload: &str) -> String {
        let mut token = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(payload));
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("kid", &self.kid)
            .field("key", &"***")
            .finish()
    }
}

/// One public key as `/.well-known/jwks.json` shows it (RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The public key, base64url.
    pub x: String,
    /// The key's name in token headers.
    pub kid: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

impl Jwk {
    /// The entry for a public key.
    pub fn ed25519(kid: impl Into<String>, public: &[u8]) -> Self {
        Self {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            x: URL_SAFE_NO_PAD.encode(public),
            kid: kid.into(),
            alg: ALGORITHM.into(),
            usage: "sig".into(),
        }
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;

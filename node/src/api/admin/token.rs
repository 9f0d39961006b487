//! Who is an administrator: whoever holds a token that was made with the deployment's admin key (`chatify admin token`).
//!
//! The key is a secret of its own and opens nothing else; people's access tokens never open what is here. A token names
//! who it was made for, which is what the audit log says, what they may do, and when it ends. It cannot be called back:
//! make it short-lived, or change the key.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::token::TokenRefused;
use serde::{Deserialize, Serialize};
use service::secret::Secret;

/// The shortest admin key, in characters.
pub const KEY_CHARS_MIN: usize = 32;
/// Characters of an administrator's name.
pub const NAME_CHARS_MAX: usize = 64;
/// What tokens begin with, so that one that is found somewhere is known for what it is.
const PREFIX: &str = "chatify-admin-1.";
/// More than any of ours has.
const TOKEN_BYTES_MAX: usize = 1_024;
/// What the key is made for, so that no other use of the same text can be played against this one.
const PURPOSE: &[u8] = b"chatify: tokens of administrators, 1";

/// What an administrator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look.
    Read,
    /// Look, and drain nodes.
    Operate,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// For whom it was made, as the audit log says it.
    pub name: String,
    /// What they may do.
    pub scope: Scope,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
}

/// Makes and reads tokens.
#[derive(Clone)]
pub struct AdminKey(hmac::Key);

impl AdminKey {
    /// With a key of its own, made from the setting; `None` when that is too short.
    pub fn new(secret: &Secret) -> Option<Self> {
        let text = secret.expose();
        (text.chars().count() >= KEY_CHARS_MIN).then_some(())?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes());
        let own = hmac::sign(&root, PURPOSE);
        Some(Self(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref())))
    }

    /// A token that says this.
    pub fn token(&self, grant: &Grant) -> String {
        let said = serde_json::json!(grant).to_string();
        let said = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(said));
        let signature = hmac::sign(&self.0, said.as_bytes());
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What a token says, if it is one of ours and has not ended.
    ///
    /// # Errors
    /// `Expired` only for one that was valid once.
    pub fn read(&self, token: &str, now_seconds: u64) -> Result<Grant, TokenRefused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefused::Invalid);
        }
        let (said, signature) = token.rsplit_once('.').ok_or(TokenRefused::Invalid)?;
        let decoded = |text: &str| {
            URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| TokenRefused::Invalid)
        };
        hmac::verify(&self.0, said.as_bytes(), &decoded(signature)?)
            .map_err(|_| TokenRefused::Invalid)?;
        let body = decoded(said.strip_prefix(PREFIX).ok_or(TokenRefused::Invalid)?)?;
        let grant: Grant = serde_json::from_slice(&body).map_err(|_| TokenRefused::Invalid)?;
        if grant.exp <= now_seconds {
            return Err(TokenRefused::Expired);
        }
        Ok(grant)
    }
}

impl std::fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AdminKey {
        AdminKey::new(&Secret::new(text.repeat(KEY_CHARS_MIN))).unwrap()
    }

    fn grant() -> Grant {
        Grant {
            name: "ada".to_owned(),
            scope: Scope::Read,
            exp: 100,
        }
    }

    #[test]
    fn a_token_says_what_it_was_made_for_until_it_ends() {
        let token = key("k").token(&grant());
        assert_eq!(key("k").read(&token, 99), Ok(grant()));
        assert_eq!(key("k").read(&token, 100), Err(TokenRefused::Expired));
    }

    #[test]
    fn what_was_not_made_with_this_key_says_nothing() {
        let token = key("k").token(&grant());
        let (said, signature) = token.rsplit_once('.').unwrap();
        let mut more = grant();
        more.scope = Scope::Operate;
        let forged = key("k").token(&more);
        let forged = format!("{}.{signature}", forged.rsplit_once('.').unwrap().0);
        for wrong in [
            forged.as_str(),
            said,
            "",
            ".",
            "a.b",
            &token[1..],
            &"x".repeat(2_000),
        ] {
            assert_eq!(
                key("k").read(wrong, 0),
                Err(TokenRefused::Invalid),
                "{wrong}"
            );
        }
        assert_eq!(key("o").read(&token, 0), Err(TokenRefused::Invalid));
        assert!(AdminKey::new(&Secret::new("short".to_owned())).is_none());
    }
}

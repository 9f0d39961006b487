//! The settings of auth.

use std::time::Duration;

use service::secret::Secret;

service::settings! {
    /// Codes by mail, tokens and sessions.
    pub struct AuthConfig in "auth" {
        /// The `iss` of access tokens: a name of this deployment.
        issuer: String = "chatify",
        /// The `aud` of access tokens: whom they are for.
        audience: String = "chatify",
        /// How long an access token lives.
        access_ttl: Duration = "10m" in "1m"..="10m",
        /// How long a device stays signed in without being used.
        refresh_ttl: Duration = "30d" in "1h"..="366d",
        /// How long a code can be used.
        otp_ttl: Duration = "5m" in "1m"..="10m",
        /// Digits of a code. With fewer than 8 a sprayer of guesses takes over an account now and then.
        otp_digits: u32 = "8" in "6"..="12",
        /// Code requests that one address of the internet may make in an hour.
        sends_per_address: u32 = "120" in "1"..="1000000",
        /// Code requests that the whole deployment takes in a minute: what the mail provider and its bill can bear.
        sends_per_minute: u32 = "1000" in "1"..="1000000",
        /// Codes that go to the mailboxes of one domain in a minute. Beyond it they are withheld in silence, as with one
        /// mailbox; everybody at a large provider shares this.
        sends_per_domain: u32 = "500" in "1"..="1000000",
        /// Spice of the stored codes; unset means it is made from the key secret.
        otp_pepper: Option<Secret> = "",
        /// Seals the signing keys in the store and makes refresh tokens: at least 32 characters, the same on every
        /// process, kept outside of the store. Unset means a file `auth.key` in the data folder.
        key_secret: Option<Secret> = "",
        /// How long a signing key signs before the next one takes over.
        key_rotation: Duration = "30d" in "1h"..="366d",
        /// Whether cookies are only sent over HTTPS even when the request does not look as if it came that way.
        secure_cookies: bool = "off",
    }
}

//! Refresh tokens: how they look, how one follows from another, and what an old one means. Pure.
//!
//! A session's tokens form a chain: the first secret is random, each next one is an HMAC (with a key of ours) of the one
//! before. So the successor need not be stored to be given twice, a leaked key alone makes no token, and an old token
//! can be told from a forged one by following the chain from it to the token in force.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::ids::SessionId;
use protocol::time::Timestamp;
use store::SessionRow;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::secrets;

/// How long the token before the one in force gets the same successor again: an answer may be lost on the way.
pub(crate) const GRACE_MS: i64 = 10_000;
/// How far back a token is recognised as an old one of ours: months of steady use. Bounds the work for a made-up number.
pub(crate) const CHAIN_MAX: u64 = 10_000;
/// What every token starts with, so that scanners of leaked secrets find them.
const PREFIX: &str = "crt_";
/// Characters of the longest token.
const CHARS_MAX: usize = 128;

/// One refresh token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    /// Of which session.
    pub(crate) session: SessionId,
    /// Its place in the chain; the first is 1.
    pub(crate) generation: u64,
    secret: Zeroizing<[u8; 32]>,
}

impl RefreshToken {
    /// The first of a session; `secret` is 256 random bits.
    pub(crate) fn first(session: SessionId, secret: [u8; 32]) -> Self {
        Self {
            session,
            generation: 1,
            secret: Zeroizing::new(secret),
        }
    }

    /// Reads a token; anything but its one spelling is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text
            .strip_prefix(PREFIX)
            .filter(|_| text.len() <= CHARS_MAX)?;
        let mut parts = rest.split('.');
        let (session, generation, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        let token = Self {
            session: SessionId(Uuid::try_parse(session).ok()?),
            generation: generation
                .parse()
                .ok()
                .filter(|generation| *generation > 0)?,
            secret: Zeroizing::new(secret.as_slice().try_into().ok()?),
        };
        (*token.text() == *text).then_some(token)
    }

    /// As the client keeps it.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        let (session, secret) = (
            self.session.0.simple(),
            URL_SAFE_NO_PAD.encode(*self.secret),
        );
        Zeroizing::new(format!("{PREFIX}{session}.{}.{secret}", self.generation))
    }

    /// As the store keeps it.
    pub(crate) fn hash(&self) -> [u8; 32] {
        secrets::sha256(self.text().as_bytes())
    }

    /// The one that follows; always the same.
    pub(crate) fn successor(&self, key: &hmac::Key) -> Self {
        let generation = self.generation + 1;
        let parts: [&[u8]; 3] = [
            self.session.0.as_bytes(),
            &generation.to_be_bytes(),
            self.secret.as_ref(),
        ];
        let secret = secrets::mac(key, &parts);
        Self {
            session: self.session,
            generation,
            secret: Zeroizing::new(secret),
        }
    }

    /// Whether following the chain from here leads to the token with this hash and generation.
    fn leads_to(&self, key: &hmac::Key, generation: u64, hash: &[u8; 32]) -> bool {
        if generation < self.generation || generation - self.generation > CHAIN_MAX {
            return false;
        }
        let mut token = self.clone();
        while token.generation < generation {
            token = token.successor(key);
        }
        secrets::same(&token.hash(), hash)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RefreshToken({}, {}, ***)",
            self.session, self.generation
        )
    }
}

/// What a presented token means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is the one in force: rotate to its successor.
    Rotate(RefreshToken),
    /// It was in force a moment ago and its answer may have been lost: give the same successor again.
    Again(RefreshToken),
    /// It was used before, by its owner or by a thief: nobody can tell, so the whole family goes.
    Reused,
    /// It was one of ours, and its session is signed out.
    Revoked,
    /// It was one of ours, and nobody came for too long.
    Expired,
    /// It never was one of ours.
    Forged,
}

/// Judges a token by its session as it is stored.
pub(crate) fn judge(
    token: &RefreshToken,
    row: &SessionRow,
    key: &hmac::Key,
    now: Timestamp,
) -> Judgement {
    if token.session != row.id || !token.leads_to(key, row.generation, &row.refresh_hash) {
        return Judgement::Forged;
    }
    if row.revoked_at.is_some() {
        return Judgement::Revoked;
    }
    if now >= row.refresh_expires {
        return Judgement::Expired;
    }
    match row.generation - token.generation {
        0 => Judgement::Rotate(token.successor(key)),
        // A clock that went back gives no longer grace than one that stands still.
        1 if now.0.saturating_sub(row.rotated_at.0).abs() <= GRACE_MS => {
            Judgement::Again(token.successor(key))
        }
        _ => Judgement::Reused,
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::UserId;

    use super::*;

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[3; 32])
    }

    fn first() -> RefreshToken {
        RefreshToken::first(SessionId(Uuid::from_u128(7)), [5; 32])
    }

    fn row(in_force: &RefreshToken, rotated_at: i64) -> SessionRow {
        SessionRow {
            id: in_force.session,
            user: UserId(Uuid::from_u128(1)),
            device: None,
            created_at: Timestamp(0),
            last_used_at: Timestamp(0),
            revoked_at: None,
            generation: in_force.generation,
            refresh_hash: in_force.hash(),
            previous_hash: None,
            rotated_at: Timestamp(rotated_at),
            refresh_expires: Timestamp(1_000_000),
        }
    }

    #[test]
    fn a_token_reads_back_in_its_one_spelling() {
        let text = first().text();
        assert_eq!(RefreshToken::parse(&text), Some(first()));
        let upper = text.to_uppercase();
        let long = format!("{}A", *text);
        let with_zero = text.replace(".1.", ".01.");
        let none = text.replace(".1.", ".0.");
        let dashes = text.replace(
            &first().session.0.simple().to_string(),
            &first().session.0.hyphenated().to_string(),
        );
        for other in [
            "",
            "crt_",
            "crt_..",
            &upper,
            &long,
            &with_zero,
            &none,
            &dashes,
            "crt_a.1.b",
            &text[4..],
        ] {
            assert_eq!(RefreshToken::parse(other), None, "{other}");
        }
        assert!(!format!("{:?}", first()).contains(text.rsplit('.').next().unwrap()));
    }

    /// J5: the successor is the same however often it is asked for, and another key or token gives another one.
    #[test]
    fn a_token_has_one_successor() {
        let next = first().successor(&key());
        assert_eq!(next, first().successor(&key()));
        assert_eq!(next.generation, 2);
        assert_ne!(
            next,
            first().successor(&hmac::Key::new(hmac::HMAC_SHA256, &[4; 32]))
        );
        let other = RefreshToken::first(first().session, [6; 32]);
        assert_ne!(next, other.successor(&key()));
    }

    /// J5: rotation, grace, reuse.
    #[test]
    fn the_token_before_gets_the_same_successor_for_ten_seconds_and_then_ends_the_family() {
        let (one, two) = (first(), first().successor(&key()));
        let row = row(&two, 50_000);
        assert_eq!(
            judge(&two, &row, &key(), Timestamp(50_001)),
            Judgement::Rotate(two.successor(&key()))
        );
        assert_eq!(
            judge(&one, &row, &key(), Timestamp(60_000)),
            Judgement::Again(two.clone())
        );
        assert_eq!(
            judge(&one, &row, &key(), Timestamp(60_001)),
            Judgement::Reused
        );
        assert_eq!(judge(&one, &row, &key(), Timestamp(0)), Judgement::Reused);
    }

    /// J5: an old token is known as ours, a made-up one is not and hurts nobody.
    #[test]
    fn only_a_token_that_was_ours_can_end_a_family() {
        let mut chain = vec![first()];
        for _ in 0..20 {
            chain.push(chain[chain.len() - 1].successor(&key()));
        }
        let row = row(&chain[20], 0);
        for old in &chain[..19] {
            assert_eq!(judge(old, &row, &key(), Timestamp(1)), Judgement::Reused);
        }
        for generation in [1, 5, 20, 21, 22, u64::MAX] {
            let forged = RefreshToken {
                generation,
                ..RefreshToken::first(first().session, [9; 32])
            };
            assert_eq!(
                judge(&forged, &row, &key(), Timestamp(1)),
                Judgement::Forged,
                "{generation}"
            );
        }
        let of_another = RefreshToken::first(SessionId(Uuid::from_u128(8)), [5; 32]);
        assert_eq!(
            judge(&of_another, &row, &key(), Timestamp(1)),
            Judgement::Forged
        );
    }

    #[test]
    fn a_signed_out_or_forgotten_session_renews_nothing() {
        let mut row = row(&first(), 0);
        assert_eq!(
            judge(&first(), &row, &key(), Timestamp(1_000_000)),
            Judgement::Expired
        );
        row.revoked_at = Some(Timestamp(5));
        assert_eq!(
            judge(&first(), &row, &key(), Timestamp(10)),
            Judgement::Revoked
        );
    }
}

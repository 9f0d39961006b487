//! The signing keys: which signs, which are believed, when the next is made. Keys lie sealed in the store; a new one is
//! published before it signs, and an old one is believed until the last token that it signed has ended.

use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use protocol::time::Timestamp;
use protocol::token::{Jwk, KeySet, Signer};
use store::{KeyRow, Store, StoreError};
use tracing::info;

use crate::secrets::{self, SecretError, Secrets};

/// How long a new key is published before it signs: twice what readers may cache the published set.
pub(crate) const PUBLISH_AHEAD_MS: i64 = 2 * JWKS_MAX_AGE_SECONDS * 1_000;
/// How long readers may keep the published set.
pub(crate) const JWKS_MAX_AGE_SECONDS: i64 = 300;
/// How long an old key is believed: a day for the longest tokens that are ever made (those of load tests), and an hour
/// for clocks and slow readers.
pub(crate) const BELIEVED_AFTER_MS: i64 = 25 * 3_600 * 1_000;

/// What is to be done with the keys at some time. Pure.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Whether a new key must be made.
    make: bool,
    /// Which key signs; `None` before the first is made.
    signs: Option<String>,
    /// Keys whose work is over and whose end is to be written down.
    retire: Vec<String>,
    /// Keys that are believed and published.
    believed: Vec<String>,
}

fn plan(rows: &[KeyRow], now: Timestamp, rotation_ms: i64) -> Plan {
    let mut rows: Vec<&KeyRow> = rows.iter().collect();
    rows.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
    let ripe = |row: &&&KeyRow| row.created_at.plus_millis(PUBLISH_AHEAD_MS) <= now;
    let lives = |row: &&&KeyRow| row.retires_at.is_none();
    // The first key of all signs at once: there is nobody yet who could not know it.
    let signs = rows
        .iter()
        .filter(lives)
        .rfind(ripe)
        .or_else(|| rows.iter().find(|row| lives(row)))
        .map(|row| row.kid.clone());
    let before_signer = rows
        .iter()
        .take_while(|row| Some(&row.kid) != signs.as_ref())
        .filter(lives);
    Plan {
        make: rows.last().is_none_or(|newest| {
            newest.retires_at.is_some() || newest.created_at.plus_millis(rotation_ms) <= now
        }),
        retire: before_signer.map(|row| row.kid.clone()).collect(),
        believed: rows
            .iter()
            .filter(|row| row.retires_at.is_none_or(|end| now < end))
            .map(|row| row.kid.clone())
            .collect(),
        signs,
    }
}

/// The keys as they are in force now.
#[derive(Debug)]
pub(crate) struct Keyring {
    /// Signs new tokens.
    pub(crate) signer: Signer,
    /// Believes tokens.
    pub(crate) keys: Arc<KeySet>,
    /// What `/.well-known/jwks.json` shows.
    pub(crate) published: Vec<Jwk>,
}

/// The keys could not be brought up to date.
#[derive(Debug)]
pub(crate) enum KeyError {
    /// The store failed.
    Store(StoreError),
    /// A key cannot be opened or made.
    Secret(SecretError),
}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SecretError> for KeyError {
    fn from(error: SecretError) -> Self {
        Self::Secret(error)
    }
}

/// For whom tokens are made and how long a key signs.
#[derive(Clone, Debug)]
pub(crate) struct KeyRules {
    /// `iss`.
    pub(crate) issuer: String,
    /// `aud`.
    pub(crate) audience: String,
    /// How long a key signs, in milliseconds.
    pub(crate) rotation_ms: i64,
}

/// Makes, retires and loads keys as the time asks for. Any number of processes may do so at once: they read the same
/// rows, and a key too many only means one rotation too many.
pub(crate) async fn bring_up_to_date(
    store: &dyn Store,
    secrets: &Secrets,
    rules: &KeyRules,
    now: Timestamp,
) -> Result<Keyring, KeyError> {
    let mut rows = store.keys().await?;
    let first = plan(&rows, now, rules.rotation_ms);
    if first.make {
        let row = new_key(secrets, now)?;
        info!(kid = row.kid, "a signing key was made");
        store.put_key(row).await?;
        rows = store.keys().await?;
    }
    let plan = plan(&rows, now, rules.rotation_ms);
    for row in rows.iter().filter(|row| plan.retire.contains(&row.kid)) {
        let retires_at = Some(now.plus_millis(BELIEVED_AFTER_MS));
        info!(kid = row.kid, "a signing key has signed its last token");
        store
            .put_key(KeyRow {
                retires_at,
                ..row.clone()
            })
            .await?;
    }
    keyring(&rows, &plan, secrets, rules)
}

fn keyring(
    rows: &[KeyRow],
    plan: &Plan,
    secrets: &Secrets,
    rules: &KeyRules,
) -> Result<Keyring, KeyError> {
    let broken = |kid: &str| SecretError(format!("signing key {kid} is broken"));
    let signing = rows
        .iter()
        .find(|row| Some(&row.kid) == plan.signs.as_ref())
        .ok_or_else(|| SecretError("there is no signing key".to_owned()))?;
    let seed = secrets.open(&sealed_name(&signing.kid), &signing.sealed)?;
    let signer = Signer::from_seed(&signing.kid, &seed).map_err(|_| broken(&signing.kid))?;
    if signer.public() != signing.public {
        return Err(broken(&signing.kid).into());
    }
    let mut keys = KeySet::new(&rules.issuer, &rules.audience);
    let mut published = Vec::new();
    for row in rows.iter().filter(|row| plan.believed.contains(&row.kid)) {
        keys = keys
            .with(&row.kid, &row.public)
            .map_err(|_| broken(&row.kid))?;
        published.push(Jwk::ed25519(&row.kid, &row.public));
    }
    Ok(Keyring {
        signer,
        keys: Arc::new(keys),
        published,
    })
}

fn new_key(secrets: &Secrets, now: Timestamp) -> Result<KeyRow, SecretError> {
    let seed = zeroize::Zeroizing::new(secrets::random::<32>()?);
    let kid: String = secrets::random::<8>()?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref())
        .map_err(|_| SecretError("no key could be made".to_owned()))?;
    let public = aws_lc_rs::signature::KeyPair::public_key(&pair)
        .as_ref()
        .to_vec();
    let sealed = secrets.seal(&sealed_name(&kid), seed.as_ref())?;
    Ok(KeyRow {
        kid,
        sealed,
        public,
        created_at: now,
        retires_at: None,
    })
}

/// Bound to the key's name, so that no row can be put in another's place.
fn sealed_name(kid: &str) -> String {
    format!("signing key {kid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600 * 1_000;

    fn key(kid: &str, created_at: i64, retires_at: Option<i64>) -> KeyRow {
        KeyRow {
            kid: kid.into(),
            sealed: Vec::new(),
            public: Vec::new(),
            created_at: Timestamp(created_at),
            retires_at: retires_at.map(Timestamp),
        }
    }

    #[test]
    fn the_first_key_signs_at_once() {
        assert!(plan(&[], Timestamp(0), 30 * DAY).make);
        let rows = [key("a", 0, None)];
        let plan = plan(&rows, Timestamp(0), 30 * DAY);
        assert_eq!(
            plan,
            Plan {
                make: false,
                signs: Some("a".into()),
                retire: vec![],
                believed: vec!["a".into()]
            }
        );
    }

    /// J4: published before it signs, believed after it signed.
    #[test]
    fn a_new_key_is_published_before_it_signs_and_the_old_one_is_believed_after() {
        let rows = [key("b", 30 * DAY, None), key("a", 0, None)];
        let at = |ms| plan(&rows, Timestamp(30 * DAY + ms), 30 * DAY);
        let before = at(PUBLISH_AHEAD_MS - 1);
        assert_eq!(
            (before.signs.as_deref(), before.retire.len(), before.make),
            (Some("a"), 0, false)
        );
        assert_eq!(before.believed, ["a", "b"]);
        let after = at(PUBLISH_AHEAD_MS);
        assert_eq!(
            (after.signs.as_deref(), after.retire),
            (Some("b"), vec!["a".to_string()])
        );
        assert_eq!(after.believed, ["a", "b"]);
    }

    /// J4: a key is forgotten when no token of it can be alive.
    #[test]
    fn an_old_key_is_believed_until_its_last_token_has_ended() {
        let rows = [key("b", DAY, None), key("a", 0, Some(3 * DAY))];
        assert_eq!(
            plan(&rows, Timestamp(3 * DAY - 1), 30 * DAY).believed,
            ["a", "b"]
        );
        assert_eq!(plan(&rows, Timestamp(3 * DAY), 30 * DAY).believed, ["b"]);
    }

    #[test]
    fn a_rotation_is_due_when_the_newest_key_is_old_enough() {
        let rows = [key("a", 0, None)];
        assert!(!plan(&rows, Timestamp(30 * DAY - 1), 30 * DAY).make);
        assert!(plan(&rows, Timestamp(30 * DAY), 30 * DAY).make);
    }

    #[test]
    fn whatever_the_clock_does_some_key_signs() {
        let rows = [
            key("a", 10 * DAY, Some(20 * DAY)),
            key("b", 12 * DAY, None),
            key("c", 13 * DAY, None),
        ];
        for now in [0, 12 * DAY, 13 * DAY, 13 * DAY + PUBLISH_AHEAD_MS, 40 * DAY] {
            let plan = plan(&rows, Timestamp(now), 30 * DAY);
            let signs = plan.signs.expect("a key");
            assert!(plan.believed.contains(&signs) && !plan.retire.contains(&signs));
        }
    }
}

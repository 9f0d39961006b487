//! Signed-in devices and their tokens: made, renewed, listed, signed out.

use protocol::ids::{SessionId, UserId};
use protocol::mail_job::EmailAddress;
use protocol::problem::{Code as Refusal, Problem};
use protocol::time::Timestamp;
use protocol::token::{Claims, verify};
use protocol::user::{Me, Session, User};
use service::secret::Secret;
use store::{NewSession, Refresh, Revoke, SessionRow, StoreError};
use tracing::{info, warn};
use uuid::Uuid;

use crate::challenges::{internal, of_store};
use crate::refresh::{Judgement, RefreshToken, judge};
use crate::secrets::{self, SecretError};
use crate::{Auth, millis};

/// How often a renewal that lost a race looks again; each look after the first finds the winner's token.
const ROUNDS_MAX: u32 = 8;

/// Who calls: a person and the device they call from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) user: UserId,
    /// The device.
    pub(crate) session: SessionId,
}

/// Tokens for a device.
pub(crate) struct Tokens {
    /// The access token.
    pub(crate) access: Secret,
    /// The refresh token.
    pub(crate) refresh: Secret,
    /// Seconds that the access token lives.
    pub(crate) expires_in: u64,
}

/// A device that has just signed in.
pub(crate) struct SignedIn {
    /// Who.
    pub(crate) user: Me,
    /// The device.
    pub(crate) session: Session,
    /// Its tokens.
    pub(crate) tokens: Tokens,
}

impl Auth {
    /// Signs a device in; the account is found, or made under this name.
    pub(crate) async fn sign_in(
        &self,
        email: &EmailAddress,
        name: Option<String>,
        device: Option<String>,
    ) -> Result<SignedIn, Problem> {
        let (store, now) = (&self.inner.ports.store, self.now());
        let fresh = User {
            id: UserId(uuid_v7(now).map_err(internal)?),
            display_name: name.unwrap_or_else(|| email.suggested_name()),
            avatar_url: None,
            created_at: now,
        };
        let found = store.user_by_email(email.as_str().to_owned(), fresh).await;
        let (user, new) = found.map_err(of_store)?;
        let id = SessionId(uuid_v7(now).map_err(internal)?);
        let token = RefreshToken::first(id, secrets::random::<32>().map_err(internal)?);
        let session = NewSession {
            id,
            user: user.user.id,
            device: device.clone(),
            at: now,
            refresh_hash: token.hash(),
            refresh_expires: now.plus_millis(millis(self.inner.config.refresh_ttl)),
        };
        store.create_session(session).await.map_err(of_store)?;
        self.inner.metrics.sessions.increment(1);
        info!(user = %user.user.id, session = %id, new, "signed in");
        let tokens = self.tokens(user.user.id, &token)?;
        let session = Session {
            id,
            device,
            created_at: now,
            last_used_at: now,
            current: true,
        };
        Ok(SignedIn {
            user,
            session,
            tokens,
        })
    }

    /// Renews a device's tokens. However many ask with the same token at the same time, there is one successor.
    pub(crate) async fn renew(&self, token: &str) -> Result<Tokens, Problem> {
        let token = RefreshToken::parse(token).ok_or(Refusal::RefreshInvalid)?;
        let outcome = self.renewed(&token).await;
        let name = match &outcome {
            Ok(_) => "renewed",
            Err(problem) => problem.code.as_str(),
        };
        self.inner.metrics.renewals.with(name).increment(1);
        outcome
    }

    async fn renewed(&self, token: &RefreshToken) -> Result<Tokens, Problem> {
        let store = &self.inner.ports.store;
        for _ in 0..ROUNDS_MAX {
            let row = self
                .session_row(token.session, Refusal::RefreshInvalid)
                .await?;
            match judge(token, &row, &self.inner.secrets.refresh, self.now()) {
                Judgement::Rotate(next) => {
                    let now = self.now();
                    let refresh = Refresh {
                        session: row.id,
                        generation: row.generation,
                        hash: next.hash(),
                        expires: now.plus_millis(millis(self.inner.config.refresh_ttl)),
                        at: now,
                    };
                    match store.rotate(refresh).await {
                        Ok(()) => return self.tokens(row.user, &next),
                        // Somebody was faster, or signed the device out: look again.
                        Err(StoreError::Conflict) => {}
                        Err(error) => return Err(of_store(error)),
                    }
                }
                Judgement::Again(next) => return self.tokens(row.user, &next),
                Judgement::Reused => return Err(self.end_family(&row).await),
                Judgement::Revoked => return Err(Refusal::SessionRevoked.into()),
                Judgement::Expired | Judgement::Forged => {
                    return Err(Refusal::RefreshInvalid.into());
                }
            }
        }
        Err(Problem::new(Refusal::Overloaded).retry_after(1_000))
    }

    /// An old token came back: its owner's or a thief's. Whoever holds the newest one loses it too.
    async fn end_family(&self, row: &SessionRow) -> Problem {
        warn!(user = %row.user, session = %row.id, "an old refresh token was used again");
        match self
            .revoke(row.user, Revoke::One(row.id), "refresh_reused")
            .await
        {
            Ok(_) => Refusal::RefreshReused.into(),
            Err(problem) => problem,
        }
    }

    /// Signs devices out and cuts their sockets; how many there were.
    pub(crate) async fn revoke(
        &self,
        user: UserId,
        which: Revoke,
        reason: &'static str,
    ) -> Result<usize, Problem> {
        let ended = self
            .inner
            .ports
            .store
            .revoke(user, which, self.now())
            .await
            .map_err(of_store)?;
        if !ended.is_empty() {
            self.inner
                .metrics
                .revoked
                .with(reason)
                .increment(ended.len() as u64);
            info!(%user, sessions = ended.len(), reason, "signed out");
            (self.inner.ports.cut)(&ended, reason);
        }
        Ok(ended.len())
    }

    /// The device whose refresh token this is, if the token is or was one of ours; for signing out.
    pub(crate) async fn owner_of(&self, token: &str) -> Result<Option<Caller>, Problem> {
        let Some(token) = RefreshToken::parse(token) else {
            return Ok(None);
        };
        let row = match self.inner.ports.store.session(token.session).await {
            Ok(row) => row,
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(of_store(error)),
        };
        Ok(
            match judge(&token, &row, &self.inner.secrets.refresh, self.now()) {
                Judgement::Forged => None,
                _ => Some(Caller {
                    user: row.user,
                    session: row.id,
                }),
            },
        )
    }

    /// Who calls with this access token. Looks the session up, so that a sign-out counts at once.
    pub(crate) async fn caller(&self, token: &str) -> Result<Caller, Problem> {
        let keys = self.inner.keys.borrow().clone();
        let now = self.inner.ports.clock.unix_seconds();
        let claims = verify(token, &keys, now).map_err(Refusal::from)?;
        let row = self
            .session_row(claims.sid, Refusal::SessionRevoked)
            .await?;
        if row.revoked_at.is_some() || row.user != claims.sub {
            return Err(Refusal::SessionRevoked.into());
        }
        Ok(Caller {
            user: claims.sub,
            session: claims.sid,
        })
    }

    /// A person's devices, newest sign-in first.
    pub(crate) async fn devices(&self, caller: Caller) -> Result<Vec<Session>, Problem> {
        let rows = self
            .inner
            .ports
            .store
            .sessions_of(caller.user)
            .await
            .map_err(of_store)?;
        let now = self.now();
        let mut devices: Vec<Session> = rows
            .into_iter()
            .filter(|row| row.refresh_expires > now)
            .map(|row| Session {
                id: row.id,
                current: row.id == caller.session,
                device: row.device,
                created_at: row.created_at,
                last_used_at: row.last_used_at,
            })
            .collect();
        devices.sort_by_key(|device| std::cmp::Reverse((device.created_at, device.id)));
        Ok(devices)
    }

    /// An access token for a session that the caller has put into the store itself, alive for so many seconds: for
    /// `chatify seed`.
    ///
    /// # Errors
    /// When no random number can be had.
    pub fn mint(
        &self,
        user: UserId,
        session: SessionId,
        seconds: u64,
    ) -> Result<Secret, SecretError> {
        let iat = self.inner.ports.clock.unix_seconds();
        let claims = Claims {
            iss: self.inner.config.issuer.clone(),
            aud: self.inner.config.audience.clone(),
            sub: user,
            sid: session,
            jti: uuid::Builder::from_random_bytes(secrets::random::<16>()?).into_uuid(),
            iat,
            exp: iat.saturating_add(seconds),
            nbf: None,
        };
        Ok(Secret::new(self.inner.ring.borrow().signer.sign(&claims)))
    }

    fn tokens(&self, user: UserId, refresh: &RefreshToken) -> Result<Tokens, Problem> {
        let expires_in = self.inner.config.access_ttl.as_secs();
        let access = self
            .mint(user, refresh.session, expires_in)
            .map_err(internal)?;
        let refresh = Secret::new(refresh.text().as_str().to_owned());
        Ok(Tokens {
            access,
            refresh,
            expires_in,
        })
    }

    async fn session_row(&self, id: SessionId, absent: Refusal) -> Result<SessionRow, Problem> {
        self.inner
            .ports
            .store
            .session(id)
            .await
            .map_err(|error| match error {
                StoreError::NotFound => absent.into(),
                error => of_store(error),
            })
    }
}

/// A UUID (version 7) of this time, the rest random.
fn uuid_v7(now: Timestamp) -> Result<Uuid, SecretError> {
    let millis = u64::try_from(now.0).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &secrets::random::<10>()?).into_uuid())
}

/// What a device calls itself: one line of at most 128 characters that steers no terminal.
pub(crate) fn device_name(text: &str) -> Option<String> {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(128).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

//! A request for a code: asked for, sent again, redeemed. Nothing here looks at whether an account exists: known,
//! unknown and limited addresses take the same steps, and the account is found or made when a code was right.

use std::net::IpAddr;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::ids::ChallengeId;
use protocol::mail_job::{EmailAddress, Mail, MailJob};
use protocol::problem::{Code as Refusal, Problem};
use protocol::time::Timestamp;
use store::{ChallengeRow, MailJobRow, MailState, StoreError};
use tracing::{error, info};
use uuid::Uuid;

use crate::otp::{self, Code, Standing};
use crate::secrets::{self, SecretError};
use crate::{Auth, budgets, millis, outbox};

/// A challenge that was made or renewed.
pub(crate) struct Asked {
    /// Its id.
    pub(crate) id: ChallengeId,
    /// What lets the asker watch it; only when it was made.
    pub(crate) secret: Option<String>,
}

/// How a challenge stands, for its asker.
pub(crate) struct Watched {
    /// What became of the mail.
    pub(crate) mail: MailState,
    /// Milliseconds until another code may be asked for.
    pub(crate) resend_after_ms: u64,
    /// Guesses left.
    pub(crate) attempts_left: u32,
}

/// An answer and the headers that go with it either way.
pub(crate) type Outcome<T> = (HeaderMap, Result<T, Problem>);

impl Auth {
    /// Makes a challenge and sends its code, or seems to.
    pub(crate) async fn ask(&self, email: &EmailAddress, client: IpAddr) -> Outcome<Asked> {
        let (headers, allowed) = self.inner.budgets.ask(client, self.now_ms()).await;
        if let Err(problem) = allowed {
            return (headers, Err(problem));
        }
        (headers, self.make_challenge(email, client).await)
    }

    async fn make_challenge(&self, email: &EmailAddress, client: IpAddr) -> Result<Asked, Problem> {
        let inner = &self.inner;
        let withheld = inner.budgets.mail(email, self.now_ms()).await.is_err();
        let secret = URL_SAFE_NO_PAD.encode(secrets::random::<32>().map_err(internal)?);
        let blank = ChallengeRow {
            id: ChallengeId(Uuid::from_bytes(uuid_v4().map_err(internal)?)),
            email: email.as_str().to_owned(),
            secret_hash: secrets::sha256(secret.as_bytes()),
            code_mac: [0; 32],
            issue: 0,
            attempts: 0,
            issued_at: Timestamp(0),
            expires_at: Timestamp(0),
            used_at: None,
            mail: MailState::Queued,
        };
        let (row, mail) = self
            .issue(&blank, email, client, withheld)
            .map_err(internal)?;
        let id = row.id;
        inner
            .ports
            .store
            .create_challenge(row, mail.clone())
            .await
            .map_err(of_store)?;
        inner.outbox.nudge(mail);
        inner.metrics.asked.increment(1);
        info!(challenge = %id, to = inner.secrets.name_in_logs(email), "a code was asked for");
        Ok(Asked {
            id,
            secret: Some(secret),
        })
    }

    /// The next issue of a challenge, with its mail.
    fn issue(
        &self,
        row: &ChallengeRow,
        email: &EmailAddress,
        client: IpAddr,
        withheld: bool,
    ) -> Result<(ChallengeRow, MailJobRow), SecretError> {
        let inner = &self.inner;
        let now = self.now();
        let code = Code::draw(inner.config.otp_digits, || {
            secrets::random::<8>().map(u64::from_be_bytes)
        })?;
        let issue = row.issue + 1;
        let next = ChallengeRow {
            code_mac: otp::mac(&inner.secrets.pepper, (row.id, issue, &row.email), &code),
            issue,
            attempts: 0,
            issued_at: now,
            expires_at: now.plus_millis(millis(inner.config.otp_ttl)),
            mail: MailState::Queued,
            ..row.clone()
        };
        let job = MailJob {
            id: Uuid::from_bytes(uuid_v4()?).simple().to_string(),
            to: email.clone(),
            mail: Mail::Code {
                code: code.digits().to_owned(),
                asked_from: budgets::told_network(client),
            },
            made_at: now,
            expires_at: next.expires_at,
        };
        let mail = outbox::row(&inner.secrets, &job, withheld)?;
        Ok((next, mail))
    }

    /// A challenge for whoever holds its secret; anybody else learns nothing, not even whether there is one.
    pub(crate) async fn watch(&self, id: ChallengeId, secret: &str) -> Result<Watched, Problem> {
        let row = self.challenge(id).await?;
        if !secrets::same(&secrets::sha256(secret.as_bytes()), &row.secret_hash) {
            return Err(Refusal::ChallengeNotFound.into());
        }
        let attempts_left = match otp::standing(&row, self.now()) {
            Standing::Open(left) => left,
            Standing::Over | Standing::Locked => 0,
        };
        Ok(Watched {
            mail: row.mail,
            resend_after_ms: self.resend_after_ms(&row),
            attempts_left,
        })
    }

    /// Sends another code; the one before is void.
    pub(crate) async fn resend(&self, id: ChallengeId, client: IpAddr) -> Outcome<Asked> {
        let (headers, allowed) = self.inner.budgets.ask(client, self.now_ms()).await;
        if let Err(problem) = allowed {
            return (headers, Err(problem));
        }
        (headers, self.renew_challenge(id, client).await)
    }

    async fn renew_challenge(&self, id: ChallengeId, client: IpAddr) -> Result<Asked, Problem> {
        let inner = &self.inner;
        let row = self.challenge(id).await?;
        if row.used_at.is_some() {
            return Err(Refusal::OtpExpired.into());
        }
        if row.issue >= otp::ISSUES_MAX {
            return Err(Problem::because(
                Refusal::OtpLocked,
                "begin again with a new request",
            ));
        }
        let cooldown = |ms: u64| Problem::new(Refusal::OtpCooldown).retry_after(ms.max(1));
        match self.resend_after_ms(&row) {
            0 => {}
            wait => return Err(cooldown(wait)),
        }
        let email: EmailAddress = row.email.parse().map_err(internal)?;
        inner
            .budgets
            .mail(&email, self.now_ms())
            .await
            .map_err(cooldown)?;
        let (next, mail) = self.issue(&row, &email, client, false).map_err(internal)?;
        match inner
            .ports
            .store
            .reissue_challenge(next, row.issue, mail.clone())
            .await
        {
            Ok(()) => {}
            // Somebody else asked at the same moment: their code is on its way.
            Err(StoreError::Conflict) => {
                return Err(cooldown(otp::RESEND_AFTER.as_millis() as u64));
            }
            Err(error) => return Err(of_store(error)),
        }
        inner.outbox.nudge(mail);
        inner.metrics.asked.increment(1);
        Ok(Asked { id, secret: None })
    }

    /// Takes a code: the address it was sent to, once.
    pub(crate) async fn redeem(
        &self,
        id: ChallengeId,
        code: &Code,
        client: IpAddr,
    ) -> Result<EmailAddress, Problem> {
        let inner = &self.inner;
        let row = self.challenge(id).await?;
        self.still_open(&row)?;
        let email: EmailAddress = row.email.parse().map_err(internal)?;
        let mailbox = email.mailbox();
        inner
            .budgets
            .may_guess(client, &mailbox, self.now_ms())
            .await?;

        // Counted before it is compared: a hundred guesses at once are five.
        let counted = match inner
            .ports
            .store
            .count_guess(id, row.issue, otp::TRIES)
            .await
        {
            Ok(counted) => counted,
            Err(StoreError::Conflict) => {
                let row = self.challenge(id).await?;
                self.still_open(&row)?;
                // Still open, so another code is in force by now.
                return Err(Refusal::OtpExpired.into());
            }
            Err(error) => return Err(of_store(error)),
        };
        if !otp::matches(&inner.secrets.pepper, &counted, code) {
            inner.metrics.guesses.with("wrong").increment(1);
            inner
                .budgets
                .guessed_wrong(client, &mailbox, self.now_ms())
                .await;
            if inner.budgets.are_on() {
                inner.notices.wrong(&email, client);
                tokio::time::sleep(otp::slow_down(counted.attempts)).await;
            }
            let mut problem = Problem::new(Refusal::OtpInvalid);
            problem.attempts_left = Some(otp::TRIES.saturating_sub(counted.attempts));
            return Err(problem);
        }
        match inner.ports.store.use_challenge(id, self.now()).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Err(Refusal::OtpExpired.into()),
            Err(error) => return Err(of_store(error)),
        }
        inner.metrics.guesses.with("right").increment(1);
        Ok(email)
    }

    /// Refuses a challenge that takes no more guesses.
    fn still_open(&self, row: &ChallengeRow) -> Result<(), Problem> {
        match otp::standing(row, self.now()) {
            Standing::Open(_) => Ok(()),
            Standing::Over => Err(Refusal::OtpExpired.into()),
            Standing::Locked => {
                let mut problem = Problem::new(Refusal::OtpLocked);
                problem.attempts_left = Some(0);
                Err(problem.retry_after(self.resend_after_ms(row).max(1)))
            }
        }
    }

    async fn challenge(&self, id: ChallengeId) -> Result<ChallengeRow, Problem> {
        self.inner
            .ports
            .store
            .challenge(id)
            .await
            .map_err(|error| match error {
                StoreError::NotFound => Refusal::ChallengeNotFound.into(),
                error => of_store(error),
            })
    }

    fn resend_after_ms(&self, row: &ChallengeRow) -> u64 {
        if self.inner.budgets.are_on() {
            otp::resend_after_ms(row, self.now())
        } else {
            0
        }
    }
}

/// A random UUID (version 4) from the operating system.
pub(crate) fn uuid_v4() -> Result<[u8; 16], SecretError> {
    Ok(*uuid::Builder::from_random_bytes(secrets::random::<16>()?)
        .into_uuid()
        .as_bytes())
}

/// What a failure of ours is to a client; the log knows more.
pub(crate) fn internal(error: impl std::fmt::Display) -> Problem {
    error!(%error, "auth failed");
    Refusal::Internal.into()
}

/// What a store's refusal is to a client, where nothing better is known.
pub(crate) fn of_store(error: StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => Problem::new(Refusal::Unavailable).retry_after(1_000),
        StoreError::Unknown(_) => Problem::because(
            Refusal::OutcomeUnknown,
            "it is not known whether this was done; ask again",
        )
        .retry_after(1_000),
        error => internal(error),
    }
}

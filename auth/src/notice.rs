//! A word to the owner of a mailbox at which many wrong codes were typed, wherever they came from.
//!
//! Handlers only say that a code was wrong and never wait: the answer and its time are the same before, at and after the
//! notice, so whoever guesses does not learn of it. Whether there is an account is not looked at. A mailbox, whatever its
//! spelling, gets one notice in 24 hours, by a claim in the store that outlives every budget; it also counts against what
//! its domain gets. When something fails on the way there is none, and the next wrong code tries again.

use std::net::IpAddr;

use protocol::ids::ChallengeId;
use protocol::mail_job::{EmailAddress, Mail, MailJob};
use store::{ChallengeRow, KeptAnswer, MailState};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::challenges::uuid_v4;
use crate::{Auth, budgets, otp, outbox, secrets};

/// Wrong codes that nobody has counted yet; what is beyond is not counted, and there is more where it came from.
const WAITING_MAX: usize = 1_024;
/// A notice that cannot be sent for so long is dropped.
const LIFE_MILLIS: i64 = 60 * 60 * 1_000;
/// Where its claims are among the kept answers.
const SCOPE: &str = "auth wrong codes";

/// A wrong code: for which address, and from where.
pub(crate) struct Wrong(EmailAddress, IpAddr);

/// A handler's end.
#[derive(Clone)]
pub(crate) struct Notices(mpsc::Sender<Wrong>);

/// Both ends.
pub(crate) fn notices() -> (Notices, mpsc::Receiver<Wrong>) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (Notices(sender), receiver)
}

impl Notices {
    /// Says that a code was wrong. Never waits.
    pub(crate) fn wrong(&self, email: &EmailAddress, client: IpAddr) {
        if let Err(left) = self.0.try_send(Wrong(email.clone(), client)) {
            debug!(%left, "a wrong code was not counted for a notice");
        }
    }
}

/// Counts wrong codes and writes notices, one after the other, until the process ends.
pub(crate) async fn run(auth: Auth, mut wrong: mpsc::Receiver<Wrong>) {
    while let Some(Wrong(email, client)) = wrong.recv().await {
        if auth.inner.budgets.many_wrong(&email, auth.now_ms()).await
            && let Err(why) = auth.tell_owner(&email, client).await
        {
            auth.inner.metrics.notices.with("not_told").increment(1);
            warn!(why, "no notice of wrong codes; the next one tries again");
        }
    }
}

impl Auth {
    async fn tell_owner(&self, email: &EmailAddress, client: IpAddr) -> Result<(), String> {
        let store = &self.inner.ports.store;
        let key = self.inner.secrets.name_of_mailbox(email);
        let (scope, now) = (|| SCOPE.to_owned(), self.now());
        let claimed = store.claim_key(scope(), key.clone(), [0; 32], now).await;
        if claimed.map_err(text)?.is_some() {
            return Ok(());
        }
        // Not for a day, or, with status 0, not now. Before the mail is written: rather none than two.
        let room = self.inner.budgets.notice(email, self.now_ms()).await;
        let kept = KeptAnswer {
            digest: [0; 32],
            status: if room { 200 } else { 0 },
            body: String::new(),
        };
        store.keep_answer(scope(), key, kept).await.map_err(text)?;
        if !room {
            return Err("the budget of its domain is spent".to_owned());
        }
        let job = MailJob {
            id: Uuid::from_bytes(uuid_v4().map_err(text)?)
                .simple()
                .to_string(),
            to: email.clone(),
            mail: Mail::WrongCodes {
                last_from: budgets::told_network(client),
            },
            made_at: now,
            expires_at: now.plus_millis(LIFE_MILLIS),
        };
        let mail = outbox::row(&self.inner.secrets, &job, false).map_err(text)?;
        // Mails wait in the store with their challenge. This one was over before it began: nobody knows its id, its secret
        // or a code, and it takes no guess.
        let over = ChallengeRow {
            id: ChallengeId(Uuid::from_bytes(uuid_v4().map_err(text)?)),
            email: email.as_str().to_owned(),
            secret_hash: secrets::random().map_err(text)?,
            code_mac: secrets::random().map_err(text)?,
            issue: otp::ISSUES_MAX,
            attempts: otp::TRIES,
            issued_at: now,
            expires_at: now,
            used_at: Some(now),
            mail: MailState::Queued,
        };
        let written = store.create_challenge(over, mail.clone()).await;
        written.map_err(text)?;
        self.inner.outbox.nudge(mail);
        self.inner.metrics.notices.with("told").increment(1);
        let to = self.inner.secrets.name_in_logs(email);
        info!(to, "many wrong codes were typed; the owner is told");
        Ok(())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

//! From the store to the mail queue: every mail is written down with its challenge before it is published, and forgotten
//! only when the queue has confirmed it. Handlers never wait for this.
//!
//! A mail that must not go out (the mailbox's budget is spent) takes the same way and ends here, so that neither the
//! answer nor the challenge's state tells the difference.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bus::mail::{MailFate, MailQueue, QueueError};
use protocol::mail_job::MailJob;
use protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use service::clock::Clock;
use service::drain::Drain;
use store::{MailJobRow, MailState, Store};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use crate::metrics::AuthMetrics;
use crate::secrets::{SecretError, Secrets};

/// Mails that handlers have handed over and nobody has taken up; beyond it the sweeper finds them in the store.
const NUDGES_MAX: usize = 1_024;
/// Mails that are being published at once: the local queue confirms only what is settled, so this is also how many mails
/// of one process can be waiting for a retry.
const UNDER_WAY_MAX: usize = 4_096;
/// How often the store is searched for mails that nobody has confirmed.
const SWEEP_PERIOD: Duration = Duration::from_secs(5);
/// Mails that one search takes up.
const SWEEP_ROWS: usize = 256;

/// A mail as it lies in the store: sealed, since it holds a code.
#[derive(Serialize, Deserialize)]
struct Pending {
    job: MailJob,
    /// It must not go out.
    withheld: bool,
}

/// The row for a mail. `withheld` mails look like all others.
pub(crate) fn row(
    secrets: &Secrets,
    job: &MailJob,
    withheld: bool,
) -> Result<MailJobRow, SecretError> {
    let pending = Pending {
        job: job.clone(),
        withheld,
    };
    let clear = serde_json::to_vec(&pending).map_err(|e| SecretError(format!("a mail: {e}")))?;
    let sealed = secrets.seal(&sealed_name(&job.id), &clear)?;
    Ok(MailJobRow {
        id: job.id.clone(),
        job: STANDARD_NO_PAD.encode(sealed),
        expires_at: job.expires_at,
    })
}

fn opened(secrets: &Secrets, row: &MailJobRow) -> Result<Pending, SecretError> {
    let broken = || SecretError("a pending mail cannot be read".to_owned());
    let sealed = STANDARD_NO_PAD.decode(&row.job).map_err(|_| broken())?;
    let clear = secrets.open(&sealed_name(&row.id), &sealed)?;
    serde_json::from_slice(&clear).map_err(|_| broken())
}

fn sealed_name(id: &str) -> String {
    format!("mail {id}")
}

/// A handler's end: says that the store holds a new mail.
#[derive(Clone)]
pub(crate) struct Outbox(mpsc::Sender<MailJobRow>);

/// The other end, until it is run.
pub(crate) struct Nudges(mpsc::Receiver<MailJobRow>);

/// Both ends.
pub(crate) fn outbox() -> (Outbox, Nudges) {
    let (sender, receiver) = mpsc::channel(NUDGES_MAX);
    (Outbox(sender), Nudges(receiver))
}

impl Outbox {
    /// Hands over a mail that the store holds. Never waits: what does not fit is found by the sweeper.
    pub(crate) fn nudge(&self, row: MailJobRow) {
        if let Err(left) = self.0.try_send(row) {
            debug!(%left, "the sweeper will find this mail");
        }
    }
}

/// The mails that this process has taken up, by id.
///
/// A mail may be found twice: by the search of the store and by its handler's nudge, in either order and also after it
/// was published. So the ids of finished mails are remembered until the next search begins, which no longer finds them.
#[derive(Default)]
pub(crate) struct Taken {
    /// Being published now.
    under_way: HashSet<String>,
    /// Done with since the last search of the store began.
    finished: HashSet<String>,
}

impl Taken {
    /// Whether a mail is to be published by whoever asks.
    fn take(&mut self, id: &str) -> bool {
        self.under_way.len() < UNDER_WAY_MAX
            && !self.finished.contains(id)
            && self.under_way.insert(id.to_owned())
    }

    /// A mail is out of hands. One that the store still holds is found again by the search after the next.
    fn finish(&mut self, id: &str) {
        self.under_way.remove(id);
        // As many can finish between two searches as handlers hand over; beyond the bound a mail may go out twice, and
        // the mailer knows it by its id.
        if self.finished.len() < UNDER_WAY_MAX {
            self.finished.insert(id.to_owned());
        }
    }

    fn search_begins(&mut self) {
        self.finished.clear();
    }
}

/// What publishes mails.
#[derive(Clone)]
pub(crate) struct Publisher {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn MailQueue>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) clock: Clock,
    pub(crate) metrics: AuthMetrics,
    /// What this process has taken up.
    pub(crate) taken: Arc<Mutex<Taken>>,
}

impl Publisher {
    /// Publishes what handlers hand over and what the store holds, until the process leaves. What is not confirmed by
    /// then stays in the store and is published by the next process.
    pub(crate) async fn run(self, mut nudges: Nudges, drain: Drain) {
        let mut sweep = tokio::time::interval(SWEEP_PERIOD);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let leaving = drain.leaving();
        tokio::pin!(leaving);
        loop {
            tokio::select! {
                () = &mut leaving => return,
                Some(row) = nudges.0.recv() => self.take_up(row, &drain),
                _ = sweep.tick() => self.sweep(&drain).await,
            }
        }
    }

    /// One search of the store for mails that nobody has confirmed.
    async fn sweep(&self, drain: &Drain) {
        self.taken().search_begins();
        match self.store.pending_mails(SWEEP_ROWS).await {
            Ok(rows) => {
                self.metrics.mail_pending.set(rows.len() as f64);
                rows.into_iter().for_each(|row| self.take_up(row, drain));
            }
            Err(error) => warn!(%error, "pending mails could not be read; tried again soon"),
        }
    }

    fn take_up(&self, row: MailJobRow, drain: &Drain) {
        if !self.taken().take(&row.id) {
            return;
        }
        let (publisher, leaving) = (self.clone(), drain.leaving());
        drain.spawn("mail publication", async move {
            let id = row.id.clone();
            tokio::select! {
                () = leaving => {}
                () = publisher.publish(row) => {}
            }
            publisher.taken().finish(&id);
        });
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // No call under the lock can panic in between, so the sets are whole.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn publish(&self, row: MailJobRow) {
        let id = row.id.clone();
        let pending = match opened(&self.secrets, &row) {
            Ok(pending) => pending,
            Err(error) => {
                error!(id, %error, "a pending mail is given up");
                return self.forget(id, Some(MailState::Failed)).await;
            }
        };
        if pending.withheld {
            self.metrics.withheld.increment(1);
            return self.forget(id, Some(MailState::Sent)).await;
        }
        let to = self.secrets.name_in_logs(&pending.job.to);
        if pending.job.expires_at <= now(&self.clock) {
            info!(id, to, "a mail was not sent in time and is dropped");
            return self.forget(id, Some(MailState::Failed)).await;
        }
        match self.queue.publish(pending.job).await {
            Ok(()) => {
                self.metrics.published.increment(1);
                self.forget(id, None).await;
            }
            // It stays in the store, where the sweeper finds it.
            Err(error @ (QueueError::Full | QueueError::Unavailable(_))) => {
                warn!(id, to, %error, "a mail could not be queued; tried again soon");
            }
        }
    }

    async fn forget(&self, id: String, state: Option<MailState>) {
        if let Some(state) = state {
            note(self.store.as_ref(), id.clone(), state).await;
        }
        if let Err(error) = self.store.mail_queued(id.clone()).await {
            // It will be published again; the mailer knows it by its id.
            warn!(id, %error, "a confirmed mail could not be forgotten");
        }
    }

    /// Notes what the mailer says became of mails.
    pub(crate) async fn note_reports(self, drain: Drain) {
        let mut reports = self.queue.reports();
        let leaving = drain.leaving();
        tokio::pin!(leaving);
        loop {
            let report = tokio::select! {
                () = &mut leaving => return,
                report = reports.next() => report,
            };
            let Some(report) = report else { return };
            let state = match report.fate {
                MailFate::Sent => MailState::Sent,
                MailFate::Failed => MailState::Failed,
            };
            note(self.store.as_ref(), report.id, state).await;
        }
    }
}

async fn note(store: &dyn Store, id: String, state: MailState) {
    if let Err(error) = store.mail_done(id.clone(), state).await {
        // The asker sees "queued" for longer than it is true; the mail is not affected.
        debug!(id, %error, "the fate of a mail could not be noted");
    }
}

/// Now, as the store counts it.
pub(crate) fn now(clock: &Clock) -> Timestamp {
    Timestamp(i64::try_from(clock.unix_ms()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use protocol::mail_job::Mail;

    use super::*;

    #[test]
    fn a_mail_that_is_found_twice_is_published_once() {
        let mut taken = Taken::default();
        taken.search_begins();
        assert!(taken.take("j1"), "found by the search");
        assert!(!taken.take("j1"), "and by the nudge while it is under way");
        taken.finish("j1");
        assert!(!taken.take("j1"), "and by the nudge afterwards");
        taken.search_begins();
        assert!(taken.take("j1"), "the store still holds it: once more");
    }

    /// O2: a mail that waits in the store does not give its code away.
    #[test]
    fn a_pending_mail_is_sealed() {
        let secrets = Secrets::new(&[1; 32], None);
        let job = MailJob {
            id: "j1".into(),
            to: "ada@example.com".parse().unwrap(),
            mail: Mail::Code {
                code: "12345678".into(),
                asked_from: None,
            },
            made_at: Timestamp(0),
            expires_at: Timestamp(1),
        };
        let (sent, withheld) = (
            row(&secrets, &job, false).unwrap(),
            row(&secrets, &job, true).unwrap(),
        );
        for row in [&sent, &withheld] {
            let kept = STANDARD_NO_PAD.decode(&row.job).unwrap();
            let holds = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(!holds("12345678") && !holds("ada@"));
            assert_eq!(opened(&secrets, row).unwrap().job, job);
        }
        assert!(!opened(&secrets, &sent).unwrap().withheld);
        assert!(opened(&secrets, &withheld).unwrap().withheld);
        let moved = MailJobRow {
            id: "j2".into(),
            ..sent
        };
        assert!(opened(&secrets, &moved).is_err());
    }
}

//! The queue of mail jobs between auth and the mailer: at least once, never "maybe".
//!
//! A job is published, delivered, and settled by its consumer. What is not settled — the consumer died, the delivery was
//! dropped — is delivered again. A consumer must therefore know a job it has done before, by its id.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use protocol::mail_job::MailJob;

use crate::Future;
use crate::mail_local::LocalMailQueue;
use crate::mail_rabbit::RabbitMailQueue;

/// The longest wait that [`Settlement::Retry`] can ask of every queue.
pub const RETRY_MAX: Duration = Duration::from_secs(60);

/// Why a queue cannot be opened: one line for the operator, without a password. The caller adds the name of the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError(pub String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// The queue that a URL names: `local:` for one process, or
/// `amqp://user:password@host:5672/vhost?prefix=chatify` (`amqps://` for TLS, with `ca-file=/path` for an authority of
/// one's own). Jobs lie in a broker sealed with a key made from `cluster_key`, which all processes share.
///
/// A broker that is away is no error; calls fail as [`QueueError::Unavailable`] until it is there. Call it within a tokio
/// runtime, which the queue's connections then live on.
///
/// # Errors
/// When the URL is not understood.
pub fn open(url: &str, cluster_key: &[u8; 32]) -> Result<Arc<dyn MailQueue>, OpenError> {
    match url.split_once(':') {
        Some(("local", "")) => Ok(Arc::new(LocalMailQueue::new())),
        Some(("amqp" | "amqps", _)) => Ok(Arc::new(RabbitMailQueue::open(url, cluster_key)?)),
        _ => Err(OpenError(
            "the URL begins with amqp:// or amqps://, or is local:".to_owned(),
        )),
    }
}

/// Why a queue did not take a job or a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// It holds as many jobs as it may. Publish again later.
    Full,
    /// It cannot be reached, or is closed. Publish again later; an unsettled delivery will come again.
    Unavailable(String),
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the mail queue is full"),
            Self::Unavailable(why) => write!(f, "the mail queue is unavailable: {why}"),
        }
    }
}

impl std::error::Error for QueueError {}

/// What a consumer did with a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done with it: sent, or of no use any more.
    Ack,
    /// Deliver it again after this time, or a little more; a queue may cut it to [`RETRY_MAX`].
    Retry(Duration),
    /// It can never be sent; the text says why and holds no secret.
    Dead(String),
}

/// What became of a job's mail, told back to whoever published it. At most once: a lost report leaves a state that says
/// "queued" too long and nothing worse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailReport {
    /// The job.
    pub id: String,
    /// What became of it.
    pub fate: MailFate,
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailFate {
    /// An SMTP server or the dev mailbox took it.
    Sent,
    /// It was refused for good, or its time was over before anybody took it.
    Failed,
}

/// A job that could not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadMail {
    /// The job's id; its content is gone, since it held a code.
    pub id: String,
    /// Why.
    pub why: String,
}

/// Ends one delivery. Dropping it unused gives the job back to the queue at once.
pub trait Settle: Send {
    /// Tells the queue what was done.
    fn settle(self: Box<Self>, settlement: Settlement) -> Future<'static, Result<(), QueueError>>;
}

/// One job in the hands of a consumer.
pub struct Delivery {
    /// The job.
    pub job: MailJob,
    /// How often it was delivered before, as far as the queue knows. A delivery that a dying consumer never saw may count.
    pub attempts: u32,
    settle: Box<dyn Settle>,
}

impl Delivery {
    /// For queues: a delivery and what ends it.
    pub fn new(job: MailJob, attempts: u32, settle: Box<dyn Settle>) -> Self {
        Self {
            job,
            attempts,
            settle,
        }
    }

    /// Tells the queue what was done with it.
    ///
    /// # Errors
    /// When the queue could not be told; the job may then be delivered again.
    pub async fn settle(self, settlement: Settlement) -> Result<(), QueueError> {
        self.settle.settle(settlement).await
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("job", &self.job)
            .field("attempts", &self.attempts)
            .finish()
    }
}

/// One consumer's end of the queue.
pub trait MailConsumer: Send {
    /// The next job; `None` when the queue is closed. Cancel-safe: a job that was about to be handed out stays queued.
    /// Waits while as many deliveries of this consumer are unsettled as it asked for.
    fn next(&mut self) -> Future<'_, Option<Delivery>>;
}

/// One publisher's end of the reports.
pub trait MailReports: Send {
    /// The next report; `None` when the queue is closed. Cancel-safe.
    fn next(&mut self) -> Future<'_, Option<MailReport>>;
}

/// The queue of mail jobs.
pub trait MailQueue: Send + Sync + 'static {
    /// Hands a job over and waits for the confirmation: from then on it survives whatever the queue survives, and the
    /// publisher may forget it. A queue that lives and dies with the process confirms a job only when it is settled, so
    /// that the publisher's own record outlives a crash.
    ///
    /// An error, or a dropped future, says nothing about the job: it may be queued or not. Publish it again, under the same
    /// id. Only a queue within one process can see that it holds the id already; from a broker both come, and the consumer
    /// must know the second by its id.
    fn publish(&self, job: MailJob) -> Future<'_, Result<(), QueueError>>;

    /// A new consumer that holds at most `prefetch` unsettled deliveries. Several share the jobs.
    fn consume(&self, prefetch: usize) -> Box<dyn MailConsumer>;

    /// Tells publishers what became of a job.
    fn report(&self, report: MailReport) -> Future<'_, Result<(), QueueError>>;

    /// The reports from now on, or from a moment later: a broker has to be asked for them first, which the first call of
    /// [`MailReports::next`] does.
    fn reports(&self) -> Box<dyn MailReports>;

    /// Jobs that could not be sent, newest first, at most `limit`. A queue keeps a bounded number of them, for a bounded
    /// time. Looking takes nothing away.
    fn dead(&self, limit: usize) -> Future<'_, Result<Vec<DeadMail>, QueueError>>;
}

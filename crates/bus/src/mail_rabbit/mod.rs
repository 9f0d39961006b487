//! The mail queue over RabbitMQ: quorum queues, so a confirmed job survives the loss of a minority of the brokers.
//!
//! Promises what [`MailQueue`] promises. A job is confirmed when a majority of the brokers has it on disk, and may come
//! more than once: after a lost acknowledgement, a lost confirmation, a broker that died. It lies in the broker sealed with
//! a key made from the cluster's ([`seal`]). Every call has a deadline, and fails at once while the broker is away or takes
//! nothing.
//!
//! [`line`]: two connections that come back · [`topology`]: the queues · [`publish`], [`feed`]: to and from them ·
//! [`settle`], [`dead`]: how a job ends. Why it is laid out so: docs/decisions/0010-the-mail-queue-on-rabbitmq.md.

mod dead;
mod dial;
mod feed;
mod line;
mod place;
mod publish;
mod seal;
mod settle;
mod topology;

use std::sync::Arc;

use lapin::BasicProperties;
use protocol::mail_job::MailJob;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, error};

use crate::mail::{
    DeadMail, Delivery, MailConsumer, MailFate, MailQueue, MailReport, MailReports, QueueError,
    Settlement,
};
use crate::{Future, OpenError};
use feed::{Feed, Source};
use line::{Line, Role};
use place::Place;
use seal::Sealer;
use settle::Held;
use topology::Names;

/// The queue on a broker. Closed when it is dropped.
pub struct RabbitMailQueue {
    publishing: Line,
    consuming: Line,
    names: Arc<Names>,
    sealer: Arc<Sealer>,
    /// The tasks that keep the lines; they end with this.
    _keepers: JoinSet<()>,
}

impl RabbitMailQueue {
    /// Begins to connect, within the runtime of the caller. A broker that is away is no error: calls fail as
    /// [`QueueError::Unavailable`] until it is there.
    ///
    /// # Errors
    /// When the URL is not understood.
    pub fn open(url: &str, cluster_key: &[u8; 32]) -> Result<Self, OpenError> {
        let place = Place::parse(url)?;
        let names = Arc::new(Names::new(&place.prefix));
        let sealer = Sealer::new(cluster_key)
            .ok_or_else(|| OpenError("the key for mail jobs is not accepted".to_owned()))?;
        let mut keepers = JoinSet::new();
        let mut line = |role| Line::keep(place.clone(), Arc::clone(&names), role, &mut keepers);
        Ok(Self {
            publishing: line(Role::Publishing),
            consuming: line(Role::Consuming),
            names,
            sealer: Arc::new(sealer),
            _keepers: keepers,
        })
    }
}

impl MailQueue for RabbitMailQueue {
    fn publish(&self, job: MailJob) -> Future<'_, Result<(), QueueError>> {
        Box::pin(async move {
            let sealed = self
                .sealer
                .seal(&job)
                .ok_or_else(|| QueueError::Unavailable("a job could not be sealed".to_owned()))?;
            // Counted from now: there is no clock here. A job that comes late is dropped by the mailer.
            let life_ms = (job.expires_at.0 - job.made_at.0).max(1);
            let properties = BasicProperties::default()
                .with_message_id(job.id.into())
                .with_expiration(life_ms.to_string().into());
            publish::confirmed(&self.publishing, &self.names.jobs, &sealed, properties).await
        })
    }

    fn consume(&self, prefetch: usize) -> Box<dyn MailConsumer> {
        let prefetch = u16::try_from(prefetch.max(1)).unwrap_or(u16::MAX);
        let source = Source::Jobs(prefetch);
        Box::new(Consumer {
            feed: Feed::new(self.consuming.clone(), Arc::clone(&self.names), source),
            room: Arc::new(Semaphore::new(usize::from(prefetch))),
            publishing: self.publishing.clone(),
            names: Arc::clone(&self.names),
            sealer: Arc::clone(&self.sealer),
        })
    }

    fn report(&self, report: MailReport) -> Future<'_, Result<(), QueueError>> {
        Box::pin(async move {
            let body = serde_json::to_vec(&Report::from(report))
                .map_err(|error| QueueError::Unavailable(format!("a report: {error}")))?;
            publish::told_to_all(&self.publishing, &self.names.reports, &body).await
        })
    }

    fn reports(&self) -> Box<dyn MailReports> {
        let (line, names) = (self.consuming.clone(), Arc::clone(&self.names));
        Box::new(Reports(Feed::new(line, names, Source::Reports)))
    }

    fn dead(&self, limit: usize) -> Future<'_, Result<Vec<DeadMail>, QueueError>> {
        Box::pin(dead::look(&self.consuming, &self.names, limit))
    }
}

struct Consumer {
    feed: Feed,
    /// One permit for each delivery that may be unsettled. The broker counts for each connection; this counts the ones of
    /// a lost connection, too.
    room: Arc<Semaphore>,
    publishing: Line,
    names: Arc<Names>,
    sealer: Arc<Sealer>,
}

impl MailConsumer for Consumer {
    fn next(&mut self) -> Future<'_, Option<Delivery>> {
        Box::pin(async move {
            loop {
                // The semaphore is never closed.
                let permit = Arc::clone(&self.room).acquire_owned().await.ok()?;
                let (delivery, open) = self.feed.next().await?;
                let tools = (Arc::clone(&self.names), self.publishing.clone());
                let held = Held::new(delivery, open, tools, permit);
                match self.sealer.open(held.id(), held.body()) {
                    Ok(job) => {
                        let attempts = held.attempts();
                        return Some(Delivery::new(job, attempts, Box::new(held)));
                    }
                    Err(seal::NotOurs) => {
                        let (id, why) = (
                            held.id().to_owned(),
                            "sealed with another cluster key, or by a newer release",
                        );
                        error!(id, why, "a mail job cannot be opened");
                        if let Err(error) = held.end(Settlement::Dead(why.to_owned())).await {
                            debug!(id, %error, "it comes again");
                        }
                    }
                }
            }
        })
    }
}

/// A report on its way.
#[derive(Serialize, Deserialize)]
struct Report {
    id: String,
    sent: bool,
}

impl From<MailReport> for Report {
    fn from(report: MailReport) -> Self {
        Self {
            sent: report.fate == MailFate::Sent,
            id: report.id,
        }
    }
}

struct Reports(Feed);

impl MailReports for Reports {
    fn next(&mut self) -> Future<'_, Option<MailReport>> {
        Box::pin(async move {
            loop {
                let (delivery, _) = self.0.next().await?;
                match serde_json::from_slice::<Report>(&delivery.data) {
                    Ok(Report { id, sent }) => {
                        let fate = if sent {
                            MailFate::Sent
                        } else {
                            MailFate::Failed
                        };
                        return Some(MailReport { id, fate });
                    }
                    Err(error) => debug!(%error, "not a report"),
                }
            }
        })
    }
}

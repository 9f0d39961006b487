//! Takes jobs from the queue, a bounded number at once, and settles each. A job that was sent is known for a while by
//! its id, so that a second delivery of it does not become a second mail ([`crate::memory`]).

use std::sync::Arc;
use std::time::Duration;

use bus::mail::{Delivery, MailFate, MailQueue, MailReport, MailReports, Settlement};
use protocol::time::Timestamp;
use service::clock::Clock;
use service::drain::Drain;
use tracing::{info, warn};

use crate::memory::{Known, Memory};
use crate::metrics::MailMetrics;
use crate::outlet::Outlet;
use crate::retry::{Decision, decide, is_over};

/// When a second delivery of a mail that is being sent is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What the mailer is given from outside.
#[derive(Clone)]
pub struct Ports {
    /// Where jobs come from and reports go.
    pub queue: Arc<dyn MailQueue>,
    /// Where mails leave.
    pub outlet: Outlet,
    /// The time.
    pub clock: Clock,
    /// Mails that are sent at the same time.
    pub parallel: usize,
}

#[derive(Clone)]
struct Mailer {
    ports: Ports,
    metrics: MailMetrics,
    memory: Memory,
}

/// Takes and sends mails until the process leaves; those under way are finished.
pub async fn run(ports: Ports, drain: Drain) {
    let mut consumer = ports.queue.consume(ports.parallel);
    let mailer = Mailer {
        ports,
        metrics: MailMetrics::register(),
        memory: Memory::default(),
    };
    let (reports, memory) = (mailer.ports.queue.reports(), mailer.memory.clone());
    drain.spawn_background("mails of other mailers", learn(reports, memory));
    let leaving = drain.leaving();
    tokio::pin!(leaving);
    loop {
        let delivery = tokio::select! {
            () = &mut leaving => return,
            delivery = consumer.next() => delivery,
        };
        let Some(delivery) = delivery else {
            warn!("the mail queue is closed");
            return;
        };
        let mailer = mailer.clone();
        // Bounded: the queue hands out no more than `parallel` that are not settled.
        drain.spawn("mail", async move { mailer.handle(delivery).await });
    }
}

/// Remembers what other mailers have sent: a job that is delivered again, after a lost acknowledgement or confirmation, may
/// come to us this time. Until the first reports arrive, and for a report that is lost, only our own are known.
async fn learn(mut reports: Box<dyn MailReports>, memory: Memory) {
    while let Some(report) = reports.next().await {
        if report.fate == MailFate::Sent {
            memory.sent(&report.id);
        }
    }
}

impl Mailer {
    async fn handle(&self, delivery: Delivery) {
        let (id, attempts) = (delivery.job.id.clone(), delivery.attempts);
        let _under_way = match self.memory.begin(&id) {
            Known::New(under_way) => under_way,
            Known::UnderWay => {
                self.metrics.doubled.increment(1);
                // Not acknowledged: the first one may fail, and its connection to the queue may be lost.
                return self
                    .settle(delivery, Settlement::Retry(LOOK_AGAIN), None)
                    .await;
            }
            Known::Sent => {
                self.metrics.doubled.increment(1);
                return self
                    .settle(delivery, Settlement::Ack, Some(MailFate::Sent))
                    .await;
            }
        };
        if is_over(&delivery.job, self.now()) {
            info!(id, attempts, "a mail came too late and is dropped");
            return self
                .settle(delivery, Settlement::Ack, Some(MailFate::Failed))
                .await;
        }
        let attempt = self.ports.outlet.send(&delivery.job).await;
        match decide(attempt, attempts, self.now(), &delivery.job) {
            Decision::Done => {
                self.memory.sent(&id);
                self.metrics.sent.increment(1);
                let millis = self.now().0.saturating_sub(delivery.job.made_at.0);
                let age = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
                self.metrics.age.record(age);
                info!(id, attempts, "a mail was sent");
                self.settle(delivery, Settlement::Ack, Some(MailFate::Sent))
                    .await;
            }
            Decision::Again(wait) => {
                self.metrics.retried.increment(1);
                info!(
                    id,
                    attempts,
                    wait_s = wait.as_secs(),
                    "a mail is tried again"
                );
                self.settle(delivery, Settlement::Retry(wait), None).await;
            }
            Decision::GiveUp(why) => {
                self.metrics.dead.increment(1);
                warn!(id, attempts, why, "a mail is given up");
                self.settle(delivery, Settlement::Dead(why), Some(MailFate::Failed))
                    .await;
            }
        }
    }

    async fn settle(&self, delivery: Delivery, settlement: Settlement, fate: Option<MailFate>) {
        let id = delivery.job.id.clone();
        if let Some(fate) = fate
            && let Err(error) = self
                .ports
                .queue
                .report(MailReport {
                    id: id.clone(),
                    fate,
                })
                .await
        {
            // The asker sees "queued" for longer than it is true.
            info!(id, %error, "the fate of a mail could not be told");
        }
        if let Err(error) = delivery.settle(settlement).await {
            // It comes again; if it was sent, its id is known.
            warn!(id, %error, "a mail could not be settled");
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.ports.clock.unix_ms()).unwrap_or(i64::MAX))
    }
}

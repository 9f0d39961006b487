//! Takes jobs from the queue, a bounded number at once, and settles each. A job that was sent is known for a while by
//! its id, so that a second delivery of it does not become a second mail.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bus::mail::{Delivery, MailFate, MailQueue, MailReport, Settlement};
use protocol::time::Timestamp;
use service::clock::Clock;
use service::drain::Drain;
use tracing::{info, warn};

use crate::metrics::MailMetrics;
use crate::outlet::Outlet;
use crate::retry::{Decision, decide, is_over};

/// Ids of sent mails that are remembered: more than a queue holds.
const REMEMBERED_MAX: usize = 16_384;

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
    sent: Arc<Mutex<Remembered>>,
}

/// The newest ids of sent mails.
#[derive(Default)]
struct Remembered {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Remembered {
    fn add(&mut self, id: &str) {
        if self.ids.insert(id.to_owned()) {
            self.order.push_back(id.to_owned());
        }
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

/// Takes and sends mails until the process leaves; those under way are finished.
pub async fn run(ports: Ports, drain: Drain) {
    let mut consumer = ports.queue.consume(ports.parallel);
    let mailer = Mailer {
        ports,
        metrics: MailMetrics::register(),
        sent: Arc::default(),
    };
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

impl Mailer {
    async fn handle(&self, delivery: Delivery) {
        let (id, attempts) = (delivery.job.id.clone(), delivery.attempts);
        if self.was_sent(&id) {
            self.metrics.doubled.increment(1);
            return self
                .settle(delivery, Settlement::Ack, Some(MailFate::Sent))
                .await;
        }
        if is_over(&delivery.job, self.now()) {
            info!(id, attempts, "a mail came too late and is dropped");
            return self
                .settle(delivery, Settlement::Ack, Some(MailFate::Failed))
                .await;
        }
        let attempt = self.ports.outlet.send(&delivery.job).await;
        match decide(attempt, attempts, self.now(), &delivery.job) {
            Decision::Done => {
                self.sent
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .add(&id);
                self.metrics.sent.increment(1);
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

    fn was_sent(&self, id: &str) -> bool {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ids
            .contains(id)
    }

    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.ports.clock.unix_ms()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ids_are_remembered_and_the_oldest_forgotten() {
        let mut sent = Remembered::default();
        for n in 0..=REMEMBERED_MAX {
            sent.add(&n.to_string());
            sent.add(&n.to_string());
        }
        assert_eq!(
            (sent.ids.len(), sent.order.len()),
            (REMEMBERED_MAX, REMEMBERED_MAX)
        );
        assert!(!sent.ids.contains("0") && sent.ids.contains("1"));
    }
}

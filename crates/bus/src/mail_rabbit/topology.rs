//! The queues and the exchange, and their bounds. Declared by everybody who connects, always with the same arguments:
//! nothing has to be set up by hand, and what an operator deletes comes back.
//! The picture is in docs/decisions/0010-the-mail-queue-on-rabbitmq.md.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::mail::RETRY_MAX;

/// Jobs that may wait in one queue; beyond it the broker refuses, and the publisher's store keeps them.
const JOBS_MAX: i64 = 100_000;
/// A bound on what lies there when nobody takes it: twelve times the life of a code. Each job has its own, shorter one.
const JOB_LIFE_MS: i64 = 3_600_000;
/// Deliveries that were never settled, after which a job is taken for one that kills its mailer.
const DELIVERIES_MAX: i64 = 16;
/// Dead letters that are kept, and for how long.
pub(crate) const DEAD_MAX: i64 = 1_000;
const DEAD_LIFE_MS: i64 = 7 * 86_400_000;
/// Looking at dead letters counts as a delivery; newer brokers throw a letter away after 20 of them unless told otherwise.
const LOOKS_MAX: i64 = 1_000_000_000;

/// The waits before a retry, in seconds. One queue for each: a queue with one wait for all is in the order of the ends of
/// the waits, and a short wait is never behind a long one.
const WAITS_S: [u64; 7] = [1, 2, 4, 8, 16, 32, RETRY_MAX.as_secs()];

/// What things are called.
pub(crate) struct Names {
    /// Jobs for the mailer.
    pub(crate) jobs: String,
    /// Letters of jobs that could not be sent.
    pub(crate) dead: String,
    /// The exchange that tells every auth what became of a mail.
    pub(crate) reports: String,
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        let name = |what: &str| format!("{prefix}.mail.{what}");
        Self {
            jobs: name("jobs"),
            dead: name("dead"),
            reports: name("reports"),
            prefix: prefix.to_owned(),
        }
    }

    /// The queue in which a job waits at least so long; the longest one for anything above.
    pub(crate) fn wait(&self, wait: Duration) -> String {
        let longest = RETRY_MAX.as_secs();
        let fits = WAITS_S
            .into_iter()
            .find(|seconds| Duration::from_secs(*seconds) >= wait);
        self.wait_of(fits.unwrap_or(longest))
    }

    fn wait_of(&self, seconds: u64) -> String {
        format!("{}.mail.wait.{seconds}s", self.prefix)
    }

    /// Makes what is not there yet.
    ///
    /// # Errors
    /// When the broker cannot be asked, or holds a queue of that name with other arguments.
    pub(crate) async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        queue(
            channel,
            &self.dead,
            &[
                ("x-max-length", number(DEAD_MAX)),
                ("x-overflow", text("drop-head")),
                ("x-message-ttl", number(DEAD_LIFE_MS)),
                ("x-delivery-limit", number(LOOKS_MAX)),
            ],
        )
        .await?;
        queue(
            channel,
            &self.jobs,
            &[
                ("x-max-length", number(JOBS_MAX)),
                ("x-overflow", text("reject-publish")),
                ("x-message-ttl", number(JOB_LIFE_MS)),
                ("x-delivery-limit", number(DELIVERIES_MAX)),
                ("x-dead-letter-exchange", text("")),
                ("x-dead-letter-routing-key", text(&self.dead)),
            ],
        )
        .await?;
        for seconds in WAITS_S {
            let wait_ms = i64::try_from(seconds * 1_000).unwrap_or(JOB_LIFE_MS);
            queue(
                channel,
                &self.wait_of(seconds),
                &[
                    ("x-max-length", number(JOBS_MAX)),
                    ("x-overflow", text("reject-publish")),
                    ("x-message-ttl", number(wait_ms)),
                    ("x-dead-letter-exchange", text("")),
                    ("x-dead-letter-routing-key", text(&self.jobs)),
                    // A job that has waited leaves only when the other queue has confirmed it.
                    ("x-dead-letter-strategy", text("at-least-once")),
                ],
            )
            .await?;
        }
        let kept = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let (name, kind) = (self.reports.as_str().into(), ExchangeKind::Fanout);
        channel
            .exchange_declare(name, kind, kept, FieldTable::default())
            .await
    }
}

/// A durable queue that a majority of the brokers keeps.
async fn queue(channel: &Channel, name: &str, more: &[(&str, AMQPValue)]) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    for (key, value) in more {
        arguments.insert((*key).into(), value.clone());
    }
    let kept = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(name.into(), kept, arguments).await?;
    Ok(())
}

pub(crate) fn number(value: i64) -> AMQPValue {
    AMQPValue::LongLongInt(value)
}

pub(crate) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_waits_in_the_shortest_queue_that_is_long_enough() {
        let names = Names::new("p");
        for (wait_ms, queue) in [
            (1, "p.mail.wait.1s"),
            (1_000, "p.mail.wait.1s"),
            (1_001, "p.mail.wait.2s"),
            (32_000, "p.mail.wait.32s"),
            (33_000, "p.mail.wait.60s"),
            (600_000, "p.mail.wait.60s"),
        ] {
            assert_eq!(names.wait(Duration::from_millis(wait_ms)), queue);
        }
    }
}

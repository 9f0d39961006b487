//! What every mail queue must keep, whatever it is made of: one suite, run for each backend by `contract!`. On the local
//! queue it runs by a clock that jumps; a broker has its own clock, so that there it runs in real time with short waits.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod broker;

use std::sync::Arc;
use std::time::Duration;

use bus::mail::{Delivery, MailFate, MailQueue, MailReport, QueueError, Settlement};
use bus::mail_local::LocalMailQueue;
use protocol::mail_job::{Mail, MailJob};
use protocol::time::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

fn job(n: u128) -> MailJob {
    MailJob {
        id: Uuid::from_u128(n).simple().to_string(),
        to: format!("user{n}@example.com").parse().unwrap(),
        mail: Mail::Code {
            code: "12345678".into(),
            asked_from: None,
        },
        made_at: Timestamp(0),
        expires_at: Timestamp(300_000),
    }
}

type Confirmation = JoinHandle<Result<(), QueueError>>;

/// A queue under test.
struct Bench {
    queue: Arc<dyn MailQueue>,
    /// It confirms a job as soon as it has it, not only when it is settled.
    outlives_us: bool,
    /// Waits that are long for it, in rising order.
    waits: [Duration; 2],
    /// What the queue lives in; gone after it.
    _home: Option<broker::Corner>,
}

impl Bench {
    fn local() -> Self {
        Self {
            queue: Arc::new(LocalMailQueue::new()),
            outlives_us: false,
            waits: [7, 60].map(Duration::from_secs),
            _home: None,
        }
    }

    fn rabbit() -> Self {
        let corner = broker::Corner::take();
        Self {
            queue: corner.open(),
            outlives_us: true,
            waits: [1, 2].map(Duration::from_secs),
            _home: Some(corner),
        }
    }

    /// Publishes, so that the queue has the job when this returns.
    async fn publish(&self, job: MailJob) -> Confirmation {
        let confirmation = publish(&self.queue, job).await;
        if self.outlives_us {
            assert_eq!(confirmation.await.unwrap(), Ok(()));
            return confirmed();
        }
        confirmation
    }
}

#[allow(clippy::disallowed_methods, reason = "a test's own task")]
fn confirmed() -> Confirmation {
    tokio::spawn(std::future::ready(Ok(())))
}

/// Publishes and polls once, so that a local queue has the job when this returns.
async fn publish(queue: &Arc<dyn MailQueue>, job: MailJob) -> Confirmation {
    let queue = Arc::clone(queue);
    #[allow(clippy::disallowed_methods, reason = "a test's own task")]
    let confirmation = tokio::spawn(async move { queue.publish(job).await });
    tokio::task::yield_now().await;
    confirmation
}

async fn next(consumer: &mut Box<dyn bus::mail::MailConsumer>) -> Delivery {
    consumer.next().await.expect("the queue is open")
}

mod behaviour {
    use super::*;

    pub(super) async fn a_job_is_delivered_and_confirmed(bench: Bench) {
        let confirmation = bench.publish(job(1)).await;
        let mut consumer = bench.queue.consume(1);
        let delivery = next(&mut consumer).await;
        assert_eq!((&delivery.job, delivery.attempts), (&job(1), 0));
        delivery.settle(Settlement::Ack).await.unwrap();
        assert_eq!(confirmation.await.unwrap(), Ok(()));
    }

    pub(super) async fn a_job_whose_consumer_dies_is_delivered_again(bench: Bench) {
        let confirmation = bench.publish(job(1)).await;
        let mut consumer = bench.queue.consume(1);
        drop(next(&mut consumer).await);
        drop(consumer);
        let delivery = next(&mut bench.queue.consume(1)).await;
        // A broker may have sent it to the dying consumer once more, and counts that.
        let counted = 1..=1 + u32::from(bench.outlives_us);
        assert_eq!(delivery.job, job(1));
        assert!(counted.contains(&delivery.attempts), "{delivery:?}");
        delivery.settle(Settlement::Ack).await.unwrap();
        assert_eq!(confirmation.await.unwrap(), Ok(()));
    }

    pub(super) async fn a_retry_comes_back_after_its_delay_and_not_before(bench: Bench) {
        let _confirmation = bench.publish(job(1)).await;
        let mut consumer = bench.queue.consume(1);
        let began = Instant::now();
        let wait = bench.waits[0];
        next(&mut consumer)
            .await
            .settle(Settlement::Retry(wait))
            .await
            .unwrap();
        let delivery = next(&mut consumer).await;
        assert!(began.elapsed() >= wait);
        assert_eq!(delivery.attempts, 1);
        delivery.settle(Settlement::Ack).await.unwrap();
    }

    pub(super) async fn a_delayed_job_holds_up_nobody(bench: Bench) {
        let _first = bench.publish(job(1)).await;
        let mut consumer = bench.queue.consume(4);
        next(&mut consumer)
            .await
            .settle(Settlement::Retry(bench.waits[1]))
            .await
            .unwrap();
        let began = Instant::now();
        let _second = bench.publish(job(2)).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.job.id, job(2).id);
        assert!(bench.outlives_us || began.elapsed() < bench.waits[1]);
        delivery.settle(Settlement::Ack).await.unwrap();
    }

    pub(super) async fn a_dead_job_is_listed_without_its_content(bench: Bench) {
        let confirmation = bench.publish(job(1)).await;
        let mut consumer = bench.queue.consume(1);
        let dead = Settlement::Dead("550 no such user".into());
        next(&mut consumer).await.settle(dead).await.unwrap();
        assert_eq!(confirmation.await.unwrap(), Ok(()));
        let letters = bench.queue.dead(10).await.unwrap();
        assert_eq!((letters.len(), &letters[0].id), (1, &job(1).id));
        assert_eq!(letters[0].why, "550 no such user");
        assert!(!format!("{letters:?}").contains("12345678"));
    }

    pub(super) async fn a_consumer_holds_no_more_than_it_asked_for(bench: Bench) {
        let mut confirmations = Vec::new();
        for n in 0..3 {
            confirmations.push(bench.publish(job(n)).await);
        }
        let mut consumer = bench.queue.consume(2);
        let (first, second) = (next(&mut consumer).await, next(&mut consumer).await);
        let third = tokio::time::timeout(bench.waits[0], consumer.next()).await;
        assert!(third.is_err(), "a third was handed out");
        first.settle(Settlement::Ack).await.unwrap();
        let third = next(&mut consumer).await;
        assert_eq!(third.job.id, job(2).id);
        second.settle(Settlement::Ack).await.unwrap();
        third.settle(Settlement::Ack).await.unwrap();
        for confirmation in confirmations {
            assert_eq!(confirmation.await.unwrap(), Ok(()));
        }
    }

    pub(super) async fn a_job_survives_a_consumer_that_stops_waiting(bench: Bench) {
        let mut consumer = bench.queue.consume(1);
        for _ in 0..50 {
            let waited = tokio::time::timeout(Duration::from_millis(1), consumer.next()).await;
            assert!(waited.is_err());
        }
        let _confirmation = bench.publish(job(1)).await;
        next(&mut consumer)
            .await
            .settle(Settlement::Ack)
            .await
            .unwrap();
    }

    pub(super) async fn every_job_reaches_one_of_many_consumers(bench: Bench) {
        let mut confirmations = Vec::new();
        for n in 0..200 {
            confirmations.push(bench.publish(job(n)).await);
        }
        let mut workers = Vec::new();
        for worker in 0..4u32 {
            let mut consumer = bench.queue.consume(3);
            #[allow(clippy::disallowed_methods, reason = "a test's own task")]
            workers.push(tokio::spawn(async move {
                let mut done = Vec::new();
                while let Some(delivery) = consumer.next().await {
                    // Now and then a consumer drops what it holds.
                    if delivery.attempts == 0
                        && delivery.job.id.ends_with(['3', 'a'])
                        && worker % 2 == 0
                    {
                        continue;
                    }
                    done.push(delivery.job.id.clone());
                    delivery.settle(Settlement::Ack).await.unwrap();
                }
                done
            }));
        }
        for confirmation in confirmations {
            assert_eq!(confirmation.await.unwrap(), Ok(()));
        }
        for worker in workers {
            worker.abort();
        }
    }

    pub(super) async fn what_became_of_a_mail_is_told_back(bench: Bench) {
        let mut reports = bench.queue.reports();
        let report = MailReport {
            id: "j".into(),
            fate: MailFate::Failed,
        };
        // Told until it is heard: it takes a moment until a broker knows who listens.
        let told = async {
            loop {
                bench.queue.report(report.clone()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = told => {}
            heard = reports.next() => assert_eq!(heard, Some(report.clone())),
        }
    }
}

macro_rules! contract {
    ($backend:ident, $paused:expr) => {
        mod $backend {
            use super::*;
            contract!(@tests $backend, $paused,
                a_job_is_delivered_and_confirmed
                a_job_whose_consumer_dies_is_delivered_again
                a_retry_comes_back_after_its_delay_and_not_before
                a_delayed_job_holds_up_nobody
                a_dead_job_is_listed_without_its_content
                a_consumer_holds_no_more_than_it_asked_for
                a_job_survives_a_consumer_that_stops_waiting
                every_job_reaches_one_of_many_consumers
                what_became_of_a_mail_is_told_back
            );
        }
    };
    (@tests $backend:ident, $paused:expr, $($name:ident)*) => {$(
        #[tokio::test(start_paused = $paused)]
        async fn $name() {
            behaviour::$name(Bench::$backend()).await;
        }
    )*};
}

contract!(local, true);
contract!(rabbit, false);

#[tokio::test]
async fn a_job_that_is_published_twice_is_queued_once() {
    let bench = Bench::local();
    let first = bench.publish(job(1)).await;
    let second = bench.publish(job(1)).await;
    let _other = bench.publish(job(2)).await;
    let mut consumer = bench.queue.consume(8);
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.job.id, job(1).id);
    let after = next(&mut consumer).await;
    assert_eq!(after.job.id, job(2).id);
    delivery.settle(Settlement::Ack).await.unwrap();
    assert_eq!(
        (first.await.unwrap(), second.await.unwrap()),
        (Ok(()), Ok(()))
    );
    after.settle(Settlement::Ack).await.unwrap();
}

#[tokio::test]
async fn a_full_local_queue_says_so_and_takes_jobs_again_later() {
    let queue = LocalMailQueue::with_jobs_max(1);
    let shared: Arc<dyn MailQueue> = Arc::new(queue.clone());
    let confirmation = publish(&shared, job(1)).await;
    assert_eq!(queue.publish(job(2)).await, Err(QueueError::Full));
    next(&mut queue.consume(1))
        .await
        .settle(Settlement::Ack)
        .await
        .unwrap();
    assert_eq!(confirmation.await.unwrap(), Ok(()));
    let again = publish(&shared, job(2)).await;
    next(&mut queue.consume(1))
        .await
        .settle(Settlement::Ack)
        .await
        .unwrap();
    assert_eq!(again.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_local_queue_confirms_only_what_is_settled() {
    let queue: Arc<dyn MailQueue> = Arc::new(LocalMailQueue::new());
    let confirmation = publish(&queue, job(1)).await;
    let delivery = next(&mut queue.consume(1)).await;
    assert!(
        !confirmation.is_finished(),
        "a crash now must find the publisher's record"
    );
    delivery.settle(Settlement::Ack).await.unwrap();
    assert_eq!(confirmation.await.unwrap(), Ok(()));
}

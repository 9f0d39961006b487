//! Codes through a real broker: the ordinary way, a broker that is away, and a process that dies at every step (H27).

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

#[path = "../../crates/bus/tests/broker/mod.rs"]
mod broker;
mod house;

use std::sync::Arc;
use std::time::Duration;

use broker::proxy::Wire;
use broker::{Corner, KEY};
use bus::Future;
use bus::mail::{DeadMail, MailConsumer, MailQueue, MailReport, MailReports, QueueError};
use house::{ADA, House, Plan};
use protocol::mail_job::MailJob;

/// Waits until the queue takes something: it connects in the background.
async fn connected(queue: Arc<dyn MailQueue>) -> Arc<dyn MailQueue> {
    for _ in 0..1_000 {
        if queue.dead(1).await.is_ok() {
            return queue;
        }
        house::wait_a_little().await;
    }
    panic!("no broker");
}

#[tokio::test]
async fn a_code_comes_through_a_broker_and_its_fate_comes_back() {
    let corner = Corner::take();
    let queue = connected(corner.open()).await;
    let plan = Plan {
        queue: Some(queue),
        ..Plan::default()
    };
    let mut house = House::build(plan).await;
    house.sign_in(ADA).await;
    house.until_nothing_is_pending().await;
}

#[tokio::test]
async fn while_the_broker_is_away_codes_are_pending_and_they_go_out_when_it_is_back() {
    let corner = Corner::take();
    let (proxy, through) = corner.behind_a_wire().await;
    proxy.turn(Wire::Cut);
    let plan = Plan {
        queue: Some(bus::mail::open(&through, &KEY).unwrap()),
        limits: false,
        ..Plan::default()
    };
    let mut house = House::build(plan).await;
    let challenge = house.challenge(ADA).await;
    for n in 0..9 {
        house.challenge(&format!("user{n}@example.com")).await;
    }
    assert_eq!(house.store.pending_mails(20).await.unwrap().len(), 10);
    assert!(house.mail_now().is_none());
    proxy.turn(Wire::Whole);
    let (mut code, mut ids) = (None, std::collections::BTreeSet::new());
    for _ in 0..10 {
        let mail = house.mail().await;
        if mail.to.as_str() == ADA {
            code = Some(house::code_of(&mail));
        }
        assert!(ids.insert(mail.id), "a code came twice");
    }
    assert_eq!(house.redeem(&challenge, &code.unwrap()).await.status, 200);
    house.until_nothing_is_pending().await;
}

/// Where a process dies on the way from its store to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dies {
    /// The mail is in the store.
    BeforeItIsPublished,
    /// The broker has it; nobody heard the confirmation. To the store and the broker, dying after the confirmation and
    /// before the mail is forgotten looks the same.
    BeforeItIsConfirmed,
}

/// A queue whose owner dies there: it never hears from it again.
struct Dying(Arc<dyn MailQueue>, Dies);

impl MailQueue for Dying {
    fn publish(&self, job: MailJob) -> Future<'_, Result<(), QueueError>> {
        Box::pin(async move {
            if self.1 == Dies::BeforeItIsConfirmed {
                self.0.publish(job).await.unwrap();
            }
            std::future::pending().await
        })
    }
    fn consume(&self, prefetch: usize) -> Box<dyn MailConsumer> {
        self.0.consume(prefetch)
    }
    fn report(&self, report: MailReport) -> Future<'_, Result<(), QueueError>> {
        self.0.report(report)
    }
    fn reports(&self) -> Box<dyn MailReports> {
        self.0.reports()
    }
    fn dead(&self, limit: usize) -> Future<'_, Result<Vec<DeadMail>, QueueError>> {
        self.0.dead(limit)
    }
}

#[tokio::test]
async fn wherever_the_process_dies_the_next_one_sends_the_same_code() {
    for (dies, copies) in [
        (Dies::BeforeItIsPublished, 1),
        (Dies::BeforeItIsConfirmed, 2),
    ] {
        let corner = Corner::take();
        let queue = connected(corner.open()).await;
        let store = store::open("sqlite::memory:").await.unwrap();
        let plan = |queue: Arc<dyn MailQueue>, takes_mail| Plan {
            takes_mail,
            store: Some(Arc::clone(&store)),
            queue: Some(queue),
            ..Plan::default()
        };
        let dying = Arc::new(Dying(Arc::clone(&queue), dies));
        let first = House::build(plan(dying, false)).await;
        let challenge = first.challenge(ADA).await;
        if dies == Dies::BeforeItIsConfirmed {
            // Until the broker has it.
            let mut consumer = queue.consume(1);
            drop(consumer.next().await.unwrap());
        }
        assert_eq!(store.pending_mails(10).await.unwrap().len(), 1, "{dies:?}");
        drop(first);

        let mut next = House::build(plan(queue, true)).await;
        let mut mails = vec![next.mail().await];
        next.until_nothing_is_pending().await;
        while mails.len() < copies {
            mails.push(next.mail().await);
        }
        // One mail, however often it came: the mailer knows it by its id.
        assert!(mails.iter().all(|mail| *mail == mails[0]), "{dies:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(
            next.mail_now().is_none(),
            "{dies:?}: one more than {copies}"
        );
        let code = house::code_of(&mails[0]);
        assert_eq!(next.redeem(&challenge, &code).await.status, 200);
    }
}

//! What only a queue on a broker has to keep: everything that goes wrong between it and its broker.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod broker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::proxy::Wire;
use broker::{Corner, KEY, shared};
use bus::mail::{Delivery, MailConsumer, MailQueue, QueueError, Settlement};
use lapin::options::{BasicGetOptions, QueueDeleteOptions};
use protocol::mail_job::{Mail, MailJob};
use protocol::time::Timestamp;
use uuid::Uuid;

fn job() -> MailJob {
    MailJob {
        id: Uuid::new_v4().simple().to_string(),
        to: "ada@example.com".parse().unwrap(),
        mail: Mail::Code {
            code: "12345678".into(),
            asked_from: None,
        },
        made_at: Timestamp(0),
        expires_at: Timestamp(300_000),
    }
}

async fn next(consumer: &mut Box<dyn MailConsumer>) -> Delivery {
    let next = tokio::time::timeout(Duration::from_secs(60), consumer.next());
    next.await.expect("a job within a minute").unwrap()
}

/// Publishes as auth does: again until it is confirmed. Returns what went wrong before.
async fn publish_until_confirmed(queue: &Arc<dyn MailQueue>, job: &MailJob) -> Vec<QueueError> {
    let (mut errors, until) = (Vec::new(), Instant::now() + Duration::from_secs(60));
    while Instant::now() < until {
        match queue.publish(job.clone()).await {
            Ok(()) => return errors,
            Err(error) => errors.push(error),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not confirmed within a minute: {:?}", errors.last());
}

#[tokio::test]
async fn what_lies_in_the_broker_shows_no_code_and_ends_with_it() {
    let corner = Corner::take();
    let job = job();
    corner.open().publish(job.clone()).await.unwrap();
    let channel = broker::channel(&shared()).await;
    let queue = corner.queue("jobs");
    let got = channel.basic_get(queue.into(), BasicGetOptions::default());
    let delivery = got.await.unwrap().unwrap().delivery;
    let properties = &delivery.properties;
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), job.id);
    assert_eq!(properties.expiration().as_ref().unwrap().as_str(), "300000");
    assert_eq!(*properties.delivery_mode(), Some(2), "it is on disk");
    let shown = format!(
        "{:?} {}",
        properties,
        String::from_utf8_lossy(&delivery.data)
    );
    assert!(
        !shown.contains("12345678") && !shown.contains("ada@"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_job_of_another_cluster_is_a_dead_letter_and_holds_up_nobody() {
    let corner = Corner::take();
    let strange = bus::mail::open(&corner.url(), &[8; 32]).unwrap();
    let (theirs, ours) = (job(), job());
    strange.publish(theirs.clone()).await.unwrap();
    let queue = corner.open();
    queue.publish(ours.clone()).await.unwrap();
    let mut consumer = queue.consume(1);
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.job, ours);
    delivery.settle(Settlement::Ack).await.unwrap();
    let letters = queue.dead(10).await.unwrap();
    assert_eq!((letters.len(), &letters[0].id), (1, &theirs.id));
    assert!(letters[0].why.contains("another cluster key"));
}

#[tokio::test]
async fn a_job_that_nobody_takes_in_time_and_one_that_kills_its_mailers_are_dead_letters() {
    let corner = Corner::take();
    let queue = corner.open();
    let (mut late, deadly) = (job(), job());
    late.expires_at = Timestamp(1);
    queue.publish(late.clone()).await.unwrap();
    queue.publish(deadly.clone()).await.unwrap();
    let mut consumer = queue.consume(1);
    let mut deliveries = 0;
    let until = Instant::now() + Duration::from_secs(60);
    let letters = loop {
        assert!(Instant::now() < until);
        let waited = tokio::time::timeout(Duration::from_millis(200), consumer.next()).await;
        match waited {
            Ok(delivery) => {
                assert_eq!(delivery.unwrap().job.id, deadly.id);
                deliveries += 1;
            }
            Err(_) => {
                let letters = queue.dead(10).await.unwrap();
                if letters.len() == 2 {
                    break letters;
                }
            }
        }
    };
    assert_eq!(deliveries, 17, "once, and sixteen times again");
    let mut whys: Vec<_> = letters
        .iter()
        .map(|letter| (&letter.id, letter.why.as_str()))
        .collect();
    whys.sort_by_key(|(_, why)| *why);
    assert_eq!(
        whys,
        [
            (&deadly.id, "delivered again and again and never settled"),
            (&late.id, "no mailer took it before its time was over"),
        ]
    );
}

#[tokio::test]
async fn dead_letters_are_there_however_often_one_looks_and_the_newest_is_the_first() {
    let corner = Corner::take();
    let queue = corner.open();
    let mut consumer = queue.consume(1);
    for n in 0..5 {
        queue.publish(job()).await.unwrap();
        let dead = Settlement::Dead(format!("reason {n}"));
        next(&mut consumer).await.settle(dead).await.unwrap();
    }
    for _ in 0..3 {
        let letters = queue.dead(3).await.unwrap();
        let whys: Vec<_> = letters.iter().map(|letter| letter.why.as_str()).collect();
        assert_eq!(whys, ["reason 4", "reason 3", "reason 2"]);
    }
}

/// An unroutable message is confirmed by the broker, and lost.
#[tokio::test]
async fn a_job_for_a_queue_that_is_gone_is_not_confirmed_and_the_queue_comes_back() {
    let corner = Corner::take();
    let queue = corner.open();
    let mut consumer = queue.consume(1);
    queue.publish(job()).await.unwrap();
    next(&mut consumer)
        .await
        .settle(Settlement::Ack)
        .await
        .unwrap();
    // Nobody listens, so that nobody makes it again before we look.
    drop(consumer);
    let channel = broker::channel(&shared()).await;
    let name = corner.queue("jobs");
    let all = QueueDeleteOptions::default();
    channel.queue_delete(name.into(), all).await.unwrap();
    let job = job();
    let error = queue.publish(job.clone()).await.unwrap_err();
    assert!(
        matches!(&error, QueueError::Unavailable(why) if why.contains("no queue")),
        "{error}"
    );
    publish_until_confirmed(&queue, &job).await;
    let delivery = next(&mut queue.consume(1)).await;
    assert_eq!(delivery.job.id, job.id);
    delivery.settle(Settlement::Ack).await.unwrap();
}

#[tokio::test]
async fn a_consumer_whose_queue_is_deleted_makes_it_again() {
    let corner = Corner::take();
    let queue = corner.open();
    let mut consumer = queue.consume(1);
    queue.publish(job()).await.unwrap();
    next(&mut consumer)
        .await
        .settle(Settlement::Ack)
        .await
        .unwrap();
    let channel = broker::channel(&shared()).await;
    let all = QueueDeleteOptions::default();
    channel
        .queue_delete(corner.queue("jobs").into(), all)
        .await
        .unwrap();
    let job = job();
    let publishing = publish_until_confirmed(&queue, &job);
    let (_, delivery) = tokio::join!(publishing, next(&mut consumer));
    assert_eq!(delivery.job.id, job.id);
    delivery.settle(Settlement::Ack).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_away_at_first_is_no_error_and_may_come_later() {
    let corner = Corner::take();
    let (proxy, url) = corner.behind_a_wire().await;
    proxy.turn(Wire::Cut);
    let queue = bus::mail::open(&url, &KEY).unwrap();
    let mut consumer = queue.consume(1);
    let job = job();
    assert!(matches!(
        queue.publish(job.clone()).await,
        Err(QueueError::Unavailable(_))
    ));
    assert!(matches!(
        queue.dead(1).await,
        Err(QueueError::Unavailable(_))
    ));
    proxy.turn(Wire::Whole);
    publish_until_confirmed(&queue, &job).await;
    assert_eq!(next(&mut consumer).await.job.id, job.id);
}

/// A delivery whose connection was lost belongs to somebody else by then.
#[tokio::test]
async fn what_was_not_settled_when_the_wire_was_cut_comes_again() {
    let corner = Corner::take();
    let (proxy, url) = corner.behind_a_wire().await;
    let queue = bus::mail::open(&url, &KEY).unwrap();
    let job = job();
    queue.publish(job.clone()).await.unwrap();
    let mut consumer = queue.consume(2);
    let held = next(&mut consumer).await;
    proxy.turn(Wire::Cut);
    while queue.dead(1).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.turn(Wire::Whole);
    let again = next(&mut consumer).await;
    assert_eq!((&again.job.id, again.attempts), (&job.id, 1));
    let late = held.settle(Settlement::Retry(Duration::from_secs(1))).await;
    assert!(matches!(late, Err(QueueError::Unavailable(_))), "{late:?}");
    again.settle(Settlement::Ack).await.unwrap();
    let empty = tokio::time::timeout(Duration::from_secs(2), consumer.next()).await;
    assert!(empty.is_err(), "the late settlement made a second one");
}

/// lapin #187, #283: nobody closes the connection, nobody answers.
#[tokio::test]
async fn a_wire_that_falls_silent_is_noticed_and_a_new_one_is_used() {
    let corner = Corner::take();
    let (proxy, url) = corner.behind_a_wire().await;
    let queue = bus::mail::open(&url, &KEY).unwrap();
    let mut consumer = queue.consume(1);
    queue.publish(job()).await.unwrap();
    next(&mut consumer)
        .await
        .settle(Settlement::Ack)
        .await
        .unwrap();
    proxy.turn(Wire::Silent);
    // The connections fall silent before the wire is whole again for new ones.
    let (job, began) = (job(), Instant::now());
    let error = queue.publish(job.clone()).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable(_)));
    println!("noticed by a publisher after {:?}", began.elapsed());
    proxy.turn(Wire::Whole);
    publish_until_confirmed(&queue, &job).await;
    assert_eq!(next(&mut consumer).await.job.id, job.id);
    println!("noticed by a consumer after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_url_that_is_no_broker_is_refused_in_one_line() {
    for url in ["", "redis://127.0.0.1", "amqp://u:hunter2@/x", "local:x"] {
        let error = bus::mail::open(url, &KEY).err().unwrap().to_string();
        assert!(
            !error.contains('\n') && !error.contains("hunter2"),
            "{url}: {error}"
        );
    }
    assert!(bus::mail::open("local:", &KEY).is_ok());
}

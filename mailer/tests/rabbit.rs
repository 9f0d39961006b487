//! Mails from a real broker to a real SMTP server.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

#[path = "../../crates/bus/tests/broker/mod.rs"]
mod broker;
mod sink;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Corner;
use bus::mail::MailQueue;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use mailer::{Outlet, Ports};
use protocol::mail_job::MailJob;
use service::clock::Clock;
use service::drain::Drain;
use sink::{NOW_MS, Sink, job};

/// A mailer process of its own.
fn mailer(sink: &Sink, corner: &Corner) -> Drain {
    let (clock, _) = Clock::manual(NOW_MS as u64);
    let ports = Ports {
        queue: corner.open(),
        outlet: Outlet::open(&sink.config("plain", "", "none")).unwrap(),
        clock,
        parallel: 4,
    };
    let drain = Drain::new();
    drain.spawn("mailer", mailer::run(ports, drain.clone()));
    drain
}

async fn published(queue: &Arc<dyn MailQueue>, job: &MailJob) {
    queue.publish(job.clone()).await.unwrap();
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "not within a minute: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_greylisted_mail_waits_in_the_broker_and_a_refused_one_is_a_dead_letter() {
    let (sink, corner) = (Sink::start(), Corner::take());
    let queue = corner.open();
    let _mailer = mailer(&sink, &corner);
    let (grey, dead, cut) = (
        job("grey@example.com"),
        job("perm550@example.com"),
        job("cut@example.com"),
    );
    for job in [&grey, &dead, &cut] {
        published(&queue, job).await;
    }
    until("all are settled", async || {
        sink.taken().len() == 3 && queue.dead(10).await.unwrap().len() == 1
    })
    .await;
    let letters = queue.dead(10).await.unwrap();
    assert_eq!(letters[0].id, dead.id);
    assert!(letters[0].why.contains("550") && !letters[0].why.contains("example.com"));
    // H28: the mail whose 250 was lost came twice, and is one mail.
    let ids: Vec<_> = sink
        .taken()
        .iter()
        .map(|mail| message_id(&mail.raw))
        .collect();
    let twice = ids.iter().filter(|id| id.contains(&cut.id)).count();
    assert_eq!((twice, ids.len()), (2, 3), "{ids:?}");
}

fn message_id(raw: &str) -> String {
    let line = raw.lines().find(|line| line.starts_with("Message-ID:"));
    line.unwrap().to_owned()
}

/// H27: a publisher that heard no confirmation publishes again. One mailer sends each mail once, whether the second
/// delivery comes while the first is being sent or later.
#[tokio::test]
async fn a_job_that_was_published_twice_is_one_mail() {
    let (sink, corner) = (Sink::start(), Corner::take());
    let queue = corner.open();
    let jobs: Vec<_> = (0..10)
        .map(|n| job(&format!("user{n}@example.com")))
        .collect();
    for job in &jobs {
        published(&queue, job).await;
        published(&queue, job).await;
    }
    let _mailer = mailer(&sink, &corner);
    let channel = broker::channel(&broker::shared()).await;
    let last = job("last@example.com");
    until("all jobs are gone", async || {
        is_empty(&channel, &corner).await
    })
    .await;
    published(&queue, &last).await;
    until("all are there", async || sink.taken().len() >= 11).await;
    let taken = sink.taken();
    let ids: BTreeSet<_> = taken.iter().map(|mail| message_id(&mail.raw)).collect();
    assert_eq!((taken.len(), ids.len()), (11, 11));
}

/// Whether no job is queued or waiting.
async fn is_empty(channel: &lapin::Channel, corner: &Corner) -> bool {
    for what in ["jobs", "wait.1s", "wait.2s", "wait.4s"] {
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let name = corner.queue(what).into();
        let found = channel.queue_declare(name, passive, FieldTable::default());
        if found.await.unwrap().message_count() > 0 {
            return false;
        }
    }
    true
}

//! A broker of our own that is stopped, killed and short of memory while jobs go through it.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod broker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use broker::KEY;
use broker::private::Private;
use bus::mail::{MailQueue, QueueError, Settlement};
use protocol::mail_job::{Mail, MailJob};
use protocol::time::Timestamp;
use tokio::task::JoinSet;

fn job(n: u64) -> MailJob {
    MailJob {
        id: n.to_string(),
        to: "ada@example.com".parse().unwrap(),
        mail: Mail::Test,
        made_at: Timestamp(0),
        expires_at: Timestamp(600_000),
    }
}

/// What went through.
#[derive(Default)]
struct Ledger {
    next: AtomicU64,
    confirmed: Mutex<Vec<String>>,
    /// How often each was acknowledged by the consumer.
    delivered: Mutex<BTreeMap<String, u32>>,
    refused: AtomicU64,
}

impl Ledger {
    fn confirmed(&self) -> usize {
        self.confirmed.lock().unwrap().len()
    }

    fn missing(&self) -> Vec<String> {
        let delivered = self.delivered.lock().unwrap();
        let confirmed = self.confirmed.lock().unwrap();
        confirmed
            .iter()
            .filter(|id| !delivered.contains_key(*id))
            .cloned()
            .collect()
    }

    /// Waits until so many more are confirmed.
    async fn grows_by(&self, more: usize) {
        let (goal, began) = (self.confirmed() + more, Instant::now());
        while self.confirmed() < goal {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "publishing does not go on"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// As auth does: the same job until it is confirmed, then the next.
async fn publish(queue: Arc<dyn MailQueue>, ledger: Arc<Ledger>) {
    loop {
        let job = job(ledger.next.fetch_add(1, Ordering::Relaxed));
        while let Err(error) = queue.publish(job.clone()).await {
            assert!(matches!(error, QueueError::Unavailable(_)), "{error}");
            ledger.refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ledger.confirmed.lock().unwrap().push(job.id);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// As the mailer does; every seventh job has to wait once.
async fn consume(queue: Arc<dyn MailQueue>, ledger: Arc<Ledger>) {
    let mut consumer = queue.consume(8);
    while let Some(delivery) = consumer.next().await {
        let (id, attempts) = (delivery.job.id.clone(), delivery.attempts);
        let waits = attempts == 0 && id.parse::<u64>().unwrap().is_multiple_of(7);
        let settlement = if waits {
            Settlement::Retry(Duration::from_secs(1))
        } else {
            *ledger.delivered.lock().unwrap().entry(id).or_default() += 1;
            Settlement::Ack
        };
        if let Err(error) = delivery.settle(settlement).await {
            assert!(matches!(error, QueueError::Unavailable(_)), "{error}");
        }
    }
}

#[tokio::test]
async fn every_confirmed_job_is_delivered_through_a_stop_a_kill_and_an_alarm() {
    let mut broker = Private::start().await;
    let open = || bus::mail::open(&broker.url(), &KEY).unwrap();
    let (auth, mailer, ledger) = (open(), open(), Arc::new(Ledger::default()));
    let (mut publishers, mut consumers) = (JoinSet::new(), JoinSet::new());
    for _ in 0..4 {
        publishers.spawn(publish(Arc::clone(&auth), Arc::clone(&ledger)));
        consumers.spawn(consume(Arc::clone(&mailer), Arc::clone(&ledger)));
    }
    ledger.grows_by(200).await;
    for signal in ["TERM", "KILL"] {
        broker.end(signal).await;
        let began = Instant::now();
        let refused = auth.publish(job(u64::MAX)).await;
        assert!(
            matches!(refused, Err(QueueError::Unavailable(_))),
            "{refused:?}"
        );
        println!("{signal}: refused within {:?}", began.elapsed());
        broker.start_again().await;
        let began = Instant::now();
        ledger.grows_by(200).await;
        println!("{signal}: 200 more {:?} after it was back", began.elapsed());
    }

    broker
        .ctl(&["-q", "set_vm_memory_high_watermark", "0"])
        .await;
    let began = Instant::now();
    let why = loop {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "publishing goes on"
        );
        match auth.publish(job(u64::MAX - 1)).await {
            Err(QueueError::Unavailable(why)) => break why,
            Err(QueueError::Full) => panic!("full"),
            Ok(()) => {}
        }
    };
    println!("alarm: refused after {:?}: {why}", began.elapsed());
    assert!(why.contains("memory"), "{why}");
    let began = Instant::now();
    for _ in 0..100 {
        assert!(auth.publish(job(u64::MAX - 1)).await.is_err());
    }
    println!("alarm: 100 refusals in {:?}", began.elapsed());
    broker
        .ctl(&["-q", "set_vm_memory_high_watermark", "0.4"])
        .await;
    ledger.grows_by(100).await;

    publishers.shutdown().await;
    let began = Instant::now();
    while !ledger.missing().is_empty() {
        let missing = ledger.missing();
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "lost: {missing:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    consumers.shutdown().await;
    let delivered = ledger.delivered.lock().unwrap();
    let twice = delivered.values().filter(|times| **times > 1).count();
    let (confirmed, refused) = (ledger.confirmed(), ledger.refused.load(Ordering::Relaxed));
    println!("confirmed {confirmed}, lost 0, delivered more than once {twice}, refused {refused}");
}

//! A real RabbitMQ for tests: a corner of the shared one, or a private one that may be stopped and killed.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "each test file uses a part of it"
)]

#[path = "../../../../tests/certificates/mod.rs"]
mod certificates;
pub(crate) mod private;
pub(crate) mod proxy;

use std::sync::Arc;

use bus::mail::MailQueue;
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use uuid::Uuid;

/// The cluster key of all tests.
pub(crate) const KEY: [u8; 32] = [7; 32];
/// Every queue that the backend makes, without the prefix.
const QUEUES: [&str; 9] = [
    "jobs", "dead", "wait.1s", "wait.2s", "wait.4s", "wait.8s", "wait.16s", "wait.32s", "wait.60s",
];

/// The address of the shared broker.
pub(crate) fn shared() -> String {
    std::env::var("CHATIFY_TEST_AMQP").expect(
        "CHATIFY_TEST_AMQP is not set: run `make test`, or `eval \"$(ops/dev/servers.sh start)\"`",
    )
}

/// Queues of one test on a broker, deleted with it.
pub(crate) struct Corner {
    pub(crate) prefix: String,
    broker: String,
}

impl Corner {
    pub(crate) fn take() -> Self {
        Self::take_on(&shared())
    }

    pub(crate) fn take_on(broker: &str) -> Self {
        Self {
            prefix: format!("test-{}", Uuid::new_v4().simple()),
            broker: broker.to_owned(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}?prefix={}", self.broker, self.prefix)
    }

    pub(crate) fn open(&self) -> Arc<dyn MailQueue> {
        bus::mail::open(&self.url(), &KEY).unwrap()
    }

    /// The same behind a wire, and the address to reach it by.
    pub(crate) async fn behind_a_wire(&self) -> (proxy::Proxy, String) {
        let (_, rest) = self.broker.split_once('@').expect("amqp://user:password@…");
        let target = rest.split('/').next().unwrap();
        let proxy = proxy::Proxy::before(target).await;
        let through = self.url().replace(target, &proxy.address.to_string());
        (proxy, through)
    }

    pub(crate) fn queue(&self, what: &str) -> String {
        format!("{}.mail.{what}", self.prefix)
    }
}

/// A plain channel to a broker, for what a queue of ours would never do.
pub(crate) async fn channel(broker: &str) -> lapin::Channel {
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(broker, properties)
        .await
        .unwrap();
    connection.create_channel().await.unwrap()
}

impl Drop for Corner {
    fn drop(&mut self) {
        let (broker, queues) = (self.broker.clone(), QUEUES.map(|what| self.queue(what)));
        let exchange = self.queue("reports");
        // The runtime of the test is busy with this.
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let channel = channel(&broker).await;
                for queue in queues {
                    let all = QueueDeleteOptions::default();
                    channel.queue_delete(queue.into(), all).await.unwrap();
                }
                let all = ExchangeDeleteOptions::default();
                channel.exchange_delete(exchange.into(), all).await.unwrap();
            });
        });
        if let Err(error) = deleting.join() {
            eprintln!("queues of a test are left: {error:?}");
        }
    }
}

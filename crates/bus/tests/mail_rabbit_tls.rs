//! A broker of our own that speaks TLS: what a certificate must be for a job to be handed over.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod broker;

use broker::KEY;
use broker::private::Private;
use bus::mail::{QueueError, Settlement};
use protocol::mail_job::{Mail, MailJob};
use protocol::time::Timestamp;

#[tokio::test]
async fn a_job_goes_to_a_broker_with_the_right_certificate_and_to_no_other() {
    let broker = Private::start().await;
    let job = MailJob {
        id: "j1".into(),
        to: "ada@example.com".parse().unwrap(),
        mail: Mail::Test,
        made_at: Timestamp(0),
        expires_at: Timestamp(300_000),
    };
    let (port, authority) = (broker.tls_port(), broker.authority());
    let known = format!("?ca-file={}", authority.display());
    for (what, host, port, known) in [
        ("an unknown authority", "localhost", port, ""),
        (
            "another host's certificate",
            "127.0.0.1",
            port,
            known.as_str(),
        ),
    ] {
        let url = format!("amqps://guest:guest@{host}:{port}/%2f{known}");
        let queue = bus::mail::open(&url, &KEY).unwrap();
        let refused = queue.publish(job.clone()).await;
        assert!(
            matches!(refused, Err(QueueError::Unavailable(_))),
            "{what}: {refused:?}"
        );
        println!("{what}: {refused:?}");
    }
    let url = format!("amqps://guest:guest@localhost:{port}/%2f{known}");
    let queue = bus::mail::open(&url, &KEY).unwrap();
    queue.publish(job.clone()).await.unwrap();
    let delivery = queue.consume(1).next().await.unwrap();
    assert_eq!(delivery.job, job, "and nothing of the refused ones");
    delivery.settle(Settlement::Ack).await.unwrap();
}

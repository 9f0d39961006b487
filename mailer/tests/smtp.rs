//! Sending to a real SMTP server: protection of the connection, what a server may answer, what arrives.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod sink;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::mail::{MailFate, MailQueue, MailReport};
use bus::mail_local::LocalMailQueue;
use mailer::{Attempt, MailConfig, Outlet, Ports};
use protocol::mail_job::MailJob;
use service::clock::Clock;
use service::drain::Drain;
use sink::{NOW_MS, Sink, config, job};

async fn sent(config: &MailConfig, job: &MailJob) -> Attempt {
    Outlet::open(config).unwrap().send(job).await
}

#[tokio::test]
async fn a_mail_arrives_whole_in_clear_by_starttls_and_by_tls() {
    let sink = Sink::start();
    for (port, login, tls) in [
        ("plain", "", "none"),
        ("starttls", "user:secret@", "starttls"),
        ("implicit", "user:secret@", "implicit"),
    ] {
        let job = job(&format!("ada+{port}@example.com"));
        assert_eq!(
            sent(&sink.config(port, login, tls), &job).await,
            Attempt::Sent,
            "{port}"
        );
        let taken = sink.taken().pop().unwrap();
        assert_eq!(taken.to, [job.to.as_str()]);
        assert_eq!(taken.from, "no-reply@chat.test");
        assert_eq!(
            (taken.tls, taken.auth.is_some()),
            (port != "plain", port != "plain")
        );
        for part in [
            format!("Message-ID: <{}@chat.test>\r\n", job.id),
            "Subject: Your chatify sign-in code\r\n".into(),
            "Auto-Submitted: auto-generated\r\n".into(),
            "1234 5678".into(),
            // Lines that begin with a dot came through undamaged.
            "\r\n.card {".into(),
            "\r\n.small {".into(),
        ] {
            assert!(
                taken.raw.contains(&part),
                "{part:?} is not in\n{}",
                taken.raw
            );
        }
    }
}

/// A connection that is not protected as asked for carries no mail (RUSTSEC-2026-0141).
#[tokio::test]
async fn a_wrong_certificate_an_unknown_authority_or_no_tls_at_all_is_refused() {
    let sink = Sink::start();
    let login = "user:secret@";
    let unknown = MailConfig {
        ca_file: None,
        ..sink.config("starttls", login, "starttls")
    };
    for (what, config) in [
        (
            "another host's certificate",
            sink.config("wrong", login, "starttls"),
        ),
        ("an unknown authority", unknown),
        ("no STARTTLS", sink.config("plain", login, "starttls")),
        (
            "clear text at a TLS port",
            sink.config("implicit", login, "none"),
        ),
        (
            "TLS at a clear port",
            sink.config("plain", login, "implicit"),
        ),
    ] {
        let attempt = sent(&config, &job("ada@example.com")).await;
        assert!(matches!(attempt, Attempt::Later(_)), "{what}: {attempt:?}");
    }
    assert!(sink.taken().is_empty());
}

#[tokio::test]
async fn what_a_server_answers_decides_whether_to_try_again() {
    let sink = Sink::start();
    let config = sink.config("plain", "", "none");
    for (who, may_retry) in [
        ("temp451", true),
        ("perm550", false),
        ("slow", true),
        ("drop", true),
    ] {
        let attempt = sent(&config, &job(&format!("{who}@example.com"))).await;
        let (Attempt::Later(said) | Attempt::Refused(said)) = &attempt else {
            panic!("{who} was sent")
        };
        assert_eq!(
            matches!(attempt, Attempt::Later(_)),
            may_retry,
            "{who}: {said}"
        );
        assert!(!said.contains("example.com"), "{said}");
    }
    // A wrong password is not the mail's fault.
    let wrong = sink.config("starttls", "user:wrong@", "starttls");
    assert!(matches!(
        sent(&wrong, &job("ada@example.com")).await,
        Attempt::Later(_)
    ));
    // Somebody who takes the connection and never says a word.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = config_for_port(listener.local_addr().unwrap().port());
    assert!(matches!(
        sent(&silent, &job("ada@example.com")).await,
        Attempt::Later(_)
    ));
    // Nobody there.
    let nobody = config_for_port(1);
    assert!(matches!(
        sent(&nobody, &job("ada@example.com")).await,
        Attempt::Later(_)
    ));
    assert!(sink.taken().is_empty());
}

fn config_for_port(port: u16) -> MailConfig {
    config(&[
        (
            "CHATIFY_MAIL_SMTP",
            &format!("smtp://127.0.0.1:{port}?tls=none"),
        ),
        ("CHATIFY_MAIL_FROM", "no-reply@chat.test"),
        ("CHATIFY_MAIL_DEADLINE", "2s"),
    ])
}

/// I3: an address becomes one recipient and no header, however odd it looks.
#[tokio::test]
async fn odd_addresses_are_one_recipient_each_and_the_headers_stay() {
    let sink = Sink::start();
    let outlet = Outlet::open(&sink.config("plain", "", "none")).unwrap();
    let odd = [
        "o'neil@example.com",
        "a=b@example.com",
        "{x}|y~z`q^w@example.com",
        "x!#$%&*+-/?_@example.com",
        "a@b\u{fc}cher.example",
    ];
    let mut heads = std::collections::BTreeSet::new();
    for address in odd {
        let job = job(address);
        assert_eq!(outlet.send(&job).await, Attempt::Sent, "{address}");
        let taken = sink.taken().pop().unwrap();
        assert_eq!(taken.to, [job.to.as_str()]);
        let head = taken
            .raw
            .split("\r\n\r\n")
            .next()
            .unwrap()
            .replace("\r\n ", " ");
        heads.insert(
            head.lines()
                .map(|line| line.split(':').next().unwrap().to_owned())
                .collect::<Vec<_>>(),
        );
        assert!(head.contains(&format!("To: {}", job.to.as_str())), "{head}");
    }
    assert_eq!(heads.len(), 1, "{heads:?}");
}

struct Post {
    queue: Arc<dyn MailQueue>,
    reports: Box<dyn bus::mail::MailReports>,
    drain: Drain,
}

/// One more mailer on a queue.
fn mailer(queue: &Arc<dyn MailQueue>, config: &MailConfig, parallel: usize) -> Drain {
    let (clock, _) = Clock::manual(NOW_MS as u64);
    let ports = Ports {
        queue: Arc::clone(queue),
        outlet: Outlet::open(config).unwrap(),
        clock,
        parallel,
    };
    let drain = Drain::new();
    drain.spawn("mailer", mailer::run(ports, drain.clone()));
    drain
}

impl Post {
    fn open(config: &MailConfig, parallel: usize) -> Self {
        let queue: Arc<dyn MailQueue> = Arc::new(LocalMailQueue::new());
        let (reports, drain) = (queue.reports(), mailer(&queue, config, parallel));
        Self {
            queue,
            reports,
            drain,
        }
    }

    fn publish(&self, job: &MailJob) {
        let (queue, job) = (Arc::clone(&self.queue), job.clone());
        self.drain.spawn_background(
            "publication",
            async move { queue.publish(job).await.unwrap() },
        );
    }

    async fn report(&mut self) -> MailReport {
        let next = tokio::time::timeout(Duration::from_secs(60), self.reports.next());
        next.await.expect("a report within a minute").unwrap()
    }
}

#[tokio::test]
async fn a_refused_mail_is_a_dead_letter_and_a_greylisted_one_is_sent_later() {
    let sink = Sink::start();
    let mut post = Post::open(&sink.config("plain", "", "none"), 4);
    let (dead, grey) = (job("perm550@example.com"), job("grey@example.com"));
    post.publish(&dead);
    assert_eq!(
        post.report().await,
        MailReport {
            id: dead.id.clone(),
            fate: MailFate::Failed
        }
    );
    post.publish(&grey);
    assert_eq!(
        post.report().await,
        MailReport {
            id: grey.id.clone(),
            fate: MailFate::Sent
        }
    );
    assert_eq!(sink.taken().len(), 1);
    let letters = post.queue.dead(10).await.unwrap();
    assert_eq!((letters.len(), &letters[0].id), (1, &dead.id));
    assert!(
        letters[0].why.contains("550") && !letters[0].why.contains("example.com"),
        "{letters:?}"
    );
}

/// One recipient's server that never answers holds up nobody else.
#[tokio::test]
async fn a_slow_server_does_not_block_the_others() {
    let sink = Sink::start();
    let mut post = Post::open(&sink.config("plain", "", "none"), 2);
    post.publish(&job("slow@example.com"));
    let quick: Vec<MailJob> = (0..10)
        .map(|n| job(&format!("user{n}@example.com")))
        .collect();
    quick.iter().for_each(|job| post.publish(job));
    for _ in &quick {
        assert_eq!(post.report().await.fate, MailFate::Sent);
    }
    assert_eq!(sink.taken().len(), 10);
}

/// H28: the 250 was lost. The mail may come twice, and then it is the same mail with the same code.
#[tokio::test]
async fn a_mail_whose_250_was_lost_may_come_twice_and_is_the_same_mail() {
    let sink = Sink::start();
    let mut post = Post::open(&sink.config("plain", "", "none"), 1);
    let job = job("cut@example.com");
    post.publish(&job);
    assert_eq!(post.report().await.fate, MailFate::Sent);
    let taken = sink.taken();
    assert_eq!(taken.len(), 2);
    for mail in &taken {
        assert!(
            mail.raw
                .contains(&format!("Message-ID: <{}@chat.test>", job.id))
        );
        assert!(mail.raw.contains("1234 5678"));
    }
}

/// H27: a job that is delivered again after it was sent is not a second mail; one whose time is over is not sent.
#[tokio::test]
async fn a_job_that_was_sent_is_known_and_one_that_is_over_is_dropped() {
    let sink = Sink::start();
    let mut post = Post::open(&sink.config("plain", "", "none"), 1);
    let once = job("ada@example.com");
    for _ in 0..3 {
        post.publish(&once);
        assert_eq!(
            post.report().await,
            MailReport {
                id: once.id.clone(),
                fate: MailFate::Sent
            }
        );
    }
    let mut late = job("late@example.com");
    late.expires_at = protocol::time::Timestamp(NOW_MS);
    post.publish(&late);
    assert_eq!(
        post.report().await,
        MailReport {
            id: late.id.clone(),
            fate: MailFate::Failed
        }
    );
    let taken = sink.taken();
    assert_eq!(
        (taken.len(), taken[0].to[0].as_str()),
        (1, "ada@example.com")
    );
    assert!(post.queue.dead(10).await.unwrap().is_empty());
}

/// H27: after a lost acknowledgement a job comes again, and perhaps to another mailer. That one heard of the first.
#[tokio::test]
async fn what_one_mailer_has_sent_another_one_knows() {
    let sink = Sink::start();
    let config = sink.config("plain", "", "none");
    let mut post = Post::open(&config, 1);
    let job = job("ada@example.com");
    post.publish(&job);
    let second = mailer(&post.queue, &config, 1);
    assert_eq!(post.report().await.fate, MailFate::Sent);
    // Whichever of them sent it, one is asked again that did not, or that did.
    for leaving in [None, Some(&post.drain)] {
        if let Some(drain) = leaving {
            drain.leave("a test");
        }
        let (queue, job) = (Arc::clone(&post.queue), job.clone());
        second.spawn_background(
            "publication",
            async move { queue.publish(job).await.unwrap() },
        );
        assert_eq!(post.reports.next().await.unwrap().fate, MailFate::Sent);
    }
    assert_eq!(sink.taken().len(), 1);
}

/// Mails under way when the process leaves are finished, not cut.
#[tokio::test]
async fn leaving_finishes_the_mails_under_way() {
    let sink = Sink::start();
    let mut post = Post::open(&sink.config("plain", "", "none"), 4);
    for n in 0..4 {
        post.publish(&job(&format!("user{n}@example.com")));
    }
    assert_eq!(post.report().await.fate, MailFate::Sent);
    post.drain.leave("a test");
    let patience = service::drain::Patience {
        grace: Duration::ZERO,
        deadline: Duration::from_secs(30),
    };
    let began = Instant::now();
    let farewell = post.drain.stop(patience).await;
    assert!(
        farewell.is_clean(),
        "{farewell} after {:?}",
        began.elapsed()
    );
}

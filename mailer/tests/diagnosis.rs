//! `chatify mail test`: every step that can fail is named, with what to do about it and without the password.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod sink;

use mailer::{Diagnosis, MailConfig, test_send};
use protocol::time::Timestamp;
use sink::{NOW_MS, Sink, config};

async fn tested(config: &MailConfig, address: &str) -> Diagnosis {
    test_send(config, address, Timestamp(NOW_MS)).await
}

fn fails_at(diagnosis: &Diagnosis, step: &str, mend: &str) {
    let text = diagnosis.to_string();
    let trouble = diagnosis
        .trouble
        .as_ref()
        .unwrap_or_else(|| panic!("it worked: {text}"));
    assert_eq!(trouble.step, step, "{text}");
    assert!(trouble.mend.contains(mend), "{text}");
    assert!(
        !text.contains("secret") && !text.contains("hunter2"),
        "{text}"
    );
}

#[tokio::test]
async fn a_setup_that_works_is_said_to_work() {
    let sink = Sink::start();
    for (port, login, tls) in [
        ("plain", "", "none"),
        ("starttls", "user:secret@", "starttls"),
        ("implicit", "user:secret@", "implicit"),
    ] {
        let diagnosis = tested(&sink.config(port, login, tls), "ada@example.com").await;
        assert!(diagnosis.works(), "{port}: {diagnosis}");
        assert!(diagnosis.to_string().contains("Mail works"));
    }
    let taken = sink.taken();
    assert_eq!(taken.len(), 3);
    assert!(
        taken[0]
            .raw
            .contains("Subject: A test mail from chatify\r\n")
    );
}

#[tokio::test]
async fn every_step_that_fails_is_named_with_what_to_do() {
    let sink = Sink::start();
    let login = "user:secret@";
    let good = sink.config("starttls", login, "starttls");

    fails_at(
        &tested(&config(&[]), "ada@example.com").await,
        "settings",
        "/dev/mail",
    );
    fails_at(&tested(&good, "nobody").await, "settings", "one address");
    let no_from = MailConfig {
        from: None,
        ..good.clone()
    };
    fails_at(
        &tested(&no_from, "ada@example.com").await,
        "settings",
        "setting",
    );

    let at = |url: &str| {
        config(&[
            ("CHATIFY_MAIL_SMTP", url),
            ("CHATIFY_MAIL_FROM", "no-reply@chat.test"),
        ])
    };
    fails_at(
        &tested(&at("smtp://u:hunter2@nowhere.invalid"), "ada@example.com").await,
        "dns",
        "spelling",
    );
    fails_at(
        &tested(&at("smtp://127.0.0.1:1?tls=none"), "ada@example.com").await,
        "connect",
        "firewall",
    );

    let wrong_host = sink.config("wrong", login, "starttls");
    fails_at(
        &tested(&wrong_host, "ada@example.com").await,
        "tls",
        "another name",
    );
    let unknown = MailConfig {
        ca_file: None,
        ..good.clone()
    };
    fails_at(
        &tested(&unknown, "ada@example.com").await,
        "tls",
        "mail.ca-file",
    );
    let no_starttls = sink.config("plain", login, "starttls");
    fails_at(
        &tested(&no_starttls, "ada@example.com").await,
        "tls",
        "no STARTTLS",
    );
    let not_tls = sink.config("plain", login, "implicit");
    fails_at(
        &tested(&not_tls, "ada@example.com").await,
        "tls",
        "tls=starttls",
    );

    let password = sink.config("starttls", "user:hunter2@", "starttls");
    fails_at(
        &tested(&password, "ada@example.com").await,
        "auth",
        "app password",
    );
    let sender = MailConfig {
        from: Some("badsender@chat.test".into()),
        ..good.clone()
    };
    fails_at(
        &tested(&sender, "ada@example.com").await,
        "sender",
        "mail.from",
    );
    for recipient in ["perm550@example.com", "temp451@example.com"] {
        fails_at(
            &tested(&good, recipient).await,
            "recipient",
            "refuses this recipient",
        );
    }
    assert!(sink.taken().is_empty());
}

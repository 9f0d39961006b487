//! The services on their own, as processes: what they refuse, and in which words.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Enough for each service to start, as far as settings go; nothing listens at any of these addresses.
const WELL_SET: [(&str, &str); 9] = [
    ("CHATIFY_STORE", "mongodb://127.0.0.1:9/chatify"),
    ("CHATIFY_BUS", "redis://127.0.0.1:9"),
    ("CHATIFY_MAIL_QUEUE", "amqp://guest:hunter2@127.0.0.1:9/%2f"),
    ("CHATIFY_CLUSTER_KEY", "0123456789abcdef0123456789abcdef"),
    ("CHATIFY_AUTH_URL", "http://127.0.0.1:9"),
    (
        "CHATIFY_AUTH_KEY_SECRET",
        "fedcba9876543210fedcba9876543210",
    ),
    ("CHATIFY_MAIL_SMTP", "smtp://127.0.0.1:9?tls=none"),
    ("CHATIFY_MAIL_FROM", "chatify <no-reply@chat.test>"),
    ("CHATIFY_START_PATIENCE", "0s"),
];

/// Runs a service with other settings than [`WELL_SET`] until it ends by itself; empty text unsets.
fn run(service: &str, other: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatify"));
    command.env_clear().envs(WELL_SET);
    // Several run at once.
    command.envs([
        ("CHATIFY_ADMIN_LISTEN", "127.0.0.1:0"),
        ("CHATIFY_LISTEN", "127.0.0.1:1"),
    ]);
    command
        .envs(other.iter().copied())
        .args(service.split_whitespace());
    let Output { status, stderr, .. } = command.output().expect("it runs");
    (status.code(), String::from_utf8(stderr).expect("text"))
}

#[test]
fn where_tls_is_required_a_line_in_clear_ends_the_start_with_one_line_that_names_it() {
    let far = [
        ("STORE", "mongodb://u:hunter2@db.test/chatify"),
        ("BUS", "redis://u:hunter2@redis.test"),
        ("MAIL_QUEUE", "amqp://u:hunter2@queue.test/%2f"),
        ("MAIL_SMTP", "smtp://mail.test?tls=none"),
    ];
    for (service, named) in [
        ("node", vec!["store", "bus"]),
        ("auth", vec!["store", "bus", "mail-queue"]),
        ("mailer", vec!["mail-queue", "mail.smtp"]),
    ] {
        let far = far.map(|(name, url)| (format!("CHATIFY_{name}"), url));
        let mut other: Vec<_> = far
            .iter()
            .map(|(name, url)| (name.as_str(), *url))
            .collect();
        other.push(("CHATIFY_REQUIRE_TLS", "on"));
        let (code, told) = run(service, &other);
        assert_eq!(code, Some(2), "{told}");
        let lines: Vec<_> = told
            .lines()
            .filter(|line| line.contains("require-tls"))
            .collect();
        assert_eq!(lines.len(), named.len(), "{told}");
        for setting in named {
            let begins = format!("`{setting}` would cross a network without TLS");
            assert!(told.contains(&begins), "{told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
    // On this machine nobody is in between: it goes on until it finds nobody there.
    let (code, told) = run("node", &[("CHATIFY_REQUIRE_TLS", "on")]);
    assert_eq!(code, Some(1), "{told}");
}

#[test]
fn each_wrong_setting_ends_the_start_with_one_line_that_names_it() {
    for (service, setting, value, line) in [
        (
            "node",
            "STORE",
            "",
            "`store` is not set. Name one that all processes share",
        ),
        (
            "node",
            "STORE",
            "sqlite:./x.db",
            "`store` is sqlite:./x.db, which lives in one process: this one would talk to nobody",
        ),
        (
            "auth",
            "STORE",
            "sqlite:./x.db",
            "`store` is sqlite:./x.db, which lives in one process",
        ),
        (
            "node",
            "BUS",
            "local:",
            "`bus` is local:, which lives in one process: this one would talk to nobody",
        ),
        ("auth", "BUS", "local:", "`bus` is local:"),
        ("auth", "MAIL_QUEUE", "local:", "`mail-queue` is local:"),
        ("mailer", "MAIL_QUEUE", "local:", "`mail-queue` is local:"),
        (
            "node",
            "BUS",
            "127.0.0.1:6379",
            "`bus` (`127.0.0.1:6379`) is not a URL",
        ),
        (
            "node",
            "CLUSTER_KEY",
            "",
            "`cluster-key` is not set: at least 32 characters",
        ),
        (
            "auth",
            "CLUSTER_KEY",
            "short",
            "`cluster-key` is too short: at least 32 characters",
        ),
        ("mailer", "CLUSTER_KEY", "", "`cluster-key` is not set"),
        (
            "node",
            "LISTEN",
            "0.0.0.0:8080",
            "`advertise` is not set: other nodes cannot reach `listen`, 0.0.0.0:8080",
        ),
        (
            "node",
            "ADVERTISE",
            "https://node-a",
            "`advertise` is no URL of the form http://HOST:PORT: `https://node-a`",
        ),
        ("node", "AUTH_URL", "", "`auth-url` is not set"),
        (
            "node",
            "AUTH_URL",
            "auth:8081",
            "`auth-url` is no URL of the form http://HOST:PORT",
        ),
        (
            "auth",
            "AUTH_KEY_SECRET",
            "",
            "`auth.key-secret` is not set, and every auth of a cluster needs the same one",
        ),
        (
            "mailer",
            "MAIL_SMTP",
            "",
            "`mail.smtp` is not set: the dev mailbox is for chatify without a command",
        ),
    ] {
        let (code, told) = run(service, &[(&format!("CHATIFY_{setting}"), value)]);
        assert_eq!(code, Some(2), "{service} {setting}={value}: {told}");
        assert_eq!(
            told.lines().count(),
            1,
            "{service} {setting}={value}: {told}"
        );
        assert!(told.contains(line), "{service} {setting}={value}: {told}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let nothing: Vec<_> = WELL_SET.iter().map(|(name, _)| (*name, "")).collect();
    let nothing: Vec<_> = nothing
        .into_iter()
        .filter(|(name, _)| {
            !matches!(
                *name,
                "CHATIFY_START_PATIENCE" | "CHATIFY_BUS" | "CHATIFY_MAIL_QUEUE"
            )
        })
        .chain([("CHATIFY_BUS", "local:")])
        .collect();
    let (code, told) = run("node", &nothing);
    assert_eq!(code, Some(2), "{told}");
    let named: Vec<_> = told
        .lines()
        .map(|line| line.split('`').nth(1).unwrap_or_default())
        .collect();
    assert_eq!(named, ["store", "bus", "cluster-key", "auth-url"], "{told}");
}

#[test]
fn chatify_without_a_command_keeps_its_own_bus_and_queue() {
    let own = [
        ("CHATIFY_STORE", ""),
        ("CHATIFY_BUS", "local:"),
        ("CHATIFY_MAIL_QUEUE", "local:"),
    ];
    let (code, told) = run("", &[own[0], own[2]]);
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.starts_with(
            "`bus` is redis://127.0.0.1:9, but chatify without a command keeps its own"
        ),
        "{told}"
    );
    let (code, told) = run("", &[own[0], own[1]]);
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.starts_with("`mail-queue` is amqp://guest:***@127.0.0.1:9/%2f, but"),
        "{told}"
    );
}

#[test]
fn a_backend_that_is_not_there_ends_the_start_with_one_line_that_names_it() {
    for (service, other, line) in [
        (
            "node",
            &[][..],
            "`bus` (redis://127.0.0.1:9) cannot be used: ",
        ),
        ("auth", &[], "`bus` (redis://127.0.0.1:9) cannot be used: "),
        (
            "node",
            &[("CHATIFY_BUS", "redis+cluster://127.0.0.1:9")],
            "`bus` (redis+cluster://127.0.0.1:9) cannot be used: ",
        ),
        (
            "node",
            &[("CHATIFY_BUS", "rediss+what://127.0.0.1:9")],
            "`bus` (rediss+what://127.0.0.1:9) cannot be used: ",
        ),
        (
            "mailer",
            &[],
            "`mail-queue` (amqp://guest:***@127.0.0.1:9/%2f) cannot be used: ",
        ),
        (
            "mailer",
            &[("CHATIFY_MAIL_QUEUE", "smtp://127.0.0.1:9")],
            "`mail-queue` (smtp://127.0.0.1:9) cannot be used: ",
        ),
    ] {
        let (code, told) = run(&format!("{service} --log off"), other);
        assert_eq!(code, Some(1), "{service} {other:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{service} {other:?}: {told}");
        assert!(told.starts_with(line), "{service} {other:?}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_service_that_waits_for_its_backends_is_alive_and_not_ready_and_can_be_stopped() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatify"));
    command.env_clear().envs(WELL_SET).arg("node");
    command.args([
        "--admin-listen",
        "127.0.0.1:0",
        "--start-patience",
        "1h",
        "--log-format",
        "json",
    ]);
    let mut service = command.stderr(Stdio::piped()).spawn().expect("it runs");
    let mut log = BufReader::new(service.stderr.take().expect("piped")).lines();
    let admin = log
        .find_map(|line| {
            let line = line.expect("text");
            let (_, rest) = line.split_once("admin listener")?;
            Some(
                rest.split('"')
                    .find(|word| word.starts_with("127."))?
                    .to_owned(),
            )
        })
        .expect("the admin listener");
    // Logged on, so that the pipe never fills.
    let log = std::thread::spawn(move || log.map_while(Result::ok).collect::<Vec<_>>());
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(&admin).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    };
    assert!(ask("/healthz").starts_with("HTTP/1.1 200 "));
    let began = Instant::now();
    while !ask("/readyz").contains("`bus` cannot be reached yet") {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{}",
            ask("/readyz")
        );
        std::thread::yield_now();
    }
    assert!(ask("/readyz").starts_with("HTTP/1.1 503 "));
    let told = Command::new("kill").arg(service.id().to_string()).status();
    assert!(told.expect("kill is there").success());
    assert!(service.wait().expect("it ends").success());
    let log = log.join().expect("read").join("\n");
    assert!(
        log.contains("stopped before everything was started"),
        "{log}"
    );
}

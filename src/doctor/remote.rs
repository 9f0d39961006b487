//! The mail queue and the mail server: whether they are there; and for these, the bus and the store, who could listen on
//! the way. Whether the bus answers is asked together with its time: see `clocks`.

use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::LOOK_MAX;
use super::finding::Finding;
use super::view::{Reach, View};

pub(crate) async fn checks(view: &View) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (check, text) in [
        ("mail queue", view.mail_queue.as_str()),
        ("mail server", view.smtp.expose()),
    ] {
        if !text.is_empty() && text != "local:" {
            findings.extend(backend(check, text).await);
        }
    }
    findings.extend(line("bus", &view.bus));
    if !view.is_embedded() {
        findings.extend(line("store line", &view.store));
    }
    findings
}

async fn backend(check: &'static str, text: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = line(check, text).into_iter().collect();
    for (host, port) in servers(text) {
        let connected = timeout(LOOK_MAX, TcpStream::connect((host.as_str(), port))).await;
        findings.push(match connected {
            Ok(Ok(_)) => Finding::ok(check, format!("{host}:{port} answers")),
            Ok(Err(error)) => unreachable(check, format!("{host}:{port}: {error}")),
            Err(_) => unreachable(check, format!("{host}:{port}: no answer in time")),
        });
    }
    findings
}

fn unreachable(check: &'static str, told: String) -> Finding {
    Finding::wrong(
        check,
        told,
        "start it, open the way to it, or correct the URL",
    )
}

/// Every server of a URL that may name several, with the port that its scheme has.
fn servers(text: &str) -> Vec<(String, u16)> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Vec::new();
    };
    let usual = match scheme {
        "redis" | "rediss" | "redis+cluster" | "rediss+cluster" => 6379,
        "amqp" => 5672,
        "amqps" => 5671,
        "mongodb" => 27017,
        _ if text.contains("tls=implicit") => 465,
        _ => 587,
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = authority
        .rsplit_once('@')
        .map_or(authority, |(_, hosts)| hosts);
    hosts
        .split(',')
        .filter_map(|host| Url::parse(&format!("x://{host}")).ok())
        .filter_map(|url| {
            let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
            Some((host, url.port().unwrap_or(usual)))
        })
        .collect()
}

/// Whether the URL asks for TLS with the server's name checked.
fn is_secure(text: &str) -> bool {
    let scheme = text.split("://").next().unwrap_or_default();
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let says = |pair: &str| query.split('&').any(|one| one.eq_ignore_ascii_case(pair));
    match scheme {
        "rediss" | "rediss+cluster" => !text.ends_with("#insecure"),
        "amqps" | "smtps" => true,
        "smtp" => !says("tls=none"),
        "mongodb" => {
            let unchecked = [
                "tlsInsecure=true",
                "tlsAllowInvalidCertificates=true",
                "tlsAllowInvalidHostnames=true",
            ];
            (says("tls=true") || says("ssl=true")) && !unchecked.into_iter().any(says)
        }
        _ => false,
    }
}

/// Whether what goes to the servers of a URL leaves this machine and could be listened to or answered by somebody else.
pub(crate) fn in_clear(text: &str) -> bool {
    !is_secure(text) && !far(text).is_empty()
}

/// How far those servers of a URL are that are not on this machine.
fn far(text: &str) -> Vec<Reach> {
    let bracketed = |host: &str| match host.contains(':') {
        true => format!("x://[{host}]"),
        false => format!("x://{host}"),
    };
    servers(text)
        .iter()
        .filter_map(|(host, _)| Url::parse(&bracketed(host)).ok())
        .map(|url| Reach::of_url(&url))
        .filter(|reach| *reach != Reach::Machine)
        .collect()
}

/// Whether passwords and messages cross a network in the clear, and whether the password is one that everybody knows.
fn line(check: &'static str, text: &str) -> Option<Finding> {
    const MEND: &str = "use the TLS form of the URL (rediss:, amqps:, tls=true, tls=starttls)";
    let far = far(text);
    if far.is_empty() {
        return None;
    }
    if text.contains("guest:guest@") {
        return Some(Finding::wrong(
            check,
            "user guest with the password guest, beyond this machine",
            "make a user with a password of its own",
        ));
    }
    let scheme = text.split("://").next().unwrap_or_default();
    let told = format!("{scheme}: crosses a network without TLS");
    if is_secure(text) {
        Some(Finding::ok(check, "TLS on the way"))
    } else if far.contains(&Reach::Internet) || scheme == "smtp" {
        Some(Finding::wrong(check, told, MEND))
    } else {
        Some(Finding::warn(check, told, MEND))
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_url_may_name_several_servers() {
        assert_eq!(
            servers("redis+cluster://user:p@10.0.0.1:7000,10.0.0.2,[::1]:7"),
            [
                ("10.0.0.1".to_owned(), 7000),
                ("10.0.0.2".to_owned(), 6379),
                ("::1".to_owned(), 7)
            ]
        );
        assert_eq!(servers("nonsense"), []);
    }

    #[test]
    fn a_line_beyond_this_machine_needs_tls() {
        let level = |text: &str| line("bus", text).map(|finding| finding.level);
        assert_eq!(level("redis://127.0.0.1:6379"), None);
        assert_eq!(level("redis://[::1]"), None);
        assert_eq!(level("redis://10.0.0.1"), Some(Level::Warn));
        assert_eq!(level("redis://198.51.100.1"), Some(Level::Wrong));
        assert_eq!(level("rediss://198.51.100.1"), Some(Level::Ok));
        assert_eq!(level("amqps://guest:guest@queue/%2f"), Some(Level::Wrong));
        assert_eq!(
            level("smtp://u:p@mail.example?tls=none"),
            Some(Level::Wrong)
        );
        assert_eq!(level("mongodb://a,b/chatify?tls=true"), Some(Level::Ok));
    }

    #[test]
    fn tls_whose_certificates_nobody_checks_is_as_good_as_none() {
        for secure in [
            "rediss://redis.example",
            "rediss+cluster://u:p@a,b",
            "amqps://queue/%2f",
            "smtp://mail.example",
            "smtp://mail.example?tls=implicit",
            "smtps://mail.example",
            "mongodb://a,b/chatify?replicaSet=r&tls=true",
            "mongodb://a/chatify?ssl=true",
            "redis://127.0.0.1",
            "mongodb://localhost,[::1]/chatify",
            "sqlite:./x.db",
            "local:",
        ] {
            assert!(!in_clear(secure), "{secure}");
        }
        for clear in [
            "redis://redis.example",
            "redis+cluster://127.0.0.1:1,10.0.0.1:1",
            "rediss://redis.example/#insecure",
            "amqp://queue/%2f",
            "smtp://mail.example?tls=none",
            "mongodb://a,b/chatify",
            "mongodb://u:tls=true@a/chatify",
            "mongodb://a/chatify?tls=true&tlsInsecure=true",
            "mongodb://a/chatify?tls=true&tlsAllowInvalidCertificates=true",
            "mongodb://a/chatify?tls=true&tlsallowinvalidhostnames=true",
        ] {
            assert!(in_clear(clear), "{clear}");
        }
    }

    #[test]
    fn what_is_told_shows_no_password() {
        let told = line("bus", "redis://u:hunter2@10.0.0.1").map(|finding| finding.told);
        assert!(told.is_some_and(|told| !told.contains("hunter2")));
    }
}

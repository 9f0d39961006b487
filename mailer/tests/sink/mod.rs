//! A real SMTP server (aiosmtpd) as the other side, with certificates of an authority of its own.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of it"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mailer::MailConfig;
use protocol::mail_job::{Mail, MailJob};
use protocol::time::Timestamp;
use serde_json::Value;
use service::config::{Catalogue, Flags};

/// Some day in 2027.
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;

pub(crate) struct Sink {
    child: Child,
    ports: BTreeMap<String, u16>,
    pub(crate) folder: tempfile::TempDir,
}

/// A mail as it came.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) raw: String,
    pub(crate) tls: bool,
    pub(crate) auth: Option<String>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let root = Path::new("..").canonicalize().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ensured = Command::new(root.join("ops/dev/ensure-smtp-sink.sh"))
            .arg(folder.path())
            .output()
            .expect("bash is there");
        let why = String::from_utf8_lossy(&ensured.stderr).into_owned();
        assert!(
            ensured.status.success(),
            "no SMTP server for the tests: {why}"
        );
        let python = String::from_utf8(ensured.stdout).unwrap().trim().to_owned();
        let file = |name: &str| folder.path().join(name);
        let mut child = Command::new(python)
            .arg(root.join("ops/dev/smtp_sink.py"))
            .args([file("cert.pem"), file("key.pem")])
            .arg("--wrong")
            .args([file("wrong.pem"), file("key.pem")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It warns of what the tests want: passwords on ports in clear.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ports = serde_json::from_str(&line).expect("the sink names its ports");
        Self {
            child,
            ports,
            folder,
        }
    }

    pub(crate) fn port(&self, name: &str) -> u16 {
        self.ports[name]
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The settings to reach a port: `login@HOST?tls=MODE` around it.
    pub(crate) fn config(&self, port: &str, login: &str, tls: &str) -> MailConfig {
        let url = format!("smtp://{login}127.0.0.1:{}?tls={tls}", self.port(port));
        let ca = self.ca();
        config(&[
            ("CHATIFY_MAIL_SMTP", &url),
            ("CHATIFY_MAIL_FROM", "chatify <no-reply@chat.test>"),
            ("CHATIFY_MAIL_CA_FILE", ca.to_str().unwrap()),
            ("CHATIFY_MAIL_DEADLINE", "2s"),
        ])
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        let mut page = String::new();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port("http"))).unwrap();
        stream.write_all(b"GET /messages HTTP/1.1\r\n\r\n").unwrap();
        stream.read_to_string(&mut page).unwrap();
        let body: Value = serde_json::from_str(page.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        body.as_array()
            .unwrap()
            .iter()
            .map(|mail| Taken {
                from: text(&mail["from"]),
                to: mail["to"].as_array().unwrap().iter().map(text).collect(),
                raw: decoded(mail["raw"].as_str().unwrap()),
                tls: mail["tls"].as_bool().unwrap(),
                auth: mail["auth"].as_str().map(str::to_owned),
            })
            .collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub(crate) fn config(settings: &[(&str, &str)]) -> MailConfig {
    let variables = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Catalogue::new()
        .with::<MailConfig>()
        .load(Flags::default(), variables);
    settings.unwrap().read().unwrap()
}

pub(crate) fn job(to: &str) -> MailJob {
    MailJob {
        id: uuid::Uuid::new_v4().simple().to_string(),
        to: to.parse().unwrap(),
        mail: Mail::Code {
            code: "12345678".into(),
            asked_from: Some([203, 0, 113, 0].into()),
        },
        made_at: Timestamp(NOW_MS),
        expires_at: Timestamp(NOW_MS + 300_000),
    }
}

/// Base64 with padding.
fn decoded(text: &str) -> String {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    };
    let mut bytes = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let bits = chunk
            .iter()
            .fold(0u32, |bits, b| bits << 6 | u32::from(digit(*b)));
        let padding = chunk.iter().filter(|b| **b == b'=').count();
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    String::from_utf8(bytes).unwrap()
}

//! What a service on its own must be told, checked before anything is started: every mistake at once, each in one line
//! that names the setting.

use std::net::SocketAddr;

use node::plain_url;
use service::config::{ConfigError, Url};
use service::secret::Secret;

use crate::config::{ClusterConfig, TopConfig};
use crate::doctor;

/// The shortest cluster key, in characters.
const KEY_CHARS_MIN: usize = 32;

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Wanted {
    problems: Vec<String>,
}

impl Wanted {
    /// Why a setting cannot be as it is: "`setting` why".
    pub(super) fn refuse(&mut self, setting: &str, why: impl std::fmt::Display) {
        self.problems.push(format!("`{setting}` {why}"));
    }

    /// A backend that all processes share; `like` is an example.
    fn shared(&mut self, setting: &str, url: Option<&Url>, like: &str) {
        let what = match url {
            None => "is not set".to_owned(),
            Some(url) if matches!(url.scheme(), "sqlite" | "local") => {
                format!("is {url}, which lives in one process: this one would talk to nobody")
            }
            Some(_) => return,
        };
        self.refuse(
            setting,
            format_args!("{what}. Name one that all processes share, such as {like}"),
        );
    }

    /// The store that all processes share.
    pub(super) fn store(&mut self, top: &TopConfig) {
        self.shared("store", top.store.as_ref(), "mongodb://HOST/chatify");
    }

    /// The bus that all processes share.
    pub(super) fn bus(&mut self, config: &ClusterConfig) {
        self.shared("bus", Some(&config.bus), "redis://HOST:6379");
    }

    /// The queue of mails that all processes share.
    pub(super) fn mail_queue(&mut self, config: &ClusterConfig) {
        self.shared("mail-queue", Some(&config.mail_queue), "amqp://HOST:5672");
    }

    /// Where auth is.
    pub(super) fn auth_url(&mut self, config: &ClusterConfig) -> String {
        self.plain(
            "auth-url",
            config.auth_url.as_deref(),
            "a node fetches auth's keys from it",
        )
    }

    /// A backend within this process; `instead` says which services take another.
    pub(super) fn own(&mut self, setting: &str, url: &Url, instead: &str) {
        if url.scheme() != "local" {
            let why = format_args!(
                "is {url}, but chatify without a command keeps its own: use {instead}"
            );
            self.refuse(setting, why);
        }
    }

    /// The cluster's key.
    pub(super) fn key(&mut self, config: &ClusterConfig) -> Secret {
        let key = config.cluster_key.clone().unwrap_or_default();
        if key.expose().chars().count() < KEY_CHARS_MIN {
            let what = if key.is_empty() {
                "is not set"
            } else {
                "is too short"
            };
            let why = format_args!(
                "{what}: at least {KEY_CHARS_MIN} characters, the same on every process, for example from `openssl rand -base64 32`"
            );
            self.refuse("cluster-key", why);
        }
        key
    }

    /// Where other processes reach one: `http://HOST:PORT`.
    fn plain(&mut self, setting: &str, url: Option<&str>, what: &str) -> String {
        match url.map(plain_url) {
            Some(Ok(url)) => return url,
            Some(Err(why)) => self.refuse(setting, why),
            None => self.refuse(
                setting,
                format_args!("is not set: {what}, as http://HOST:PORT"),
            ),
        }
        String::new()
    }

    /// Where other nodes reach this one.
    pub(super) fn advertised(&mut self, config: &ClusterConfig, listen: SocketAddr) -> String {
        let is_concrete = !listen.ip().is_unspecified() && listen.port() != 0;
        let derived = is_concrete.then(|| format!("http://{listen}"));
        let url = config.advertise.clone().or(derived);
        let what =
            format!("other nodes cannot reach `listen`, {listen}. Say where they reach this one");
        self.plain("advertise", url.as_deref(), &what)
    }

    /// Lines that leave this machine are TLS, if that is asked for: settings and their URLs, which may hold passwords.
    pub(super) fn secured(&mut self, config: &ClusterConfig, lines: &[(&str, Option<&str>)]) {
        for (setting, url) in lines {
            if config.require_tls && url.is_some_and(doctor::in_clear) {
                let why = "would cross a network without TLS, or without the server's name checked, and `require-tls` is \
                           on: use rediss:, amqps:, tls=true (MongoDB), tls=starttls (SMTP)";
                self.refuse(setting, why);
            }
        }
    }

    /// All is well, or everything that is not.
    pub(super) fn check(self) -> Result<(), ConfigError> {
        ConfigError::check(self.problems)
    }
}

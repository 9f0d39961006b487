//! Sending by SMTP. TLS is what the settings say and never less: no fallback to plain text, host names are checked.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use protocol::mail_job::MailJob;
use service::secret::Secret;
use url::{Host, Url};

use crate::compose;
use crate::config::{MailConfig, MailConfigError};
use crate::outlet::Attempt;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Begins in clear and must change to TLS before anything is said.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// In clear: for a relay on the same machine.
    None,
}

/// An SMTP server as the settings name it.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name, which its certificate must carry.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({:?})", self.host, self.port, self.tls)
    }
}

impl Server {
    /// Reads `smtp://user:password@host:587?tls=starttls|implicit|none`. Without `tls` it is `starttls`, for `smtps://`
    /// `implicit`; without a port 587, 465, or 25 for `none`.
    ///
    /// # Errors
    /// Says what is wrong without repeating the URL, since it holds a password.
    pub fn parse(url: &Secret) -> Result<Self, MailConfigError> {
        let wrong = |what: &str| MailConfigError(format!("mail.smtp: {what}"));
        let form = "not of the form smtp://user:password@host:587?tls=starttls";
        let url = Url::parse(url.expose()).map_err(|_| wrong(form))?;
        let implied = match url.scheme() {
            "smtp" => TlsMode::StartTls,
            "smtps" => TlsMode::Implicit,
            _ => return Err(wrong("the URL begins with smtp:// or smtps://")),
        };
        let mut tls = implied;
        for (name, value) in url.query_pairs() {
            tls = match (name.as_ref(), value.as_ref()) {
                ("tls", "starttls") => TlsMode::StartTls,
                ("tls", "implicit") => TlsMode::Implicit,
                ("tls", "none") => TlsMode::None,
                ("tls", _) => return Err(wrong("tls is one of starttls, implicit, none")),
                _ => return Err(wrong("after the ? only tls=… is known")),
            };
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(wrong(form));
        }
        let host = url.host().ok_or_else(|| wrong("the URL names no host"))?;
        let host = match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None) => {
                return Err(wrong("a user needs a password, and the other way round"));
            }
            (user, Some(password)) => {
                let read = |text| {
                    unescaped(text)
                        .ok_or_else(|| wrong("user and password are percent-encoded UTF-8"))
                };
                Some((read(user)?, Secret::new(read(password)?)))
            }
        };
        if tls == TlsMode::None && login.is_some() && !is_this_machine(&host) {
            return Err(wrong(
                "with tls=none the password would cross the network in clear; use starttls or implicit",
            ));
        }
        let port = url.port().unwrap_or(match tls {
            TlsMode::StartTls => 587,
            TlsMode::Implicit => 465,
            TlsMode::None => 25,
        });
        Ok(Self {
            host,
            port,
            tls,
            login,
        })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// `p%40ss` → `p@ss`.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = more;
    }
    String::from_utf8(bytes).ok()
}

/// What TLS has to check: the host's name, and the operator's own authority beside the public ones.
pub(crate) fn tls_parameters(
    config: &MailConfig,
    server: &Server,
) -> Result<TlsParameters, MailConfigError> {
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(path) = &config.ca_file {
        let wrong =
            |why: String| MailConfigError(format!("mail.ca-file {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder
        .build()
        .map_err(|error| MailConfigError(format!("mail.smtp: TLS: {error}")))
}

/// A connection pool to one server. Cheap to clone.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    deadline: Duration,
}

impl Smtp {
    /// Gets ready; connects only when the first mail is sent.
    ///
    /// # Errors
    /// When the sender or a certificate is not usable.
    pub fn open(config: &MailConfig, server: &Server) -> Result<Self, MailConfigError> {
        let tls = match server.tls {
            TlsMode::StartTls => Tls::Required(tls_parameters(config, server)?),
            TlsMode::Implicit => Tls::Wrapper(tls_parameters(config, server)?),
            TlsMode::None => Tls::None,
        };
        let connections = u32::try_from(config.parallel).unwrap_or(u32::MAX);
        // "dangerous" means no TLS until it is set, which happens in the next line.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .tls(tls)
            .port(server.port)
            .timeout(Some(config.deadline))
            .pool_config(PoolConfig::new().max_size(connections));
        if let Some((user, password)) = &server.login {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            builder = builder.credentials(credentials);
        }
        Ok(Self {
            transport: builder.build(),
            from: config.sender()?,
            deadline: config.deadline,
        })
    }

    /// One attempt.
    pub(crate) async fn send(&self, job: &MailJob) -> Attempt {
        let message = match compose::message(job, &self.from) {
            Ok(message) => message,
            Err(why) => return Attempt::Refused(why),
        };
        // lettre's own timeout does not end a server's pause after RCPT: the whole exchange is bounded here.
        match tokio::time::timeout(self.deadline, self.transport.send(message)).await {
            Err(_) => Attempt::Later(format!("no answer within {} s", self.deadline.as_secs())),
            Ok(Ok(_)) => Attempt::Sent,
            Ok(Err(error)) if is_about_us(&error) => Attempt::Later(told(&error)),
            Ok(Err(error)) if error.is_permanent() => Attempt::Refused(told(&error)),
            // 4xx, and what sets no flag at all: an unknown authority, a dropped connection.
            Ok(Err(error)) => Attempt::Later(told(&error)),
        }
    }
}

/// A 5xx about our user and password and not about this mail: an operator who mends them in time loses no mail.
fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error
        .status()
        .is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538))
}

/// An error with its causes.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let said = deeper.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<Server, String> {
        Server::parse(&Secret::new(url.to_owned())).map_err(|error| error.0)
    }

    #[test]
    fn a_server_is_named_by_one_url() {
        let server = parsed("smtp://ada:p%40ss%3a%2f@mail.example.com").unwrap();
        let login = (
            server.login.as_ref().unwrap().0.as_str(),
            server.login.as_ref().unwrap().1.expose(),
        );
        assert_eq!(login, ("ada", "p@ss:/"));
        assert_eq!(
            (server.host.as_str(), server.port, server.tls),
            ("mail.example.com", 587, TlsMode::StartTls)
        );
        for (url, port, tls) in [
            ("smtps://u:p@h.test", 465, TlsMode::Implicit),
            ("smtp://u:p@h.test?tls=implicit", 465, TlsMode::Implicit),
            ("smtp://h.test:2525/?tls=starttls", 2525, TlsMode::StartTls),
            ("smtp://localhost?tls=none", 25, TlsMode::None),
            ("smtp://u:p@127.0.0.1:1025?tls=none", 1025, TlsMode::None),
            ("smtp://[::1]:1025?tls=none", 1025, TlsMode::None),
        ] {
            let server = parsed(url).unwrap();
            assert_eq!((server.port, server.tls), (port, tls), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for url in [
            "",
            "mail.example.com",
            "http://u:hunter2@h.test",
            "smtp://u:hunter2@h.test?tls=maybe",
            "smtp://u:hunter2@h.test?ssl=on",
            "smtp://u@h.test",
            "smtp://:hunter2@h.test",
            "smtp://",
            "smtp://u:hunter2@h.test?tls=none",
            "smtp://u:hunter2%zz@h.test",
            "smtp://u:hunter2@h.test/x",
        ] {
            let error = parsed(url).unwrap_err();
            assert!(
                error.starts_with("mail.smtp: ") && !error.contains("hunter2"),
                "{url}: {error}"
            );
        }
        let shown = format!("{:?}", parsed("smtp://ada:hunter2@h.test").unwrap());
        assert!(
            !shown.contains("hunter2") && !shown.contains("ada"),
            "{shown}"
        );
    }
}

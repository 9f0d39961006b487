//! `chatify mail test ADDRESS`: walks the way of a mail step by step, says where it ends and how to mend it. Speaks the
//! same library and settings as sending does; prints no password.

use std::fmt;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use protocol::mail_job::{EmailAddress, Mail, MailJob};
use protocol::time::Timestamp;
use tokio::net::{TcpStream, lookup_host};

use crate::compose;
use crate::config::MailConfig;
use crate::smtp::{Server, TlsMode, tls_parameters, told};

/// How long one step may take.
const STEP_DEADLINE: Duration = Duration::from_secs(15);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The steps that worked, in words.
    pub passed: Vec<String>,
    /// Where it ended; nothing when the mail was taken.
    pub trouble: Option<Trouble>,
}

/// Where it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// `settings`, `dns`, `connect`, `greeting`, `tls`, `auth`, `sender`, `recipient` or `content`.
    pub step: &'static str,
    /// What was said.
    pub said: String,
    /// What to do about it.
    pub mend: String,
}

impl Diagnosis {
    /// Whether the server took the mail.
    pub fn works(&self) -> bool {
        self.trouble.is_none()
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.passed {
            writeln!(f, "  ok  {step}")?;
        }
        match &self.trouble {
            None => writeln!(
                f,
                "Mail works. Look into the mailbox, and into its spam folder."
            ),
            Some(trouble) => {
                writeln!(f, "  --  {}: {}", trouble.step, trouble.said)?;
                writeln!(f, "{}", trouble.mend)
            }
        }
    }
}

type Step<T> = Result<T, Trouble>;

fn trouble(step: &'static str, said: impl Into<String>, mend: impl Into<String>) -> Trouble {
    Trouble {
        step,
        said: said.into(),
        mend: mend.into(),
    }
}

/// Sends a test mail to the address and says what happened. `now` stands in the mail's Date.
pub async fn test_send(config: &MailConfig, address: &str, now: Timestamp) -> Diagnosis {
    let mut passed = Vec::new();
    let trouble = walk(config, address, now, &mut passed).await.err();
    Diagnosis { passed, trouble }
}

async fn walk(
    config: &MailConfig,
    address: &str,
    now: Timestamp,
    passed: &mut Vec<String>,
) -> Step<()> {
    let wrong =
        |error: &dyn fmt::Display| trouble("settings", error.to_string(), "Correct this setting.");
    let to: EmailAddress = address.parse().map_err(|error| {
        trouble(
            "settings",
            format!("{error}"),
            "Give one address, as in: chatify mail test me@example.com",
        )
    })?;
    let server = config
        .server()
        .map_err(|error| wrong(&error))?
        .ok_or_else(|| {
            trouble(
                "settings",
                "mail.smtp is not set",
                "Mails go to the dev mailbox, /dev/mail. Set mail.smtp to send them out.",
            )
        })?;
    let from = config.sender().map_err(|error| wrong(&error))?;
    let id = format!("test-{}", now.0);
    let job = MailJob {
        id,
        to,
        mail: Mail::Test,
        made_at: now,
        expires_at: now.plus_millis(60_000),
    };
    let message = compose::message(&job, &from).map_err(|error| wrong(&error))?;
    passed.push(format!("settings: {server:?}, from {}", from.email));

    reach(&server, passed).await?;
    let mut connection = connect(config, &server, passed).await?;
    log_in(&mut connection, &server, passed).await?;

    let envelope = message.envelope();
    let sender = MailFrom::new(envelope.from().cloned(), Vec::new());
    said(connection.command(sender)).await.map_err(|error| {
        let mend = format!(
            "The server does not let this user send from {}. Set mail.from to an address it knows, or verify that one with the provider.",
            from.email
        );
        trouble("sender", error, mend)
    })?;
    passed.push("sender accepted".to_owned());
    for recipient in envelope.to() {
        said(connection.command(Rcpt::new(recipient.clone(), Vec::new()))).await.map_err(|error| {
            let mend = "The server refuses this recipient. Check the address; a new account with a provider may send to verified addresses only; 4xx means: later.";
            trouble("recipient", error, mend)
        })?;
    }
    passed.push("recipient accepted".to_owned());
    let content = |error| {
        trouble(
            "content",
            error,
            "The server takes the addresses but not the mail. Ask the provider with the words above: often a policy (SPF, DKIM) or a quota.",
        )
    };
    said(connection.command(Data)).await.map_err(content)?;
    let taken = said(connection.message(&message.formatted()))
        .await
        .map_err(content)?;
    let words: Vec<&str> = taken.message().collect();
    passed.push(format!(
        "mail accepted: {} {}",
        taken.code(),
        words.join(" ")
    ));
    // The mail is the server's; whether it hears our farewell changes nothing.
    connection.abort().await;
    Ok(())
}

/// The name and the port, before any word of SMTP.
async fn reach(server: &Server, passed: &mut Vec<String>) -> Step<()> {
    let place = (server.host.as_str(), server.port);
    let dns = |error: String| {
        let mend = format!(
            "The name {} cannot be looked up. Check its spelling in mail.smtp, and this machine's DNS.",
            server.host
        );
        trouble("dns", error, mend)
    };
    let found: Vec<_> = match tokio::time::timeout(STEP_DEADLINE, lookup_host(place)).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => return Err(dns(error.to_string())),
        Err(_) => return Err(dns("no answer".to_owned())),
    };
    passed.push(format!("{} found", server.host));
    let mut last = "no address".to_owned();
    for address in found {
        match tokio::time::timeout(STEP_DEADLINE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                passed.push(format!("port {} reached", server.port));
                return Ok(());
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "no answer".to_owned(),
        }
    }
    let mend = format!(
        "Nothing answers at port {}. Check the port (587 for starttls, 465 for implicit, 25 for none), and whether a firewall or the hosting provider blocks outgoing mail.",
        server.port
    );
    Err(trouble("connect", last, mend))
}

async fn connect(
    config: &MailConfig,
    server: &Server,
    passed: &mut Vec<String>,
) -> Step<AsyncSmtpConnection> {
    let place = (server.host.as_str(), server.port);
    let name = ClientId::default();
    let tls = match server.tls {
        TlsMode::None => None,
        TlsMode::StartTls | TlsMode::Implicit => Some(
            tls_parameters(config, server)
                .map_err(|error| trouble("settings", error.to_string(), "Correct this setting."))?,
        ),
    };
    let implicit = tls.clone().filter(|_| server.tls == TlsMode::Implicit);
    let opening =
        AsyncSmtpConnection::connect_tokio1(place, Some(STEP_DEADLINE), &name, implicit, None);
    let mut connection = said(opening).await.map_err(|error| match server.tls {
        TlsMode::Implicit => tls_trouble(error),
        TlsMode::StartTls | TlsMode::None => {
            let mend = "The server does not greet as SMTP does. If it speaks TLS from the first byte (often port 465), set tls=implicit.";
            trouble("greeting", error, mend)
        }
    })?;
    if let Some(tls) = tls.filter(|_| server.tls == TlsMode::StartTls) {
        if !connection.can_starttls() {
            let mend = "The server offers no STARTTLS. Use its TLS port with tls=implicit; tls=none only for a relay on this machine.";
            return Err(trouble("tls", "no STARTTLS", mend));
        }
        said(connection.starttls(tls, &name))
            .await
            .map_err(tls_trouble)?;
    }
    passed.push(if connection.is_encrypted() {
        "TLS, certificate right".to_owned()
    } else {
        "connected in clear".to_owned()
    });
    Ok(connection)
}

fn tls_trouble(error: String) -> Trouble {
    let lower = error.to_ascii_lowercase();
    let mend = if lower.contains("notvalidforname") || lower.contains("not valid for name") {
        "The certificate is for another name. Write the host in mail.smtp as the certificate has it."
    } else if lower.contains("unknownissuer") || lower.contains("issuer") {
        "The certificate comes from an authority that this machine does not know. If it is your own, name it in mail.ca-file."
    } else if lower.contains("expired") {
        "The certificate has expired, or this machine's clock is wrong."
    } else {
        "TLS did not come about. If the server begins in clear (often port 587), set tls=starttls; if not (often 465), tls=implicit."
    };
    trouble("tls", error, mend)
}

async fn log_in(
    connection: &mut AsyncSmtpConnection,
    server: &Server,
    passed: &mut Vec<String>,
) -> Step<()> {
    let Some((user, password)) = &server.login else {
        passed.push("no user and password given".to_owned());
        return Ok(());
    };
    let credentials = Credentials::new(user.clone(), password.expose().to_owned());
    said(connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials)).await.map_err(|error| {
        let mend = "The server refuses user or password. Check both in mail.smtp (special characters are percent-encoded: @ is %40); many providers want an app password.";
        trouble("auth", error, mend)
    })?;
    passed.push("signed in".to_owned());
    Ok(())
}

/// A step's outcome within its deadline, errors in words.
async fn said<T>(step: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match tokio::time::timeout(STEP_DEADLINE, step).await {
        Ok(outcome) => outcome.map_err(|error| told(&error)),
        Err(_) => Err(format!("no answer within {} s", STEP_DEADLINE.as_secs())),
    }
}

//! Where mails leave: an SMTP server, or the dev mailbox.

use protocol::mail_job::{Mail, MailJob};

use crate::config::{MailConfig, MailConfigError};
use crate::dev::DevMailbox;
use crate::smtp::Smtp;

/// Characters of a server's answer that are kept.
const SAID_CHARS_MAX: usize = 200;

/// How an attempt to send ended. Texts are scrubbed: no address and no code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The server said 250: it is the server's now.
    Sent,
    /// It may work later: a 4xx answer, a timeout, a broken connection, and whatever is not understood.
    Later(String),
    /// It will never work: a 5xx answer.
    Refused(String),
}

/// Where mails leave.
#[derive(Clone)]
pub enum Outlet {
    /// To an SMTP server.
    Smtp(Smtp),
    /// To the page of the dev mailbox.
    Dev(DevMailbox),
}

impl Outlet {
    /// The SMTP server of the settings, or a new dev mailbox when there is none.
    ///
    /// # Errors
    /// When the settings do not make sense together, or a certificate cannot be read.
    pub fn open(config: &MailConfig) -> Result<Self, MailConfigError> {
        Ok(match config.server()? {
            Some(server) => Self::Smtp(Smtp::open(config, &server)?),
            None => Self::Dev(DevMailbox::new()),
        })
    }

    /// The dev mailbox, if mails go there.
    pub fn dev_mailbox(&self) -> Option<&DevMailbox> {
        match self {
            Self::Dev(mailbox) => Some(mailbox),
            Self::Smtp(_) => None,
        }
    }

    /// One attempt, bounded in time.
    pub async fn send(&self, job: &MailJob) -> Attempt {
        let attempt = match self {
            Self::Smtp(smtp) => smtp.send(job).await,
            Self::Dev(mailbox) => {
                mailbox.keep(job);
                Attempt::Sent
            }
        };
        match attempt {
            Attempt::Sent => Attempt::Sent,
            Attempt::Later(why) => Attempt::Later(scrubbed(&why, job)),
            Attempt::Refused(why) => Attempt::Refused(scrubbed(&why, job)),
        }
    }
}

/// A server's words without what is nobody's business: addresses, the code, control characters, endless prose.
fn scrubbed(said: &str, job: &MailJob) -> String {
    let code = match &job.mail {
        Mail::Code { code, .. } => code.as_str(),
        Mail::Test | Mail::WrongCodes { .. } => "\0",
    };
    let words = said.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words
        .filter(|word| !word.is_empty())
        .map(|word| {
            if word.contains('@') || word.contains(code) {
                "***"
            } else {
                word
            }
        })
        .collect();
    words.join(" ").chars().take(SAID_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use protocol::time::Timestamp;

    use super::*;

    /// I7: what a server says about a recipient does not reach the logs.
    #[test]
    fn the_words_of_a_server_are_scrubbed() {
        let job = MailJob {
            id: "j".into(),
            to: "ada@example.com".parse().unwrap(),
            mail: Mail::Code {
                code: "12345678".into(),
                asked_from: None,
            },
            made_at: Timestamp(0),
            expires_at: Timestamp(1),
        };
        let said = "550 5.1.1 <ADA@example.com>: no such user\r\n550 code 12345678\x1b[2J";
        assert_eq!(
            scrubbed(said, &job),
            "550 5.1.1 *** no such user 550 code *** [2J"
        );
        assert_eq!(scrubbed(&"x".repeat(900), &job).len(), SAID_CHARS_MAX);
    }
}

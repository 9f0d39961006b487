//! The settings of mail, and what they mean together.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use service::secret::Secret;

use crate::smtp::Server;

/// Who mails are from where no mail leaves the machine.
const DEV_FROM: &str = "chatify <no-reply@chatify.localhost>";

service::settings! {
    /// Where mails go.
    pub struct MailConfig in "mail" {
        /// The SMTP server: `smtp://user:password@host:587?tls=starttls`, with `tls` one of `starttls`, `implicit`,
        /// `none`. Unset means that mails go to the dev mailbox, `/dev/mail`. Check it with `chatify mail test ADDRESS`.
        smtp: Option<Secret> = "",
        /// Who mails are from: `Name <address>`, an address that the SMTP server lets this user send from.
        from: Option<String> = "",
        /// A file with certificates (PEM) of an authority of your own, for the SMTP server.
        ca_file: Option<PathBuf> = "",
        /// Mails that are sent at the same time.
        parallel: usize = "8" in "1"..="256",
        /// How long sending one mail may take, from the connection to the server's last word.
        deadline: Duration = "30s" in "1s"..="2m",
    }
}

/// Why mail cannot work as it is set up; for the operator, and without any password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailConfigError(pub String);

impl fmt::Display for MailConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MailConfigError {}

impl MailConfig {
    /// The SMTP server, if there is one.
    ///
    /// # Errors
    /// When the URL is not understood.
    pub fn server(&self) -> Result<Option<Server>, MailConfigError> {
        self.smtp.as_ref().map(Server::parse).transpose()
    }

    /// Who mails are from.
    ///
    /// # Errors
    /// When it is no address, or missing although mails leave the machine.
    pub fn sender(&self) -> Result<Mailbox, MailConfigError> {
        let text = match (&self.from, &self.smtp) {
            (Some(from), _) => from,
            (None, None) => DEV_FROM,
            (None, Some(_)) => {
                let what = "mail.from is needed with mail.smtp: an address that this server lets you send from";
                return Err(MailConfigError(what.to_owned()));
            }
        };
        text.parse().map_err(|error| {
            MailConfigError(format!(
                "mail.from is not of the form `Name <address>`: {error}"
            ))
        })
    }
}

//! Composes mails and hands them to an SMTP server or the dev mailbox.

//! Composes mails and hands them to an SMTP server or the dev mailbox.
//!
//! A job is taken from the queue, sent, and settled: acknowledged after the server's 250 and never before, tried again
//! while its code can still be used, given up on a refusal for good. It knows no store and logs no address.

mod compose;
mod config;
mod consume;
mod dev;
mod diagnose;
mod memory;
mod metrics;
mod outlet;
mod retry;
mod smtp;

pub use compose::{Words, words};
pub use config::{MailConfig, MailConfigError};
pub use consume::{Ports, run};
pub use dev::DevMailbox;
pub use diagnose::{Diagnosis, Trouble, test_send};
pub use metrics::MailMetrics;
pub use outlet::{Attempt, Outlet};
pub use smtp::{Server, Smtp, TlsMode};

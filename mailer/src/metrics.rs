//! What the mailer counts.

service::metrics! {
    /// What the mailer counts.
    pub struct MailMetrics {
        /// From the asking for a code to the SMTP server's 250 for its mail, by the wall clocks of auth and mailer.
        age: Histogram = "chatify_mail_age_seconds",
        /// Mails that a server or the dev mailbox took.
        sent: Counter = "chatify_mail_jobs_total" { "fate" = "sent" },
        /// Mails that were tried again.
        retried: Counter = "chatify_mail_jobs_total" { "fate" = "retried" },
        /// Mails that were given up.
        dead: Counter = "chatify_mail_jobs_total" { "fate" = "dead" },
        /// Deliveries of mails that had been sent before, or were being sent.
        doubled: Counter = "chatify_mail_jobs_total" { "fate" = "doubled" },
    }
}

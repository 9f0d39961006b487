//! What auth counts.

service::metrics! {
    /// What auth counts.
    pub struct AuthMetrics {
        /// Codes that were asked for.
        asked: Counter = "chatify_auth_codes_asked_total",
        /// Guesses at codes, by outcome.
        guesses: CounterBy = "chatify_auth_guesses_total" { "outcome" = "" },
        /// Mails handed to the queue and confirmed.
        published: Counter = "chatify_auth_mails_total" { "fate" = "queued" },
        /// Mails that did not go out because the mailbox's budget was spent.
        withheld: Counter = "chatify_auth_mails_total" { "fate" = "withheld" },
        /// Mails that the queue has not confirmed, as the last search of the store found them: each 5 s, and 256 stands for as
        /// many or more.
        mail_pending: Gauge = "chatify_mail_pending",
        /// Codes and guesses that were refused since there were too many.
        limited: Counter = "chatify_rate_limited_total" { "what" = "codes" },
        /// Owners of mailboxes who were told of many wrong codes, or who should have been, by outcome.
        notices: CounterBy = "chatify_auth_notices_total" { "outcome" = "" },
        /// Devices signed in.
        sessions: Counter = "chatify_auth_sessions_total",
        /// Renewals of tokens, by outcome.
        renewals: CounterBy = "chatify_auth_renewals_total" { "outcome" = "" },
        /// Sessions signed out, by reason.
        revoked: CounterBy = "chatify_auth_revoked_total" { "reason" = "" },
    }
}

//! E-mail codes, tokens and sessions.

//! Why the store did not do what was asked.

use std::fmt;

/// A call that failed. Only `Unavailable` and `Unknown` may be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Certainly not done; may work later (disk full, closed, overloaded).
    Unavailable(String),
    /// It may have been done or not, or may still be done (an answer was lost). Never concluded from silence.
    Unknown(String),
    /// Nothing there under this name.
    NotFound,
    /// A unique fact stands against it (a compare-and-set that lost, a used key).
    Conflict,
    /// The backend cannot be used as it is set up; says what to change.
    Refused(String),
    /// Stored bytes are not what was written; the room or row must not be served.
    Corrupt(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "store unavailable: {why}"),
            Self::Unknown(why) => write!(f, "outcome unknown: {why}"),
            Self::NotFound => f.write_str("not found"),
            Self::Conflict => f.write_str("conflict"),
            Self::Refused(why) => f.write_str(why),
            Self::Corrupt(why) => write!(f, "stored data is corrupt: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

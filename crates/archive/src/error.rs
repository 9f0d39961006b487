//! Why an archive was not made or not taken.

use std::fmt;
use std::path::Path;

use store::StoreError;

/// What went wrong; each says what to do.
#[derive(Debug)]
pub enum ArchiveError {
    /// A file cannot be read or written.
    File(String),
    /// It is no archive, of a newer format, cut off or damaged; says where.
    Broken(String),
    /// The store refused or failed.
    Store(StoreError),
    /// Everything was written, and reads back otherwise; says what.
    Differs(String),
}

impl ArchiveError {
    pub(crate) fn file(what: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::File(format!("cannot {what} {}: {error}", path.display()))
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(why) => f.write_str(why),
            Self::Broken(why) => write!(f, "the archive is refused: {why}"),
            Self::Store(error) => error.fmt(f),
            Self::Differs(what) => write!(
                f,
                "what was written reads back otherwise: {what}. Do not use this store; keep the archive and report it"
            ),
        }
    }
}

impl std::error::Error for ArchiveError {}

impl From<StoreError> for ArchiveError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

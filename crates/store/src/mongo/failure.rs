//! Between the driver's errors and ours: what is certain, and what is not.
//!
//! Never a word of an error's text decides. A write is "not done" only when it never left this process; everything else
//! that is no answer of the server is "perhaps", whatever it looks like.

use mongodb::error::{Error, ErrorKind, InsertManyError, WriteFailure};

use super::unreached;
use crate::{AppendError, StoreError};

/// A place, a key or a name is taken: the one error of a write that is an answer.
const DUPLICATE_KEY: i32 = 11_000;
/// Another transaction holds what this one wants; this one has ended and left nothing.
const WRITE_CONFLICT: i32 = 112;

/// Why an operation on the server gave no result.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It never left this process.
    Away(String),
    /// It may be done, now or later.
    Lost(String),
    /// A unique index stands against it. The driver's own repeat of a write whose first answer was lost may say so of
    /// that very write: who hears this looks.
    Duplicate,
    /// What was read is not what we write.
    Corrupt(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind.as_ref() {
            ErrorKind::Write(WriteFailure::WriteError(refused))
                if refused.code == DUPLICATE_KEY =>
            {
                Self::Duplicate
            }
            // find_one_and_update, and writes within a transaction, say it in this form.
            ErrorKind::Command(refused)
                if refused.code == DUPLICATE_KEY || refused.code == WRITE_CONFLICT =>
            {
                Self::Duplicate
            }
            // Of many writes only if nothing else is the matter with them.
            ErrorKind::InsertMany(many)
                if many.write_concern_error.is_none()
                    && many.write_errors.as_ref().is_some_and(|errors| {
                        errors.iter().all(|error| error.code == DUPLICATE_KEY)
                    }) =>
            {
                Self::Duplicate
            }
            // The driver answers with this only when its first attempt found no server: a second attempt that finds
            // none answers with the error of the first (read in its executor, 3.9).
            ErrorKind::ServerSelection { message, .. } => Self::Away(unreached::told(message)),
            ErrorKind::InvalidArgument { .. }
            | ErrorKind::InvalidTlsConfig { .. }
            | ErrorKind::DnsResolve { .. }
            | ErrorKind::SessionsNotSupported
            | ErrorKind::Shutdown => Self::Away(error.kind.to_string()),
            ErrorKind::Bson(_) => Self::Corrupt(error.kind.to_string()),
            _ => Self::Lost(error.kind.to_string()),
        }
    }
}

impl Failure {
    /// For a write whose caller must know whether it may have been done.
    pub(super) fn of_write(self) -> StoreError {
        match self {
            Self::Away(why) => StoreError::Unavailable(why),
            Self::Lost(why) => StoreError::Unknown(why),
            Self::Duplicate => StoreError::Conflict,
            Self::Corrupt(why) => StoreError::Corrupt(why),
        }
    }

    /// For the insert of a batch.
    pub(super) fn of_append(self) -> AppendError {
        match self {
            Self::Away(why) => AppendError::Unavailable(why),
            Self::Lost(why) | Self::Corrupt(why) => AppendError::Unknown(why),
            Self::Duplicate => AppendError::Conflict,
        }
    }

    /// For a read, which changes nothing.
    pub(super) fn of_read(self) -> StoreError {
        match self {
            Self::Away(why) | Self::Lost(why) => StoreError::Unavailable(why),
            Self::Duplicate => StoreError::Conflict,
            Self::Corrupt(why) => StoreError::Corrupt(why),
        }
    }
}

/// What a server that answered said of one insert of many, by its code.
pub(super) fn of_one(code: i32, message: &str) -> Failure {
    match code {
        DUPLICATE_KEY => Failure::Duplicate,
        _ => Failure::Lost(message.to_owned()),
    }
}

/// What a server that answered said of each of so many inserts.
pub(super) fn of_each(
    refused: Option<&InsertManyError>,
    inserts: usize,
) -> Vec<Result<(), Failure>> {
    let Some(refused) = refused else {
        return vec![Ok(()); inserts];
    };
    // That no majority is known to have them says nothing against any of them.
    let rest = refused
        .write_concern_error
        .as_ref()
        .map_or(Ok(()), |error| Err(Failure::Lost(error.message.clone())));
    let mut each = vec![rest; inserts];
    for error in refused.write_errors.iter().flatten() {
        if let Some(one) = each.get_mut(error.index) {
            *one = Err(of_one(error.code, &error.message));
        }
    }
    each
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_broken_connection_proves_nothing() {
        let cut = Error::from(ErrorKind::Io(Arc::new(io::Error::from(
            io::ErrorKind::ConnectionRefused,
        ))));
        // Even a refused connection may be that of the driver's second attempt.
        assert!(matches!(Failure::from(cut), Failure::Lost(_)));
    }

    #[test]
    fn a_client_that_was_shut_down_sends_nothing() {
        let shut = Error::from(ErrorKind::Shutdown);
        assert!(matches!(Failure::from(shut), Failure::Away(_)));
    }
}

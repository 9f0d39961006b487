//! A whole store in one file: written while the store runs, checked, and put into an empty store of any kind.
//!
//! **Promises.** Every room in an archive is its log up to one head, with members, bans and read markers as of it or a
//! little later; whoever stands in a log stands among the people. Ids and seqs survive. What follows from a log is not in
//! the file: it is built by the store that takes the log, as for any live message, and compared afterwards. An archive
//! that was cut or changed by a single bit is refused, with the place, before anything is written.
//!
//! **Never** in an archive: requests for codes, pending mails, answers kept for repeated requests. They live for minutes,
//! at most a day.

mod check;
mod content;
mod error;
mod fill;
mod line;
mod person;
mod walk;
mod write;

pub use check::check;
pub use content::content;
pub use error::ArchiveError;
pub use fill::{Keep, fill};
pub use person::{Devices, Person};
pub use write::write;

/// The archive format of this binary. A newer one is refused.
pub const FORMAT: u32 = 1;

/// What an archive holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// Rooms, deleted ones too.
    pub rooms: u64,
    /// Entries of all logs.
    pub entries: u64,
    /// People, erased ones too.
    pub users: u64,
    /// Devices.
    pub sessions: u64,
    /// SHA-256 over rooms and people without epochs, in hex: two stores with the same content have the same one.
    pub content: String,
}

/// Told now and then how far it has come: what is counted, and how many of it.
pub type Progress<'a> = &'a (dyn Fn(&'static str, u64) + Sync);

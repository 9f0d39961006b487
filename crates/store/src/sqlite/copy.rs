//! Copies of a file: one of a store that runs, and a store made from such a copy.
//!
//! A copy is one snapshot, whole or not there at all: it is written under another name, brought to the disk and renamed.
//! The process that has the store open is not disturbed; its log grows while the copy is made, as with any long read.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::schema;
use crate::StoreError;

/// Whether a file is an SQLite database, by its first bytes.
///
/// # Errors
/// `Refused` when it cannot be read.
pub fn is_database(path: &Path) -> Result<bool, StoreError> {
    use std::io::Read as _;
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut first));
    read.map_err(|error| StoreError::Refused(format!("cannot read {}: {error}", path.display())))?;
    Ok(first == b"SQLite format 3\0")
}

/// Writes a consistent copy of the store at `from`, which may be in use, to `to`, where nothing may be. Blocks.
/// Returns its bytes.
///
/// # Errors
/// `Refused` with what to change: nothing there, not a store of ours, no rights, something at `to` already;
/// `Unavailable` when the disk is full. Nothing is left at `to` then.
pub fn copy(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let source = open(from)?;
    schema::ours(&source, from)?;
    let half = half_of(to)?;
    let copied = source
        .execute("VACUUM INTO ?1", [half.to_string_lossy()])
        .map_err(|error| failed(from, &error));
    finish(copied.map(drop), &half, to)
}

/// Makes a store at `to`, where nothing may be, from a copy. Every room gets a new epoch, so that clients which know a
/// later state than the copy begin anew instead of waiting; every device is signed out and the signing keys go, so that
/// what was revoked after the copy was made stays revoked. Ids and seqs stay. Blocks. Returns its bytes.
///
/// # Errors
/// As [`copy`]; `Corrupt` when the copy is damaged.
pub fn restore(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let source = open(from)?;
    schema::ours(&source, from)?;
    whole(&source, from)?;
    let half = half_of(to)?;
    let made = source
        .execute("VACUUM INTO ?1", [half.to_string_lossy()])
        .map_err(|error| failed(from, &error))
        .and_then(|_| {
            let db = schema::connect(&half)?;
            schema::migrate(&db, &half)?;
            // 53 bits, which JavaScript keeps exactly.
            db.execute_batch(
                "BEGIN IMMEDIATE;
                 UPDATE rooms SET epoch = random() & 9007199254740991;
                 DELETE FROM sessions; DELETE FROM signing_keys; DELETE FROM challenges;
                 DELETE FROM mail_jobs; DELETE FROM kept_answers;
                 COMMIT;",
            )
            .map_err(|error| failed(&half, &error))?;
            db.close().map_err(|(_, error)| failed(&half, &error))
        });
    finish(made, &half, to)
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    if !path.is_file() {
        return Err(StoreError::Refused(format!(
            "there is no file {}",
            path.display()
        )));
    }
    if !is_database(path)? {
        return Err(StoreError::Refused(format!(
            "{} is not a database",
            path.display()
        )));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(|error| failed(path, &error))?;
    db.busy_timeout(schema::BUSY)
        .map_err(|error| failed(path, &error))?;
    Ok(db)
}

/// Every page and every index of the file.
fn whole(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let said: String = db
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| failed(path, &error))?;
    if said == "ok" {
        Ok(())
    } else {
        Err(StoreError::Corrupt(format!("{}: {said}", path.display())))
    }
}

/// The name that a file has until it is whole.
fn half_of(to: &Path) -> Result<PathBuf, StoreError> {
    if to.exists() {
        return Err(StoreError::Refused(format!(
            "{} is there already: name a file that is not",
            to.display()
        )));
    }
    let mut name = to.as_os_str().to_owned();
    name.push(".half");
    let half = PathBuf::from(name);
    // One that was cut off. VACUUM INTO takes no file that has anything in it.
    let made = private(&half);
    made.map_err(|error| StoreError::Refused(format!("cannot write {}: {error}", half.display())))?;
    Ok(half)
}

/// An empty file that nobody else may read: there are addresses and secrets in what will be in it.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn finish(made: Result<(), StoreError>, half: &Path, to: &Path) -> Result<u64, StoreError> {
    let placed = made.and_then(|()| {
        let cannot = |error: std::io::Error| {
            StoreError::Refused(format!("cannot write {}: {error}", to.display()))
        };
        let file = File::open(half).map_err(cannot)?;
        file.sync_all().map_err(cannot)?;
        std::fs::rename(half, to).map_err(cannot)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(cannot)?;
        file.metadata().map(|file| file.len()).map_err(cannot)
    });
    if placed.is_err() && std::fs::remove_file(half).is_err() {
        tracing::warn!(file = %half.display(), "a half-written file could not be removed");
    }
    placed
}

fn failed(path: &Path, error: &rusqlite::Error) -> StoreError {
    if super::writer::no_space(error) {
        return StoreError::Unavailable(format!("no space left: {error}"));
    }
    schema::refused(path, error)
}

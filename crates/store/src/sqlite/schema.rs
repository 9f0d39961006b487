//! Opening the file: the lock, the settings that durability rests on, and the migrations.
//!
//! Refuses, with a line that says what to do, whatever would weaken the promise: another process on the same file,
//! settings that did not take, an SQLite with a known way to lose data, a schema that this binary does not know.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::StoreError;

/// Steps from an empty file to the schema of this binary; `user_version` counts those done. Append only.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_audit.sql"),
    include_str!("migrations/0003_former_members.sql"),
];

/// "chat": tells our files from others' databases.
const APPLICATION_ID: i32 = 0x6368_6174;
/// 3.7.0 to 3.51.2 can lose a commit when the log starts again.
const SQLITE_MIN: i32 = 3_051_003;
/// Only tools that open the file from outside can hold the lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Statements kept ready a connection; there are fewer.
const STATEMENTS: usize = 128;
/// The file's pages. A message in a quiet room costs one page of the log at each commit.
const PAGE_BYTES: i64 = 4_096;
const WRITER_CACHE_KIB: i64 = 64 * 1_024;
const READER_CACHE_KIB: i64 = 8 * 1_024;
/// Readers see the file through memory: another commit empties their caches, and a page from the file then costs no call.
const MAPPED_BYTES: i64 = 1 << 30;
/// The log's file is cut to this after a burst.
const LOG_BYTES_KEPT: i64 = 64 << 20;

/// Takes the lock beside the file, for as long as the answer lives.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let beside = path.with_extension("lock");
    if beside == path {
        return Err(StoreError::Refused(format!(
            "{}: a store cannot be called .lock",
            path.display()
        )));
    }
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| {
            StoreError::Refused(format!("cannot open {}: {error}", beside.display()))
        })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Refused(format!(
            "{} is in use by another process (it holds {}); stop that one first",
            path.display(),
            beside.display()
        ))),
        Err(TryLockError::Error(error)) => Err(StoreError::Refused(format!(
            "cannot lock {}: {error}",
            beside.display()
        ))),
    }
}

/// The writer's connection to a file that is ready for use. `durable` is false only for files that nobody keeps.
pub(super) fn open(path: &Path, durable: bool) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(StoreError::Refused(format!(
            "SQLite {} can lose commits; 3.51.3 is needed",
            rusqlite::version()
        )));
    }
    let db = connect(path)?;
    ours(&db, path)?;
    setting(&db, "page_size", PAGE_BYTES).map_err(|error| refused(path, &error))?;
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(|error| refused(path, &error))?;
    let synchronous = if durable { 2 } else { 0 };
    let kept = (|| {
        setting(&db, "synchronous", synchronous)?;
        setting(&db, "cache_size", -WRITER_CACHE_KIB)?;
        setting(&db, "journal_size_limit", LOG_BYTES_KEPT)?;
        setting(&db, "temp_store", 2)?;
        // What is deleted is overwritten: an erased address must not be found in the file. Logs delete nothing.
        setting(&db, "secure_delete", 1)?;
        db.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))
    })()
    .map_err(|error| refused(path, &error))?;
    if mode != "wal" || kept != synchronous {
        return Err(StoreError::Refused(format!(
            "{}: the file system gives journal_mode={mode}, synchronous={kept}; wal and {synchronous} are needed",
            path.display()
        )));
    }
    migrate(&db, path)?;
    Ok(db)
}

/// A connection that can only read.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(|error| refused(path, &error))?;
    (|| {
        db.busy_timeout(BUSY)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        setting(&db, "cache_size", -READER_CACHE_KIB)?;
        setting(&db, "mmap_size", MAPPED_BYTES)?;
        setting(&db, "temp_store", 2)?;
        stable_plans(&db)
    })()
    .map_err(|error| refused(path, &error))?;
    Ok(db)
}

/// A connection that can write, without any setting of the file.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(|error| refused(path, &error))?;
    db.busy_timeout(BUSY)
        .map_err(|error| refused(path, &error))?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    stable_plans(&db).map_err(|error| refused(path, &error))?;
    Ok(db)
}

/// A prepared statement stays as it was prepared. Without this SQLite looks at the first values for its plan, and
/// prepares again whenever others are bound: a third of the CPU of a connect.
fn stable_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(drop)
}

/// An empty file, or one of ours that is not newer than this binary.
pub(super) fn ours(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let facts = (|| {
        Ok((
            read("application_id")?,
            read("user_version")?,
            read("schema_version")?,
        ))
    })();
    let (application, version, schema) =
        facts.map_err(|error: rusqlite::Error| refused(path, &error))?;
    let empty = (application, version, schema) == (0, 0, 0);
    if !empty && application != i64::from(APPLICATION_ID) {
        return Err(StoreError::Refused(format!(
            "{} is a database of another program",
            path.display()
        )));
    }
    if version > MIGRATIONS.len() as i64 {
        return Err(StoreError::Refused(format!(
            "{} has schema {version}; this binary knows up to {}: use a newer one",
            path.display(),
            MIGRATIONS.len()
        )));
    }
    Ok(())
}

pub(super) fn migrate(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let done: i64 = db
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| refused(path, &error))?;
    for (version, step) in (1_i64..)
        .zip(MIGRATIONS)
        .skip(usize::try_from(done).unwrap_or(0))
    {
        (|| {
            let step_done =
                rusqlite::Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
            step_done.execute_batch(step)?;
            step_done.pragma_update(None, "user_version", version)?;
            step_done.pragma_update(None, "application_id", APPLICATION_ID)?;
            step_done.commit()
        })()
        .map_err(|error| refused(path, &error))?;
    }
    Ok(())
}

fn setting(db: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    db.pragma_update(None, name, value)
}

pub(super) fn refused(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Refused(format!("{path} is not a database")),
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt(format!("{path}: {error}")),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Refused(format!("{path} is held by another program: {error}"))
        }
        _ => StoreError::Refused(format!("cannot use {path}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything(db: &Connection) -> Vec<(String, String)> {
        let mut rows = db
            .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn schema_sql_is_what_the_migrations_make() {
        let migrated = Connection::open_in_memory().unwrap();
        for step in MIGRATIONS {
            migrated.execute_batch(step).unwrap();
        }
        let written = Connection::open_in_memory().unwrap();
        written.execute_batch(include_str!("schema.sql")).unwrap();
        assert_eq!(everything(&migrated), everything(&written));
    }

    #[test]
    fn a_file_of_schema_2_learns_who_was_once_in_a_room() {
        let db = Connection::open_in_memory().unwrap();
        for step in &MIGRATIONS[..2] {
            db.execute_batch(step).unwrap();
        }
        db.execute_batch(
            "INSERT INTO members VALUES (1, x'AA', 0, 0, NULL, 0, 0), (2, x'AA', 0, 0, NULL, 0, 0);
             INSERT INTO entries (room_no, seq, n, said_before, at, actor, key, digest, kind, body)
             SELECT room_no, seq, 0, 0, 0, actor, x'', 0, 0, x'' FROM (
                 SELECT 1 AS room_no, 1 AS seq, x'AA' AS actor
                 UNION ALL VALUES (1, 2, x'BB'), (1, 3, x'BB'), (2, 1, x'AA'), (3, 1, x'AA'))",
        )
        .unwrap();
        db.execute_batch(MIGRATIONS[2]).unwrap();
        let mut rows = db
            .prepare("SELECT hex(user), room_no FROM former_members ORDER BY user")
            .unwrap();
        let found: Vec<(String, i64)> = rows
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(found, [("AA".to_owned(), 3), ("BB".to_owned(), 1)]);
    }

    #[test]
    fn a_statement_with_other_values_is_not_prepared_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plans.db");
        let writer = open(&path, false).unwrap();
        let reader = open_reader(&path).unwrap();
        let prepared_again = |db: &Connection| {
            // A partial index waits for one value of each: the planner would like to see what is bound.
            let sql = "SELECT 1 FROM rooms WHERE kind = ?1 AND deleted = ?2";
            let mut rooms = db.prepare(sql).unwrap();
            for value in 0..3 {
                assert!(rooms.query([value; 2]).unwrap().next().unwrap().is_none());
            }
            rooms.get_status(rusqlite::StatementStatus::RePrepare)
        };
        assert_eq!((prepared_again(&writer), prepared_again(&reader)), (0, 0));
        // What it is for: the day this fails, `stable_plans` can go.
        reader
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, false)
            .unwrap();
        assert!(prepared_again(&reader) > 0);
    }
}

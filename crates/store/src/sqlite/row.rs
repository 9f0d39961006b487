//! Between rows and the product's types, and between SQLite's errors and ours.

use protocol::entry::Entry;
use protocol::ids::{ClientId, RoomId, SessionId, UserId};
use protocol::message::Message;
use protocol::room::{Epoch, Member, Room};
use protocol::time::Timestamp;
use rusqlite::types::{FromSql, Type};
use rusqlite::{ErrorCode, Row};
use uuid::Uuid;

use crate::StoreError;
use crate::body::{self, Broken, Origin};

/// Why work on a connection failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// By our own rules.
    Told(StoreError),
    /// By the database.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Told(error)
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::Told(StoreError::Corrupt(broken.0.into()))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Told(error) => return error,
            Failure::Sql(error) => error,
        };
        match (&error, error.sqlite_error_code()) {
            (_, Some(ErrorCode::ConstraintViolation)) => Self::Conflict,
            (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            | (
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..),
                _,
            )
            | (rusqlite::Error::InvalidColumnType(..), _) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// A row as it was read: the columns, or what is wrong with them.
pub(super) type Read<T> = rusqlite::Result<T>;

pub(super) fn uuid(row: &Row<'_>, column: usize) -> Read<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}

pub(super) fn user_id(row: &Row<'_>, column: usize) -> Read<UserId> {
    uuid(row, column).map(UserId)
}

pub(super) fn room_id(row: &Row<'_>, column: usize) -> Read<RoomId> {
    uuid(row, column).map(RoomId)
}

pub(super) fn session_id(row: &Row<'_>, column: usize) -> Read<SessionId> {
    uuid(row, column).map(SessionId)
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Read<Timestamp> {
    row.get(column).map(Timestamp)
}

pub(super) fn maybe_time(row: &Row<'_>, column: usize) -> Read<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

/// A count, which is never negative.
pub(super) fn count(row: &Row<'_>, column: usize) -> Read<u64> {
    let stored: i64 = row.get(column)?;
    u64::try_from(stored).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, stored))
}

/// 64 bits that SQLite keeps as a signed number.
pub(super) fn bits(row: &Row<'_>, column: usize) -> Read<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

pub(super) fn epoch(row: &Row<'_>, column: usize) -> Read<Epoch> {
    bits(row, column).map(Epoch)
}

/// A count as SQLite keeps it; the callers have checked that it is below 2^53.
pub(super) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A value that one of our codes stands for.
pub(super) fn coded<C: FromSql, T>(
    row: &Row<'_>,
    column: usize,
    read: fn(C) -> Result<T, Broken>,
) -> Read<T> {
    read(row.get(column)?).map_err(|broken| broken_column(column, broken))
}

fn broken_column(column: usize, broken: Broken) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, broken.0.into())
}

/// The columns of `rooms` that make a [`Room`], to be selected in this order.
pub(super) const ROOM: &str =
    "r.id, r.kind, r.name, r.topic, r.created_by, r.created_at, r.member_count";

/// Reads [`ROOM`] from this column on.
pub(super) fn room(row: &Row<'_>, from: usize) -> Read<Room> {
    Ok(Room {
        id: room_id(row, from)?,
        kind: coded(row, from + 1, body::room_type_of)?,
        name: row.get(from + 2)?,
        topic: row.get(from + 3)?,
        created_by: user_id(row, from + 4)?,
        created_at: time(row, from + 5)?,
        member_count: row.get(from + 6)?,
    })
}

/// The columns of `members` that make a [`Member`], to be selected in this order.
pub(super) const MEMBER: &str = "m.user, m.role, m.joined_at, m.muted_until";

/// Reads [`MEMBER`] from this column on.
pub(super) fn member(row: &Row<'_>, from: usize) -> Read<Member> {
    Ok(Member {
        user_id: user_id(row, from)?,
        role: coded(row, from + 1, body::role_of)?,
        joined_at: time(row, from + 2)?,
        muted_until: maybe_time(row, from + 3)?,
    })
}

/// The columns of `entries` that make an [`Entry`], to be selected in this order.
pub(super) const ENTRY: &str = "e.seq, e.n, e.at, e.actor, e.key, e.body, e.kind, e.digest";

/// Reads [`ENTRY`] from this column on.
pub(super) fn entry(row: &Row<'_>, from: usize, room: RoomId) -> Result<Entry, Failure> {
    let origin = origin(row, from, room)?;
    let bytes = row
        .get_ref(from + 5)?
        .as_blob()
        .map_err(rusqlite::Error::from)?;
    Ok(Entry {
        seq: origin.seq,
        n: origin.n,
        at: origin.at,
        actor: origin.actor,
        key: origin.key,
        digest: bits(row, from + 7)?,
        change: body::decode(row.get(from + 6)?, bytes, &origin)?,
    })
}

/// The columns that make a [`Message`] of the entry that said it and its latest version, in this order.
pub(super) const MESSAGE: &str = "e.seq, e.n, e.at, e.actor, e.key, coalesce(v.body, e.body)";

/// Reads [`MESSAGE`] from this column on.
pub(super) fn message(row: &Row<'_>, from: usize, room: RoomId) -> Result<Message, Failure> {
    let origin = origin(row, from, room)?;
    let bytes = row
        .get_ref(from + 5)?
        .as_blob()
        .map_err(rusqlite::Error::from)?;
    Ok(body::decode_message(bytes, &origin)?)
}

pub(super) fn origin(row: &Row<'_>, from: usize, room: RoomId) -> Read<Origin> {
    Ok(Origin {
        room,
        seq: count(row, from)?,
        n: count(row, from + 1)?,
        at: time(row, from + 2)?,
        actor: user_id(row, from + 3)?,
        key: ClientId(uuid(row, from + 4)?),
    })
}

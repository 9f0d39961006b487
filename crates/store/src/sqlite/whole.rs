//! The file as a whole: read page by page, or filled when it is empty. Who fills a file does so under another name and
//! renames it at the end, so that no mark of "half filled" is needed within.

use protocol::ids::{RoomId, SessionId, UserId};
use protocol::message::Seq;
use rusqlite::{OptionalExtension, params};

use super::Sqlite;
use super::rooms::{SMALL, rows};
use super::row::{self, Read};
use super::users::{SESSION, USER, insert_row, session, user};
use crate::rules::DELETED_NAME;
use crate::whole::{RoomKey, UserRow, Whole};
use crate::{Answer, SessionRow, StoreError};

/// No id is an empty blob, and every id is above it.
pub(super) fn above(id: Option<uuid::Uuid>) -> Vec<u8> {
    id.map_or_else(Vec::new, |id| id.as_bytes().to_vec())
}

impl Whole for Sqlite {
    fn room_keys(&self, after: Option<RoomId>, limit: usize) -> Answer<'_, Vec<RoomKey>> {
        let after = above(after.map(|id| id.0));
        self.read(move |db| {
            Ok(db
                .prepare_cached(
                    "SELECT id, dm_low, dm_high FROM rooms WHERE id > ?1 ORDER BY id LIMIT ?2",
                )?
                .query_map(params![after, rows(limit)], |line| {
                    let has_pair = line.get_ref(1)? != rusqlite::types::ValueRef::Null;
                    let dm = if has_pair {
                        Some((row::user_id(line, 1)?, row::user_id(line, 2)?))
                    } else {
                        None
                    };
                    Ok(RoomKey {
                        id: row::room_id(line, 0)?,
                        dm,
                    })
                })?
                .collect::<Read<_>>()?)
        })
    }

    fn markers(&self, room: RoomId) -> Answer<'_, Vec<(UserId, Seq)>> {
        self.read(move |db| {
            Ok(db
                .prepare_cached(
                    "SELECT user, read_seq FROM members
                     WHERE room_no = (SELECT no FROM rooms WHERE id = ?1) ORDER BY user",
                )?
                .query_map(params![room.0.as_bytes()], |line| {
                    Ok((row::user_id(line, 0)?, row::count(line, 1)?))
                })?
                .collect::<Read<_>>()?)
        })
    }

    fn user_rows(&self, after: Option<UserId>, limit: usize) -> Answer<'_, Vec<UserRow>> {
        let after = above(after.map(|id| id.0));
        self.read(move |db| {
            Ok(db
                .prepare_cached(&format!(
                    "SELECT {USER}, u.email FROM users u WHERE u.id > ?1 ORDER BY u.id LIMIT ?2"
                ))?
                .query_map(params![after, rows(limit)], |line| {
                    Ok(UserRow {
                        user: user(line)?,
                        email: line.get(4)?,
                    })
                })?
                .collect::<Read<_>>()?)
        })
    }

    fn session_rows(&self, after: Option<SessionId>, limit: usize) -> Answer<'_, Vec<SessionRow>> {
        let after = above(after.map(|id| id.0));
        self.read(move |db| {
            Ok(db
                .prepare_cached(&format!(
                    "SELECT {SESSION} FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?2"
                ))?
                .query_map(params![after, rows(limit)], session)?
                .collect::<Read<_>>()?)
        })
    }

    fn secrets(&self) -> Answer<'_, Vec<(String, Vec<u8>)>> {
        self.read(move |db| {
            Ok(db
                .prepare_cached("SELECT name, value FROM secrets ORDER BY name")?
                .query_map([], |line| Ok((line.get(0)?, line.get(1)?)))?
                .collect::<Read<_>>()?)
        })
    }

    fn put_users(&self, people: Vec<UserRow>) -> Answer<'_, ()> {
        self.write(SMALL * people.len(), move |write| {
            for row in &people {
                insert_row(write.db, &row.user, row.email.as_deref())?;
                if row.email.is_none() && row.user.display_name != DELETED_NAME {
                    return Err(StoreError::Corrupt("an erased person has a name".into()).into());
                }
            }
            Ok(())
        })
    }

    fn put_sessions(&self, devices: Vec<SessionRow>) -> Answer<'_, ()> {
        self.write(SMALL * devices.len(), move |write| {
            let mut insert = write.db.prepare_cached(&format!(
                "INSERT INTO sessions ({SESSION}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
            ))?;
            for device in &devices {
                insert.execute(params![
                    device.id.0.as_bytes(),
                    device.user.0.as_bytes(),
                    device.device,
                    device.created_at.0,
                    device.last_used_at.0,
                    device.revoked_at.map(|at| at.0),
                    row::stored(device.generation),
                    device.refresh_hash,
                    device.previous_hash,
                    device.rotated_at.0,
                    device.refresh_expires.0,
                ])?;
            }
            Ok(())
        })
    }

    fn begin_filling(&self) -> Answer<'_, ()> {
        self.read(move |db| {
            for table in ["rooms", "users", "sessions", "signing_keys", "secrets"] {
                let sql = format!("SELECT 1 FROM {table} LIMIT 1");
                let found = db.prepare(&sql)?.query_row([], |_| Ok(())).optional()?;
                if found.is_some() {
                    return Err(crate::whole::not_empty(table).into());
                }
            }
            Ok(())
        })
    }

    fn end_filling(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

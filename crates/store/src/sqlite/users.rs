//! People, devices and refresh tokens on SQLite. One-time facts are single statements with the condition in them.

use protocol::ids::{SessionId, UserId};
use protocol::time::Timestamp;
use protocol::user::{Me, User};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Sqlite;
use super::rooms::{SMALL, rows};
use super::row::{self, Failure, Read, stored};
use crate::rules::{DELETED_NAME, tails};
use crate::{Answer, NewSession, Refresh, Revoke, SessionRow, StoreError, UserPatch, Users};

pub(super) const USER: &str = "u.id, u.display_name, u.avatar_url, u.created_at";

impl Users for Sqlite {
    fn user_by_email(&self, email: String, or_new: User) -> Answer<'_, (Me, bool)> {
        self.write(SMALL, move |write| {
            if let Some(me) = by_email(write.db, &email)? {
                return Ok((me, false));
            }
            insert(write.db, &or_new, &email)?;
            let made = Me {
                user: or_new.clone(),
                email: email.clone(),
            };
            Ok((made, true))
        })
    }

    fn find_email(&self, email: String) -> Answer<'_, Option<Me>> {
        self.read(move |db| by_email(db, &email))
    }

    fn me(&self, user: UserId) -> Answer<'_, Me> {
        self.read(move |db| me(db, user))
    }

    fn users(&self, ids: Vec<UserId>) -> Answer<'_, Vec<User>> {
        self.read(move |db| {
            let mut by_id =
                db.prepare_cached(&format!("SELECT {USER} FROM users u WHERE u.id = ?1"))?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(by_id.query_row(params![id.0.as_bytes()], user).optional()?);
            }
            Ok(found)
        })
    }

    fn search_users(&self, text: String, limit: usize) -> Answer<'_, Vec<User>> {
        self.read(move |db| {
            // A range over the tails of names, not a pattern: what a person types is only ever a text.
            let from = text.to_lowercase();
            let to = format!("{from}\u{10FFFF}");
            Ok(db
                .prepare_cached(&format!(
                    "SELECT {USER} FROM users u
                     WHERE u.id IN (SELECT n.user FROM user_names n WHERE n.tail >= ?1 AND n.tail < ?2)
                     ORDER BY lower(u.display_name), u.id LIMIT ?3"
                ))?
                .query_map(params![from, to, rows(limit)], user)?
                .collect::<Read<_>>()?)
        })
    }

    fn update_user(&self, user: UserId, patch: UserPatch) -> Answer<'_, Me> {
        self.write(SMALL, move |write| {
            let mut changed = me(write.db, user)?;
            if let Some(name) = &patch.display_name {
                unname(write.db, user)?;
                name_tails(write.db, user, name)?;
                changed.user.display_name.clone_from(name);
            }
            if let Some(avatar_url) = &patch.avatar_url {
                changed.user.avatar_url.clone_from(avatar_url);
            }
            write
                .db
                .prepare_cached(
                    "UPDATE users SET display_name = ?2, avatar_url = ?3 WHERE id = ?1",
                )?
                .execute(params![
                    user.0.as_bytes(),
                    changed.user.display_name,
                    changed.user.avatar_url
                ])?;
            Ok(changed)
        })
    }

    fn erase_user(&self, user: UserId, at: Timestamp) -> Answer<'_, ()> {
        self.write(SMALL, move |write| erase(write.db, user, at))
    }

    fn create_session(&self, new: NewSession) -> Answer<'_, ()> {
        self.write(SMALL, move |write| insert_session(write.db, &new))
    }

    fn session(&self, id: SessionId) -> Answer<'_, SessionRow> {
        self.read(move |db| {
            let found = db
                .prepare_cached(&format!("SELECT {SESSION} FROM sessions WHERE id = ?1"))?
                .query_row(params![id.0.as_bytes()], session)
                .optional()?;
            Ok(found.ok_or(StoreError::NotFound)?)
        })
    }

    fn sessions_of(&self, user: UserId) -> Answer<'_, Vec<SessionRow>> {
        self.read(move |db| {
            Ok(db
                .prepare_cached(&format!(
                    "SELECT {SESSION} FROM sessions WHERE user = ?1 AND revoked_at IS NULL
                     ORDER BY last_used_at DESC, id"
                ))?
                .query_map(params![user.0.as_bytes()], session)?
                .collect::<Read<_>>()?)
        })
    }

    fn rotate(&self, refresh: Refresh) -> Answer<'_, ()> {
        self.write(SMALL, move |write| {
            let rotated = write
                .db
                .prepare_cached(
                    "UPDATE sessions
                     SET generation = generation + 1, previous_hash = refresh_hash, refresh_hash = ?3,
                         refresh_expires = ?4, rotated_at = ?5, last_used_at = ?5
                     WHERE id = ?1 AND generation = ?2 AND revoked_at IS NULL",
                )?
                .execute(params![
                    refresh.session.0.as_bytes(),
                    stored(refresh.generation),
                    refresh.hash,
                    refresh.expires.0,
                    refresh.at.0
                ])?;
            if rotated == 1 {
                return Ok(());
            }
            let exists = write
                .db
                .prepare_cached("SELECT 1 FROM sessions WHERE id = ?1")?
                .exists(params![refresh.session.0.as_bytes()])?;
            Err(if exists { StoreError::Conflict } else { StoreError::NotFound }.into())
        })
    }

    fn revoke(&self, user: UserId, which: Revoke, at: Timestamp) -> Answer<'_, Vec<SessionId>> {
        self.write(SMALL, move |write| {
            let (one, but) = match which {
                Revoke::One(id) => (Some(*id.0.as_bytes()), None),
                Revoke::AllBut(id) => (None, Some(*id.0.as_bytes())),
                Revoke::All => (None, None),
            };
            Ok(write
                .db
                .prepare_cached(
                    "UPDATE sessions SET revoked_at = ?2
                     WHERE user = ?1 AND revoked_at IS NULL AND (?3 IS NULL OR id = ?3) AND (?4 IS NULL OR id <> ?4)
                     RETURNING id",
                )?
                .query_map(params![user.0.as_bytes(), at.0, one, but], |row| row::session_id(row, 0))?
                .collect::<Read<_>>()?)
        })
    }

    fn revoked_since(&self, since: Timestamp) -> Answer<'_, Vec<SessionId>> {
        self.read(move |db| {
            Ok(db
                .prepare_cached(
                    "SELECT id FROM sessions WHERE revoked_at >= ?1 ORDER BY revoked_at",
                )?
                .query_map(params![since.0], |row| row::session_id(row, 0))?
                .collect::<Read<_>>()?)
        })
    }
}

pub(super) fn user(row: &Row<'_>) -> Read<User> {
    Ok(User {
        id: row::user_id(row, 0)?,
        display_name: row.get(1)?,
        avatar_url: row.get(2)?,
        created_at: row::time(row, 3)?,
    })
}

fn whole(row: &Row<'_>) -> Read<Me> {
    Ok(Me {
        user: user(row)?,
        email: row.get(4)?,
    })
}

fn by_email(db: &Connection, email: &str) -> Result<Option<Me>, Failure> {
    Ok(db
        .prepare_cached(&format!(
            "SELECT {USER}, u.email FROM users u WHERE u.email = ?1"
        ))?
        .query_row(params![email], whole)
        .optional()?)
}

/// Who is erased is nobody any more.
fn me(db: &Connection, user: UserId) -> Result<Me, Failure> {
    let found = db
        .prepare_cached(&format!(
            "SELECT {USER}, u.email FROM users u WHERE u.id = ?1 AND u.email IS NOT NULL"
        ))?
        .query_row(params![user.0.as_bytes()], whole)
        .optional()?;
    Ok(found.ok_or(StoreError::NotFound)?)
}

pub(super) fn insert(db: &Connection, user: &User, email: &str) -> Result<(), Failure> {
    insert_row(db, user, Some(email))
}

/// A person with an address, or one who is erased and found by no name.
pub(super) fn insert_row(db: &Connection, user: &User, email: Option<&str>) -> Result<(), Failure> {
    db.prepare_cached("INSERT INTO users (id, email, display_name, avatar_url, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![user.id.0.as_bytes(), email, user.display_name, user.avatar_url, user.created_at.0])?;
    if email.is_none() {
        return Ok(());
    }
    name_tails(db, user.id, &user.display_name)
}

fn name_tails(db: &Connection, user: UserId, name: &str) -> Result<(), Failure> {
    let mut tail_row =
        db.prepare_cached("INSERT OR IGNORE INTO user_names (tail, user) VALUES (?1, ?2)")?;
    for tail in tails(&name.to_lowercase()) {
        tail_row.execute(params![tail, user.0.as_bytes()])?;
    }
    Ok(())
}

fn unname(db: &Connection, user: UserId) -> Result<(), Failure> {
    let name: String = db
        .prepare_cached("SELECT display_name FROM users WHERE id = ?1")?
        .query_row(params![user.0.as_bytes()], |row| row.get(0))?;
    let mut tail_row = db.prepare_cached("DELETE FROM user_names WHERE tail = ?1 AND user = ?2")?;
    for tail in tails(&name.to_lowercase()) {
        tail_row.execute(params![tail, user.0.as_bytes()])?;
    }
    Ok(())
}

/// Sessions are revoked and not deleted: nodes that were away must still learn of it. The sweep deletes them.
fn erase(db: &Connection, user: UserId, at: Timestamp) -> Result<(), Failure> {
    let id = user.0.as_bytes();
    let email = db
        .prepare_cached("SELECT email FROM users WHERE id = ?1")?
        .query_row(params![id], |row| row.get::<_, Option<String>>(0))
        .optional()?
        .ok_or(StoreError::NotFound)?;
    // Erased already: the same wish again.
    let Some(email) = email else { return Ok(()) };
    unname(db, user)?;
    db.prepare_cached(
        "UPDATE users SET email = NULL, display_name = ?2, avatar_url = NULL WHERE id = ?1",
    )?
    .execute(params![id, DELETED_NAME])?;
    db.prepare_cached(
        "UPDATE sessions SET device = NULL, revoked_at = coalesce(revoked_at, ?2) WHERE user = ?1",
    )?
    .execute(params![id, at.0])?;
    db.prepare_cached(
        "DELETE FROM mail_jobs WHERE id IN (SELECT mail_job FROM challenges WHERE email = ?1)",
    )?
    .execute(params![email])?;
    // Answers that are kept for a day hold what the person was shown.
    db.prepare_cached("DELETE FROM kept_answers WHERE scope = ?1 AND status != 0")?
        .execute(params![user.to_string()])?;
    db.prepare_cached("DELETE FROM challenges WHERE email = ?1")?
        .execute(params![email])?;
    Ok(())
}

pub(super) const SESSION: &str = "id, user, device, created_at, last_used_at, revoked_at, generation, refresh_hash, previous_hash,
                       rotated_at, refresh_expires";

pub(super) fn session(row: &Row<'_>) -> Read<SessionRow> {
    Ok(SessionRow {
        id: row::session_id(row, 0)?,
        user: row::user_id(row, 1)?,
        device: row.get(2)?,
        created_at: row::time(row, 3)?,
        last_used_at: row::time(row, 4)?,
        revoked_at: row::maybe_time(row, 5)?,
        generation: row::count(row, 6)?,
        refresh_hash: row.get(7)?,
        previous_hash: row.get(8)?,
        rotated_at: row::time(row, 9)?,
        refresh_expires: row::time(row, 10)?,
    })
}

pub(super) fn insert_session(db: &Connection, new: &NewSession) -> Result<(), Failure> {
    db.prepare_cached(
        "INSERT INTO sessions (id, user, device, created_at, last_used_at, revoked_at, generation, refresh_hash,
                               previous_hash, rotated_at, refresh_expires)
         VALUES (?1, ?2, ?3, ?4, ?4, NULL, 1, ?5, NULL, ?4, ?6)",
    )?
    .execute(params![
        new.id.0.as_bytes(),
        new.user.0.as_bytes(),
        new.device,
        new.at.0,
        new.refresh_hash,
        new.refresh_expires.0
    ])?;
    Ok(())
}

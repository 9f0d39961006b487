//! One-time facts and small records on SQLite: each decision is one statement with its condition in it, run by the one
//! writer, so that of any number of callers one wins.

use protocol::ids::ChallengeId;
use protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::Sqlite;
use super::rooms::{SMALL, rows};
use super::row::{self, Failure, Read};
use crate::body::Broken;
use crate::rules::{AUDIT_MILLIS, CLAIM_MILLIS, DAY_MILLIS, audit_id_at};
use crate::{Answer, ChallengeRow, Facts, KeptAnswer, KeyRow, MailJobRow, MailState, StoreError};

impl Facts for Sqlite {
    fn create_challenge(&self, challenge: ChallengeRow, mail: MailJobRow) -> Answer<'_, ()> {
        self.write(SMALL + mail.job.len(), move |write| {
            write
                .db
                .prepare_cached(
                    "INSERT INTO challenges (id, email, secret_hash, code_mac, issue, attempts, issued_at, expires_at,
                                             used_at, mail, mail_job)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(params![
                    challenge.id.0.as_bytes(),
                    challenge.email,
                    challenge.secret_hash,
                    challenge.code_mac,
                    challenge.issue,
                    challenge.attempts,
                    challenge.issued_at.0,
                    challenge.expires_at.0,
                    challenge.used_at.map(|at| at.0),
                    mail_state(challenge.mail),
                    mail.id
                ])?;
            insert_mail(write.db, &mail)
        })
    }

    fn challenge(&self, id: ChallengeId) -> Answer<'_, ChallengeRow> {
        self.read(move |db| {
            let found = db
                .prepare_cached(&format!("SELECT {CHALLENGE} FROM challenges WHERE id = ?1"))?
                .query_row(params![id.0.as_bytes()], challenge)
                .optional()?;
            Ok(found.ok_or(StoreError::NotFound)?)
        })
    }

    fn reissue_challenge(
        &self,
        next: ChallengeRow,
        issue: u32,
        mail: MailJobRow,
    ) -> Answer<'_, ()> {
        self.write(SMALL + mail.job.len(), move |write| {
            let id = next.id.0.as_bytes();
            // The mail of a void code is of no use to anybody.
            write
                .db
                .prepare_cached(
                    "DELETE FROM mail_jobs WHERE id = (SELECT mail_job FROM challenges WHERE id = ?1 AND issue = ?2)",
                )?
                .execute(params![id, issue])?;
            let changed = write
                .db
                .prepare_cached(
                    "UPDATE challenges
                     SET code_mac = ?3, issue = ?4, attempts = 0, issued_at = ?5, expires_at = ?6, mail = 0, mail_job = ?7
                     WHERE id = ?1 AND issue = ?2 AND used_at IS NULL",
                )?
                .execute(params![
                    id,
                    issue,
                    next.code_mac,
                    next.issue,
                    next.issued_at.0,
                    next.expires_at.0,
                    mail.id
                ])?;
            if changed == 0 {
                return Err(lost(write.db, next.id)?.into());
            }
            insert_mail(write.db, &mail)
        })
    }

    fn count_guess(&self, id: ChallengeId, issue: u32, most: u32) -> Answer<'_, ChallengeRow> {
        self.write(SMALL, move |write| {
            let counted = write
                .db
                .prepare_cached(&format!(
                    "UPDATE challenges SET attempts = attempts + 1
                     WHERE id = ?1 AND issue = ?2 AND attempts < ?3 AND used_at IS NULL RETURNING {CHALLENGE}"
                ))?
                .query_row(params![id.0.as_bytes(), issue, most], challenge)
                .optional()?;
            match counted {
                Some(row) => Ok(row),
                None => Err(lost(write.db, id)?.into()),
            }
        })
    }

    fn use_challenge(&self, id: ChallengeId, at: Timestamp) -> Answer<'_, ()> {
        self.write(SMALL, move |write| {
            let used = write
                .db
                .prepare_cached(
                    "UPDATE challenges SET used_at = ?2 WHERE id = ?1 AND used_at IS NULL",
                )?
                .execute(params![id.0.as_bytes(), at.0])?;
            if used == 1 {
                Ok(())
            } else {
                Err(lost(write.db, id)?.into())
            }
        })
    }

    fn mail_done(&self, job: String, state: MailState) -> Answer<'_, ()> {
        self.write(SMALL, move |write| {
            // A challenge that is forgotten, or has a newer mail, has no use for the news.
            write
                .db
                .prepare_cached("UPDATE challenges SET mail = ?2 WHERE mail_job = ?1")?
                .execute(params![job, mail_state(state)])?;
            if state != MailState::Queued {
                delete_mail(write.db, &job)?;
            }
            Ok(())
        })
    }

    fn pending_mails(&self, limit: usize) -> Answer<'_, Vec<MailJobRow>> {
        self.read(move |db| {
            Ok(db
                .prepare_cached("SELECT id, job, expires_at FROM mail_jobs ORDER BY no LIMIT ?1")?
                .query_map(params![rows(limit)], |row| {
                    Ok(MailJobRow {
                        id: row.get(0)?,
                        job: row.get(1)?,
                        expires_at: row::time(row, 2)?,
                    })
                })?
                .collect::<Read<_>>()?)
        })
    }

    fn mail_queued(&self, job: String) -> Answer<'_, ()> {
        self.write(SMALL, move |write| delete_mail(write.db, &job))
    }

    fn claim_key(
        &self,
        scope: String,
        key: String,
        digest: [u8; 32],
        at: Timestamp,
    ) -> Answer<'_, Option<KeptAnswer>> {
        self.write(SMALL, move |write| {
            let claimed = write
                .db
                .prepare_cached(
                    "INSERT INTO kept_answers (scope, key, digest, status, body, claimed_at)
                     VALUES (?1, ?2, ?3, 0, '', ?4)
                     ON CONFLICT (scope, key) DO UPDATE
                     SET digest = excluded.digest, status = 0, body = '', claimed_at = excluded.claimed_at
                     WHERE claimed_at <= excluded.claimed_at - iif(status = 0, ?5, ?6)",
                )?
                .execute(params![scope, key, digest, at.0, CLAIM_MILLIS, DAY_MILLIS])?;
            if claimed == 1 {
                return Ok(None);
            }
            let kept = write
                .db
                .prepare_cached("SELECT digest, status, body FROM kept_answers WHERE scope = ?1 AND key = ?2")?
                .query_row(params![scope, key], |row| {
                    Ok(KeptAnswer { digest: row.get(0)?, status: row.get(1)?, body: row.get(2)? })
                })?;
            Ok(Some(kept))
        })
    }

    fn keep_answer(&self, scope: String, key: String, answer: KeptAnswer) -> Answer<'_, ()> {
        self.write(SMALL + answer.body.len(), move |write| {
            let changed = if answer.status == 0 {
                write
                    .db
                    .prepare_cached("DELETE FROM kept_answers WHERE scope = ?1 AND key = ?2 AND status = 0")?
                    .execute(params![scope, key])?
            } else {
                write
                    .db
                    .prepare_cached(
                        "UPDATE kept_answers SET digest = ?3, status = ?4, body = ?5 WHERE scope = ?1 AND key = ?2",
                    )?
                    .execute(params![scope, key, answer.digest, answer.status, answer.body])?
            };
            if changed == 1 { Ok(()) } else { Err(StoreError::NotFound.into()) }
        })
    }

    fn keys(&self) -> Answer<'_, Vec<KeyRow>> {
        self.read(move |db| {
            Ok(db
                .prepare_cached(
                    "SELECT kid, sealed, public, created_at, retires_at FROM signing_keys ORDER BY created_at DESC, kid",
                )?
                .query_map([], |row| {
                    Ok(KeyRow {
                        kid: row.get(0)?,
                        sealed: row.get(1)?,
                        public: row.get(2)?,
                        created_at: row::time(row, 3)?,
                        retires_at: row::maybe_time(row, 4)?,
                    })
                })?
                .collect::<Read<_>>()?)
        })
    }

    fn put_key(&self, key: KeyRow) -> Answer<'_, ()> {
        self.write(SMALL, move |write| {
            let put = write
                .db
                .prepare_cached(
                    "INSERT INTO signing_keys (kid, sealed, public, created_at, retires_at) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (kid) DO UPDATE SET retires_at = excluded.retires_at WHERE public = excluded.public",
                )?
                .execute(params![
                    key.kid,
                    key.sealed,
                    key.public,
                    key.created_at.0,
                    key.retires_at.map(|at| at.0)
                ])?;
            if put == 1 { Ok(()) } else { Err(StoreError::Conflict.into()) }
        })
    }

    fn secret(&self, name: String, fresh: Vec<u8>) -> Answer<'_, Vec<u8>> {
        self.write(SMALL, move |write| {
            write
                .db
                .prepare_cached("INSERT OR IGNORE INTO secrets (name, value) VALUES (?1, ?2)")?
                .execute(params![name, fresh])?;
            Ok(write
                .db
                .prepare_cached("SELECT value FROM secrets WHERE name = ?1")?
                .query_row(params![name], |row| row.get(0))?)
        })
    }

    fn sweep(&self, now: Timestamp) -> Answer<'_, u64> {
        self.write(SMALL, move |write| sweep(write.db, now))
    }
}

/// Why a conditional change of a challenge changed nothing.
fn lost(db: &Connection, id: ChallengeId) -> Result<StoreError, Failure> {
    let exists = db
        .prepare_cached("SELECT 1 FROM challenges WHERE id = ?1")?
        .exists(params![id.0.as_bytes()])?;
    Ok(if exists {
        StoreError::Conflict
    } else {
        StoreError::NotFound
    })
}

fn insert_mail(db: &Connection, mail: &MailJobRow) -> Result<(), Failure> {
    db.prepare_cached("INSERT INTO mail_jobs (id, job, expires_at) VALUES (?1, ?2, ?3)")?
        .execute(params![mail.id, mail.job, mail.expires_at.0])?;
    Ok(())
}

fn delete_mail(db: &Connection, job: &str) -> Result<(), Failure> {
    db.prepare_cached("DELETE FROM mail_jobs WHERE id = ?1")?
        .execute(params![job])?;
    Ok(())
}

/// What has expired, a day later where somebody may still ask for it. Signing keys stay: a kid is never reused.
fn sweep(db: &Connection, now: Timestamp) -> Result<u64, Failure> {
    let day_ago = now.plus_millis(-DAY_MILLIS).0;
    let swept = [
        ("DELETE FROM challenges WHERE expires_at <= ?1", day_ago),
        ("DELETE FROM mail_jobs WHERE expires_at <= ?1", now.0),
        ("DELETE FROM kept_answers WHERE claimed_at <= ?1", day_ago),
        ("DELETE FROM sessions WHERE revoked_at <= ?1", day_ago),
        ("DELETE FROM sessions WHERE refresh_expires <= ?1", day_ago),
    ];
    let mut rows = 0;
    for (sql, until) in swept {
        rows += db.prepare_cached(sql)?.execute(params![until])?;
    }
    // By id, which begins with the time: what is old stands together.
    let oldest = audit_id_at(now.plus_millis(-AUDIT_MILLIS));
    rows += db
        .prepare_cached("DELETE FROM audit WHERE id < ?1")?
        .execute(params![oldest.as_bytes()])?;
    Ok(rows as u64)
}

const CHALLENGE: &str =
    "id, email, secret_hash, code_mac, issue, attempts, issued_at, expires_at, used_at, mail";

fn challenge(row: &Row<'_>) -> Read<ChallengeRow> {
    Ok(ChallengeRow {
        id: ChallengeId(Uuid::from_bytes(row.get(0)?)),
        email: row.get(1)?,
        secret_hash: row.get(2)?,
        code_mac: row.get(3)?,
        issue: row.get(4)?,
        attempts: row.get(5)?,
        issued_at: row::time(row, 6)?,
        expires_at: row::time(row, 7)?,
        used_at: row::maybe_time(row, 8)?,
        mail: row::coded(row, 9, mail_state_of)?,
    })
}

fn mail_state(state: MailState) -> u8 {
    match state {
        MailState::Queued => 0,
        MailState::Sent => 1,
        MailState::Failed => 2,
    }
}

fn mail_state_of(byte: u8) -> Result<MailState, Broken> {
    match byte {
        0 => Ok(MailState::Queued),
        1 => Ok(MailState::Sent),
        2 => Ok(MailState::Failed),
        _ => Err(Broken("unknown state of a mail")),
    }
}

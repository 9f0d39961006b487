//! The audit log on SQLite.

use protocol::time::Timestamp;
use rusqlite::{Row, params};
use uuid::Uuid;

use super::Sqlite;
use super::rooms::{SMALL, rows};
use crate::{Answer, Audit, AuditRow, StoreError};

impl Audit for Sqlite {
    fn note(&self, row: AuditRow) -> Answer<'_, ()> {
        let weight = SMALL + row.target.len() + row.who.len();
        self.write(weight, move |write| {
            let kept = write
                .db
                .prepare_cached(
                    "INSERT OR IGNORE INTO audit (id, at, who, address, action, target)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    row.id.as_bytes(),
                    row.at.0,
                    row.who,
                    row.address,
                    row.action,
                    row.target
                ])?;
            if kept == 0 {
                return Err(StoreError::Conflict.into());
            }
            Ok(())
        })
    }

    fn notes(&self, before: Option<Uuid>, limit: usize) -> Answer<'_, Vec<AuditRow>> {
        self.read(move |db| {
            let before = before.unwrap_or(Uuid::max());
            let mut found = db.prepare_cached(
                "SELECT id, at, who, address, action, target FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let found = found.query_map(params![before.as_bytes(), rows(limit)], note)?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn note(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        id: Uuid::from_bytes(row.get(0)?),
        at: Timestamp(row.get(1)?),
        who: row.get(2)?,
        address: row.get(3)?,
        action: row.get(4)?,
        target: row.get(5)?,
    })
}

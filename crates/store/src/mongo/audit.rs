//! The audit log on MongoDB.

use futures_util::TryStreamExt as _;
use mongodb::bson::{self, doc};
use protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Mongo;
use super::docs;
use crate::rules::LIMIT_MAX;
use crate::{Answer, Audit, AuditRow};

/// A call of an administrator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AuditDoc {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    at: i64,
    who: String,
    address: String,
    action: String,
    target: String,
}

impl Audit for Mongo {
    fn note(&self, row: AuditRow) -> Answer<'_, ()> {
        let doc = AuditDoc {
            id: docs::id(row.id),
            at: row.at.0,
            who: row.who,
            address: row.address,
            action: row.action,
            target: row.target,
        };
        Box::pin(async move { self.insert(&self.db.audit, doc).await })
    }

    fn notes(&self, before: Option<Uuid>, limit: usize) -> Answer<'_, Vec<AuditRow>> {
        Box::pin(async move {
            let filter = match before {
                Some(before) => doc! { "_id": { "$lt": docs::id(before) } },
                None => doc! {},
            };
            let limit = i64::try_from(limit.min(LIMIT_MAX)).unwrap_or(i64::MAX);
            if limit == 0 {
                // To the server it would mean all of them.
                return Ok(Vec::new());
            }
            let audit = self.db.audit.clone();
            let found: Vec<AuditDoc> = self
                .call()
                .read(async move {
                    let newest_first = audit.find(filter).sort(doc! { "_id": -1 }).limit(limit);
                    newest_first.await?.try_collect().await
                })
                .await?;
            let row = |doc: AuditDoc| AuditRow {
                id: docs::uuid(doc.id),
                at: Timestamp(doc.at),
                who: doc.who,
                address: doc.address,
                action: doc.action,
                target: doc.target,
            };
            Ok(found.into_iter().map(row).collect())
        })
    }
}

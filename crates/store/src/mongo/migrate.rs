//! From schema 1 to 2: names become claims, and the unique indexes that they were go.
//!
//! Any number of processes may do this at once, and again after a crash at any step: a claim that is there stays, an
//! index that is gone is gone. The claims are whole before an index goes, so that at each moment one of the two stands
//! guard. A process of schema 1 knows no claims: none may run any more when one of schema 2 starts (schema.md says so to
//! operators).

use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{self, Document, doc};
use mongodb::error::ErrorKind;
use tracing::info;

use super::claims::{ClaimDoc, Owner};
use super::failure::Failure;
use super::ops::Ops;
use super::schema::Collections;
use crate::StoreError;

/// Documents in one step, which has a deadline.
const STEP: i64 = 1_000;
/// `NamespaceNotFound`, `IndexNotFound`: what was to go is gone.
const GONE: [i32; 2] = [26, 27];

/// Claims every name that a document has, then drops the indexes.
pub(super) async fn claim_names(db: &Collections, ops: &Ops) -> Result<(), StoreError> {
    let people = claim_all(ops, &db.users, &db.addresses, "email").await?;
    let pairs = claim_all(ops, &db.rooms, &db.pairs, "dm").await?;
    info!(
        people,
        pairs, "names are claimed; their unique indexes go (schema 2)"
    );
    drop_index(ops, &db.users, "email").await?;
    drop_index(ops, &db.rooms, "dm").await
}

async fn claim_all<O: Owner>(
    ops: &Ops,
    owners: &Collection<O>,
    claims: &Collection<ClaimDoc<O>>,
    field: &str,
) -> Result<u64, StoreError> {
    let (mut after, mut claimed): (Option<bson::Uuid>, u64) = (None, 0);
    loop {
        let mut filter: Document = doc! { field: { "$exists": true } };
        if let Some(after) = after {
            filter.insert("_id", doc! { "$gt": after });
        }
        let owners = owners.clone();
        let page: Vec<O> = ops
            .call()
            .read(async move {
                owners
                    .find(filter)
                    .sort(doc! { "_id": 1 })
                    .limit(STEP)
                    .await?
                    .try_collect()
                    .await
            })
            .await?;
        let Some(last) = page.last() else {
            return Ok(claimed);
        };
        after = Some(last.id());
        let wanted: Vec<_> = page.iter().filter_map(ClaimDoc::of).collect();
        claimed += wanted.len() as u64;
        let claims = claims.clone();
        let made = ops
            .call()
            .write(async move { claims.insert_many(wanted).ordered(false).await.map(drop) })
            .await;
        match made {
            // Some were claimed before, by another process or an earlier start; the rest is done all the same.
            Ok(()) | Err(Failure::Duplicate) => {}
            Err(failure) => return Err(failure.of_read()),
        }
    }
}

async fn drop_index<T: Send + Sync + 'static>(
    ops: &Ops,
    collection: &Collection<T>,
    name: &'static str,
) -> Result<(), StoreError> {
    let collection = collection.clone();
    ops.call()
        .write(async move {
            match collection.drop_index(name).await {
                Err(error)
                    if matches!(error.kind.as_ref(), ErrorKind::Command(refused) if GONE.contains(&refused.code)) =>
                {
                    Ok(())
                }
                dropped => dropped,
            }
        })
        .await
        .map_err(Failure::of_read)
}

//! Many small updates as one command.

use mongodb::Collection;
use mongodb::bson::{self, Bson, Document, doc};

use super::Mongo;
use super::docs::corrupt;
use super::failure::Failure;
use super::ops::Call;
use crate::StoreError;

impl Mongo {
    /// Updates at most one document by each of these, in no order. Returns how many were there.
    pub(super) async fn update_all<T: Send + Sync>(
        &self,
        call: &Call,
        collection: &Collection<T>,
        updates: Vec<(Document, Document)>,
    ) -> Result<i64, StoreError> {
        if updates.is_empty() {
            return Ok(0);
        }
        let updates: Vec<_> = updates
            .into_iter()
            .map(|(filter, change)| Bson::from(doc! { "q": filter, "u": change }))
            .collect();
        let mut command =
            doc! { "update": collection.name(), "updates": updates, "ordered": false };
        // A plain command takes none by itself.
        let majority = bson::serialize_to_bson(&collection.write_concern())
            .map_err(|_| corrupt("a write concern cannot be written"))?;
        command.insert("writeConcern", majority);
        let database = self.client.database(&collection.namespace().db);
        let reply = call
            .write(async move { database.run_command(command).await })
            .await
            .map_err(Failure::of_write)?;
        // Neither is an error of the command itself.
        for trouble in ["writeErrors", "writeConcernError"] {
            if let Some(trouble) = reply.get(trouble) {
                return Err(StoreError::Unknown(format!("mongodb: {trouble}")));
            }
        }
        let there = match reply.get("n") {
            Some(Bson::Int32(n)) => Some(i64::from(*n)),
            Some(Bson::Int64(n)) => Some(*n),
            _ => None,
        };
        there.ok_or_else(|| StoreError::Unknown("mongodb: an update without a count".into()))
    }
}

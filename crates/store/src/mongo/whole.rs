//! The database as a whole: read page by page, or filled when it is empty. While it is being filled a mark in `meta`
//! stops every other process from opening it.

use futures_util::TryStreamExt as _;
use mongodb::bson::{self, Document, doc};
use mongodb::{Collection, Database};
use protocol::ids::{RoomId, SessionId, UserId};
use protocol::message::Seq;
use serde::de::DeserializeOwned;

use super::Mongo;
use super::claims::ClaimDoc;
use super::docs::{count, id, unpair, uuid};
use super::failure::Failure;
use super::ops::Call;
use super::users::{SessionDoc, UserDoc};
use crate::rules::LIMIT_MAX;
use crate::whole::{RoomKey, UserRow, Whole, not_empty};
use crate::{Answer, SessionRow, StoreError};

/// The mark's `_id` in `meta`.
const MARK: &str = "filling";

/// Refuses a database that somebody fills, or that nobody filled to the end.
pub(super) async fn whole(database: &Database, call: &Call) -> Result<(), StoreError> {
    let meta = database.collection::<Document>("meta");
    match call.find_one(&meta, doc! { "_id": MARK }).await? {
        None => Ok(()),
        Some(_) => Err(StoreError::Refused(
            "the database is being filled by an import, or by one that was cut off: let it end, or drop the database and import again"
                .into(),
        )),
    }
}

impl Mongo {
    async fn page<T>(
        &self,
        collection: &Collection<T>,
        after: Option<bson::Uuid>,
        limit: usize,
    ) -> Result<Vec<T>, StoreError>
    where
        T: DeserializeOwned + Unpin + Send + Sync + 'static,
    {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let collection = collection.clone();
        let filter = after.map_or_else(Document::new, |after| doc! { "_id": { "$gt": after } });
        self.call()
            .read(async move {
                collection
                    .find(filter)
                    .sort(doc! { "_id": 1 })
                    .limit(limit.min(LIMIT_MAX) as i64)
                    .await?
                    .try_collect()
                    .await
            })
            .await
    }
}

impl Whole for Mongo {
    fn room_keys(&self, after: Option<RoomId>, limit: usize) -> Answer<'_, Vec<RoomKey>> {
        Box::pin(async move {
            let rooms = self.page(&self.db.rooms, after.map(|room| id(room.0)), limit);
            rooms
                .await?
                .iter()
                .map(|room| {
                    let dm = room.dm.as_ref().map(unpair).transpose()?;
                    Ok(RoomKey {
                        id: room.room_id(),
                        dm: dm.map(|(low, high)| (UserId(low), UserId(high))),
                    })
                })
                .collect()
        })
    }

    fn markers(&self, room: RoomId) -> Answer<'_, Vec<(UserId, Seq)>> {
        Box::pin(async move {
            let here = doc! { "room": id(room.0), "here": true };
            let found = self.call().find(&self.db.members, here).await?;
            let mut markers = found
                .iter()
                .map(|member| Ok((UserId(uuid(member.user)), count(member.read_seq)?)))
                .collect::<Result<Vec<_>, StoreError>>()?;
            markers.sort();
            Ok(markers)
        })
    }

    fn user_rows(&self, after: Option<UserId>, limit: usize) -> Answer<'_, Vec<UserRow>> {
        Box::pin(async move {
            let users = self.page(&self.db.users, after.map(|user| id(user.0)), limit);
            Ok(users.await?.into_iter().map(UserDoc::row).collect())
        })
    }

    fn session_rows(&self, after: Option<SessionId>, limit: usize) -> Answer<'_, Vec<SessionRow>> {
        Box::pin(async move {
            let sessions = self.page(&self.db.sessions, after.map(|one| id(one.0)), limit);
            sessions.await?.iter().map(SessionDoc::row).collect()
        })
    }

    fn secrets(&self) -> Answer<'_, Vec<(String, Vec<u8>)>> {
        Box::pin(async move {
            let found = self.call().find(&self.db.secrets, doc! {}).await?;
            let mut secrets: Vec<_> = found
                .into_iter()
                .map(super::facts::SecretDoc::pair)
                .collect();
            secrets.sort();
            Ok(secrets)
        })
    }

    fn put_users(&self, rows: Vec<UserRow>) -> Answer<'_, ()> {
        Box::pin(async move {
            if rows.is_empty() {
                return Ok(());
            }
            let users: Vec<UserDoc> = rows.iter().map(UserDoc::of_row).collect();
            let claims: Vec<ClaimDoc<UserDoc>> = users.iter().filter_map(ClaimDoc::of).collect();
            // Nobody else is here yet: the order is for a reader of the code and not for a crash, after which the
            // database is dropped.
            if !claims.is_empty() {
                let addresses = self.db.addresses.clone();
                self.call()
                    .write(async move { addresses.insert_many(claims).await.map(drop) })
                    .await
                    .map_err(Failure::of_write)?;
            }
            let docs = self.db.users.clone();
            self.call()
                .write(async move { docs.insert_many(users).await.map(drop) })
                .await
                .map_err(Failure::of_write)
        })
    }

    fn put_sessions(&self, rows: Vec<SessionRow>) -> Answer<'_, ()> {
        Box::pin(async move {
            if rows.is_empty() {
                return Ok(());
            }
            let docs: Vec<SessionDoc> = rows.iter().map(SessionDoc::of_row).collect();
            let sessions = self.db.sessions.clone();
            self.call()
                .write(async move { sessions.insert_many(docs).await.map(drop) })
                .await
                .map_err(Failure::of_write)
        })
    }

    fn begin_filling(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let call = self.call();
            let db = &self.db;
            let refused = |name: &str| Err(not_empty(name));
            if call.find_one(&db.rooms, doc! {}).await?.is_some() {
                return refused("rooms");
            }
            if call.find_one(&db.users, doc! {}).await?.is_some() {
                return refused("people");
            }
            if call.find_one(&db.sessions, doc! {}).await?.is_some() {
                return refused("sessions");
            }
            if call.find_one(&db.keys, doc! {}).await?.is_some()
                || call.find_one(&db.secrets, doc! {}).await?.is_some()
            {
                return refused("keys of a deployment that was started on it");
            }
            self.insert(&db.meta, doc! { "_id": MARK })
                .await
                .map_err(|error| match error {
                    StoreError::Conflict => StoreError::Refused(
                        "another import fills this database at this moment".into(),
                    ),
                    other => other,
                })
        })
    }

    fn end_filling(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let meta = self.db.meta.clone();
            self.call()
                .write(async move { meta.delete_one(doc! { "_id": MARK }).await.map(drop) })
                .await
                .map_err(Failure::of_write)
        })
    }
}

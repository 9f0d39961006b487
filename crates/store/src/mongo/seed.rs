//! Many people and rooms in one transaction: the one place that has one, because "all or nothing" over thousands of
//! documents has no order of steps that is right. It touches only new ids, so nobody waits for it; a process that dies
//! in it leaves nothing, once the server gives it up.
//!
//! Rooms are made as everywhere else, by documents that hold their founding entries; those are in the transaction, what
//! follows from them comes after it, and is finished by whoever comes by.

use futures_util::TryStreamExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mongodb::options::TransactionOptions;

use super::Mongo;
use super::claims::ClaimDoc;
use super::docs::RoomDoc;
use super::failure::Failure;
use super::rooms::founded;
use super::users::{SessionDoc, UserDoc};
use crate::{SeedBatch, StoreError};

/// Documents in one command.
const CHUNK: usize = 1_000;
/// Rooms whose logs are written at once.
const ROOMS_AT_ONCE: usize = 16;

impl Mongo {
    pub(super) async fn seed_all(&self, batch: SeedBatch) -> Result<(), StoreError> {
        let users: Vec<UserDoc> = batch
            .users
            .iter()
            .map(|(user, email)| UserDoc::of(user, email))
            .collect();
        let addresses: Vec<_> = users.iter().filter_map(ClaimDoc::of).collect();
        let sessions: Vec<SessionDoc> = batch.sessions.iter().map(SessionDoc::of).collect();
        let rooms = batch
            .rooms
            .iter()
            .map(founded)
            .collect::<Result<Vec<RoomDoc>, _>>()?;
        let pairs: Vec<_> = rooms.iter().filter_map(ClaimDoc::of).collect();
        let (client, db, made) = (self.client.clone(), self.db.clone(), rooms.clone());
        // A transaction does not take its concerns from the collections.
        let concerns = TransactionOptions::builder()
            .write_concern(db.rooms.write_concern().cloned())
            .read_concern(db.rooms.read_concern().cloned())
            .build();
        self.call()
            .write(async move {
                let mut session = client.start_session().await?;
                session.start_transaction().with_options(concerns).await?;
                for chunk in addresses.chunks(CHUNK) {
                    db.addresses
                        .insert_many(chunk)
                        .session(&mut session)
                        .await?;
                }
                for chunk in pairs.chunks(CHUNK) {
                    db.pairs.insert_many(chunk).session(&mut session).await?;
                }
                for chunk in users.chunks(CHUNK) {
                    db.users.insert_many(chunk).session(&mut session).await?;
                }
                for chunk in sessions.chunks(CHUNK) {
                    db.sessions.insert_many(chunk).session(&mut session).await?;
                }
                for chunk in made.chunks(CHUNK) {
                    db.rooms.insert_many(chunk).session(&mut session).await?;
                }
                session.commit_transaction().await
            })
            .await
            .map_err(Failure::of_write)?;

        let mut founding = FuturesUnordered::new();
        for room in &rooms {
            if founding.len() == ROOMS_AT_ONCE {
                founding.try_next().await?;
            }
            // Each has a deadline of its own: a large seed takes longer than a call may.
            founding
                .push(async move { self.caught_up(&self.call(), room.room_id()).await.map(drop) });
        }
        while let Some(done) = founding.next().await {
            done?;
        }
        Ok(())
    }
}

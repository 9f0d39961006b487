//! Erasing a person: several documents, in an order that is right after a crash at any step.
//!
//! The first step takes the address away and keeps it aside (`erasing`): from then on nobody can sign in as this person,
//! and whoever repeats the wish, or the sweep, finds what is left to do. The last step forgets the address. No
//! transaction: each step can be done twice, and none of them needs another to be seen with it.

use mongodb::bson::{Document, doc};
use protocol::ids::UserId;
use protocol::time::Timestamp;

use super::Mongo;
use super::docs::{id, uuid};
use super::failure::Failure;
use super::ops::Call;
use super::users::UserDoc;
use crate::StoreError;
use crate::rules::DELETED_NAME;

impl Mongo {
    pub(super) async fn erase(&self, user: UserId, at: Timestamp) -> Result<(), StoreError> {
        let call = self.call();
        loop {
            let found = call
                .find_one(&self.db.users, doc! { "_id": id(user.0) })
                .await?
                .ok_or(StoreError::NotFound)?;
            let Some(email) = &found.email else {
                return self.finish_erasure(&call, &found).await;
            };
            let live = doc! { "_id": found.id, "email": email };
            let nobody = doc! {
                "$set": {
                    "erasing": email,
                    "erased_at": at.0,
                    "display_name": DELETED_NAME,
                    "name_key": "",
                    "tails": Vec::<String>::new(),
                    "avatar_url": null,
                },
                "$unset": { "email": "" },
            };
            let users = self.db.users.clone();
            call.write(async move { users.update_one(live, nobody).await.map(drop) })
                .await
                .map_err(Failure::of_write)?;
        }
    }

    /// Sessions are revoked and not deleted: nodes that were away must still learn of it. The sweep deletes them.
    async fn finish_erasure(&self, call: &Call, user: &UserDoc) -> Result<(), StoreError> {
        let (Some(email), Some(at)) = (&user.erasing, user.erased_at) else {
            return Ok(());
        };
        let (sessions, of_user) = (self.db.sessions.clone(), user.id);
        call.write(async move {
            let live = doc! { "user": of_user, "revoked_at": null };
            sessions
                .update_many(live, doc! { "$set": { "revoked_at": at } })
                .await?;
            let all = doc! { "user": of_user };
            sessions
                .update_many(all, doc! { "$set": { "device": null } })
                .await
                .map(drop)
        })
        .await
        .map_err(Failure::of_write)?;
        let (challenges, of_email): (_, Document) =
            (self.db.challenges.clone(), doc! { "email": email });
        call.write(async move { challenges.delete_many(of_email).await.map(drop) })
            .await
            .map_err(Failure::of_write)?;
        // Answers that are kept for a day hold what the person was shown.
        let answers = self.db.answers.clone();
        let theirs =
            doc! { "_id.scope": UserId(uuid(user.id)).to_string(), "status": { "$ne": 0 } };
        call.write(async move { answers.delete_many(theirs).await.map(drop) })
            .await
            .map_err(Failure::of_write)?;
        self.give_back::<UserDoc>(call, email, user.id).await?;
        let (users, done) = (self.db.users.clone(), doc! { "_id": user.id });
        call.write(async move {
            users
                .update_one(done, doc! { "$unset": { "erasing": "" } })
                .await
                .map(drop)
        })
        .await
        .map_err(Failure::of_write)
    }

    /// What processes that died have left half done: erasures and rooms.
    pub(super) async fn finish_what_others_began(&self, call: &Call) -> Result<(), StoreError> {
        let begun = doc! { "erasing": { "$exists": true } };
        for user in call.find(&self.db.users, begun).await? {
            self.finish_erasure(call, &user).await?;
        }
        // A room that is being founded at this moment may be among them: that harms neither.
        let begun = doc! { "founding": { "$exists": true } };
        for room in call.find(&self.db.rooms, begun).await? {
            tracing::info!(room = %uuid(room.id), "a room that was half made is finished");
            self.caught_up(call, room.room_id()).await?;
        }
        Ok(())
    }
}

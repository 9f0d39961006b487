//! People, devices and refresh tokens on MongoDB. One-time facts are single updates with the condition in them.

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use mongodb::bson::{self, Binary, Document, doc};
use mongodb::options::ReturnDocument;
use protocol::ids::{SessionId, UserId};
use protocol::time::Timestamp;
use protocol::user::{Me, User};
use serde::{Deserialize, Serialize};

use super::Mongo;
use super::docs::{binary, corrupt, count, id, stored, uuid};
use super::failure::Failure;
use super::ops::Call;
use crate::rules::{LIMIT_MAX, tails};
use crate::{
    Answer, NewSession, Refresh, Revoke, SessionRow, StoreError, UserPatch, UserRow, Users,
};

/// A person. Who is erased keeps this row, without an address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct UserDoc {
    #[serde(rename = "_id")]
    pub(super) id: bson::Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    pub(super) display_name: String,
    /// In lower case: what a search is sorted by.
    pub(super) name_key: String,
    /// The name in lower case, from its start and from the start of each word: what a search asks for.
    pub(super) tails: Vec<String>,
    pub(super) avatar_url: Option<String>,
    pub(super) created_at: i64,
    /// The address of one whose erasure has begun and not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) erasing: Option<String>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) erased_at: Option<i64>,
}

impl UserDoc {
    pub(super) fn of(user: &User, email: &str) -> Self {
        let key = user.display_name.to_lowercase();
        Self {
            id: id(user.id.0),
            email: Some(email.to_owned()),
            display_name: user.display_name.clone(),
            tails: tails_of(&key),
            name_key: key,
            avatar_url: user.avatar_url.clone(),
            created_at: user.created_at.0,
            erasing: None,
            erased_at: None,
        }
    }

    /// As it was in another store.
    pub(super) fn of_row(row: &UserRow) -> Self {
        match &row.email {
            Some(email) => Self::of(&row.user, email),
            None => Self {
                email: None,
                name_key: String::new(),
                tails: Vec::new(),
                ..Self::of(&row.user, "")
            },
        }
    }

    pub(super) fn row(self) -> UserRow {
        UserRow {
            user: self.user(),
            email: self.email,
        }
    }

    fn user(&self) -> User {
        User {
            id: UserId(uuid(self.id)),
            display_name: self.display_name.clone(),
            avatar_url: self.avatar_url.clone(),
            created_at: Timestamp(self.created_at),
        }
    }

    /// Who is erased is nobody any more.
    fn me(self) -> Option<Me> {
        let user = self.user();
        self.email.map(|email| Me { user, email })
    }
}

fn tails_of(key: &str) -> Vec<String> {
    tails(key).into_iter().map(str::to_owned).collect()
}

/// A device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SessionDoc {
    #[serde(rename = "_id")]
    pub(super) id: bson::Uuid,
    pub(super) user: bson::Uuid,
    pub(super) device: Option<String>,
    pub(super) created_at: i64,
    pub(super) last_used_at: i64,
    pub(super) revoked_at: Option<i64>,
    pub(super) generation: i64,
    pub(super) refresh_hash: Binary,
    pub(super) previous_hash: Option<Binary>,
    pub(super) rotated_at: i64,
    pub(super) refresh_expires: i64,
}

impl SessionDoc {
    pub(super) fn of(new: &NewSession) -> Self {
        Self {
            id: id(new.id.0),
            user: id(new.user.0),
            device: new.device.clone(),
            created_at: new.at.0,
            last_used_at: new.at.0,
            revoked_at: None,
            generation: 1,
            refresh_hash: binary(new.refresh_hash.to_vec()),
            previous_hash: None,
            rotated_at: new.at.0,
            refresh_expires: new.refresh_expires.0,
        }
    }

    /// As it was in another store.
    pub(super) fn of_row(row: &SessionRow) -> Self {
        Self {
            id: id(row.id.0),
            user: id(row.user.0),
            device: row.device.clone(),
            created_at: row.created_at.0,
            last_used_at: row.last_used_at.0,
            revoked_at: row.revoked_at.map(|at| at.0),
            generation: stored(row.generation),
            refresh_hash: binary(row.refresh_hash.to_vec()),
            previous_hash: row.previous_hash.map(|hash| binary(hash.to_vec())),
            rotated_at: row.rotated_at.0,
            refresh_expires: row.refresh_expires.0,
        }
    }

    fn session_id(&self) -> SessionId {
        SessionId(uuid(self.id))
    }

    pub(super) fn row(&self) -> Result<SessionRow, StoreError> {
        Ok(SessionRow {
            id: self.session_id(),
            user: UserId(uuid(self.user)),
            device: self.device.clone(),
            created_at: Timestamp(self.created_at),
            last_used_at: Timestamp(self.last_used_at),
            revoked_at: self.revoked_at.map(Timestamp),
            generation: count(self.generation)?,
            refresh_hash: hash(&self.refresh_hash)?,
            previous_hash: self.previous_hash.as_ref().map(hash).transpose()?,
            rotated_at: Timestamp(self.rotated_at),
            refresh_expires: Timestamp(self.refresh_expires),
        })
    }
}

pub(super) fn hash(stored: &Binary) -> Result<[u8; 32], StoreError> {
    let bytes = stored.bytes.as_slice();
    bytes
        .try_into()
        .map_err(|_| corrupt("a hash is not 32 bytes"))
}

impl Users for Mongo {
    fn user_by_email(&self, email: String, or_new: User) -> Answer<'_, (Me, bool)> {
        Box::pin(async move {
            let call = self.call();
            // Most who ask are there: a read spares them the wait for a majority.
            if let Some(me) = self.by_email(&call, &email).await? {
                return Ok((me, false));
            }
            let (owner, made) = self.named_or(&call, UserDoc::of(&or_new, &email)).await?;
            let me = owner.me().ok_or(StoreError::Conflict)?;
            Ok((me, made))
        })
    }

    fn find_email(&self, email: String) -> Answer<'_, Option<Me>> {
        Box::pin(async move { self.by_email(&self.call(), &email).await })
    }

    fn me(&self, user: UserId) -> Answer<'_, Me> {
        Box::pin(async move {
            let found = self
                .call()
                .find_one(&self.db.users, doc! { "_id": id(user.0) })
                .await?;
            found.and_then(UserDoc::me).ok_or(StoreError::NotFound)
        })
    }

    fn users(&self, ids: Vec<UserId>) -> Answer<'_, Vec<User>> {
        Box::pin(async move {
            let ids = ids.iter().map(|user| id(user.0)).collect();
            let found = self.call().by_ids(&self.db.users, ids).await?;
            Ok(found.iter().map(UserDoc::user).collect())
        })
    }

    fn search_users(&self, text: String, limit: usize) -> Answer<'_, Vec<User>> {
        Box::pin(async move {
            if limit == 0 {
                return Ok(Vec::new());
            }
            // A range over the tails of names, not a pattern: what a person types is only ever a text.
            let from = text.to_lowercase();
            let to = format!("{from}\u{10FFFF}");
            let filter = doc! { "tails": { "$elemMatch": { "$gte": from, "$lt": to } } };
            let users = self.db.users.clone();
            let found: Vec<UserDoc> = self
                .call()
                .read(async move {
                    users
                        .find(filter)
                        .sort(doc! { "name_key": 1, "_id": 1 })
                        .limit(limit.min(LIMIT_MAX) as i64)
                        .await?
                        .try_collect()
                        .await
                })
                .await?;
            Ok(found.iter().map(UserDoc::user).collect())
        })
    }

    fn update_user(&self, user: UserId, patch: UserPatch) -> Answer<'_, Me> {
        Box::pin(async move {
            let mut set = Document::new();
            if let Some(name) = patch.display_name {
                let key = name.to_lowercase();
                set.insert("tails", tails_of(&key));
                set.insert("name_key", key);
                set.insert("display_name", name);
            }
            if let Some(avatar_url) = patch.avatar_url {
                set.insert("avatar_url", avatar_url);
            }
            if set.is_empty() {
                return self.me(user).await;
            }
            let users = self.db.users.clone();
            let live = doc! { "_id": id(user.0), "email": { "$exists": true } };
            let changed = self
                .call()
                .write(async move {
                    users
                        .find_one_and_update(live, doc! { "$set": set })
                        .return_document(ReturnDocument::After)
                        .await
                })
                .await
                .map_err(Failure::of_write)?;
            changed.and_then(UserDoc::me).ok_or(StoreError::NotFound)
        })
    }

    fn erase_user(&self, user: UserId, at: Timestamp) -> Answer<'_, ()> {
        Box::pin(self.erase(user, at))
    }

    fn create_session(&self, new: NewSession) -> Answer<'_, ()> {
        Box::pin(async move {
            let sessions = self.db.sessions.clone();
            self.call()
                .write(async move { sessions.insert_one(SessionDoc::of(&new)).await.map(drop) })
                .await
                .map_err(Failure::of_write)
        })
    }

    fn session(&self, session: SessionId) -> Answer<'_, SessionRow> {
        Box::pin(async move {
            let found = self
                .call()
                .find_one(&self.db.sessions, doc! { "_id": id(session.0) })
                .await?;
            found.ok_or(StoreError::NotFound)?.row()
        })
    }

    fn sessions_of(&self, user: UserId) -> Answer<'_, Vec<SessionRow>> {
        Box::pin(async move {
            let filter = doc! { "user": id(user.0), "revoked_at": null };
            let found = self.call().find(&self.db.sessions, filter).await?;
            let mut rows = found
                .iter()
                .map(SessionDoc::row)
                .collect::<Result<Vec<_>, _>>()?;
            rows.sort_by_key(|row| (std::cmp::Reverse(row.last_used_at), row.id));
            Ok(rows)
        })
    }

    fn rotate(&self, refresh: Refresh) -> Answer<'_, ()> {
        Box::pin(async move {
            let call = self.call();
            let filter = doc! { "_id": id(refresh.session.0) };
            let found = call.find_one(&self.db.sessions, filter).await?;
            let row = found.ok_or(StoreError::NotFound)?;
            // A generation has one hash for ever, so the one that was read is still that of this generation.
            let in_force = doc! {
                "_id": row.id,
                "generation": stored(refresh.generation),
                "refresh_hash": &row.refresh_hash,
                "revoked_at": null,
            };
            let next = doc! { "$set": {
                "generation": stored(refresh.generation) + 1,
                "previous_hash": &row.refresh_hash,
                "refresh_hash": binary(refresh.hash.to_vec()),
                "refresh_expires": refresh.expires.0,
                "rotated_at": refresh.at.0,
                "last_used_at": refresh.at.0,
            } };
            let sessions = self.db.sessions.clone();
            let rotated = call
                .write(async move { sessions.update_one(in_force, next).await })
                .await
                .map_err(Failure::of_write)?;
            if rotated.matched_count == 1 {
                Ok(())
            } else {
                Err(StoreError::Conflict)
            }
        })
    }

    fn revoke(&self, user: UserId, which: Revoke, at: Timestamp) -> Answer<'_, Vec<SessionId>> {
        Box::pin(async move {
            let call = self.call();
            let mut filter = doc! { "user": id(user.0), "revoked_at": null };
            match which {
                Revoke::One(one) => drop(filter.insert("_id", id(one.0))),
                Revoke::AllBut(one) => drop(filter.insert("_id", doc! { "$ne": id(one.0) })),
                Revoke::All => {}
            }
            let live = call.find(&self.db.sessions, filter).await?;
            let revoked = live.iter().map(|session| {
                let still = doc! { "_id": session.id, "revoked_at": null };
                let revoke = doc! { "$set": { "revoked_at": at.0 } };
                let sessions = self.db.sessions.clone();
                call.write(async move { sessions.update_one(still, revoke).await })
            });
            let mut ids = Vec::with_capacity(live.len());
            for (session, revoked) in live.iter().zip(join_all(revoked).await) {
                let revoked = revoked.map_err(Failure::of_write)?;
                ids.extend((revoked.matched_count == 1).then(|| session.session_id()));
            }
            Ok(ids)
        })
    }

    fn revoked_since(&self, since: Timestamp) -> Answer<'_, Vec<SessionId>> {
        Box::pin(async move {
            let filter = doc! { "revoked_at": { "$gte": since.0 } };
            let mut found = self.call().find(&self.db.sessions, filter).await?;
            found.sort_by_key(|session| session.revoked_at);
            Ok(found.iter().map(SessionDoc::session_id).collect())
        })
    }
}

impl Mongo {
    async fn by_email(&self, call: &Call, email: &str) -> Result<Option<Me>, StoreError> {
        let found = self.named::<UserDoc>(call, &email.to_owned()).await?;
        Ok(found.and_then(UserDoc::me))
    }
}

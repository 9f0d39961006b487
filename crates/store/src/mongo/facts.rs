//! One-time facts and small records on MongoDB: each decision is one update of one document with its condition in it, so
//! that of any number of callers one wins. Challenges and mails are in `challenges`.

use mongodb::Collection;
use mongodb::bson::{Binary, Bson, Document, doc};
use protocol::ids::ChallengeId;
use protocol::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Mongo;
use super::docs::{binary, corrupt, id};
use super::failure::Failure;
use super::ops::Call;
use super::users::hash;
use crate::rules::{AUDIT_MILLIS, CLAIM_MILLIS, DAY_MILLIS, audit_id_at};
use crate::{Answer, ChallengeRow, Facts, KeptAnswer, KeyRow, MailJobRow, MailState, StoreError};

/// A kept answer under `scope` and key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AnswerDoc {
    #[serde(rename = "_id")]
    id: AnswerId,
    digest: Binary,
    status: i32,
    body: String,
    claimed_at: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct AnswerId {
    scope: String,
    key: String,
}

/// A signing key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeyDoc {
    #[serde(rename = "_id")]
    kid: String,
    sealed: Binary,
    public: Binary,
    created_at: i64,
    retires_at: Option<i64>,
}

/// A small secret of the deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SecretDoc {
    #[serde(rename = "_id")]
    name: String,
    value: Binary,
}

impl SecretDoc {
    pub(super) fn pair(self) -> (String, Vec<u8>) {
        (self.name, self.value.bytes)
    }
}

impl Facts for Mongo {
    fn create_challenge(&self, challenge: ChallengeRow, mail: MailJobRow) -> Answer<'_, ()> {
        Box::pin(self.ask(challenge, mail))
    }

    fn challenge(&self, challenge: ChallengeId) -> Answer<'_, ChallengeRow> {
        Box::pin(self.asked(challenge))
    }

    fn reissue_challenge(
        &self,
        next: ChallengeRow,
        issue: u32,
        mail: MailJobRow,
    ) -> Answer<'_, ()> {
        Box::pin(self.ask_again(next, issue, mail))
    }

    fn count_guess(
        &self,
        challenge: ChallengeId,
        issue: u32,
        most: u32,
    ) -> Answer<'_, ChallengeRow> {
        Box::pin(self.guess(challenge, issue, most))
    }

    fn use_challenge(&self, challenge: ChallengeId, at: Timestamp) -> Answer<'_, ()> {
        Box::pin(self.use_once(challenge, at))
    }

    fn mail_done(&self, job: String, state: MailState) -> Answer<'_, ()> {
        Box::pin(self.tell_of_mail(job, state))
    }

    fn pending_mails(&self, limit: usize) -> Answer<'_, Vec<MailJobRow>> {
        Box::pin(self.waiting_mails(limit))
    }

    fn mail_queued(&self, job: String) -> Answer<'_, ()> {
        Box::pin(self.forget_mail(job))
    }

    fn claim_key(
        &self,
        scope: String,
        key: String,
        digest: [u8; 32],
        at: Timestamp,
    ) -> Answer<'_, Option<KeptAnswer>> {
        Box::pin(async move {
            let call = self.call();
            let claim = AnswerDoc {
                id: AnswerId {
                    scope: scope.clone(),
                    key: key.clone(),
                },
                digest: binary(digest.to_vec()),
                status: 0,
                body: String::new(),
                claimed_at: at.0,
            };
            let name = answer_id(&scope, &key);
            loop {
                match self.insert(&self.db.answers, claim.clone()).await {
                    Ok(()) => return Ok(None),
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error),
                }
                let lapsed = doc! {
                    "_id": &name,
                    "$or": [
                        { "status": 0, "claimed_at": { "$lte": at.0.saturating_sub(CLAIM_MILLIS) } },
                        { "claimed_at": { "$lte": at.0.saturating_sub(DAY_MILLIS) } },
                    ],
                };
                let again = doc! { "$set": {
                    "digest": &claim.digest, "status": 0, "body": "", "claimed_at": at.0,
                } };
                if self.update(&self.db.answers, lapsed, again).await? == 1 {
                    return Ok(None);
                }
                if let Some(kept) = call
                    .find_one(&self.db.answers, doc! { "_id": &name })
                    .await?
                {
                    return Ok(Some(KeptAnswer {
                        digest: hash(&kept.digest)?,
                        status: u16::try_from(kept.status)
                            .map_err(|_| corrupt("a status is out of range"))?,
                        body: kept.body,
                    }));
                }
                // It was given back in between: it may be ours.
                call.pause(std::time::Duration::from_millis(1)).await?;
            }
        })
    }

    fn keep_answer(&self, scope: String, key: String, answer: KeptAnswer) -> Answer<'_, ()> {
        Box::pin(async move {
            let name = answer_id(&scope, &key);
            let changed = if answer.status == 0 {
                let under_way = doc! { "_id": name, "status": 0 };
                self.delete(&self.call(), &self.db.answers, under_way)
                    .await?
            } else {
                let change = doc! { "$set": {
                    "digest": binary(answer.digest.to_vec()),
                    "status": i32::from(answer.status),
                    "body": answer.body,
                } };
                self.update(&self.db.answers, doc! { "_id": name }, change)
                    .await?
            };
            if changed == 1 {
                Ok(())
            } else {
                Err(StoreError::NotFound)
            }
        })
    }

    fn keys(&self) -> Answer<'_, Vec<KeyRow>> {
        Box::pin(async move {
            let mut found = self.call().find(&self.db.keys, doc! {}).await?;
            found.sort_by(|one, other| {
                (other.created_at, &one.kid).cmp(&(one.created_at, &other.kid))
            });
            let key = |doc: KeyDoc| KeyRow {
                kid: doc.kid,
                sealed: doc.sealed.bytes,
                public: doc.public.bytes,
                created_at: Timestamp(doc.created_at),
                retires_at: doc.retires_at.map(Timestamp),
            };
            Ok(found.into_iter().map(key).collect())
        })
    }

    fn put_key(&self, key: KeyRow) -> Answer<'_, ()> {
        Box::pin(async move {
            let retires_at = key.retires_at.map(|at| at.0);
            let same = doc! { "_id": &key.kid, "public": binary(key.public.clone()) };
            let doc = KeyDoc {
                kid: key.kid,
                sealed: binary(key.sealed),
                public: binary(key.public),
                created_at: key.created_at.0,
                retires_at,
            };
            match self.insert(&self.db.keys, doc).await {
                Err(StoreError::Conflict) => {}
                answer => return answer,
            }
            let change = doc! { "$set": { "retires_at": retires_at } };
            match self.update(&self.db.keys, same, change).await? {
                1 => Ok(()),
                _ => Err(StoreError::Conflict),
            }
        })
    }

    fn secret(&self, name: String, fresh: Vec<u8>) -> Answer<'_, Vec<u8>> {
        Box::pin(async move {
            let doc = SecretDoc {
                name: name.clone(),
                value: binary(fresh),
            };
            let call = self.call();
            let found = call
                .find_one(&self.db.secrets, doc! { "_id": &name })
                .await?;
            if let Some(found) = found {
                return Ok(found.value.bytes);
            }
            match self.insert(&self.db.secrets, doc).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
            let found = call
                .find_one(&self.db.secrets, doc! { "_id": &name })
                .await?;
            Ok(found
                .ok_or_else(|| corrupt("a secret is gone"))?
                .value
                .bytes)
        })
    }

    fn sweep(&self, now: Timestamp) -> Answer<'_, u64> {
        Box::pin(self.sweep_all(now))
    }
}

impl Mongo {
    pub(super) async fn insert<T>(
        &self,
        collection: &Collection<T>,
        doc: T,
    ) -> Result<(), StoreError>
    where
        T: Serialize + Send + Sync + 'static,
    {
        let collection = collection.clone();
        self.call()
            .write(async move { collection.insert_one(doc).await.map(drop) })
            .await
            .map_err(Failure::of_write)
    }

    /// Returns how many there were to change: one or none.
    pub(super) async fn update<T>(
        &self,
        collection: &Collection<T>,
        filter: Document,
        change: Document,
    ) -> Result<u64, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let collection = collection.clone();
        self.call()
            .write(async move { collection.update_one(filter, change).await })
            .await
            .map(|updated| updated.matched_count)
            .map_err(Failure::of_write)
    }

    async fn delete<T>(
        &self,
        call: &Call,
        collection: &Collection<T>,
        filter: Document,
    ) -> Result<u64, StoreError>
    where
        T: Send + Sync + 'static,
    {
        let collection = collection.clone();
        call.write(async move { collection.delete_many(filter).await })
            .await
            .map(|deleted| deleted.deleted_count)
            .map_err(Failure::of_write)
    }

    /// What has expired, a day later where somebody may still ask for it. Signing keys stay: a kid is never reused.
    /// No TTL indexes: `now` is an argument, and what goes is counted.
    async fn sweep_all(&self, now: Timestamp) -> Result<u64, StoreError> {
        let call = self.call();
        self.finish_what_others_began(&call).await?;
        let day_ago = now.plus_millis(-DAY_MILLIS).0;
        let (challenges, expired) = (
            self.db.challenges.clone(),
            doc! { "pending": { "$exists": true }, "pending.expires_at": { "$lte": now.0 } },
        );
        let mails = call
            .write(async move {
                challenges
                    .update_many(expired, doc! { "$unset": { "pending": "" } })
                    .await
            })
            .await
            .map_err(Failure::of_write)?;
        let oldest = audit_id_at(now.plus_millis(-AUDIT_MILLIS));
        let old_notes = doc! { "_id": { "$lt": id(oldest) } };
        let until = |field: &str| doc! { field: { "$lte": day_ago } };
        let db = &self.db;
        Ok(mails.matched_count
            + self.delete(&call, &db.audit, old_notes).await?
            + self
                .delete(&call, &db.challenges, until("expires_at"))
                .await?
            + self.delete(&call, &db.answers, until("claimed_at")).await?
            + self
                .delete(&call, &db.sessions, until("revoked_at"))
                .await?
            + self
                .delete(&call, &db.sessions, until("refresh_expires"))
                .await?)
    }
}

fn answer_id(scope: &str, key: &str) -> Bson {
    Bson::from(doc! { "scope": scope, "key": key })
}

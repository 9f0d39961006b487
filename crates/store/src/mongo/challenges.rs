//! Requests for codes and their mails: one document holds both, so that neither is ever without the other, and each
//! decision is one update of it with its condition inside.

use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{self, Binary, Document, doc};
use mongodb::options::ReturnDocument;
use protocol::ids::ChallengeId;
use protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Mongo;
use super::docs::{binary, corrupt, id, uuid};
use super::failure::Failure;
use super::users::hash;
use crate::rules::LIMIT_MAX;
use crate::{ChallengeRow, MailJobRow, MailState, StoreError};

/// A request for a code, with the mail that no queue has confirmed yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ChallengeDoc {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    email: String,
    secret_hash: Binary,
    code_mac: Binary,
    issue: i64,
    attempts: i64,
    issued_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
    mail: i32,
    /// The job of the latest mail.
    job: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<PendingDoc>,
}

/// A mail that waits for its queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PendingDoc {
    /// By the time of its making, and within a process by its order.
    order: ObjectId,
    job: String,
    expires_at: i64,
}

impl Mongo {
    pub(super) async fn ask(
        &self,
        challenge: ChallengeRow,
        mail: MailJobRow,
    ) -> Result<(), StoreError> {
        let doc = ChallengeDoc {
            id: id(challenge.id.0),
            email: challenge.email,
            secret_hash: binary(challenge.secret_hash.to_vec()),
            code_mac: binary(challenge.code_mac.to_vec()),
            issue: challenge.issue.into(),
            attempts: challenge.attempts.into(),
            issued_at: challenge.issued_at.0,
            expires_at: challenge.expires_at.0,
            used_at: challenge.used_at.map(|at| at.0),
            mail: mail_state(challenge.mail),
            job: mail.id.clone(),
            pending: Some(pending(mail)),
        };
        self.insert(&self.db.challenges, doc).await
    }

    pub(super) async fn asked(&self, challenge: ChallengeId) -> Result<ChallengeRow, StoreError> {
        let found = self
            .call()
            .find_one(&self.db.challenges, doc! { "_id": id(challenge.0) })
            .await?;
        row(&found.ok_or(StoreError::NotFound)?)
    }

    pub(super) async fn ask_again(
        &self,
        next: ChallengeRow,
        issue: u32,
        mail: MailJobRow,
    ) -> Result<(), StoreError> {
        let job = mail.id.clone();
        let pending = bson::serialize_to_bson(&pending(mail))
            .map_err(|_| corrupt("a mail cannot be written"))?;
        // The pending mail of the void code goes with it.
        let change = doc! { "$set": {
            "code_mac": binary(next.code_mac.to_vec()),
            "issue": i64::from(next.issue),
            "attempts": 0_i64,
            "issued_at": next.issued_at.0,
            "expires_at": next.expires_at.0,
            "mail": mail_state(MailState::Queued),
            "job": job,
            "pending": pending,
        } };
        let in_force = doc! { "issue": i64::from(issue), "used_at": null };
        self.decide(next.id, in_force, change).await.map(drop)
    }

    pub(super) async fn guess(
        &self,
        challenge: ChallengeId,
        issue: u32,
        most: u32,
    ) -> Result<ChallengeRow, StoreError> {
        let allowed = doc! {
            "issue": i64::from(issue),
            "attempts": { "$lt": i64::from(most) },
            "used_at": null,
        };
        let counted = doc! { "$inc": { "attempts": 1_i64 } };
        row(&self.decide(challenge, allowed, counted).await?)
    }

    pub(super) async fn use_once(
        &self,
        challenge: ChallengeId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let used = doc! { "$set": { "used_at": at.0 } };
        self.decide(challenge, doc! { "used_at": null }, used)
            .await
            .map(drop)
    }

    pub(super) async fn tell_of_mail(
        &self,
        job: String,
        state: MailState,
    ) -> Result<(), StoreError> {
        let mut change = doc! { "$set": { "mail": mail_state(state) } };
        if state != MailState::Queued {
            change.insert("$unset", doc! { "pending": "" });
        }
        // A challenge that is forgotten, or has a newer mail, has no use for the news.
        self.update(&self.db.challenges, doc! { "job": job }, change)
            .await
            .map(drop)
    }

    pub(super) async fn waiting_mails(&self, limit: usize) -> Result<Vec<MailJobRow>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let challenges = self.db.challenges.clone();
        let found: Vec<ChallengeDoc> = self
            .call()
            .read(async move {
                challenges
                    .find(doc! { "pending": { "$exists": true } })
                    .sort(doc! { "pending.order": 1 })
                    .limit(limit.min(LIMIT_MAX) as i64)
                    .await?
                    .try_collect()
                    .await
            })
            .await?;
        let mail = |doc: ChallengeDoc| {
            doc.pending.map(|pending| MailJobRow {
                id: doc.job,
                job: pending.job,
                expires_at: Timestamp(pending.expires_at),
            })
        };
        Ok(found.into_iter().filter_map(mail).collect())
    }

    pub(super) async fn forget_mail(&self, job: String) -> Result<(), StoreError> {
        let queued = doc! { "$unset": { "pending": "" } };
        self.update(&self.db.challenges, doc! { "job": job }, queued)
            .await
            .map(drop)
    }

    /// Changes a challenge if it is as it must be: `Conflict` if it is not, `NotFound` if it is forgotten.
    async fn decide(
        &self,
        challenge: ChallengeId,
        mut must: Document,
        change: Document,
    ) -> Result<ChallengeDoc, StoreError> {
        let call = self.call();
        must.insert("_id", id(challenge.0));
        let challenges = self.db.challenges.clone();
        let decided = call
            .write(async move {
                challenges
                    .find_one_and_update(must, change)
                    .return_document(ReturnDocument::After)
                    .await
            })
            .await
            .map_err(Failure::of_write)?;
        if let Some(doc) = decided {
            return Ok(doc);
        }
        let found = call
            .find_one(&self.db.challenges, doc! { "_id": id(challenge.0) })
            .await?;
        Err(found.map_or(StoreError::NotFound, |_| StoreError::Conflict))
    }
}

fn pending(mail: MailJobRow) -> PendingDoc {
    PendingDoc {
        order: ObjectId::new(),
        job: mail.job,
        expires_at: mail.expires_at.0,
    }
}

fn row(doc: &ChallengeDoc) -> Result<ChallengeRow, StoreError> {
    let small = |value: i64| u32::try_from(value).map_err(|_| corrupt("a count is out of range"));
    Ok(ChallengeRow {
        id: ChallengeId(uuid(doc.id)),
        email: doc.email.clone(),
        secret_hash: hash(&doc.secret_hash)?,
        code_mac: hash(&doc.code_mac)?,
        issue: small(doc.issue)?,
        attempts: small(doc.attempts)?,
        issued_at: Timestamp(doc.issued_at),
        expires_at: Timestamp(doc.expires_at),
        used_at: doc.used_at.map(Timestamp),
        mail: match doc.mail {
            0 => MailState::Queued,
            1 => MailState::Sent,
            2 => MailState::Failed,
            _ => return Err(corrupt("unknown state of a mail")),
        },
    })
}

fn mail_state(state: MailState) -> i32 {
    match state {
        MailState::Queued => 0,
        MailState::Sent => 1,
        MailState::Failed => 2,
    }
}

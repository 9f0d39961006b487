//! Collections and indexes: made at the start if they are missing, then read back, since the guarantee rests on the
//! unique ones. schema.md says why each is there.

use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};

use super::audit::AuditDoc;
use super::challenges::ChallengeDoc;
use super::claims::ClaimDoc;
use super::docs::{BatchDoc, MemberDoc, MentionDoc, RoomDoc, VersionDoc};
use super::facts::{AnswerDoc, KeyDoc, SecretDoc};
use super::ops::{Call, Ops};
use super::users::{SessionDoc, UserDoc};
use crate::StoreError;

/// What this binary reads and writes. A newer one in the database refuses the start.
const VERSION: i32 = 2;

/// Handles on all collections; cheap to clone.
#[derive(Clone)]
pub(super) struct Collections {
    pub(super) entries: Collection<BatchDoc>,
    pub(super) rooms: Collection<RoomDoc>,
    pub(super) members: Collection<MemberDoc>,
    pub(super) versions: Collection<VersionDoc>,
    pub(super) mentions: Collection<MentionDoc>,
    pub(super) users: Collection<UserDoc>,
    pub(super) addresses: Collection<ClaimDoc<UserDoc>>,
    pub(super) pairs: Collection<ClaimDoc<RoomDoc>>,
    pub(super) sessions: Collection<SessionDoc>,
    pub(super) challenges: Collection<ChallengeDoc>,
    pub(super) answers: Collection<AnswerDoc>,
    pub(super) keys: Collection<KeyDoc>,
    pub(super) secrets: Collection<SecretDoc>,
    pub(super) meta: Collection<Document>,
    pub(super) audit: Collection<AuditDoc>,
}

impl Collections {
    pub(super) fn of(database: &Database) -> Self {
        Self {
            entries: database.collection("entries"),
            rooms: database.collection("rooms"),
            members: database.collection("members"),
            versions: database.collection("versions"),
            mentions: database.collection("mentions"),
            users: database.collection("users"),
            addresses: database.collection("addresses"),
            pairs: database.collection("pairs"),
            sessions: database.collection("sessions"),
            challenges: database.collection("challenges"),
            answers: database.collection("kept_answers"),
            keys: database.collection("signing_keys"),
            secrets: database.collection("secrets"),
            meta: database.collection("meta"),
            audit: database.collection("audit"),
        }
    }
}

/// What a collection may be sharded by: a plain field that each of its unique indexes starts with, and each of its
/// frequent questions names.
pub(super) fn shard_key_of(collection: &str) -> &'static str {
    match collection {
        "entries" | "members" | "versions" | "mentions" => "room",
        _ => "_id",
    }
}

struct Index {
    collection: &'static str,
    name: &'static str,
    keys: Document,
    unique: bool,
    /// Only documents that match this are in it.
    only: Option<Document>,
}

fn index(collection: &'static str, name: &'static str, keys: Document) -> Index {
    Index {
        collection,
        name,
        keys,
        unique: false,
        only: None,
    }
}

impl Index {
    fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    fn only(mut self, only: Document) -> Self {
        self.only = Some(only);
        self
    }
}

fn indexes() -> Vec<Index> {
    let there = |field: &str| doc! { field: { "$exists": true } };
    vec![
        index("entries", "keys", doc! { "room": 1, "keys": 1 }).unique(),
        index("entries", "messages", doc! { "room": 1, "messages": 1 })
            .unique()
            .only(there("messages")),
        index("entries", "last", doc! { "room": 1, "epoch": 1, "last": 1 }).unique(),
        index(
            "entries",
            "said",
            doc! { "room": 1, "epoch": 1, "said_n": 1 },
        )
        .only(there("said_n")),
        index(
            "rooms",
            "directory",
            doc! { "listed": 1, "member_count": -1, "_id": 1 },
        ),
        index("rooms", "grams", doc! { "grams": 1 }).only(there("grams")),
        index("rooms", "founding", doc! { "founding.n": 1 }).only(there("founding")),
        index("members", "user", doc! { "user": 1, "room": 1 }),
        index("members", "here", doc! { "room": 1, "here": 1, "user": 1 }),
        index("members", "banned", doc! { "room": 1, "user": 1 }).only(doc! { "banned": true }),
        index(
            "mentions",
            "users",
            doc! { "users": 1, "room": 1, "seq": 1 },
        ),
        index("users", "tails", doc! { "tails": 1 }),
        index("users", "erasing", doc! { "erasing": 1 }).only(there("erasing")),
        index("sessions", "user", doc! { "user": 1 }),
        index("sessions", "revoked", doc! { "revoked_at": 1 }),
        index("sessions", "expiring", doc! { "refresh_expires": 1 }),
        index("challenges", "job", doc! { "job": 1 }).unique(),
        index("challenges", "pending", doc! { "pending.order": 1 }).only(there("pending")),
        index("challenges", "email", doc! { "email": 1 }),
        index("challenges", "expiring", doc! { "expires_at": 1 }),
        index("kept_answers", "scope", doc! { "_id.scope": 1 }),
        index("kept_answers", "age", doc! { "claimed_at": 1 }),
    ]
}

/// Makes what is missing, verifies what is there, and keeps the version.
pub(super) async fn prepare(database: &Database, ops: &Ops) -> Result<(), StoreError> {
    if version(database, &ops.call()).await? < VERSION {
        super::migrate::claim_names(&Collections::of(database), ops).await?;
        reached(database, &ops.call()).await?;
    }
    let call = &ops.call();
    let mut wanted = indexes();
    wanted.sort_by_key(|index| index.collection);
    let mut work = Vec::new();
    for of_one in wanted.chunk_by(|one, next| one.collection == next.collection) {
        let collection = database.collection::<Document>(of_one[0].collection);
        let models: Vec<IndexModel> = of_one.iter().map(model).collect();
        work.push(async move {
            call.write(async move { collection.create_indexes(models).await })
                .await
        });
    }
    for made in futures_util::future::join_all(work).await {
        made.map_err(|failure| {
            StoreError::Refused(format!(
                "an index cannot be made: {}; schema.md lists them, and one of the same name may be in the way",
                failure.of_read()
            ))
        })?;
    }
    verify(database, call, &wanted).await
}

fn model(index: &Index) -> IndexModel {
    let options = IndexOptions::builder()
        .name(index.name.to_owned())
        .unique(index.unique.then_some(true))
        .partial_filter_expression(index.only.clone())
        .build();
    IndexModel::builder()
        .keys(index.keys.clone())
        .options(options)
        .build()
}

/// An index that is there under another definition would let two messages have one place.
async fn verify(database: &Database, call: &Call, wanted: &[Index]) -> Result<(), StoreError> {
    for of_one in wanted.chunk_by(|one, next| one.collection == next.collection) {
        let collection = database.collection::<Document>(of_one[0].collection);
        let found: Vec<IndexModel> = call
            .read(async move {
                use futures_util::TryStreamExt as _;
                collection.list_indexes().await?.try_collect().await
            })
            .await?;
        for index in of_one.iter().filter(|index| index.unique) {
            let holds = found.iter().any(|found| {
                found.keys.keys().eq(index.keys.keys())
                    && found
                        .options
                        .as_ref()
                        .is_some_and(|options| options.unique == Some(true))
            });
            if !holds {
                return Err(StoreError::Refused(format!(
                    "the unique index {}.{} {} is missing: make it (see schema.md) and start again",
                    index.collection, index.name, index.keys
                )));
            }
        }
    }
    Ok(())
}

/// The schema of the database, which is this binary's if there was none.
async fn version(database: &Database, call: &Call) -> Result<i32, StoreError> {
    let meta = database.collection::<Document>("meta");
    let kept = call
        .write(async move {
            meta.find_one_and_update(
                doc! { "_id": "schema" },
                doc! { "$setOnInsert": { "version": VERSION } },
            )
            .upsert(true)
            .return_document(mongodb::options::ReturnDocument::After)
            .await
        })
        .await;
    let found = match kept {
        Ok(kept) => kept
            .and_then(|kept| kept.get_i32("version").ok())
            .unwrap_or(VERSION),
        // Another process starts at this moment and has just put it there.
        Err(super::failure::Failure::Duplicate) => VERSION,
        Err(failure) => return Err(failure.of_read()),
    };
    if found > VERSION {
        return Err(StoreError::Refused(format!(
            "the database has schema {found}; this binary knows up to {VERSION}: use a newer one"
        )));
    }
    Ok(found)
}

/// Says that everything is as this binary's schema wants it.
async fn reached(database: &Database, call: &Call) -> Result<(), StoreError> {
    let meta = database.collection::<Document>("meta");
    let newer = doc! { "$max": { "version": VERSION } };
    call.write(async move { meta.update_one(doc! { "_id": "schema" }, newer).await })
        .await
        .map(drop)
        .map_err(super::failure::Failure::of_read)
}

//! Messages in their latest version, and whom they name, as they follow from the log.

use std::collections::{BTreeMap, HashMap};

use mongodb::bson::{Binary, Bson, doc};
use protocol::entry::{Change, Entry};
use protocol::ids::{MessageId, RoomId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::Epoch;
use tracing::warn;

use super::Mongo;
use super::docs::{BatchDoc, EntryDoc, binary, id, message, place, stored, uuid};
use super::failure::Failure;
use super::ops::Call;
use crate::rules::{Chosen, react};
use crate::{StoreError, body};

impl Mongo {
    /// Mentions are written before the versions: a version that is there says that its mentions are too.
    pub(super) async fn project_messages(
        &self,
        call: &Call,
        room: RoomId,
        batch: &BatchDoc,
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        let epoch = Epoch(batch.epoch.cast_unsigned());
        // By place, as they are at the end of the batch.
        let mut named: BTreeMap<Seq, Vec<UserId>> = BTreeMap::new();
        let mut changed: BTreeMap<MessageId, Vec<&Entry>> = BTreeMap::new();
        for entry in entries {
            match &entry.change {
                Change::Said { message } if !message.mentions.is_empty() => {
                    named.insert(entry.seq, message.mentions.clone());
                }
                Change::Edited { message } | Change::Deleted { message } => {
                    changed.entry(message.id).or_default().push(entry);
                }
                Change::Reacted { message, .. } => changed.entry(*message).or_default().push(entry),
                _ => {}
            }
        }
        let versions = self.new_versions(call, batch, &changed, &mut named).await?;
        for (seq, users) in named {
            self.name(call, (room, epoch, seq), batch.first, users)
                .await?;
        }
        for version in versions {
            self.put_version(call, room, batch.first, version).await?;
        }
        Ok(())
    }

    /// The new versions of messages that the batch changes, by place; those that are there already are left out.
    async fn new_versions(
        &self,
        call: &Call,
        batch: &BatchDoc,
        changed: &BTreeMap<MessageId, Vec<&Entry>>,
        named: &mut BTreeMap<Seq, Vec<UserId>>,
    ) -> Result<Vec<Version>, StoreError> {
        let room = RoomId(uuid(batch.room));
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<MessageId> = changed.keys().copied().collect();
        let origins = self.origins(call, room, &ids).await?;
        let places = origins
            .values()
            .map(|origin| origin.place.clone())
            .collect();
        let known: HashMap<Vec<u8>, _> = self
            .versions_of(call, places)
            .await?
            .into_iter()
            .map(|version| (version.id.bytes.clone(), version))
            .collect();
        let mut versions = Vec::new();
        for (message_id, entries) in changed {
            let Some(origin) = origins.get(message_id) else {
                // The log is the truth and stands; there is nothing that could show this change.
                warn!(%room, message = %message_id, "an entry changes a message that the room does not have");
                continue;
            };
            let version = known.get(&origin.place.bytes);
            if version.is_some_and(|version| version.at >= batch.first) {
                continue;
            }
            let before = message(&origin.entry, room, origin.seq, version)?;
            let mut after = before.clone();
            for entry in entries {
                change(&mut after, entry);
            }
            if !(before.mentions.is_empty() && after.mentions.is_empty()) {
                named.insert(origin.seq, after.mentions.clone());
            }
            let mut bytes = Vec::new();
            body::encode_message(&after, &origin.entry.origin(room, origin.seq)?, &mut bytes);
            versions.push(Version {
                place: origin.place.clone(),
                before: version.map(|version| version.at),
                body: binary(bytes),
            });
        }
        Ok(versions)
    }

    /// The entries that first said some messages.
    pub(super) async fn origins(
        &self,
        call: &Call,
        room: RoomId,
        ids: &[MessageId],
    ) -> Result<HashMap<MessageId, SaidAt>, StoreError> {
        let mut origins = HashMap::with_capacity(ids.len());
        for batch in self.batches_of(call, room, ids).await? {
            let epoch = Epoch(batch.epoch.cast_unsigned());
            let said = batch.places()?.filter(|(_, entry)| entry.said());
            for ((seq, entry), message) in said.zip(&batch.messages) {
                let said = SaidAt {
                    seq,
                    place: place(room, epoch, seq),
                    entry: entry.clone(),
                };
                origins.insert(MessageId(uuid(*message)), said);
            }
        }
        Ok(origins)
    }

    async fn name(
        &self,
        call: &Call,
        (room, epoch, seq): (RoomId, Epoch, Seq),
        first: i64,
        users: Vec<UserId>,
    ) -> Result<(), StoreError> {
        let users: Vec<Bson> = users.into_iter().map(|user| id(user.0).into()).collect();
        let older = doc! { "_id": place(room, epoch, seq), "at": { "$lt": first } };
        let change = doc! { "$set": { "room": id(room.0), "seq": stored(seq), "users": users, "at": first } };
        let mentions = self.db.mentions.clone();
        let named = call
            .write(async move {
                mentions
                    .update_one(older, change)
                    .upsert(true)
                    .await
                    .map(drop)
            })
            .await;
        match named {
            // It is there, and not older: somebody has been here.
            Ok(()) | Err(Failure::Duplicate) => Ok(()),
            Err(failure) => Err(failure.of_write()),
        }
    }

    async fn put_version(
        &self,
        call: &Call,
        room: RoomId,
        first: i64,
        version: Version,
    ) -> Result<(), StoreError> {
        let versions = self.db.versions.clone();
        // An absent one is asked for by a time that none has, so that the upsert makes it or collides.
        let before = doc! { "_id": version.place, "at": version.before.unwrap_or(0) };
        let change = doc! { "$set": { "room": id(room.0), "at": first, "body": version.body } };
        let absent = version.before.is_none();
        let put = call
            .write(async move {
                versions
                    .update_one(before, change)
                    .upsert(absent)
                    .await
                    .map(drop)
            })
            .await;
        match put {
            Ok(()) | Err(Failure::Duplicate) => Ok(()),
            Err(failure) => Err(failure.of_write()),
        }
    }
}

/// Where a message was first said.
pub(super) struct SaidAt {
    pub(super) seq: Seq,
    pub(super) place: Binary,
    pub(super) entry: EntryDoc,
}

struct Version {
    place: Binary,
    /// `at` of the version that this one was made from.
    before: Option<i64>,
    body: Binary,
}

fn change(latest: &mut Message, entry: &Entry) {
    match &entry.change {
        Change::Edited { message } | Change::Deleted { message } => latest.clone_from(message),
        Change::Reacted {
            emoji,
            added,
            count,
            ..
        } => react(
            &mut latest.reactions,
            Chosen {
                emoji,
                by: entry.actor,
                added: *added,
                count: *count,
            },
        ),
        _ => {}
    }
}

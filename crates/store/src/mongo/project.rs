//! What follows from a batch: members, bans, markers, versions, mentions, and the room's own document.
//!
//! **Order.** Batches are projected in the order of the log, and each whole before the next is begun: the room's document
//! names the last batch that is done (`seq`), and moves by compare-and-set after all else of the batch has been
//! acknowledged by a majority, or behind it in one log ([`bulk`](super::bulk)). A majority that knows the new `seq` knows
//! the rest.
//!
//! **Repeats and latecomers.** Any number of processes may project one batch at once, or again after a crash, or years
//! later from a frozen process. Each document carries `at`, the first place of the batch that last changed it, and is
//! changed only from what was there before that batch: whoever comes second finds `at` there, and nothing is ever
//! removed under a latecomer (who left stays as `here: false`, a message that names nobody any more keeps its row).

use mongodb::bson::{Document, doc};
use protocol::entry::{Change, Entry};
use protocol::ids::RoomId;
use protocol::room::{Room, RoomType};

use super::Mongo;
use super::directory::grams;
use super::docs::BatchDoc;
use super::ops::Call;
use crate::{StoreError, body};

impl Mongo {
    /// Projects the batch that follows the last projected one. False when somebody else has been there already. With
    /// `founded` the room needs its founding entries no longer.
    pub(super) async fn project(
        &self,
        call: &Call,
        room: RoomId,
        batch: &BatchDoc,
        founded: bool,
    ) -> Result<bool, StoreError> {
        let entries = batch
            .places()?
            .map(|(seq, entry)| entry.entry(room, seq))
            .collect::<Result<Vec<_>, _>>()?;
        let (arrivals, ()) = futures_util::future::try_join(
            self.project_members(call, room, batch, &entries),
            self.project_messages(call, room, batch, &entries),
        )
        .await?;
        // After the members: who comes and speaks in one batch has a marker to move.
        self.project_markers(call, room, &entries).await?;

        let mut unset = Document::new();
        let mut set = place_of(batch);
        for entry in &entries {
            settings(entry, &mut set, &mut unset);
        }
        if founded {
            unset.insert("founding", "");
        }
        let mut change = doc! { "$set": set, "$inc": { "member_count": arrivals } };
        if !unset.is_empty() {
            change.insert("$unset", unset);
        }
        let before = projected_before(batch);
        let rooms = self.db.rooms.clone();
        let moved = call
            .write(async move { rooms.update_one(before, change).await })
            .await
            .map_err(super::failure::Failure::of_write)?;
        Ok(moved.matched_count == 1)
    }
}

/// The room's document as it is when all before a batch is projected.
pub(super) fn projected_before(batch: &BatchDoc) -> Document {
    doc! { "_id": batch.room, "epoch": batch.epoch, "seq": batch.first - 1 }
}

/// How far the projections are with a batch.
pub(super) fn place_of(batch: &BatchDoc) -> Document {
    doc! {
        "seq": batch.last,
        "n": batch.n,
        "said": batch.said,
        "said_in": batch.said_in,
    }
}

fn settings(entry: &Entry, set: &mut Document, unset: &mut Document) {
    match &entry.change {
        Change::RoomChanged { room } => {
            let listed = room.kind == RoomType::Public;
            set.insert("kind", i32::from(body::room_type(room.kind)));
            set.insert("name", room.name.clone());
            set.insert("topic", room.topic.clone());
            set.insert("listed", listed);
            let grams = grams_of(room);
            if grams.is_empty() {
                set.remove("grams");
                unset.insert("grams", "");
            } else {
                unset.remove("grams");
                set.insert("grams", grams);
            }
        }
        Change::RoomDeleted => {
            set.insert("deleted", true);
            set.insert("listed", false);
            set.remove("grams");
            unset.insert("grams", "");
            // The pair of a deleted DM may have a new one.
            unset.insert("dm", "");
        }
        _ => {}
    }
}

/// What the directory finds a room by; nothing for a room that it does not list.
pub(super) fn grams_of(room: &Room) -> Vec<String> {
    match &room.name {
        Some(name) if room.kind == RoomType::Public => grams(&name.to_lowercase()),
        _ => Vec::new(),
    }
}

//! Carrying a group of appends to the server: their places, their batches, and what follows from them, all in one
//! command ([`bulk`](super::bulk)) or each in one for all.

use std::collections::HashSet;

use futures_util::future::join_all;
use mongodb::bson::doc;
use mongodb::error::ErrorKind;
use protocol::ids::RoomId;
use tokio::time::Instant;

use super::Mongo;
use super::append::{Place, Whereabouts, batch_behind, end_of, no_place};
use super::bulk::Carried;
use super::docs::{BatchDoc, id, uuid};
use super::failure::of_each;
use super::members::markers;
use super::ops::Call;
use super::project::{place_of, projected_before};
use super::together::Waiter;
use crate::{Append, AppendError, StoreError};

/// An append with its batch behind the place that it follows.
pub(super) struct Placed {
    pub(super) waiter: Waiter,
    pub(super) batch: BatchDoc,
}

impl Placed {
    pub(super) fn room(&self) -> RoomId {
        self.waiter.append.room
    }
}

impl Mongo {
    /// Appends plain talk to many rooms, and answers each who waits.
    pub(super) async fn append_group(&self, waiters: Vec<Waiter>) {
        let now = Instant::now();
        let (waiters, late): (Vec<_>, Vec<_>) =
            waiters.into_iter().partition(|waiter| waiter.until > now);
        for waiter in late {
            waiter.answer(Err(AppendError::Unavailable(
                "no time was left for it".into(),
            )));
        }
        // One call for all: it is begun when the last of them may still have its full time.
        let call = self.call();
        let placed = self.place(&call, waiters).await;
        let Carried { undone, mut stored } = self.carry(&call, placed).await;
        stored.extend(self.store(&call, undone).await);
        self.follow(&call, stored).await;
    }

    /// Finds the place of each; whose place is not simply to be had goes its own way.
    async fn place(&self, call: &Call, waiters: Vec<Waiter>) -> Vec<Placed> {
        let whereabouts =
            |append: &Append| self.whereabouts(append.room, append.epoch, &append.entries);
        let unknown: Vec<_> = waiters
            .iter()
            .filter(|waiter| matches!(whereabouts(&waiter.append), Whereabouts::Unknown))
            .map(|waiter| id(waiter.append.room.0))
            .collect();
        // That they cannot be read is found out again, and told, by each of those who need them.
        let docs = call.by_ids(&self.db.rooms, unknown).await;
        for doc in docs.unwrap_or_default() {
            if let Ok(place) = Place::of_room(&doc)
                && doc.founding.is_none()
            {
                self.heads.set(doc.room_id(), place);
            }
        }
        let mut placed = Vec::with_capacity(waiters.len());
        for waiter in waiters {
            let Append {
                room,
                epoch,
                ref entries,
            } = waiter.append;
            match whereabouts(&waiter.append) {
                Whereabouts::Behind(before) => match batch_behind(&before, room, entries) {
                    Ok(batch) => placed.push(Placed { waiter, batch }),
                    Err(unfit) => waiter.answer(Err(unfit)),
                },
                Whereabouts::Taken => {
                    let refused = no_place(room, epoch, entries);
                    waiter.answer(Err(refused));
                }
                Whereabouts::Unknown => {
                    let (mongo, call) = (self.clone(), call.clone());
                    self.ops.spawn(async move {
                        let stored = mongo.append_alone(&call, waiter.append.clone()).await;
                        waiter.answer(stored);
                    });
                }
            }
        }
        placed
    }

    /// Puts all batches into their logs. Returns those that are stored.
    async fn store(&self, call: &Call, placed: Vec<Placed>) -> Vec<Placed> {
        if placed.is_empty() {
            return placed;
        }
        let (entries, batches) = (self.db.entries.clone(), placed.iter());
        let batches: Vec<_> = batches.map(|one| one.batch.clone()).collect();
        let outcome = call
            .write(async move {
                match entries.insert_many(batches).ordered(false).await {
                    Ok(_) => Ok(None),
                    Err(error) => match error.kind.as_ref() {
                        ErrorKind::InsertMany(refused) => Ok(Some(refused.clone())),
                        _ => Err(error),
                    },
                }
            })
            .await;
        let each = match outcome {
            Ok(refused) => of_each(refused.as_ref(), placed.len()),
            Err(failure) => vec![Err(failure); placed.len()],
        };
        let mut stored = Vec::with_capacity(placed.len());
        for (one, outcome) in placed.into_iter().zip(each) {
            match outcome {
                Ok(()) => stored.push(one),
                Err(failure) => one.waiter.answer(Err(failure.of_append())),
            }
        }
        stored
    }

    /// Carries the projections along, and answers.
    async fn follow(&self, call: &Call, stored: Vec<Placed>) {
        if stored.is_empty() {
            return;
        }
        let projected = self.project_plain(call, &stored).await;
        let answers = stored.into_iter().map(|one| async {
            let answer = match &projected {
                Ok(rooms) if rooms.contains(&one.room()) => self.heads_on(&one.batch),
                // Not all before it was projected, or somebody is at it, or the room has another epoch: as for one.
                Ok(_) => self.caught_up(call, one.room()).await.map(drop),
                Err(error) => Err(error.clone()),
            };
            one.waiter
                .answer(answer.map_err(|error| AppendError::Unknown(error.to_string())));
        });
        join_all(answers).await;
    }

    pub(super) fn heads_on(&self, batch: &BatchDoc) -> Result<(), StoreError> {
        self.heads.set(RoomId(uuid(batch.room)), end_of(batch)?);
        Ok(())
    }

    /// Projects plain talk. Returns the rooms that are at its end now, whoever brought them there.
    async fn project_plain(
        &self,
        call: &Call,
        stored: &[Placed],
    ) -> Result<HashSet<RoomId>, StoreError> {
        let moves = stored
            .iter()
            .flat_map(|one| markers(one.room(), &one.waiter.append.entries))
            .collect();
        self.update_all(call, &self.db.members, moves).await?;
        let rooms: Vec<_> = stored
            .iter()
            .map(|one| {
                let change = doc! { "$set": place_of(&one.batch) };
                (projected_before(&one.batch), change)
            })
            .collect();
        let wanted = rooms.len() as i64;
        if self.update_all(call, &self.db.rooms, rooms).await? == wanted {
            return Ok(stored.iter().map(Placed::room).collect());
        }
        let ids = stored.iter().map(|one| one.batch.room).collect();
        let docs = call.by_ids(&self.db.rooms, ids).await?;
        let there = |one: &&Placed| {
            docs.iter().any(|doc| {
                doc.id == one.batch.room
                    && doc.epoch == one.batch.epoch
                    && doc.seq >= one.batch.last
            })
        };
        Ok(stored.iter().filter(there).map(Placed::room).collect())
    }
}

//! A whole group in one command, where the server can (MongoDB 8.0): of each append its batch, the markers of who spoke,
//! and the room's document, in this order, one append after the other.
//!
//! **Why it is right.** The server carries them out in order and stops at the first that fails, so nothing follows from a
//! batch that was not inserted. All of it is in one log of one replica set: a majority that knows the room's new `seq`
//! knows what was written before it, as where each step waits for the last ([`project`](super::project)). Over shards
//! that does not hold, so a router is never asked this way.
//!
//! What a server refuses as a whole (an older one, an account without the right) is done in three commands from then on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use mongodb::error::{
    BulkWriteError, Error, ErrorKind, PartialBulkWriteResult, Result as DriverResult,
};
use mongodb::options::{UpdateOneModel, WriteModel};
use mongodb::results::UpdateResult;

use super::Mongo;
use super::failure::{Failure, of_one};
use super::group::Placed;
use super::members::markers;
use super::ops::Call;
use super::project::{place_of, projected_before};

/// The server's words for "not this command": unauthorized, not found, not supported.
const REFUSED: [i32; 3] = [13, 59, 115];

/// Whether the server is asked this way.
pub(super) struct Bulk(AtomicBool);

impl Bulk {
    pub(super) fn new(can: bool) -> Self {
        Self(AtomicBool::new(can))
    }
}

/// What became of a group: nothing was done of `undone`; of `stored` something may be missing that follows from it.
pub(super) struct Carried {
    pub(super) undone: Vec<Placed>,
    pub(super) stored: Vec<Placed>,
}

/// What the server said.
enum Reply {
    /// The updates that were carried out, by their place in the command, and the errors.
    Some(HashMap<usize, UpdateResult>, Box<BulkWriteError>),
    /// Nothing was done. If this was the driver's second try and the first was done on another server, the other way
    /// finds the places taken, and who hears that looks whose they are.
    Refused(String),
}

/// Where one append's writes are in the command.
struct Span {
    first: usize,
    last: usize,
}

impl Mongo {
    /// Carries a group to the server, and answers each whose answer is clear.
    pub(super) async fn carry(&self, call: &Call, placed: Vec<Placed>) -> Carried {
        let nothing = |undone| Carried {
            undone,
            stored: Vec::new(),
        };
        if placed.is_empty() || !self.bulk.0.load(Relaxed) {
            return nothing(placed);
        }
        let (writes, spans) = match self.writes(&placed) {
            Ok(written) => written,
            // The other way meets it too, and tells each whose it is.
            Err(_) => return nothing(placed),
        };
        let (client, concern) = (
            self.client.clone(),
            self.db.entries.write_concern().cloned(),
        );
        let outcome = call.write(async move {
            let writing = client.bulk_write(writes).verbose_results();
            let writing = match concern {
                Some(concern) => writing.write_concern(concern),
                None => writing,
            };
            match writing.await {
                Ok(done) => Ok(Reply::Some(done.update_results, Box::default())),
                Err(error) => said(error),
            }
        });
        match outcome.await {
            Ok(Reply::Some(updates, error)) => self.settle(placed, &spans, &updates, &error),
            Ok(Reply::Refused(why)) => {
                self.bulk.0.store(false, Relaxed);
                tracing::info!(
                    why,
                    "mongodb takes no bulkWrite: each group is three commands"
                );
                nothing(placed)
            }
            Err(failure) => {
                for one in placed {
                    one.waiter.answer(Err(failure.clone().of_append()));
                }
                nothing(Vec::new())
            }
        }
    }

    fn writes(&self, placed: &[Placed]) -> DriverResult<(Vec<WriteModel>, Vec<Span>)> {
        let (mut writes, mut spans) = (Vec::new(), Vec::with_capacity(placed.len()));
        let (members, rooms) = (self.db.members.namespace(), self.db.rooms.namespace());
        for one in placed {
            let first = writes.len();
            writes.push(self.db.entries.insert_one_model(&one.batch)?.into());
            for (filter, change) in markers(one.room(), &one.waiter.append.entries) {
                let marker = UpdateOneModel::builder()
                    .namespace(members.clone())
                    .filter(filter)
                    .update(change);
                writes.push(marker.build().into());
            }
            let last = writes.len();
            let room = UpdateOneModel::builder()
                .namespace(rooms.clone())
                .filter(projected_before(&one.batch))
                .update(mongodb::bson::doc! { "$set": place_of(&one.batch) });
            writes.push(room.build().into());
            spans.push(Span { first, last });
        }
        Ok((writes, spans))
    }

    fn settle(
        &self,
        placed: Vec<Placed>,
        spans: &[Span],
        updates: &HashMap<usize, UpdateResult>,
        error: &BulkWriteError,
    ) -> Carried {
        let failed = error.write_errors.keys().min().copied();
        let doubt = error.write_concern_errors.first();
        let mut carried = Carried {
            undone: Vec::new(),
            stored: Vec::new(),
        };
        for (one, span) in placed.into_iter().zip(spans) {
            match failed {
                Some(at) if at < span.first => {
                    carried.undone.push(one);
                    continue;
                }
                Some(at) if at == span.first => {
                    if let Some(error) = error.write_errors.get(&at) {
                        let failure = of_one(error.code, &error.message);
                        one.waiter.answer(Err(failure.of_append()));
                    }
                    continue;
                }
                _ => {}
            }
            if let Some(doubt) = doubt {
                let lost = Failure::Lost(doubt.message.clone());
                one.waiter.answer(Err(lost.of_append()));
                continue;
            }
            let moved = updates
                .get(&span.last)
                .is_some_and(|room| room.matched_count == 1);
            if moved && self.heads_on(&one.batch).is_ok() {
                one.waiter.answer(Ok(()));
            } else {
                carried.stored.push(one);
            }
        }
        carried
    }
}

/// What an error of the command says of its writes, if it says something of each.
fn said(error: Error) -> DriverResult<Reply> {
    // Something beside the writes themselves: then nothing is known of any.
    let is_cut = std::error::Error::source(&error).is_some();
    match error.kind.as_ref() {
        ErrorKind::BulkWrite(each) if !is_cut => {
            let updates = match &each.partial_result {
                Some(PartialBulkWriteResult::Verbose(done)) => done.update_results.clone(),
                _ => HashMap::new(),
            };
            Ok(Reply::Some(updates, Box::new(each.clone())))
        }
        ErrorKind::Command(refused) if REFUSED.contains(&refused.code) => {
            Ok(Reply::Refused(refused.code_name.clone()))
        }
        ErrorKind::IncompatibleServer { message, .. } => Ok(Reply::Refused(message.clone())),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{deserialize_from_document, doc};
    use mongodb::error::{CommandError, WriteError};

    use super::*;

    fn command(code: i32) -> Error {
        let refused = doc! { "code": code, "codeName": "x", "errmsg": "" };
        let refused: CommandError = deserialize_from_document(refused).unwrap();
        ErrorKind::Command(refused).into()
    }

    #[test]
    fn only_a_command_that_is_not_taken_at_all_has_done_nothing_for_certain() {
        for code in REFUSED {
            assert!(matches!(said(command(code)), Ok(Reply::Refused(_))));
        }
        // Shut down meanwhile, not primary any more.
        for code in [91, 10_107] {
            assert!(said(command(code)).is_err());
        }
    }

    #[test]
    fn what_is_said_of_each_write_is_told_of_each() {
        let taken = doc! { "code": 11_000, "errmsg": "taken" };
        let taken: WriteError = deserialize_from_document(taken).unwrap();
        let mut each = BulkWriteError::default();
        each.write_errors.insert(3, taken);
        let Ok(Reply::Some(updates, each)) = said(ErrorKind::BulkWrite(each).into()) else {
            panic!("it is an answer");
        };
        assert!(updates.is_empty() && each.write_errors.contains_key(&3));
    }
}

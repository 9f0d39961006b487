//! Members and bans as they follow from the log, and the markers of those who speak.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use mongodb::bson::{self, Document, doc};
use protocol::entry::{Change, Entry};
use protocol::ids::{RoomId, UserId};
use protocol::room::LeaveReason;

use super::Mongo;
use super::docs::{BatchDoc, MemberDoc, corrupt, id, pair, stored, uuid};
use super::failure::Failure;
use super::ops::Call;
use crate::{StoreError, body};

/// Before another look at what somebody else is writing.
const PAUSE: Duration = Duration::from_millis(5);

/// A change of one person's document that the batch asks for.
struct Step {
    before: Option<i64>,
    after: MemberDoc,
    /// Their read marker starts anew.
    came: bool,
}

impl Mongo {
    /// Returns how many members the batch has brought, less those whom it took; the same for whoever projects it.
    pub(super) async fn project_members(
        &self,
        call: &Call,
        room: RoomId,
        batch: &BatchDoc,
        entries: &[Entry],
    ) -> Result<i64, StoreError> {
        let mut touched: BTreeMap<UserId, Vec<&Entry>> = BTreeMap::new();
        for entry in entries {
            if let Some(user) = about(entry) {
                touched.entry(user).or_default().push(entry);
            }
        }
        if touched.is_empty() {
            return Ok(0);
        }
        // Nobody is in a room before its first batch.
        let mut known = HashMap::new();
        if batch.first > 1 {
            known = self.people(call, room, touched.keys()).await?;
        }
        loop {
            let (mut arrivals, mut changes) = (0, Vec::new());
            for (user, entries) in &touched {
                let before = known.get(user);
                let after = match before {
                    // Done, by somebody else or before a crash.
                    Some(before) if before.at >= batch.first => Some(before.clone()),
                    _ => {
                        let change = fold(before, room, *user, batch.first, entries);
                        let after = change.as_ref().map(|change| change.after.clone());
                        changes.extend(change);
                        after
                    }
                };
                if let Some(after) = after {
                    arrivals += i64::from(after.here) - i64::from(after.was);
                }
            }
            if self.write_people(call, changes).await? {
                return Ok(arrivals);
            }
            call.pause(PAUSE).await?;
            known = self.people(call, room, touched.keys()).await?;
        }
    }

    async fn people(
        &self,
        call: &Call,
        room: RoomId,
        users: impl Iterator<Item = &UserId>,
    ) -> Result<HashMap<UserId, MemberDoc>, StoreError> {
        let ids = users.map(|user| pair(room.0, user.0)).collect();
        let found = call.by_ids(&self.db.members, ids).await?;
        Ok(found
            .into_iter()
            .map(|doc| (UserId(uuid(doc.user)), doc))
            .collect())
    }

    /// False when somebody else was faster with one of them: then all are looked at again.
    async fn write_people(&self, call: &Call, changes: Vec<Step>) -> Result<bool, StoreError> {
        let (mut fresh, mut updates) = (Vec::new(), Vec::new());
        for change in changes {
            let Some(at) = change.before else {
                fresh.push(change.after);
                continue;
            };
            let mut set = bson::serialize_to_document(&change.after)
                .map_err(|_| corrupt("a member cannot be written"))?;
            set.remove("_id");
            if !change.came {
                set.remove("read_seq");
                set.remove("read_n");
            }
            let members = self.db.members.clone();
            let before = doc! { "_id": change.after.id, "at": at };
            updates.push(call.write(async move {
                let updated = members.update_one(before, doc! { "$set": set }).await?;
                Ok(updated.matched_count == 1)
            }));
        }
        let mut whole = true;
        for updated in join_all(updates).await {
            whole &= updated.map_err(Failure::of_write)?;
        }
        if !fresh.is_empty() {
            let members = self.db.members.clone();
            let inserted = call
                .write(async move { members.insert_many(fresh).ordered(false).await.map(drop) })
                .await;
            match inserted {
                Ok(()) => {}
                Err(Failure::Duplicate) => whole = false,
                Err(failure) => return Err(failure.of_write()),
            }
        }
        Ok(whole)
    }

    /// Only who had read everything has read their own message too: else the ones between would count as read.
    pub(super) async fn project_markers(
        &self,
        call: &Call,
        room: RoomId,
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        let moves = markers(room, entries).collect();
        self.update_all(call, &self.db.members, moves)
            .await
            .map(drop)
    }
}

/// What moves the markers of those who speak: which document, and how. Of one person's at most one applies, the one whose
/// run begins where the marker stands, and after it none does: they may be carried out in any order.
pub(super) fn markers(
    room: RoomId,
    entries: &[Entry],
) -> impl Iterator<Item = (Document, Document)> {
    runs(entries).into_iter().map(move |run| {
        let filter = doc! {
            "_id": pair(room.0, run.actor.0),
            "here": true,
            "read_n": { "$gte": stored(run.first_n) - 1, "$lt": stored(run.last_n) },
        };
        let change = doc! { "$set": { "read_seq": stored(run.seq), "read_n": stored(run.last_n) } };
        (filter, change)
    })
}

/// Messages of one person with no other's between them.
#[derive(Debug, PartialEq)]
struct Run {
    actor: UserId,
    first_n: u64,
    last_n: u64,
    seq: u64,
}

fn runs(entries: &[Entry]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for entry in entries {
        if !matches!(entry.change, Change::Said { .. }) {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.actor == entry.actor => {
                (run.last_n, run.seq) = (entry.n, entry.seq);
            }
            _ => runs.push(Run {
                actor: entry.actor,
                first_n: entry.n,
                last_n: entry.n,
                seq: entry.seq,
            }),
        }
    }
    runs
}

/// Whose membership or ban an entry is about.
fn about(entry: &Entry) -> Option<UserId> {
    match &entry.change {
        Change::Joined { member } | Change::MemberChanged { member } => Some(member.user_id),
        Change::Left { user, .. } | Change::Unbanned { user } => Some(*user),
        _ => None,
    }
}

/// What becomes of a person by the entries of one batch; `None` if they change nothing.
fn fold(
    before: Option<&MemberDoc>,
    room: RoomId,
    user: UserId,
    first: i64,
    entries: &[&Entry],
) -> Option<Step> {
    let nobody = || MemberDoc {
        id: pair(room.0, user.0),
        room: id(room.0),
        user: id(user.0),
        at: 0,
        here: false,
        was: false,
        role: 0,
        joined_at: 0,
        muted_until: None,
        read_seq: 0,
        read_n: 0,
        banned: false,
        banned_until: None,
    };
    let start = before.cloned().unwrap_or_else(nobody);
    let mut after = start.clone();
    let mut came = false;
    for entry in entries {
        match &entry.change {
            Change::Joined { member } => {
                if !after.here {
                    // A newcomer has read everything up to their arrival.
                    (after.read_seq, after.read_n) = (stored(entry.seq), stored(entry.n));
                    came = true;
                }
                after.here = true;
                after.role = body::role(member.role).into();
                after.joined_at = member.joined_at.0;
                after.muted_until = member.muted_until.map(|until| until.0);
                (after.banned, after.banned_until) = (false, None);
            }
            Change::Left { reason, until, .. } => {
                after.here = false;
                if *reason == LeaveReason::Banned {
                    (after.banned, after.banned_until) = (true, until.map(|until| until.0));
                }
            }
            Change::MemberChanged { member } if after.here => {
                after.role = body::role(member.role).into();
                after.muted_until = member.muted_until.map(|until| until.0);
            }
            Change::Unbanned { .. } => (after.banned, after.banned_until) = (false, None),
            _ => {}
        }
    }
    if after == start && !came {
        return None;
    }
    (after.at, after.was) = (first, start.here);
    Some(Step {
        before: before.map(|before| before.at),
        after,
        came,
    })
}

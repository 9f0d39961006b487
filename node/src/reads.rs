//! What a member may read of a room, for REST calls and sockets alike.
//!
//! Membership is looked at after the read too: whoever is still a member then was one when the rows were read, so that
//! nothing above a removal is ever shown to the removed. A room that does not exist and one that is not the reader's
//! answer alike.

use std::collections::BTreeMap;

use protocol::event::ServerEvent;
use protocol::event::client::{Cursor, History, Sync};
use protocol::ids::{MessageId, RoomId, UserId};
use protocol::limits::{REPLAY_EVENTS_MAX, ROOM_MEMBERS_MAX};
use protocol::message::{Message, Seq};
use protocol::problem::{Code, Problem};
use protocol::room::{Epoch, Head, Member, RoomSummary};
use serde::Serialize;
use store::{Answer, Side, Store, StoreError};
use utoipa::ToSchema;

/// Events in one answer to `sync`, over all its rooms: a phone that was away for a week asks again for the rest.
pub const SYNC_EVENTS_MAX: usize = 5_000;

/// The answer to `sync`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncReply {
    /// Each room that was asked for and that the asker is in; one that is missing here is not theirs (any more).
    #[schema(value_type = BTreeMap<String, RoomSync>)]
    pub rooms: BTreeMap<RoomId, RoomSync>,
}

/// What a client has missed in one room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomSync {
    /// The durable events after the cursor, dense and in order.
    pub events: Vec<StreamEvent>,
    /// The last entry of the room's log.
    pub head_seq: Seq,
    /// The room's incarnation; part of a cursor.
    pub epoch: Epoch,
    /// Too much was missed, or the incarnation is another: drop what you hold, read the history, go on from `headSeq`.
    pub gap: bool,
    /// There are more events: ask again from the last one here.
    pub more: bool,
}

/// One durable event of a room, as a socket would have brought it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreamEvent {
    /// Its name.
    pub event: &'static str,
    /// Its payload.
    #[schema(value_type = Object)]
    pub data: ServerEvent,
}

/// The answer to `room:subscribe`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeReply {
    /// The room, as its user sees it.
    pub room: RoomSummary,
    /// The last entry of its log; live events follow from here.
    pub head_seq: Seq,
    /// The durable events after the cursor, in order.
    pub events: Vec<StreamEvent>,
    /// More was missed than is replayed: read the history between.
    pub gap: bool,
}

/// The answer to `history`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryReply {
    /// In order; in their latest version, tombstones included.
    pub messages: Vec<Message>,
    /// There are more on the side that was asked for; for `around`, on either side.
    pub more: bool,
}

impl HistoryReply {
    /// The window as the socket event answers it.
    pub fn of(query: &History, side: Side) -> Self {
        let more = match (query.after, query.around) {
            (Some(_), _) => side.more_after,
            (None, Some(_)) => side.more_before || side.more_after,
            (None, None) => side.more_before,
        };
        Self {
            messages: side.messages,
            more,
        }
    }
}

/// The caller's membership, or `room_not_found`.
pub async fn membership(store: &dyn Store, room: RoomId, user: UserId) -> Result<Member, Problem> {
    let member = store.member(room, user).await.map_err(of_read)?;
    member.ok_or_else(|| Code::RoomNotFound.into())
}

/// Something of a room that its members may read.
pub async fn as_member<T>(
    store: &dyn Store,
    room: RoomId,
    user: UserId,
    read: Answer<'_, T>,
) -> Result<T, Problem> {
    membership(store, room, user).await?;
    let value = read.await.map_err(of_read)?;
    membership(store, room, user).await?;
    Ok(value)
}

/// A window of a room's messages.
pub async fn history(store: &dyn Store, user: UserId, query: History) -> Result<Side, Problem> {
    as_member(store, query.room_id, user, store.history(query)).await
}

/// One message in its latest version.
pub async fn message(
    store: &dyn Store,
    user: UserId,
    room: RoomId,
    id: MessageId,
) -> Result<Message, Problem> {
    let found = as_member(store, room, user, store.messages(room, vec![id])).await?;
    found
        .into_iter()
        .next()
        .flatten()
        .ok_or_else(|| Code::MessageNotFound.into())
}

/// What was missed in some rooms. Rooms that are not the reader's are left out.
pub async fn sync(store: &dyn Store, user: UserId, asked: Sync) -> Result<SyncReply, Problem> {
    let mut rooms = BTreeMap::new();
    let mut left = SYNC_EVENTS_MAX;
    for (room, cursor) in asked.rooms {
        match room_sync(store, user, (room, cursor), left).await {
            Ok(missed) => {
                left -= missed.events.len().min(left);
                rooms.insert(room, missed);
            }
            Err(problem) if problem.code == Code::RoomNotFound => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(SyncReply { rooms })
}

async fn room_sync(
    store: &dyn Store,
    user: UserId,
    (room, cursor): (RoomId, Cursor),
    left: usize,
) -> Result<RoomSync, Problem> {
    // One row is asked for where none is left to give: the head comes with it.
    let limit = left.clamp(1, REPLAY_EVENTS_MAX);
    let page = as_member(store, room, user, store.entries(room, cursor.seq(), limit)).await?;
    let gap = is_gap(cursor, page.head);
    let mut entries = page.entries;
    if gap || left == 0 {
        entries.clear();
    }
    let at = entries.last().map_or(cursor.seq(), |entry| entry.seq);
    let events = entries
        .into_iter()
        .map(|entry| ServerEvent::of_entry(room, entry));
    Ok(RoomSync {
        events: events
            .map(|event| StreamEvent {
                event: event.name(),
                data: event,
            })
            .collect(),
        head_seq: page.head.seq,
        epoch: page.head.epoch,
        gap,
        more: !gap && at < page.head.seq,
    })
}

/// Whether a client that stands here must start over instead of replaying.
pub fn is_gap(cursor: Cursor, head: Head) -> bool {
    // Ahead of the log: the cursor belongs to another life of the room.
    !cursor.fits(head.epoch)
        || cursor.seq() > head.seq
        || head.seq - cursor.seq() > REPLAY_EVENTS_MAX as u64
}

/// Members whose presence is looked up for a room: beyond it a room shows a sample.
pub const ROOM_PRESENCE_MAX: usize = 1_000;
const _: () = assert!(ROOM_PRESENCE_MAX <= ROOM_MEMBERS_MAX);

/// What a read that failed is to whoever asked. A read that got no answer was not done.
pub fn of_read(error: StoreError) -> Problem {
    match error {
        StoreError::NotFound => Code::RoomNotFound.into(),
        StoreError::Unavailable(_) | StoreError::Unknown(_) => {
            Problem::new(Code::Unavailable).retry_after(1_000)
        }
        StoreError::Conflict | StoreError::Refused(_) | StoreError::Corrupt(_) => {
            tracing::error!(%error, "the store refused a read");
            Code::Internal.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        epoch: Epoch(7),
        seq: 5_000,
        n: 4_000,
    };

    #[test]
    fn a_cursor_far_behind_ahead_or_of_another_incarnation_is_a_gap() {
        assert!(!is_gap(Cursor::Seq(5_000), HEAD));
        assert!(!is_gap(Cursor::Seq(4_000), HEAD));
        assert!(is_gap(Cursor::Seq(3_999), HEAD));
        assert!(is_gap(Cursor::Seq(5_001), HEAD));
        assert!(!is_gap(
            Cursor::Exact {
                seq: 5_000,
                epoch: Epoch(7)
            },
            HEAD
        ));
        assert!(is_gap(
            Cursor::Exact {
                seq: 5_000,
                epoch: Epoch(8)
            },
            HEAD
        ));
    }
}

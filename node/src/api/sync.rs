//! Catching up: what was missed, how far one has read, what is unread.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use protocol::event::client::Sync;
use protocol::ids::RoomId;
use protocol::limits::SYNC_ROOMS_MAX;
use protocol::message::Seq;
use protocol::problem::{Code, Problem};
use protocol::room::RoomSummary;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Kept, Result, ok};
use super::caller::Caller;
use super::read::{Body, Named};
use super::refusals::{Bodies, NoRoom, Signed};
use super::rooms::RoomPath;
use crate::ports::Ports;
use crate::reads::{self, SyncReply};

/// The durable events that came after your cursors, room by room.
///
/// At most 1,000 events a room and 5,000 in all; `more` says that there are more, `gap` that the history must be read
/// instead. A room of which you are no member is missing in the answer.
#[utoipa::path(
    post, path = "/v1/sync", operation_id = "sync", tag = "catching up",
    request_body(content = Sync, example = json!({"rooms": {"room_9b2f7b0e-3a63-4c8e-8f5e-0c7f6a2f4d11": 41}})),
    responses((status = 200, description = "What was missed.", body = SyncReply), Signed, Bodies)
)]
pub(crate) async fn sync(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Body(asked): Body<Sync>,
) -> Result<Response> {
    if asked.rooms.len() > SYNC_ROOMS_MAX {
        let detail = format!("{} of at most {SYNC_ROOMS_MAX}", asked.rooms.len());
        return Err(Problem::field(Code::InvalidRequest, "/rooms", "too_long", detail).into());
    }
    ok(&reads::sync(&*ports.store, caller.user, asked).await?)
}

/// How far was read.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ReadUpTo {
    /// Everything up to this was read.
    seq: Seq,
}

/// Where your read marker is, and what is unread above it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadState {
    /// The last entry read.
    read_seq: Seq,
    /// `n` at that entry.
    read_n: u64,
    /// Messages not read.
    unread: u64,
    /// Unread messages that name you.
    mentions: u64,
}

/// Moves your read marker up; it never goes back.
#[utoipa::path(
    put, path = "/v1/rooms/{id}/read", operation_id = "markRead", tag = "catching up", params(RoomPath),
    request_body(content = ReadUpTo, example = json!({"seq": 42})),
    responses((status = 200, description = "Where the marker is now.", body = ReadState), Signed, Bodies, NoRoom)
)]
pub(crate) async fn mark_read(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<RoomPath>,
    Body(asked): Body<ReadUpTo>,
) -> Result<Response> {
    let marker = ports
        .store
        .mark_read(path.id, caller.user, asked.seq)
        .await
        .or_absent(Code::RoomNotFound)?;
    let heads = ports
        .store
        .heads(vec![path.id])
        .await
        .or_absent(Code::RoomNotFound)?;
    let head_n = heads.first().map_or(marker.0.read_n, |(_, head)| head.n);
    ports.hubs.read_moved(path.id, caller.user, marker, head_n);
    ok(&ReadState {
        read_seq: marker.0.read_seq,
        read_n: marker.0.read_n,
        unread: head_n.saturating_sub(marker.0.read_n),
        mentions: marker.1,
    })
}

/// What is unread in one room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnreadRoom {
    /// The room.
    room_id: RoomId,
    /// Messages not read.
    unread: u64,
    /// Unread messages that name you.
    mentions: u64,
    /// The last entry that you have read.
    read_seq: Seq,
    /// The last entry of the room's log.
    head_seq: Seq,
}

/// What is unread in all rooms.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unread {
    /// Messages not read.
    unread: u64,
    /// Unread messages that name you.
    mentions: u64,
    /// The rooms with something unread, latest activity first.
    rooms: Vec<UnreadRoom>,
}

/// What you have not read.
#[utoipa::path(
    get, path = "/v1/unread", operation_id = "getUnread", tag = "catching up",
    responses((status = 200, description = "In all and room by room.", body = Unread), Signed)
)]
pub(crate) async fn unread(State(ports): State<Arc<Ports>>, caller: Caller) -> Result<Response> {
    let rooms = ports
        .store
        .rooms_of(caller.user)
        .await
        .or_absent(Code::UserNotFound)?;
    let row = |room: &RoomSummary| UnreadRoom {
        room_id: room.room.id,
        unread: room.unread,
        mentions: room.mentions,
        read_seq: room.read_seq,
        head_seq: room.head_seq,
    };
    ok(&Unread {
        unread: rooms.iter().map(|room| room.unread).sum(),
        mentions: rooms.iter().map(|room| room.mentions).sum(),
        rooms: rooms
            .iter()
            .filter(|room| room.unread > 0)
            .map(row)
            .collect(),
    })
}

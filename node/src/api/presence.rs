//! Who is there. Only people who share a room see each other; to all others everybody looks offline.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use protocol::ids::{RoomId, UserId};
use protocol::limits::PRESENCE_WATCH_MAX;
use protocol::problem::{Code, Problem};
use protocol::user::{Presence, PresenceStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Kept, Result, ok};
use super::caller::Caller;
use super::read::{Named, Query};
use super::refusals::{NoRoom, Signed};
use super::rooms::RoomPath;
use crate::ports::Ports;
use crate::reads::{self, ROOM_PRESENCE_MAX};

/// People who are shown of a room.
const SAMPLE_MAX: usize = 50;

/// Whose presence.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Up to 200 people, separated by commas.
    users: String,
}

/// How people are.
#[derive(Serialize, ToSchema)]
pub(crate) struct PresenceList {
    /// In the order asked.
    users: Vec<Presence>,
}

/// How some people are. Who shares no room with you looks offline, as does who does not exist.
#[utoipa::path(
    get, path = "/v1/presence", operation_id = "getPresence", tag = "presence", params(Asked),
    responses((status = 200, description = "Each person's presence.", body = PresenceList), Signed)
)]
pub(crate) async fn people(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let users = user_ids(&asked.users)?;
    let known = ports
        .store
        .acquaintances(caller.user, users.clone())
        .await
        .or_absent(Code::UserNotFound)?;
    let seen = ports.hubs.presence(known).await;
    let of = |user: UserId| {
        let found = seen
            .iter()
            .find(|presence| presence.user_id == user)
            .cloned();
        found.unwrap_or(Presence {
            user_id: user,
            status: PresenceStatus::Offline,
            text: None,
        })
    };
    ok(&PresenceList {
        users: users.into_iter().map(of).collect(),
    })
}

fn user_ids(text: &str) -> Result<Vec<UserId>, Problem> {
    let wrong = |kind, detail: String| Problem::field(Code::InvalidRequest, "/users", kind, detail);
    let ids: Result<Vec<UserId>, _> = text.split(',').map(str::trim).map(str::parse).collect();
    let ids = ids.map_err(|error: protocol::ids::NotAnId| wrong("format", error.to_string()))?;
    if ids.len() > PRESENCE_WATCH_MAX {
        return Err(wrong(
            "too_long",
            format!("{} of at most {PRESENCE_WATCH_MAX}", ids.len()),
        ));
    }
    Ok(ids)
}

/// How full a room is now.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoomPresence {
    /// Members who are there, of those who were looked at.
    count: u32,
    /// All members were looked at; beyond 1,000 the count is of the first 1,000.
    exact: bool,
    /// Up to 50 of those who are there.
    sample: Vec<Presence>,
}

/// Who of a room's members is there: a count, and a sample.
#[utoipa::path(
    get, path = "/v1/rooms/{id}/presence", operation_id = "getRoomPresence", tag = "presence", params(RoomPath),
    responses((status = 200, description = "Who is there.", body = RoomPresence), Signed, NoRoom)
)]
pub(crate) async fn room(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<RoomPath>,
) -> Result<Response> {
    let (members, exact) = members(&ports, caller.user, path.id).await?;
    let there = |presence: &Presence| {
        !matches!(
            presence.status,
            PresenceStatus::Offline | PresenceStatus::Unknown
        )
    };
    let mut sample: Vec<Presence> = ports
        .hubs
        .presence(members)
        .await
        .into_iter()
        .filter(there)
        .collect();
    let count = sample.len() as u32;
    sample.truncate(SAMPLE_MAX);
    ok(&RoomPresence {
        count,
        exact,
        sample,
    })
}

async fn members(ports: &Ports, caller: UserId, room: RoomId) -> Result<(Vec<UserId>, bool)> {
    let store = &*ports.store;
    let read = store.members(room, None, ROOM_PRESENCE_MAX + 1);
    let mut members = reads::as_member(store, room, caller, read).await?;
    let exact = members.len() <= ROOM_PRESENCE_MAX;
    members.truncate(ROOM_PRESENCE_MAX);
    Ok((
        members.into_iter().map(|member| member.user_id).collect(),
        exact,
    ))
}

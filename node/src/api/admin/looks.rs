//! What administrators may look at: people, rooms, devices and the audit log. Never what is said in a room.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use protocol::ids::{RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::problem::{Code, Problem};
use protocol::room::Room;
use protocol::time::Timestamp;
use protocol::user::User;
use serde::{Deserialize, Serialize};
use store::{AuditRow, SessionRow};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::AdminPorts;
use super::caller::Administrator;
use crate::api::answer::{Kept, Result, ok};
use crate::api::read::Query;
use crate::api::refusals::{Administering, NoRoom};

/// Rows of one answer.
const ROWS_MAX: usize = 200;

/// Whom to look for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserQuery {
    /// The start of a name, or of a word in it.
    q: Option<String>,
    /// A whole address, as it was signed in with.
    email: Option<String>,
    /// An id.
    id: Option<UserId>,
}

/// People.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserRows {
    /// At most 200.
    users: Vec<User>,
}

/// People by name, address or id. Say one of them.
#[utoipa::path(
    get, path = "/v1/admin/users", operation_id = "adminUsers", tag = "admin", params(UserQuery),
    responses((status = 200, description = "Who was found.", body = UserRows), Administering)
)]
pub(super) async fn users(
    State(ports): State<Arc<AdminPorts>>,
    _who: Administrator,
    Query(asked): Query<UserQuery>,
) -> Result<Response> {
    let store = &ports.store;
    let users = match (asked.q, asked.email, asked.id) {
        (Some(text), None, None) => store.search_users(text, ROWS_MAX).await,
        (None, Some(email), None) => match store.find_email(email).await {
            Ok(Some(me)) => store.users(vec![me.user.id]).await,
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(error),
        },
        (None, None, Some(id)) => store.users(vec![id]).await,
        _ => return Err(one_of("`q`, `email` and `id`").into()),
    };
    ok(&UserRows {
        users: users.or_absent(Code::UserNotFound)?,
    })
}

/// Which rooms.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RoomQuery {
    /// A room.
    id: Option<RoomId>,
    /// Whose rooms.
    user: Option<UserId>,
}

/// A room, without what is said in it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomRow {
    /// Its settings.
    room: Room,
    /// Where its log ends.
    head_seq: Seq,
    /// Messages in it.
    messages: u64,
    /// Whether it was deleted.
    deleted: bool,
}

/// Rooms.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoomRows {
    /// All that were found.
    rooms: Vec<RoomRow>,
}

/// A room by its id, or the rooms of a person. Say one of them.
#[utoipa::path(
    get, path = "/v1/admin/rooms", operation_id = "adminRooms", tag = "admin", params(RoomQuery),
    responses((status = 200, description = "What was found.", body = RoomRows), Administering, NoRoom)
)]
pub(super) async fn rooms(
    State(ports): State<Arc<AdminPorts>>,
    _who: Administrator,
    Query(asked): Query<RoomQuery>,
) -> Result<Response> {
    let rooms = match (asked.id, asked.user) {
        (Some(id), None) => {
            let opened = ports
                .store
                .open_room(id)
                .await
                .or_absent(Code::RoomNotFound)?;
            vec![RoomRow {
                room: opened.room,
                head_seq: opened.head.seq,
                messages: opened.head.n,
                deleted: opened.deleted,
            }]
        }
        (None, Some(user)) => {
            let rooms = ports
                .store
                .rooms_of(user)
                .await
                .or_absent(Code::UserNotFound)?;
            let row = |summary: protocol::room::RoomSummary| RoomRow {
                room: summary.room,
                head_seq: summary.head_seq,
                messages: summary.head_n,
                deleted: false,
            };
            rooms.into_iter().map(row).collect()
        }
        _ => return Err(one_of("`id` and `user`").into()),
    };
    ok(&RoomRows { rooms })
}

/// Whose devices.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionQuery {
    /// The person.
    user: UserId,
}

/// A signed-in device.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    /// Its id.
    id: SessionId,
    /// Whose.
    user_id: UserId,
    /// What it calls itself.
    device: Option<String>,
    /// When it signed in.
    created_at: Timestamp,
    /// When its tokens were last renewed.
    last_used_at: Timestamp,
    /// How often its refresh token was rotated.
    generation: u64,
}

/// Devices.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionRows {
    /// Those that are not signed out, last used first.
    sessions: Vec<SessionView>,
}

/// The signed-in devices of a person.
#[utoipa::path(
    get, path = "/v1/admin/sessions", operation_id = "adminSessions", tag = "admin", params(SessionQuery),
    responses((status = 200, description = "What was found.", body = SessionRows), Administering)
)]
pub(super) async fn sessions(
    State(ports): State<Arc<AdminPorts>>,
    _who: Administrator,
    Query(asked): Query<SessionQuery>,
) -> Result<Response> {
    let rows = ports.store.sessions_of(asked.user).await;
    // Nothing of the hashes goes out.
    let view = |row: SessionRow| SessionView {
        id: row.id,
        user_id: row.user,
        device: row.device,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        generation: row.generation,
    };
    let rows = rows.or_absent(Code::UserNotFound)?;
    ok(&SessionRows {
        sessions: rows.into_iter().map(view).collect(),
    })
}

/// Which notes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Notes before this one: the `id` of the last of the page before.
    #[param(value_type = Option<String>)]
    before: Option<Uuid>,
    /// At most so many: up to 200, else 50.
    limit: Option<usize>,
}

/// One call of an administrator.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditView {
    /// Its id.
    #[schema(value_type = String)]
    id: Uuid,
    /// When.
    at: Timestamp,
    /// The name in the administrator's token.
    who: String,
    /// The client's address.
    address: String,
    /// Method and route.
    action: String,
    /// Path and query.
    target: String,
}

/// Notes.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditRows {
    /// Newest first.
    notes: Vec<AuditView>,
}

/// What administrators did, newest first; this very call is the first of it.
#[utoipa::path(
    get, path = "/v1/admin/audit", operation_id = "adminAudit", tag = "admin", params(AuditQuery),
    responses((status = 200, description = "A page of the log.", body = AuditRows), Administering)
)]
pub(super) async fn audit(
    State(ports): State<Arc<AdminPorts>>,
    _who: Administrator,
    Query(asked): Query<AuditQuery>,
) -> Result<Response> {
    let limit = asked.limit.unwrap_or(50).clamp(1, ROWS_MAX);
    let rows = ports.store.notes(asked.before, limit).await;
    let view = |row: AuditRow| AuditView {
        id: row.id,
        at: row.at,
        who: row.who,
        address: row.address,
        action: row.action,
        target: row.target,
    };
    let rows = rows.or_absent(Code::NotFound)?;
    ok(&AuditRows {
        notes: rows.into_iter().map(view).collect(),
    })
}

fn one_of(names: &str) -> Problem {
    Problem::because(Code::InvalidRequest, format!("say exactly one of {names}"))
}

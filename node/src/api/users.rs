//! People: oneself, others, and finding them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use protocol::ids::UserId;
use protocol::limits::DISPLAY_NAME_CHARS_MAX;
use protocol::problem::{Code, Problem};
use protocol::user::{Me, User};
use serde::Deserialize;
use store::UserPatch;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Kept, Result, nothing, ok};
use super::caller::Caller;
use super::farewell;
use super::paging::{List, Skip};
use super::read::{Body, Named, Query, given, line};
use super::refusals::{Bodies, NoUser, Signed};
use crate::ports::Ports;

/// For the document, which names a list by its rows.
type UserList = List<User>;

/// Characters of a picture's address.
const AVATAR_CHARS_MAX: usize = 2_048;
/// Characters of what is searched for.
pub(crate) const SEARCH_CHARS_MAX: usize = 64;

/// You, with what only you see.
#[utoipa::path(
    get, path = "/v1/users/me", operation_id = "getMe", tag = "people",
    responses((status = 200, description = "You.", body = Me), Signed)
)]
pub(crate) async fn me(State(ports): State<Arc<Ports>>, caller: Caller) -> Result<Response> {
    ok(&ports
        .store
        .me(caller.user)
        .await
        .or_absent(Code::UserNotFound)?)
}

/// Changes of a profile; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeMe {
    /// A new name, 1 to 64 characters.
    #[serde(default)]
    display_name: Option<String>,
    /// An `https:` address of a picture; null takes the picture away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    avatar_url: Option<Option<String>>,
}

/// Changes your profile.
#[utoipa::path(
    patch, path = "/v1/users/me", operation_id = "changeMe", tag = "people",
    request_body(content = ChangeMe, example = json!({"displayName": "Ada"})),
    responses((status = 200, description = "You, as you are now.", body = Me), Signed, Bodies)
)]
pub(crate) async fn change_me(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Body(change): Body<ChangeMe>,
) -> Result<Response> {
    let name = change
        .display_name
        .map(|name| line(&name, "/displayName", DISPLAY_NAME_CHARS_MAX))
        .transpose()?;
    let avatar_url = match change.avatar_url {
        Some(Some(url)) => Some(Some(avatar(url)?)),
        other => other,
    };
    let patch = UserPatch {
        display_name: name,
        avatar_url,
    };
    ok(&ports
        .store
        .update_user(caller.user, patch)
        .await
        .or_absent(Code::UserNotFound)?)
}

fn avatar(url: String) -> Result<String, Problem> {
    let plain = url
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\'));
    if !url.starts_with("https://") || !plain {
        return Err(Problem::field(
            Code::InvalidRequest,
            "/avatarUrl",
            "format",
            "expected an https: address",
        ));
    }
    if url.len() > AVATAR_CHARS_MAX {
        let detail = format!("{} of at most {AVATAR_CHARS_MAX} characters", url.len());
        return Err(Problem::field(
            Code::InvalidRequest,
            "/avatarUrl",
            "too_long",
            detail,
        ));
    }
    Ok(url)
}

/// Deletes your account.
///
/// You leave every room first, each by an entry of its log that all members see. A room that you own and that has other
/// members goes to the admin who is in it longest, else to whoever is. Direct conversations stay with the other person.
/// Then profile, address and sessions are erased and live sockets are closed. What you wrote stays, under the name
/// "Deleted user". A call that was cut off may be repeated: it goes on where it stopped.
#[utoipa::path(
    delete, path = "/v1/users/me", operation_id = "deleteMe", tag = "people",
    responses((status = 204, description = "The account is gone."), Signed)
)]
pub(crate) async fn delete_me(State(ports): State<Arc<Ports>>, caller: Caller) -> Result<Response> {
    farewell::delete_account(&ports, caller.user).await?;
    Ok(nothing())
}

/// Somebody's id.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// Who.
    id: UserId,
}

/// A person as others see them.
#[utoipa::path(
    get, path = "/v1/users/{id}", operation_id = "getUser", tag = "people", params(UserPath),
    responses((status = 200, description = "The person.", body = User), Signed, NoUser)
)]
pub(crate) async fn user(
    State(ports): State<Arc<Ports>>,
    _caller: Caller,
    Named(path): Named<UserPath>,
) -> Result<Response> {
    let found = ports
        .store
        .users(vec![path.id])
        .await
        .or_absent(Code::UserNotFound)?;
    ok(found.first().ok_or(Code::UserNotFound)?)
}

/// What is searched for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindUsers {
    /// The beginning of a name, or of a word in it; 1 to 64 characters.
    #[param(example = "ad")]
    q: String,
    /// Rows of the page, 1 to 100; 50 when left out.
    limit: Option<u32>,
    /// A page's place, from `page` of another answer.
    cursor: Option<String>,
}

/// Finds people by name; at most 1,000 of them.
#[utoipa::path(
    get, path = "/v1/users", operation_id = "findUsers", tag = "people", params(FindUsers),
    responses((status = 200, description = "People whose name fits, by name.", body = UserList), Signed)
)]
pub(crate) async fn find(
    State(ports): State<Arc<Ports>>,
    _caller: Caller,
    Query(asked): Query<FindUsers>,
) -> Result<Response> {
    let text = line(&asked.q, "/q", SEARCH_CHARS_MAX)?;
    let skip = Skip::read("people", asked.limit, asked.cursor.as_deref())?;
    let mut found = ports
        .store
        .search_users(text, skip.offset + skip.limit + 1)
        .await
        .or_absent(Code::UserNotFound)?;
    let rows = found.split_off(skip.offset.min(found.len()));
    ok(&skip.page(rows))
}

//! Messages: reading them, saying, editing, deleting, and reactions.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chat::{Made, Outcome};
use protocol::entry::Intent;
use protocol::event::client::{History, SendMessage, emoji, message_text};
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::{Message, Meta, Seq};
use protocol::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use store::Side;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Result, data, ok};
use super::caller::Caller;
use super::mint;
use super::paging::{self, List, Page};
use super::read::{Body, Named, Query};
use super::refusals::{Bodies, Changes, Keyed, Mutes, NoMessage, NoRoom, Signed, Texts, Versions};
use super::rooms::RoomPath;
use crate::ports::Ports;

/// For the document, which names a list by its rows.
type MessageList = List<Message>;
use crate::reads;

/// A window of a room's messages.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Window {
    /// Messages with a lower `seq`.
    before: Option<Seq>,
    /// Messages with a higher `seq`.
    after: Option<Seq>,
    /// Messages on both sides of a `seq`.
    around: Option<Seq>,
    /// Rows of the page, 1 to 100; 50 when left out.
    limit: Option<u32>,
    /// A page's place, from `page` of another answer.
    cursor: Option<String>,
}

/// A room's messages in order, in their latest version; the newest when no place is named.
///
/// Give at most one of `before`, `after`, `around` and `cursor`. Deleted messages are there as tombstones.
#[utoipa::path(
    get, path = "/v1/rooms/{id}/messages", operation_id = "listMessages", tag = "messages", params(RoomPath, Window),
    responses((status = 200, description = "Messages, ascending by `seq`.", body = MessageList), Signed, NoRoom)
)]
pub(crate) async fn list(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<RoomPath>,
    Query(asked): Query<Window>,
) -> Result<Response> {
    let query = history_of(path.id, asked)?;
    let side = reads::history(&*ports.store, caller.user, query).await?;
    ok(&page(side))
}

fn history_of(room_id: RoomId, asked: Window) -> Result<History> {
    let limit = paging::limit(asked.limit)? as u32;
    let mut query = History {
        room_id,
        before: asked.before,
        after: asked.after,
        around: asked.around,
        limit,
    };
    let place = paging::place("messages", asked.cursor.as_deref(), |text| {
        let (way, seq) = text.split_once('/')?;
        Some((way == "after", seq.parse::<Seq>().ok()?))
    })?;
    if let Some((forward, seq)) = place {
        if query.before.or(query.after).or(query.around).is_some() {
            let detail = "give either a cursor or one of before, after and around";
            return Err(Problem::field(Code::InvalidRequest, "/cursor", "range", detail).into());
        }
        if forward {
            query.after = Some(seq);
        } else {
            query.before = Some(seq);
        }
    }
    Ok(query.checked()?)
}

fn page(side: Side) -> List<Message> {
    let cursor =
        |way: &str, message: &Message| paging::cursor("messages", format!("{way}/{}", message.seq));
    let page = Page {
        next: side
            .messages
            .last()
            .filter(|_| side.more_after)
            .map(|message| cursor("after", message)),
        prev: side
            .messages
            .first()
            .filter(|_| side.more_before)
            .map(|message| cursor("before", message)),
    };
    List {
        data: side.messages,
        page,
    }
}

/// Something to be said.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewMessage {
    /// Your own name for it: a UUID, the same at every repeat. Left out, the `Idempotency-Key` stands for it.
    #[serde(default)]
    client_id: Option<ClientId>,
    /// The text, up to 4,000 characters.
    text: String,
    /// The message it answers.
    #[serde(default)]
    reply_to: Option<MessageId>,
    /// Members it names, up to 50; those who are no members are dropped.
    #[serde(default)]
    mentions: Vec<UserId>,
    /// An object of your own, up to 2 KiB.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    meta: Option<Meta>,
}

/// A message that was taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct Sent {
    /// The message, with its place.
    message: Message,
    /// It had been taken before, under the same `clientId`.
    duplicate: bool,
}

/// Says something. Answered after it is durable.
///
/// The same `clientId` again returns the first message with `duplicate: true`; with another body it is a conflict.
#[utoipa::path(
    post, path = "/v1/rooms/{id}/messages", operation_id = "sendMessage", tag = "messages",
    params(RoomPath, ("Idempotency-Key" = Option<String>, Header, description = "A repeat with the same key answers as the first call did.")),
    request_body(
        content = NewMessage,
        example = json!({"clientId": "0190a5c4-7b1e-7c3a-9a51-3f0c2f6c1a2b", "text": "Hello, Ada."})
    ),
    responses(
        (status = 201, description = "It was taken now.", body = Sent),
        (status = 200, description = "It had been taken before.", body = Sent),
        Signed, Bodies, Keyed, Changes, Texts, NoMessage
    )
)]
pub(crate) async fn send(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<RoomPath>,
    Body(asked): Body<NewMessage>,
) -> Result<Response> {
    let key = asked.client_id.unwrap_or_else(|| caller.call.draft_key(0));
    let checked = SendMessage {
        room_id: path.id,
        client_id: key,
        text: asked.text,
        reply_to: asked.reply_to,
        mentions: asked.mentions,
        meta: asked.meta,
    }
    .checked()?;
    let intent = Intent::Say {
        id: mint::message_id(ports.now()),
        text: checked.text,
        reply_to: checked.reply_to,
        mentions: checked.mentions,
        meta: checked.meta,
    };
    let outcome = caller.submit_as(&ports, path.id, key, intent).await?;
    let duplicate = outcome.duplicate;
    let status = if duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    data(
        status,
        &Sent {
            message: message_in(outcome)?,
            duplicate,
        },
    )
}

/// Which message.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessagePath {
    /// The room.
    id: RoomId,
    /// The message.
    msg_id: MessageId,
}

/// One message in its latest version.
#[utoipa::path(
    get, path = "/v1/rooms/{id}/messages/{msgId}", operation_id = "getMessage", tag = "messages", params(MessagePath),
    responses((status = 200, description = "The message, or its tombstone.", body = Message), Signed, NoRoom, NoMessage)
)]
pub(crate) async fn message(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<MessagePath>,
) -> Result<Response> {
    ok(&reads::message(&*ports.store, caller.user, path.id, path.msg_id).await?)
}

/// A new text.
#[derive(Deserialize, ToSchema)]
pub(crate) struct EditText {
    /// The new text, up to 4,000 characters.
    text: String,
    /// Refuse unless this is still the message's version.
    #[serde(default)]
    version: Option<u32>,
}

/// Changes the text of a message of yours. The same text again changes nothing.
#[utoipa::path(
    patch, path = "/v1/rooms/{id}/messages/{msgId}", operation_id = "editMessage", tag = "messages", params(MessagePath),
    request_body(content = EditText, example = json!({"text": "Hello, Ada!", "version": 1})),
    responses(
        (status = 200, description = "The message in its new version.", body = Message),
        Signed, Bodies, Changes, Texts, NoMessage, Versions
    )
)]
pub(crate) async fn edit(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<MessagePath>,
    Body(asked): Body<EditText>,
) -> Result<Response> {
    let text = message_text(asked.text)?;
    let intent = Intent::Edit {
        id: path.msg_id,
        text,
        version: asked.version,
    };
    ok(&message_in(caller.submit(&ports, path.id, intent).await?)?)
}

/// Deletes a message: yours, or as a moderator anybody's. A tombstone takes its place.
#[utoipa::path(
    delete, path = "/v1/rooms/{id}/messages/{msgId}", operation_id = "deleteMessage", tag = "messages",
    params(MessagePath),
    responses((status = 200, description = "The tombstone.", body = Message), Signed, Changes, NoMessage)
)]
pub(crate) async fn delete(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<MessagePath>,
) -> Result<Response> {
    ok(&message_in(
        caller
            .submit(&ports, path.id, Intent::Delete { id: path.msg_id })
            .await?,
    )?)
}

/// Which emoji under which message.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReactionPath {
    /// The room.
    id: RoomId,
    /// The message.
    msg_id: MessageId,
    /// One emoji, percent-encoded.
    #[param(example = "👍")]
    emoji: String,
}

/// An emoji's count under a message.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReactionCount {
    /// The emoji.
    emoji: String,
    /// How many chose it, after this.
    count: u32,
}

/// Adds your reaction. It counts once, however often it is added.
#[utoipa::path(
    put, path = "/v1/rooms/{id}/messages/{msgId}/reactions/{emoji}", operation_id = "addReaction", tag = "messages",
    params(ReactionPath),
    responses((status = 200, description = "How many chose it.", body = ReactionCount), Signed, Changes, NoMessage, Mutes)
)]
pub(crate) async fn react(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<ReactionPath>,
) -> Result<Response> {
    reaction(&ports, caller, path, true).await
}

/// Takes your reaction back.
#[utoipa::path(
    delete, path = "/v1/rooms/{id}/messages/{msgId}/reactions/{emoji}", operation_id = "removeReaction", tag = "messages",
    params(ReactionPath),
    responses((status = 200, description = "How many chose it.", body = ReactionCount), Signed, Changes, NoMessage, Mutes)
)]
pub(crate) async fn unreact(
    State(ports): State<Arc<Ports>>,
    caller: Caller,
    Named(path): Named<ReactionPath>,
) -> Result<Response> {
    reaction(&ports, caller, path, false).await
}

async fn reaction(
    ports: &Ports,
    caller: Caller,
    path: ReactionPath,
    add: bool,
) -> Result<Response> {
    let emoji = emoji(&path.emoji, "/emoji")?;
    let intent = Intent::React {
        id: path.msg_id,
        emoji,
        add,
    };
    match caller.submit(ports, path.id, intent).await?.made {
        Made::Reaction { emoji, count } => ok(&ReactionCount { emoji, count }),
        _ => Err(Code::Internal.into()),
    }
}

fn message_in(outcome: Outcome) -> Result<Message> {
    match outcome.made {
        Made::Message(message) => Ok(message),
        _ => Err(Code::Internal.into()),
    }
}

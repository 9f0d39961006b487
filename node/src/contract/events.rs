//! AsyncAPI 3.0 of the Socket.IO events, from `protocol::event`.

use protocol::event::ServerEvent;
use protocol::event::client::{
    ConnectAuth, DeleteMessage, EditMessage, History, InRoom, MarkRead, React, RefreshAuth,
    SendMessage, SetPresence, Subscribe, Sync, WatchPresence,
};
use protocol::event::server::ReactionOp;
use protocol::message::Message;
use protocol::problem::Problem;
use protocol::room::{LeaveReason, Member, Room};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::acks::{
    EmptyAck, MessageAck, PresenceAck, ReactionAck, ReadAck, RefreshAck, RefusedAck,
};
use super::schemas::Components;
use crate::reads::{HistoryReply, SubscribeReply, SyncReply};

/// What a client may say, and how it is answered.
struct Saying {
    name: &'static str,
    about: &'static str,
    payload: Value,
    data: Value,
}

/// `message:new` → `MessageNew`.
pub fn type_name(event: &str) -> String {
    let parts = event.split([':', '-', '_']);
    parts
        .flat_map(|part| {
            part.chars()
                .enumerate()
                .map(|(nth, c)| if nth == 0 { c.to_ascii_uppercase() } else { c })
        })
        .collect()
}

fn saying<P: ToSchema, A: ToSchema>(
    components: &mut Components,
    name: &'static str,
    about: &'static str,
) -> Saying {
    Saying {
        name,
        about,
        payload: components.add::<P>(),
        data: components.add::<A>(),
    }
}

/// Every event of a client, in the order of `ClientEvent::NAMES`.
fn sayings(c: &mut Components) -> Vec<Saying> {
    vec![
        saying::<SendMessage, MessageAck>(
            c,
            "message:send",
            "Says something; acknowledged after it is durable.",
        ),
        saying::<EditMessage, MessageAck>(
            c,
            "message:edit",
            "Changes the text of a message of yours.",
        ),
        saying::<DeleteMessage, MessageAck>(
            c,
            "message:delete",
            "Deletes a message; a tombstone takes its place.",
        ),
        saying::<React, ReactionAck>(c, "reaction:add", "Adds your reaction; it counts once."),
        saying::<React, ReactionAck>(c, "reaction:remove", "Takes your reaction back."),
        saying::<Sync, SyncReply>(c, "sync", "Asks for the durable events after your cursors."),
        saying::<History, HistoryReply>(c, "history", "Asks for a window of a room's messages."),
        saying::<Subscribe, SubscribeReply>(
            c,
            "room:subscribe",
            "Wants a room's events on this socket again.",
        ),
        saying::<InRoom, EmptyAck>(
            c,
            "room:unsubscribe",
            "Wants no events of a room on this socket for now; no membership changes.",
        ),
        saying::<MarkRead, ReadAck>(
            c,
            "receipt:read",
            "Moves your read marker up; it never goes back.",
        ),
        saying::<InRoom, EmptyAck>(c, "typing:start", "You write; ends by itself after 6 s."),
        saying::<InRoom, EmptyAck>(c, "typing:stop", "You have stopped writing."),
        saying::<SetPresence, EmptyAck>(c, "presence:set", "Says how you are."),
        saying::<WatchPresence, PresenceAck>(
            c,
            "presence:watch",
            "Wants to know of people from now on, instead of those before.",
        ),
        saying::<RefreshAuth, RefreshAck>(
            c,
            "auth:refresh",
            "Brings a new access token of the same session.",
        ),
    ]
}

/// The AsyncAPI document. An event without a schema is a bug that the tests find: its payload would be `null` here.
pub fn asyncapi() -> Value {
    let mut components = Components::default();
    let mut book = Book::default();
    server_events(&mut components, &mut book);
    let sayings = sayings(&mut components);
    let refused = components.add::<RefusedAck>();
    for saying in sayings {
        book.client(saying, &refused);
    }
    components.add::<Problem>();
    let auth = components.add::<ConnectAuth>();

    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "chatify events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": include_str!("events.md"),
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "here": {
                "host": "localhost:8080",
                "pathname": "/socket.io/",
                "protocol": "ws",
                "description": "Socket.IO protocol v5 over Engine.IO v4: WebSocket, long-polling and the upgrade between them.",
            }
        },
        "channels": {
            "main": {
                "address": "/",
                "title": "The namespace `/`",
                "description": "Connect with `auth` as `ConnectAuth` describes it.",
                "messages": book.channel,
                "x-auth": auth,
            }
        },
        "operations": book.operations,
        "components": { "messages": book.messages, "schemas": components.into_value() },
    })
}

#[derive(Default)]
struct Book {
    channel: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Book {
    fn message(&mut self, key: &str, message: Value) -> Value {
        self.messages.insert(key.to_owned(), message);
        self.channel.insert(
            key.to_owned(),
            json!({ "$ref": format!("#/components/messages/{key}") }),
        );
        json!({ "$ref": format!("#/channels/main/messages/{key}") })
    }

    fn server(&mut self, name: &str, about: &str, payload: Value) {
        let key = type_name(name);
        let durable = durable(name);
        let mut message = json!({ "name": name, "title": name, "summary": about, "payload": payload, "x-durable": durable });
        if let Some(sample) = super::samples::server(name) {
            message["examples"] = json!([{ "name": name, "payload": sample }]);
        }
        let message = self.message(&key, message);
        let operation = json!({
            "action": "send", "channel": { "$ref": "#/channels/main" }, "summary": about, "messages": [message],
        });
        self.operations.insert(format!("on{key}"), operation);
    }

    fn client(&mut self, saying: Saying, refused: &Value) {
        let key = type_name(saying.name);
        let said = json!({ "name": saying.name, "title": saying.name, "summary": saying.about, "payload": saying.payload });
        let said = self.message(&key, said);
        let ack = json!({
            "name": format!("{} (ack)", saying.name),
            "title": format!("The ack of {}", saying.name),
            "payload": { "oneOf": [granted(&saying.data), refused] },
            "x-data": saying.data,
        });
        let ack = self.message(&format!("{key}Ack"), ack);
        let operation = json!({
            "action": "receive", "channel": { "$ref": "#/channels/main" }, "summary": saying.about, "messages": [said],
            "reply": { "channel": { "$ref": "#/channels/main" }, "messages": [ack] },
        });
        self.operations.insert(format!("emit{key}"), operation);
    }
}

fn granted(data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["ok", "data"],
        "properties": { "ok": { "type": "boolean", "const": true }, "data": data },
    })
}

/// Whether an event is an entry of a room's log, with a `seq` of its own.
fn durable(name: &str) -> bool {
    matches!(
        name.split_once(':'),
        Some(("message" | "reaction" | "member", _))
    ) || matches!(name, "room:updated" | "room:deleted")
}

/// One component for each server event: the branches of the one enum, in the order of its variants.
fn server_events(components: &mut Components, book: &mut Book) {
    components.add_parts_of::<ServerEvent>();
    let whole = json!(ServerEvent::schema());
    for (nth, (name, about)) in ServerEvent::ALL.iter().enumerate() {
        let mut schema = whole["oneOf"][nth].clone();
        if let Some(object) = schema.as_object_mut() {
            object.insert("title".to_owned(), json!(name));
        }
        let payload = components.insert(format!("{}Event", type_name(name)), schema);
        book.server(name, about, payload);
    }
}

/// The schemas of durable events, with all that they refer to.
pub(super) fn durable_schemas() -> Map<String, Value> {
    let mut components = Components::default();
    components.add::<Message>();
    components.add::<Member>();
    components.add::<Room>();
    components.add::<LeaveReason>();
    components.add::<ReactionOp>();
    let whole = json!(ServerEvent::schema());
    for (nth, (name, _)) in ServerEvent::ALL
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| durable(name))
    {
        components.insert(
            format!("{}Event", type_name(name)),
            whole["oneOf"][nth].clone(),
        );
    }
    match components.into_value() {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}

/// One durable event by name and payload.
pub(super) fn stream_event() -> Value {
    let one = |(name, _): &(&str, &str)| {
        let payload = format!("#/components/schemas/{}Event", type_name(name));
        json!({
            "type": "object",
            "required": ["event", "data"],
            "properties": { "event": { "type": "string", "enum": [name] }, "data": { "$ref": payload } },
        })
    };
    let branches: Vec<Value> = ServerEvent::ALL
        .iter()
        .filter(|(name, _)| durable(name))
        .map(one)
        .collect();
    json!({ "description": "One durable event of a room, as a socket would have brought it.", "oneOf": branches })
}

/// The names of the client events that are described, in their order.
pub fn client_event_names() -> Vec<&'static str> {
    sayings(&mut Components::default())
        .iter()
        .map(|saying| saying.name)
        .collect()
}

//! What a client sees: frames as text, read as a stock client reads them.

use history::{Content, Event, digest};
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::Seq;
use protocol::room::Epoch;
use protocol::user::Presence;
use serde::Deserialize;

use super::client::{Up, Waiting};
use super::wire::Down;
use super::world::World;

/// Messages that a client still thinks of when it edits.
const KNOWN_MAX: usize = 8;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenRoom {
    id: RoomId,
    epoch: Epoch,
    head_seq: Seq,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenReady {
    user_id: UserId,
    rooms: Vec<SeenRoom>,
}

#[derive(Deserialize)]
struct SeenAdded {
    room: SeenRoom,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenGap {
    room_id: RoomId,
    have_seq: Seq,
    head_seq: Seq,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenRoomOnly {
    room_id: RoomId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenEntry {
    room_id: RoomId,
    seq: Seq,
    message: Option<SeenMessage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenMessage {
    id: MessageId,
    room_id: RoomId,
    seq: Seq,
    client_id: ClientId,
    sender_id: UserId,
    text: String,
    version: u32,
}

#[derive(Deserialize)]
struct SeenPeople {
    users: Vec<Presence>,
}

#[derive(Deserialize)]
struct SeenAck<'a> {
    ok: bool,
    #[serde(borrow)]
    data: Option<&'a serde_json::value::RawValue>,
    error: Option<SeenError>,
}

#[derive(Deserialize)]
struct SeenError {
    code: protocol::problem::Code,
}

#[derive(Deserialize)]
struct SeenSent {
    message: SeenMessage,
    #[serde(default)]
    duplicate: bool,
}

/// The answer of the shell to `room:subscribe`, as far as the model's client needs it.
#[derive(Deserialize, serde::Serialize)]
pub(super) struct SeenSubscribed {
    pub(super) room: RoomId,
    pub(super) epoch: Epoch,
    pub(super) after: Seq,
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text)
        .unwrap_or_else(|error| panic!("a client cannot read {text}: {error}"))
}
impl World {
    pub(crate) fn down(&mut self, conn: u64, down: Down) {
        let Some(wire) = self.wires.get_mut(&conn) else {
            return;
        };
        wire.queued = wire.queued.saturating_sub(1);
        if !wire.client_open {
            return;
        }
        let (index, own) = (wire.client, !wire.zombie);
        match down {
            Down::Closed => {
                wire.client_open = false;
                self.client_lost(conn);
            }
            Down::Frame(frame) => {
                let text = frame.text();
                self.note(|_| {
                    format!(
                        "client {index} on {conn}{}: {text}",
                        if own { "" } else { " (half-open)" }
                    )
                });
                if let Some(rest) = text.strip_prefix("42[\"") {
                    let (name, payload) = rest.split_once("\",").unwrap();
                    let payload = &payload[..payload.len() - 1];
                    self.seen(index, (conn, own), name, payload);
                } else if let Some(rest) = text.strip_prefix("43") {
                    let (ack, payload) = rest.split_once('[').unwrap();
                    if own {
                        self.answered(
                            index,
                            conn,
                            ack.parse().unwrap(),
                            &payload[..payload.len() - 1],
                        );
                    }
                }
            }
        }
    }

    fn seen(&mut self, index: usize, (conn, own): (u64, bool), name: &str, payload: &str) {
        match name {
            "session:ready" => self.seen_ready(index, (conn, own), read(payload)),
            "room:added" => {
                let SeenAdded { room } = read(payload);
                self.starts(index, (conn, own), room.id, room.epoch, room.head_seq);
            }
            "room:removed" => {
                let SeenRoomOnly { room_id } = read(payload);
                self.stops(index, (conn, own), room_id);
            }
            "stream:gap" => self.seen_gap(index, (conn, own), read(payload)),
            "presence:changed" if own => {
                let SeenPeople { users } = read(payload);
                self.clients[index]
                    .watches
                    .extend(users.into_iter().map(|one| (one.user_id, one.status)));
            }
            "auth:expiring" if own => {
                let ack = self.wait(index, Waiting::Other { since: self.now });
                self.send_up(conn, Up::Refresh { ack });
            }
            "message:new" | "message:updated" | "message:deleted" | "reaction:updated"
            | "room:updated" | "room:deleted" | "member:joined" | "member:left"
            | "member:updated" => {
                let entry: SeenEntry = read(payload);
                let whole = Some(digest(payload.as_bytes()));
                let content = match &entry.message {
                    Some(message) if name == "message:new" => Content {
                        whole,
                        actor: Some(message.sender_id),
                        key: Some(message.client_id),
                        body: Some(digest(message.text.as_bytes())),
                    },
                    _ => Content {
                        whole,
                        ..Content::default()
                    },
                };
                self.record(Event::Deliver {
                    conn,
                    room: entry.room_id,
                    seq: entry.seq,
                    content,
                });
                self.follow(index, own, name, entry);
                if name == "room:deleted" {
                    let SeenRoomOnly { room_id } = read(payload);
                    self.stops(index, (conn, own), room_id);
                }
            }
            _ => {}
        }
    }

    fn follow(&mut self, index: usize, own: bool, name: &str, entry: SeenEntry) {
        let client = &mut self.clients[index];
        if !own {
            return;
        }
        if let Some(epoch) = client.hears.get(&entry.room_id) {
            client.cursors.insert(entry.room_id, (*epoch, entry.seq));
        }
        if let Some(message) = entry.message.filter(|_| name == "message:new") {
            if client.known.len() == KNOWN_MAX {
                client.known.pop_front();
            }
            client.known.push_back((
                message.room_id,
                message.id,
                message.sender_id == client.user,
            ));
        }
    }

    fn seen_ready(&mut self, index: usize, (conn, own): (u64, bool), ready: SeenReady) {
        let Some(wire) = self.wires.get_mut(&conn) else {
            return;
        };
        wire.ready = true;
        let cursors = std::mem::take(&mut wire.cursors);
        let (user, session) = (self.clients[index].user, self.clients[index].session);
        if ready.user_id != user {
            return self.break_off(format!("{user} was greeted as {}", ready.user_id));
        }
        self.record(Event::Connect {
            conn,
            user,
            session,
        });
        for SeenRoom {
            id,
            epoch,
            head_seq,
        } in ready.rooms
        {
            match cursors.get(&id).copied() {
                None => self.starts(index, (conn, own), id, epoch, head_seq),
                Some((held, seq)) if held == epoch => {
                    self.starts(index, (conn, own), id, epoch, seq)
                }
                Some(_) => {
                    if let Some(wire) = self.wires.get_mut(&conn) {
                        wire.expects_gap.insert(id, epoch);
                    }
                }
            }
        }
    }

    fn seen_gap(&mut self, index: usize, (conn, own): (u64, bool), gap: SeenGap) {
        let SeenGap {
            room_id,
            have_seq,
            head_seq,
        } = gap;
        let Some(epoch) = self
            .wires
            .get_mut(&conn)
            .and_then(|wire| wire.expects_gap.remove(&room_id))
        else {
            return self.break_off(format!(
                "connection {conn} was told of a gap that is none: {room_id} has {have_seq}"
            ));
        };
        if have_seq != 0 {
            self.break_off(format!("connection {conn} holds another incarnation of {room_id}, and is told it had {have_seq}"));
        }
        self.starts(index, (conn, own), room_id, epoch, head_seq);
    }

    pub(super) fn starts(
        &mut self,
        index: usize,
        (conn, own): (u64, bool),
        room: RoomId,
        epoch: Epoch,
        after: Seq,
    ) {
        self.record(Event::Start {
            conn,
            room,
            epoch,
            after,
        });
        if own {
            let client = &mut self.clients[index];
            client.hears.insert(room, epoch);
            client.cursors.insert(room, (epoch, after));
            client.left.retain(|left| *left != room);
        }
    }

    fn stops(&mut self, index: usize, (conn, own): (u64, bool), room: RoomId) {
        self.record(Event::Stop { conn, room });
        if own {
            let client = &mut self.clients[index];
            client.hears.remove(&room);
        }
    }

    fn answered(&mut self, index: usize, conn: u64, ack: u64, payload: &str) {
        let Some(waiting) = self.clients[index].waiting.remove(&ack) else {
            return;
        };
        let answer: SeenAck<'_> = read(payload);
        let data = answer.data.map_or("", |data| data.get());
        match waiting {
            Waiting::Send { attempt, key, .. } if answer.ok => {
                self.acknowledged(index, attempt, key, read(data))
            }
            Waiting::Send { attempt, key, .. } => {
                let code = answer.error.map(|error| error.code);
                self.refused(
                    index,
                    attempt,
                    key,
                    code.unwrap_or(protocol::problem::Code::Internal),
                );
            }
            Waiting::Edit { id, text, .. } if answer.ok => {
                let SeenSent { message, .. } = read(data);
                if (message.id, &message.text) != (id, &text) {
                    return self.break_off(format!(
                        "an edit of {id} to {text:?} was answered with {:?} of {}",
                        message.text, message.id
                    ));
                }
                self.clients[index]
                    .acked_edits
                    .push((message.room_id, id, message.version, text));
            }
            Waiting::Watch { .. } if answer.ok => {
                let SeenPeople { users } = read(data);
                self.clients[index]
                    .watches
                    .extend(users.into_iter().map(|one| (one.user_id, one.status)));
            }
            Waiting::Watch { .. } => self.clients[index].watching = false,
            Waiting::Unsubscribe { room, .. } => {
                if !answer.ok {
                    return self.clients[index].left.retain(|left| *left != room);
                }
                self.record(Event::Stop { conn, room });
                self.clients[index].hears.remove(&room);
            }
            Waiting::Other { .. } if answer.ok => {
                if let Ok(SeenSubscribed { room, epoch, after }) = serde_json::from_str(data)
                    // Meanwhile its user was added anew: the hub has left the stream as it was.
                    && !self.clients[index].hears.contains_key(&room)
                {
                    self.starts(index, (conn, true), room, epoch, after);
                }
            }
            Waiting::Edit { .. } | Waiting::Other { .. } => {}
        }
    }

    fn acknowledged(&mut self, index: usize, attempt: u64, key: ClientId, sent: SeenSent) {
        let SeenSent { message, duplicate } = sent;
        self.record(Event::Ok {
            id: attempt,
            seq: message.seq,
            duplicate,
        });
        let client = &mut self.clients[index];
        let Some(at) = client.outbox.iter().position(|one| one.key == key) else {
            return;
        };
        let Some(one) = client.outbox.remove(at) else {
            return;
        };
        let as_sent = (message.client_id, message.sender_id, message.room_id)
            == (key, client.user, one.room)
            && (duplicate || message.text == one.text);
        if !as_sent {
            self.break_off(format!(
                "{key} was acknowledged with another message: {} by {}",
                message.text, message.sender_id
            ));
        }
    }

    fn refused(
        &mut self,
        index: usize,
        attempt: u64,
        key: ClientId,
        code: protocol::problem::Code,
    ) {
        use protocol::problem::Code;
        if code == Code::OutcomeUnknown {
            self.unknown(index, attempt, key);
            if let Some(one) = self.clients[index]
                .outbox
                .iter_mut()
                .find(|one| one.key == key)
            {
                one.not_before = self.now + 300;
            }
            return;
        }
        let again = matches!(
            code,
            Code::Unavailable | Code::Overloaded | Code::RateLimited
        );
        self.record(Event::Fail {
            id: attempt,
            retry: again,
        });
        let client = &mut self.clients[index];
        if code == Code::ClientIdConflict && !self.reused.contains(&(client.user, key)) {
            let user = client.user;
            return self.break_off(format!(
                "{key} of {user} was used once, and is refused as used before"
            ));
        }
        let Some(at) = client.outbox.iter().position(|one| one.key == key) else {
            return;
        };
        if again && !client.gives_up {
            client.outbox[at].under_way = false;
            client.outbox[at].not_before = self.now + 300;
        } else {
            client.outbox.remove(at);
        }
    }
}

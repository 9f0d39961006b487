//! A client as the stock one behaves: connects anywhere with its cursors, sends again under the same name until it has
//! an answer, believes in `seq + 1` and removes no doubles. It reads frames as text and nothing else.

use std::collections::{BTreeMap, VecDeque};

use chat::{Act, Asked, Input, Moved, Who};
use history::{Content, Event, digest};
use protocol::event::client::{Cursor, SendMessage, WatchPresence};
use protocol::frame::Frame;
use protocol::ids::{ClientId, MessageId, RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::room::Epoch;
use protocol::time::Timestamp;
use protocol::user::{Presence, PresenceStatus};
use serde::Deserialize;

use super::rng::Rng;
use super::wire::{Down, Site, Wire};
use super::world::{Happening, World};

/// A client repeats what was not answered in this time, as `ackTimeout` makes it.
const ACK_MILLIS: u64 = 9_000;
/// Frames on their way to a socket beyond which it is cut.
const OUTBOX_MAX: usize = 24;
/// After this a half-open connection is noticed by the server.
const PING_MILLIS: u64 = 9_000;
/// Messages that a client still thinks of when it edits.
const KNOWN_MAX: usize = 8;

/// Something that a client wants said.
pub(crate) struct Outgoing {
    pub(crate) room: RoomId,
    pub(crate) key: ClientId,
    pub(crate) text: String,
    /// On this connection and not answered.
    under_way: bool,
    not_before: u64,
}

enum Waiting {
    Send {
        attempt: u64,
        key: ClientId,
        since: u64,
    },
    Edit {
        id: MessageId,
        text: String,
        since: u64,
    },
    Watch {
        since: u64,
    },
    Unsubscribe {
        room: RoomId,
        since: u64,
    },
    Other {
        since: u64,
    },
}

pub(crate) struct Client {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    /// The connection that it holds for its own.
    pub(crate) link: Option<u64>,
    pub(crate) outbox: VecDeque<Outgoing>,
    cursors: BTreeMap<RoomId, (Epoch, Seq)>,
    /// Rooms that this connection hears, and their incarnation.
    pub(crate) hears: BTreeMap<RoomId, Epoch>,
    left: Vec<RoomId>,
    waiting: BTreeMap<u64, Waiting>,
    next_ack: u64,
    next_text: u64,
    known: VecDeque<(RoomId, MessageId, bool)>,
    said: Vec<(RoomId, ClientId)>,
    pub(crate) watches: BTreeMap<UserId, PresenceStatus>,
    pub(crate) watching: bool,
    /// Sends without waiting for the answer to what it sent before.
    pipelines: bool,
    /// Takes "not stored" at its word and sends no more.
    gives_up: bool,
    short_tokens: bool,
    pub(crate) acked_edits: Vec<(RoomId, MessageId, u32, String)>,
}

impl Client {
    pub(crate) fn new(user: UserId, session: SessionId, rng: &mut Rng) -> Self {
        Self {
            user,
            session,
            link: None,
            outbox: VecDeque::new(),
            cursors: BTreeMap::new(),
            hears: BTreeMap::new(),
            left: Vec::new(),
            waiting: BTreeMap::new(),
            next_ack: 0,
            next_text: 0,
            known: VecDeque::new(),
            said: Vec::new(),
            watches: BTreeMap::new(),
            watching: false,
            pipelines: rng.chance(500),
            gives_up: rng.chance(300),
            short_tokens: rng.chance(50),
            acked_edits: Vec::new(),
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.outbox.is_empty() && self.waiting.is_empty() && self.left.is_empty()
    }

    /// The last entry that it has of a room.
    pub(crate) fn stands_at(&self, room: RoomId) -> Option<(Epoch, Seq)> {
        self.cursors.get(&room).copied()
    }

    pub(crate) fn waits(&self) -> usize {
        self.waiting.len()
    }
}

/// What a client puts onto its wire.
pub(crate) enum Up {
    Connect {
        who: Who,
        cursors: Vec<(RoomId, Cursor)>,
    },
    Act {
        ack: u64,
        room: RoomId,
        act: Act,
    },
    Watch {
        ack: u64,
        users: Vec<UserId>,
    },
    Typing {
        room: RoomId,
        active: bool,
    },
    Read {
        ack: u64,
        room: RoomId,
        seq: Seq,
    },
    Unsubscribe {
        ack: u64,
        room: RoomId,
    },
    Subscribe {
        ack: u64,
        room: RoomId,
        after: Option<(Epoch, Seq)>,
    },
    Refresh {
        ack: u64,
    },
}

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
struct SeenSubscribed {
    room: RoomId,
    epoch: Epoch,
    after: Seq,
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text)
        .unwrap_or_else(|error| panic!("a client cannot read {text}: {error}"))
}

impl World {
    // ── what a client does ──

    pub(crate) fn wake(&mut self, index: usize) {
        if self.over {
            return;
        }
        let pause = if self.calm {
            150
        } else {
            1 + self.rng.below(self.plan.pause_millis)
        };
        self.after(pause, Happening::Wake { client: index });
        let Some(conn) = self.clients[index].link else {
            return self.connect(index);
        };
        if !self.wires[&conn].ready {
            return;
        }
        self.repeat_unanswered(index);
        if !self.clients[index].watching && self.rng.chance(300) {
            self.watch(index, conn);
        }
        if !self.calm {
            self.act(index, conn);
        } else if let Some(room) = self.clients[index].left.first().copied() {
            self.subscribe(index, conn, room);
        }
        self.send_what_may_be_sent(index, conn);
    }

    fn connect(&mut self, index: usize) {
        let node = self.rng.index(self.nodes.len());
        if !self.nodes[node].up {
            return;
        }
        let hub = self.rng.index(usize::from(self.plan.hubs));
        let site = Site {
            node,
            hub,
            life: self.nodes[node].life,
        };
        self.conns += 1;
        let conn = self.conns;
        let Some(id) = self.new_conn_id(site, conn) else {
            return;
        };
        let slow = self.strikes(self.plan.wire_slow, "slow sockets");
        let wire = Wire {
            client: index,
            site,
            conn: id,
            server_open: true,
            client_open: true,
            zombie: false,
            slow,
            queued: 0,
            down_at: 0,
            up_at: 0,
            ready: false,
            cursors: self.clients[index].cursors.clone(),
            expects_gap: BTreeMap::new(),
        };
        self.wires.insert(conn, wire);
        let wall = self.wall(node);
        // A cursor without an incarnation is right only where rooms have one.
        let bare = self.plan.restored == 0 && self.rng.chance(200);
        let client = &mut self.clients[index];
        client.link = Some(conn);
        let cursors = client.cursors.iter().map(|(room, (epoch, seq))| {
            (
                *room,
                if bare {
                    Cursor::Seq(*seq)
                } else {
                    Cursor::Exact {
                        seq: *seq,
                        epoch: *epoch,
                    }
                },
            )
        });
        let cursors = cursors.collect();
        let life = if client.short_tokens {
            62_000
        } else {
            36_000_000
        };
        let who = Who {
            user: client.user,
            session: client.session,
            expires: Timestamp(wall.0 + life),
        };
        self.note(|_| {
            format!("client {index} connects to {node}.{hub} as {conn} ({id:?}) with {cursors:?}")
        });
        self.send_up(conn, Up::Connect { who, cursors });
    }

    fn act(&mut self, index: usize, conn: u64) {
        let hears: Vec<RoomId> = self.clients[index].hears.keys().copied().collect();
        // Now and then somebody writes where they are not, or not any more.
        let room = if self.rng.chance(50) {
            self.rng.pick(&self.rooms.clone()).copied()
        } else {
            self.rng.pick(&hears).copied()
        };
        let Some(room) = room else { return };
        if self.strikes(self.plan.changes, "") {
            return self.change(index, conn);
        }
        if self.strikes(self.plan.unsubscribes, "") {
            return match self.clients[index].left.first().copied() {
                Some(left) => self.subscribe(index, conn, left),
                None => self.unsubscribe(index, conn, room),
            };
        }
        match self.rng.below(20) {
            0 => self.send_up(conn, Up::Typing { room, active: true }),
            1 => {
                let seq = self.clients[index]
                    .cursors
                    .get(&room)
                    .map_or(0, |(_, seq)| *seq);
                let ack = self.wait(index, Waiting::Other { since: self.now });
                self.send_up(conn, Up::Read { ack, room, seq });
            }
            2 => self.clients[index].watching = false,
            _ => self.say(index, room),
        }
    }

    fn say(&mut self, index: usize, room: RoomId) {
        let (mut key, fresh) = (ClientId(self.rng.uuid()), self.rng.next() % 2 == 0);
        let client = &mut self.clients[index];
        if client.outbox.len() > 12 {
            return;
        }
        client.next_text += 1;
        let mut text = format!("{index}-{}", client.next_text);
        if self.strikes(self.plan.reused_names, "names used twice") {
            if fresh {
                // Another user's name and text: two messages nevertheless.
                let others: Vec<(ClientId, String)> = self
                    .clients
                    .iter()
                    .flat_map(|other| {
                        other
                            .outbox
                            .iter()
                            .filter(|one| one.room == room)
                            .map(|one| (one.key, one.text.clone()))
                    })
                    .collect();
                if let Some((other, said)) = self.rng.pick(&others).cloned() {
                    (key, text) = (other, said);
                }
            } else if let Some((_, old)) = self.clients[index]
                .said
                .iter()
                .rev()
                .find(|(at, _)| *at == room)
                .copied()
            {
                // The same name for something else: refused, or it wins if the first never arrives.
                key = old;
            }
        }
        if self.clients[index]
            .outbox
            .iter()
            .any(|one| one.key == key && one.room == room)
        {
            return;
        }
        let client = &mut self.clients[index];
        let name = (client.user, room, key);
        if *self.named.entry(name).or_insert_with(|| text.clone()) != text {
            self.reused.insert((client.user, key));
        }
        client.said.push((room, key));
        client.outbox.push_back(Outgoing {
            room,
            key,
            text,
            under_way: false,
            not_before: 0,
        });
    }

    fn send_what_may_be_sent(&mut self, index: usize, conn: u64) {
        for at in 0..self.clients[index].outbox.len() {
            let client = &mut self.clients[index];
            let one = &mut client.outbox[at];
            if one.under_way || one.not_before > self.now {
                // What comes behind waits for it, in either way of sending.
                if one.under_way && client.pipelines {
                    continue;
                }
                return;
            }
            one.under_way = true;
            let (room, key, text, user) = (one.room, one.key, one.text.clone(), client.user);
            self.attempts += 1;
            let attempt = self.attempts;
            let ack = self.wait(
                index,
                Waiting::Send {
                    attempt,
                    key,
                    since: self.now,
                },
            );
            self.record(Event::Invoke {
                id: attempt,
                conn,
                user,
                room,
                key,
                body: digest(text.as_bytes()),
            });
            let act = Act::Send(SendMessage {
                room_id: room,
                client_id: key,
                text,
                reply_to: None,
                mentions: Vec::new(),
                meta: None,
            });
            self.send_up(conn, Up::Act { ack, room, act });
            if !self.clients[index].pipelines {
                return;
            }
        }
    }

    fn change(&mut self, index: usize, conn: u64) {
        let known: Vec<_> = self.clients[index].known.iter().copied().collect();
        let Some((room, id, own)) = self.rng.pick(&known).copied() else {
            return;
        };
        let now = self.now;
        let (act, waiting) = match self.rng.below(6) {
            0 => (Act::Delete { id }, Waiting::Other { since: now }),
            1..=3 if own => {
                let text = format!("edited at {now}");
                (
                    Act::Edit {
                        id,
                        text: text.clone(),
                        version: None,
                    },
                    Waiting::Edit {
                        id,
                        text,
                        since: now,
                    },
                )
            }
            at => (
                Act::React {
                    id,
                    emoji: "👍".to_owned(),
                    add: at != 5,
                },
                Waiting::Other { since: now },
            ),
        };
        let ack = self.wait(index, waiting);
        self.send_up(conn, Up::Act { ack, room, act });
    }

    fn watch(&mut self, index: usize, conn: u64) {
        let users = self.users.clone();
        let client = &mut self.clients[index];
        client.watching = true;
        client.watches.clear();
        let ack = self.wait(index, Waiting::Watch { since: self.now });
        self.send_up(conn, Up::Watch { ack, users });
    }

    fn unsubscribe(&mut self, index: usize, conn: u64, room: RoomId) {
        self.clients[index].left.push(room);
        let ack = self.wait(
            index,
            Waiting::Unsubscribe {
                room,
                since: self.now,
            },
        );
        self.send_up(conn, Up::Unsubscribe { ack, room });
    }

    fn subscribe(&mut self, index: usize, conn: u64, room: RoomId) {
        // Only after the answer: until then entries are on their way.
        if self.clients[index].hears.contains_key(&room) {
            return;
        }
        self.clients[index].left.retain(|left| *left != room);
        let after = self.clients[index].cursors.get(&room).copied();
        let ack = self.wait(index, Waiting::Other { since: self.now });
        self.send_up(conn, Up::Subscribe { ack, room, after });
    }

    fn wait(&mut self, index: usize, waiting: Waiting) -> u64 {
        let client = &mut self.clients[index];
        client.next_ack += 1;
        client.waiting.insert(client.next_ack, waiting);
        client.next_ack
    }

    fn repeat_unanswered(&mut self, index: usize) {
        let now = self.now;
        let over: Vec<u64> = self.clients[index]
            .waiting
            .iter()
            .filter(|(_, waiting)| {
                let (Waiting::Send { since, .. }
                | Waiting::Edit { since, .. }
                | Waiting::Watch { since }
                | Waiting::Unsubscribe { since, .. }
                | Waiting::Other { since }) = waiting;
                since + ACK_MILLIS < now
            })
            .map(|(ack, _)| *ack)
            .collect();
        for ack in over {
            match self.clients[index].waiting.remove(&ack) {
                Some(Waiting::Send { attempt, key, .. }) => self.unknown(index, attempt, key),
                Some(Waiting::Watch { .. }) => self.clients[index].watching = false,
                Some(Waiting::Unsubscribe { room, .. }) => {
                    self.clients[index].left.retain(|left| *left != room)
                }
                _ => {}
            }
        }
    }

    fn unknown(&mut self, index: usize, attempt: u64, key: ClientId) {
        self.record(Event::Info { id: attempt });
        if let Some(one) = self.clients[index]
            .outbox
            .iter_mut()
            .find(|one| one.key == key)
        {
            one.under_way = false;
        }
    }

    /// The client has lost its connection: what was under way has an unknown outcome.
    pub(crate) fn client_lost(&mut self, conn: u64) {
        if self.wires.get(&conn).is_some_and(|wire| wire.ready) {
            self.record(Event::Disconnect { conn });
        }
        let Some(index) = self
            .clients
            .iter()
            .position(|client| client.link == Some(conn))
        else {
            return;
        };
        self.note(|_| format!("client {index} has lost {conn}"));
        self.let_go(index);
    }

    fn let_go(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.link = None;
        client.hears.clear();
        client.left.clear();
        client.watches.clear();
        client.watching = false;
        for (_, waiting) in std::mem::take(&mut client.waiting) {
            if let Waiting::Send { attempt, key, .. } = waiting {
                self.unknown(index, attempt, key);
            }
        }
    }

    // ── the wire ──

    fn send_up(&mut self, conn: u64, up: Up) {
        let delay = self.rng.between(1, 20);
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&conn).filter(|wire| wire.client_open) else {
            return;
        };
        wire.up_at = wire.up_at.max(now + delay);
        let at = wire.up_at;
        self.at(at, Happening::Up { conn, up });
    }

    pub(crate) fn send_down(&mut self, conn: u64, down: Down, delay: u64) {
        let slow = self.wires.get(&conn).is_some_and(|wire| wire.slow) && !self.calm;
        let delay = delay
            + if slow {
                self.rng.between(50, 400)
            } else {
                self.rng.between(1, 20)
            };
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&conn) else {
            return;
        };
        if matches!(down, Down::Frame(_)) {
            if !wire.server_open {
                return;
            }
            wire.queued += 1;
            if wire.queued > OUTBOX_MAX {
                self.tally.count("slow sockets cut");
                self.server_closes(conn, false);
                return self.after(1, Happening::Gone { conn });
            }
        }
        let Some(wire) = self.wires.get_mut(&conn) else {
            return;
        };
        wire.down_at = wire.down_at.max(now + delay);
        let at = wire.down_at;
        self.at(at, Happening::Down { conn, down });
    }

    /// The client hangs up, and the server sees it at once.
    pub(crate) fn hang_up(&mut self, conn: u64) {
        if self.wires.get(&conn).is_some_and(|wire| wire.client_open) {
            if let Some(wire) = self.wires.get_mut(&conn) {
                wire.client_open = false;
            }
            self.client_lost(conn);
        }
        self.after(1, Happening::Gone { conn });
    }

    /// People who were never told that they were added come upon it when they connect again.
    pub(crate) fn reload_the_unaware(&mut self) {
        let unaware = self.clients.iter().filter(|client| {
            self.store.rooms.iter().any(|(room, log)| {
                log.summary(client.user).is_some() && !client.hears.contains_key(room)
            })
        });
        let links: Vec<u64> = unaware.filter_map(|client| client.link).collect();
        for conn in links {
            self.tally.count("clients never told of a room");
            self.hang_up(conn);
        }
    }

    pub(crate) fn server_notices(&mut self, conn: u64) {
        let Some(wire) = self.wires.get_mut(&conn) else {
            return;
        };
        wire.server_open = false;
        let (site, id) = (wire.site, wire.conn);
        if !wire.client_open {
            self.wires.remove(&conn);
        }
        let Some(seat) = self.seat(site) else { return };
        let slot = &mut seat.slots[id.index as usize];
        if *slot == Some(conn) {
            *slot = None;
            self.feed(site, Input::Disconnected { conn: id });
        }
    }

    pub(crate) fn cut_a_wire(&mut self) {
        let open: Vec<u64> = self
            .wires
            .iter()
            .filter(|(_, wire)| wire.client_open && !wire.zombie)
            .map(|(conn, _)| *conn)
            .collect();
        let Some(conn) = self.rng.pick(&open).copied() else {
            return;
        };
        if self.strikes(self.plan.zombie, "half-open connections") {
            // The client gives up on it and goes elsewhere; the server notices much later, and the old one still hears.
            self.note(|_| format!("{conn} is half-open"));
            let Some(wire) = self.wires.get_mut(&conn) else {
                return;
            };
            wire.zombie = true;
            let index = wire.client;
            if self.clients[index].link == Some(conn) {
                self.let_go(index);
            }
            let noticed = self.rng.between(100, PING_MILLIS);
            return self.after(noticed, Happening::Gone { conn });
        }
        self.tally.count("connections cut");
        self.note(|_| format!("{conn} is cut"));
        if let Some(wire) = self.wires.get_mut(&conn) {
            wire.client_open = false;
        }
        self.client_lost(conn);
        let noticed = self.rng.between(0, 300);
        self.after(noticed, Happening::Gone { conn });
    }

    pub(crate) fn revoke_a_session(&mut self) {
        let index = self.rng.index(self.clients.len());
        let old = self.clients[index].session;
        self.clients[index].session = SessionId(self.rng.uuid());
        for node in 0..self.nodes.len() {
            let life = self.nodes[node].life;
            for hub in 0..usize::from(self.plan.hubs) {
                let input = Input::Revoked {
                    sessions: [old].into(),
                    reason: "revoked",
                };
                self.after(
                    2,
                    Happening::Input {
                        site: Site { node, hub, life },
                        input: Box::new(input),
                    },
                );
            }
        }
    }

    /// What a client sent has reached its hub's shell.
    pub(crate) fn up(&mut self, conn: u64, up: Up) {
        let Some(wire) = self.wires.get(&conn).filter(|wire| wire.server_open) else {
            return;
        };
        let (site, id, user) = (wire.site, wire.conn, self.clients[wire.client].user);
        let asked = |ack| Asked {
            conn: id,
            ack: Some(ack),
        };
        let input = match up {
            Up::Connect { who, cursors } => Input::Connected {
                conn: id,
                who,
                cursors,
            },
            Up::Act { ack, room, act } => Input::Act {
                asked: asked(ack),
                room,
                act,
            },
            Up::Typing { room, active } => Input::Typing {
                asked: Asked {
                    conn: id,
                    ack: None,
                },
                room,
                active,
            },
            Up::Unsubscribe { ack, room } => Input::Unsubscribe {
                asked: asked(ack),
                room,
            },
            Up::Refresh { ack } => {
                let expires = Timestamp(self.wall(site.node).0 + 36_000_000);
                Input::AuthRefreshed {
                    asked: asked(ack),
                    expires,
                }
            }
            Up::Watch { ack, users } => {
                let whom = WatchPresence::Users {
                    user_ids: users.clone(),
                };
                Input::PresenceWatch {
                    asked: asked(ack),
                    whom,
                    visible: users,
                }
            }
            Up::Read { ack, room, seq } => {
                let Some(log) = self
                    .store
                    .rooms
                    .get_mut(&room)
                    .filter(|log| log.members.contains_key(&user))
                else {
                    return self.shell_answers(
                        conn,
                        chat::refused(ack, &protocol::problem::Code::RoomNotFound.into()),
                    );
                };
                let moved = Moved {
                    room,
                    user,
                    marker: log.mark_read(user, seq),
                    mentions: 0,
                    head_n: log.n,
                };
                Input::ReadMoved {
                    asked: Some(asked(ack)),
                    moved,
                }
            }
            Up::Subscribe { ack, room, after } => {
                let Some(summary) = self
                    .store
                    .rooms
                    .get(&room)
                    .and_then(|log| log.summary(user))
                else {
                    return self.shell_answers(
                        conn,
                        chat::refused(ack, &protocol::problem::Code::RoomNotFound.into()),
                    );
                };
                let fits = after
                    .filter(|(epoch, seq)| *epoch == summary.epoch && *seq <= summary.head_seq);
                let after = fits.map_or(summary.head_seq, |(_, seq)| seq);
                self.shell_answers(
                    conn,
                    chat::granted(
                        ack,
                        &SeenSubscribed {
                            room,
                            epoch: summary.epoch,
                            after,
                        },
                    ),
                );
                Input::Subscribe {
                    conn: id,
                    summary: Box::new(summary),
                    after,
                }
            }
        };
        self.feed(site, input);
    }

    fn shell_answers(&mut self, conn: u64, frame: Frame) {
        self.send_down(conn, Down::Frame(frame), 0);
    }

    // ── what a client sees ──

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

    fn starts(
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
                if let Ok(SeenSubscribed { room, epoch, after }) = serde_json::from_str(data) {
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
        self.record(Event::Fail { id: attempt });
        let client = &mut self.clients[index];
        if code == Code::ClientIdConflict && !self.reused.contains(&(client.user, key)) {
            let user = client.user;
            return self.break_off(format!(
                "{key} of {user} was used once, and is refused as used before"
            ));
        }
        let again = matches!(
            code,
            Code::Unavailable | Code::Overloaded | Code::RateLimited
        );
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

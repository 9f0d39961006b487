//! A client as the stock one behaves: connects anywhere with its cursors, sends again under the same name until it has
//! an answer, believes in `seq + 1` and removes no doubles. It reads frames as text and nothing else.

use std::collections::{BTreeMap, VecDeque};

use chat::{Act, Who};
use history::{Event, digest};
use protocol::event::client::{Cursor, SendMessage};
use protocol::ids::{ClientId, MessageId, RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::room::Epoch;
use protocol::time::Timestamp;
use protocol::user::PresenceStatus;

use super::rng::Rng;
use super::wire::{Site, Wire};
use super::world::{Happening, World};

/// A client repeats what was not answered in this time, as `ackTimeout` makes it.
const ACK_MILLIS: u64 = 9_000;
/// Something that a client wants said.
pub(crate) struct Outgoing {
    pub(crate) room: RoomId,
    pub(crate) key: ClientId,
    pub(crate) text: String,
    /// On this connection and not answered.
    pub(super) under_way: bool,
    pub(super) not_before: u64,
}

pub(super) enum Waiting {
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
    pub(super) cursors: BTreeMap<RoomId, (Epoch, Seq)>,
    /// Rooms that this connection hears, and their incarnation.
    pub(crate) hears: BTreeMap<RoomId, Epoch>,
    pub(super) left: Vec<RoomId>,
    pub(super) waiting: BTreeMap<u64, Waiting>,
    pub(super) next_ack: u64,
    pub(super) next_text: u64,
    pub(super) known: VecDeque<(RoomId, MessageId, bool)>,
    pub(super) said: Vec<(RoomId, ClientId)>,
    pub(crate) watches: BTreeMap<UserId, PresenceStatus>,
    pub(crate) watching: bool,
    /// Sends without waiting for the answer to what it sent before.
    pub(super) pipelines: bool,
    /// Takes "not stored" at its word and sends no more.
    pub(super) gives_up: bool,
    pub(super) short_tokens: bool,
    /// It has left for good.
    pub(crate) gone: bool,
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
            gone: false,
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

    /// A subscription of its may be under way.
    pub(crate) fn waits_for_streams(&self) -> bool {
        let streams =
            |one: &Waiting| matches!(one, Waiting::Unsubscribe { .. } | Waiting::Other { .. });
        self.waiting.values().any(streams)
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
    Set {
        ack: u64,
        status: PresenceStatus,
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

impl World {
    pub(crate) fn wake(&mut self, index: usize) {
        if self.over || self.clients[index].gone {
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
        if self.talks() {
            self.act(index, conn);
        } else if let Some(room) = self.clients[index].left.first().copied() {
            self.subscribe(index, conn, room);
        }
        self.send_what_may_be_sent(index, conn);
    }

    pub(super) fn connect(&mut self, index: usize) {
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

    pub(super) fn act(&mut self, index: usize, conn: u64) {
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
            3 => {
                use PresenceStatus::{Away, Dnd, Online};
                let status = [Online, Away, Dnd][self.rng.index(3)];
                let ack = self.wait(index, Waiting::Other { since: self.now });
                self.send_up(conn, Up::Set { ack, status });
            }
            _ => self.say(index, room),
        }
    }

    pub(super) fn say(&mut self, index: usize, room: RoomId) {
        let (mut key, fresh) = (ClientId(self.rng.uuid()), self.rng.next().is_multiple_of(2));
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

    pub(super) fn send_what_may_be_sent(&mut self, index: usize, conn: u64) {
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

    pub(super) fn change(&mut self, index: usize, conn: u64) {
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

    pub(super) fn watch(&mut self, index: usize, conn: u64) {
        let users = self.users.clone();
        let client = &mut self.clients[index];
        client.watching = true;
        client.watches.clear();
        let ack = self.wait(index, Waiting::Watch { since: self.now });
        self.send_up(conn, Up::Watch { ack, users });
    }

    pub(super) fn unsubscribe(&mut self, index: usize, conn: u64, room: RoomId) {
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

    pub(super) fn subscribe(&mut self, index: usize, conn: u64, room: RoomId) {
        // Only after the answer: until then entries are on their way.
        if self.clients[index].hears.contains_key(&room) {
            return;
        }
        self.clients[index].left.retain(|left| *left != room);
        let after = self.clients[index].cursors.get(&room).copied();
        let ack = self.wait(index, Waiting::Other { since: self.now });
        self.send_up(conn, Up::Subscribe { ack, room, after });
    }

    pub(super) fn wait(&mut self, index: usize, waiting: Waiting) -> u64 {
        let client = &mut self.clients[index];
        client.next_ack += 1;
        client.waiting.insert(client.next_ack, waiting);
        client.next_ack
    }

    pub(super) fn repeat_unanswered(&mut self, index: usize) {
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

    pub(super) fn unknown(&mut self, index: usize, attempt: u64, key: ClientId) {
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

    pub(super) fn let_go(&mut self, index: usize) {
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
}

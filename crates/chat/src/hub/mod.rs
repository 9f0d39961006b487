//! One shard's part of the domain: its sockets, the rooms and the people whose home it is.
//!
//! This file is the dispatch and the clock; what an input does stands in the module of its concept. Between two calls
//! of [`Hub::handle`] the shell carries out all effects of the first.

mod answers;
mod arrivals;
mod entering;
mod leaving;
mod passing;
mod reads;
mod sockets;
mod streaming;
mod turns;
mod watching;

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ids::{NodeId, RoomId, UserId};
use protocol::problem::Code;

use crate::home::{Doing, Home, Ways};
use crate::local::LocalRooms;
use crate::map::Map;
use crate::minter::Minter;
use crate::people::People;
use crate::{Asked, Close, ConnId, Effect, Input, Notice, Now, Setup};
use answers::ack_ok;
pub use answers::{granted, refused};
pub(crate) use reads::Reads;
use sockets::{Sockets, Stage};
use watching::Watching;

/// How often tokens are looked over for their end.
const TOKENS_MILLIS: u64 = 5_000;
/// A socket is told so long before its token ends.
const TOKEN_WARNING_MILLIS: i64 = 60_000;
/// How often the heads of rooms with sockets are compared with the store, in a cluster: the bound on how long an entry
/// stays unseen when its hint is lost *and* its publisher is dead.
const SWEEP_MILLIS: u64 = 10_000;
/// Receipts are shown to others in rooms with at most so many sockets here: beyond it they are noise.
const RECEIPT_SOCKETS_MAX: usize = 200;

/// See the module.
#[derive(Debug)]
pub struct Hub {
    setup: Setup,
    minter: Minter,
    sockets: Sockets,
    reads: Reads,
    local: LocalRooms,
    /// Sockets that go live in a room once the effects at hand are carried out.
    enrolments: Vec<(ConnId, u32)>,
    /// Sockets with a room that they lag in.
    lagging: usize,
    watching: Watching,
    homes: Map<RoomId, Box<Home>>,
    timers: BTreeSet<(u64, RoomId)>,
    armed: Map<RoomId, u64>,
    tickets: u64,
    people: People,
    /// Which nodes are alive; none that is known of while the roster is away.
    alive: Arc<[NodeId]>,
    /// Sockets that left before their person's home had answered.
    departed: Vec<(ConnId, UserId)>,
    tokens_at: Option<u64>,
    sweep_at: Option<u64>,
}

impl Hub {
    /// A hub without sockets.
    pub fn new(setup: Setup) -> Self {
        Self {
            minter: Minter::new(setup.seed),
            sockets: Sockets::default(),
            reads: Reads::new(setup.cluster.is_some()),
            local: LocalRooms::default(),
            enrolments: Vec::new(),
            lagging: 0,
            watching: Watching::default(),
            homes: Map::default(),
            timers: BTreeSet::new(),
            armed: Map::default(),
            tickets: 0,
            people: People::new(setup.cluster),
            alive: Arc::default(),
            departed: Vec::new(),
            tokens_at: None,
            sweep_at: None,
            setup,
        }
    }

    /// Takes in what happened and says what is to be done about it, in order.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        self.settle();
        match input {
            Input::Connected { conn, who, cursors } => {
                self.tokens_at.get_or_insert(now.mono + TOKENS_MILLIS);
                self.connected(conn, who, cursors, out);
            }
            Input::Act { asked, room, act } => self.act(now, asked, (room, act), out),
            Input::Subscribe {
                conn,
                summary,
                after,
            } => self.subscribe(conn, &summary, after, out),
            Input::Unsubscribe { asked, room } => {
                if let Some(slot) = self.local.find(room) {
                    self.leave(asked.conn, slot, out);
                }
                ack_ok(asked, out);
            }
            Input::Typing {
                asked,
                room,
                active,
            } => self.typing(asked, room, active, out),
            Input::ReadMoved { asked, moved } => self.read_moved(asked, moved, out),
            Input::PresenceSet {
                asked,
                status,
                text,
            } => self.presence_set(asked, status, text, out),
            Input::PresenceWatch {
                asked,
                whom,
                visible,
            } => self.presence_watch(asked, whom, visible, out),
            Input::AuthRefreshed { asked, expires } => self.auth_refreshed(asked, expires, out),
            Input::Disconnected { conn } => self.disconnected(conn, out),
            Input::Call { call, room, draft } => {
                let command = crate::HomeCommand::Submit {
                    draft,
                    origin: crate::Origin::Call(call),
                    accepted: now.micros,
                };
                self.at_home(now, room, out, |home, doing| {
                    home.command(now, command, doing)
                });
            }
            Input::Home { room, command } => {
                self.at_home(now, room, out, |home, doing| {
                    home.command(now, command, doing)
                });
            }
            Input::Person { user, command } => self.people.command(now, user, command, out),
            Input::Notice(notice) => self.noticed(now, notice, out),
            Input::RoomsLoaded { conn, rooms } => self.rooms_loaded(now, conn, rooms, out),
            Input::ReadEnded { what, well } => self.read_ended(what, well),
            Input::RoomLoaded {
                user,
                room,
                summary,
            } => self.room_loaded(user, room, summary, out),
            Input::Store {
                room,
                ticket,
                answer,
            } => {
                if self.homes.contains_key(&room) {
                    self.at_home(now, room, out, |home, doing| {
                        home.answered(now, ticket, answer, doing)
                    });
                }
            }
            Input::Heads { heads } => {
                for (room, head) in heads {
                    if self.homes.contains_key(&room) {
                        self.at_home(now, room, out, |home, doing| home.know(now, head, doing));
                    }
                }
            }
            Input::Hint(hint) => {
                if self.homes.contains_key(&hint.room) {
                    self.at_home(now, hint.room, out, |home, doing| {
                        home.hint(now, *hint, doing)
                    });
                }
            }
            Input::Handed(over) => {
                self.at_home(now, over.room, out, |home, doing| {
                    home.handed(now, *over, doing)
                });
            }
            Input::SentBack(back) => {
                if self.homes.contains_key(&back.room) {
                    self.at_home(now, back.room, out, |home, doing| {
                        home.sent_back(now, back, doing)
                    });
                }
            }
            Input::Passing { room, passing } => {
                if self.homes.contains_key(&room) {
                    self.at_home(now, room, out, |home, doing| {
                        home.passed(now, passing, doing)
                    });
                }
            }
            Input::Watched { room } => {
                if self.homes.contains_key(&room) {
                    self.at_home(now, room, out, |home, doing| home.compare(doing));
                }
            }
            Input::PeopleWatched { slice } => self.people.slice_watched(now, slice),
            Input::BusLost => {
                self.compare_heads();
                self.people.may_have_lost(now);
            }
            Input::Peers { alive } => {
                self.alive = alive.clone().unwrap_or_default();
                self.people.peers(now, alive, out);
            }
            Input::StandingsRead { users, found } => self.people.read(now, users, found, out),
            Input::Revoked { sessions, reason } => self.revoked(&sessions, reason, out),
            Input::Tick => {}
        }
        self.tick(now, out);
        self.begin_reads(now.mono, out);
    }

    /// When [`Input::Tick`] is due, on the monotonic clock.
    pub fn next_deadline(&self) -> Option<u64> {
        let homes = self.timers.first().map(|(at, _)| *at);
        [
            homes,
            self.people.deadline(),
            self.watching.deadline(),
            self.reads.deadline(),
            self.tokens_at,
            self.sweep_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The slots of the sockets that are live in a room: whom an [`Effect::Deliver`] goes to.
    pub fn sockets_in(&self, slot: u32) -> &[u32] {
        self.local.get(slot).map_or(&[], |room| &room.live)
    }

    /// The socket in a slot.
    pub fn socket_at(&self, index: u32) -> Option<ConnId> {
        self.sockets.at(index)
    }

    /// All sockets that were let in.
    pub fn all_sockets(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.sockets
            .all()
            .filter(|(_, socket)| socket.stage == Stage::Live)
            .map(|(conn, _)| conn)
    }

    /// Whose a socket is, once it was announced by [`Input::Connected`].
    pub fn who(&self, conn: ConnId) -> Option<crate::Who> {
        self.sockets.get(conn).map(|socket| socket.who)
    }

    /// How many rooms have their home here, how many have sockets here, and how many sockets there are.
    pub fn figures(&self) -> (usize, usize, usize) {
        (self.homes.len(), self.local.len(), self.sockets.len())
    }

    /// People with a socket on this node whose home this hub is, those who left within the last seconds included.
    pub fn people_here(&self) -> usize {
        self.people.here()
    }

    /// Sockets of this hub that are not where their rooms are: they are being given what they missed.
    pub fn sockets_lagging(&self) -> usize {
        self.lagging
    }

    /// The effects of the last input were carried out.
    fn settle(&mut self) {
        self.local.settle();
        for (conn, slot) in std::mem::take(&mut self.enrolments) {
            self.enrol(conn, slot);
        }
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        while let Some((at, room)) = self.timers.first().copied()
            && at <= now.mono
        {
            self.timers.pop_first();
            self.armed.remove(&room);
            self.at_home(now, room, out, |home, doing| home.tick(now, doing));
        }
        self.people.tick(now, out);
        self.watching.tick(now, &self.sockets, out);
        if self.tokens_at.is_some_and(|at| at <= now.mono) {
            self.look_over_tokens(now, out);
            self.tokens_at = (self.sockets.len() > 0).then_some(now.mono + TOKENS_MILLIS);
        }
        if self.sweep_at.is_some_and(|at| at <= now.mono) {
            self.compare_heads();
            self.sweep_at = (!self.homes.is_empty()).then_some(now.mono + SWEEP_MILLIS);
        }
    }

    /// Lets a room's home do something, and keeps its next deadline.
    fn at_home(
        &mut self,
        now: Now,
        room: RoomId,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut Home, &mut Doing<'_>),
    ) {
        let home = self
            .homes
            .entry(room)
            .or_insert_with(|| Box::new(Home::new(room)));
        let ways = Ways {
            cluster: self.setup.cluster.is_some(),
            limits: self.setup.limits,
        };
        act(
            home,
            &mut Doing {
                ways,
                nodes: (&self.alive, self.setup.cluster),
                tickets: &mut self.tickets,
                reads: &mut self.reads,
                out,
            },
        );
        let deadline = home.deadline();
        if home.is_spent() {
            self.homes.remove(&room);
        }
        let armed = self.armed.get(&room).copied();
        // A deadline in the past is due at the next tick, not within this one: no loop on a home that cannot go on.
        let deadline = deadline.map(|at| at.max(now.mono + 1));
        if armed != deadline {
            if let Some(at) = armed {
                self.timers.remove(&(at, room));
                self.armed.remove(&room);
            }
            if let Some(at) = deadline {
                self.timers.insert((at, room));
                self.armed.insert(room, at);
            }
        }
        if self.setup.cluster.is_some() && self.sweep_at.is_none() && !self.homes.is_empty() {
            self.sweep_at = Some(now.mono + SWEEP_MILLIS);
        }
    }

    fn noticed(&mut self, now: Now, notice: Notice, out: &mut Vec<Effect>) {
        match notice {
            Notice::Live { room, turns, .. } => self.live(room, &turns, out),
            Notice::Joined { room, position } => self.joined(room, position, out),
            Notice::Page { room, conn, turns } => self.paged(room, conn, &turns, out),
            Notice::PageFailed { conn, .. } => {
                self.close(conn, Close::ComeBack("store_unavailable"), out)
            }
            Notice::Restarted { room } => self.restarted(room, out),
            Notice::Passing { room, passing } => self.passing(room, passing, out),
            Notice::Outcome { conn, ack, result } => answers::outcome(
                Asked {
                    conn,
                    ack: Some(ack),
                },
                result,
                out,
            ),
            Notice::Admitted { conn, admitted } => self.admitted(conn, admitted, out),
            Notice::Presence { presence, asker } => self.presence(now, presence, asker, out),
            Notice::Told { user, told } => self.told(user, told, out),
        }
    }

    fn close(&mut self, conn: ConnId, why: Close, out: &mut Vec<Effect>) {
        if self.sockets.get(conn).is_some() {
            out.push(Effect::Close { conn, why });
        }
    }

    /// Whether a socket may speak: it was let in and has its rooms.
    fn may_speak(&self, asked: Asked, out: &mut Vec<Effect>) -> bool {
        let live = self.sockets.is_live(asked.conn);
        if !live {
            answers::refuse(asked, &Code::Unavailable.into(), out);
        }
        live
    }
}

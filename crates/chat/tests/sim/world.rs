//! The world: one queue of happenings on a virtual clock, and the nodes on which hubs live and die.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use chat::{ConnId, Effect, Hub, HubId, Input, Now, Setup};
use history::{Bounds, Checker, Content, Event, Line, Passage};
use protocol::entry::{Change, Entry};
use protocol::event::ServerEvent;
use protocol::ids::{ClientId, NodeId, RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::room::{Epoch, Member, Role, Room, RoomType};
use protocol::time::Timestamp;

use super::bugs::Bug;
use super::client::{Client, Up};
use super::plan::Plan;
use super::rng::Rng;
use super::roster::{Desk, Roster};
use super::store::Store;
use super::wire::{Down, Site, Wire};

/// The wall clock when a world begins.
pub(crate) const WALL_MILLIS: i64 = 1_767_182_400_000;
/// How long a world may take to become quiet after the faults have stopped: a few sweeps, and a client's patience.
const QUIET_MILLIS: u64 = 60_000;
/// What repairs itself has done so by then: a sweep, and the reads that it leads to.
const REPAIR_MILLIS: u64 = super::SWEEP_MILLIS + 3_000;
/// Everything that a node keeps for quiet rooms is gone after this.
const FORGET_MILLIS: u64 = 200_000;
/// A hub that asks to be called again this often without time passing does not come to an end.
const SPIN_MAX: u32 = 1_000;
/// Lines of trace kept.
const TRACE_MAX: usize = 4_000;

pub(crate) enum Happening {
    /// A hub takes something in.
    Input { site: Site, input: Box<Input> },
    /// A hub's deadline.
    Tick { site: Site },
    /// A question arrives at the store.
    Question {
        site: Site,
        room: RoomId,
        ticket: u64,
        question: Box<chat::StoreQuestion>,
    },
    /// A batch that nobody waits for any more lands at the store.
    Lands {
        room: RoomId,
        epoch: Epoch,
        entries: std::sync::Arc<[Entry]>,
    },
    /// A placed write reaches a majority; its sender is answered, if it still waits.
    Commits {
        room: RoomId,
        write: u64,
        answer: Option<(Site, u64)>,
    },
    /// A placed write is lost in an election.
    RollsBack {
        room: RoomId,
        site: Site,
        ticket: u64,
        write: u64,
    },
    /// A hub's question about rooms arrives at the store.
    Reads { site: Site, effect: Box<Effect> },
    /// A hint arrives at a node.
    Bus {
        node: usize,
        life: u32,
        input: Box<Input>,
    },
    /// A node's bus connection is back.
    BusBack { node: usize },
    /// A node starts again.
    NodeBack { node: usize },
    /// A client does something, if it can.
    Wake { client: usize },
    /// Something reaches a client.
    Down { conn: u64, down: Down },
    /// Something reaches a hub from a client.
    Up { conn: u64, up: Up },
    /// The server notices that a connection is gone.
    Gone { conn: u64 },
    /// A node renews its lease and looks who else is alive.
    Beat { node: usize, life: u32 },
    /// A node puts how its people stand.
    Puts { node: usize, life: u32 },
    /// A hub's question about people arrives at the roster.
    Stand { site: Site, users: Vec<UserId> },
    /// The roster is back.
    RosterBack,
    /// Somebody goes for good.
    Leaves,
    /// By now nobody may see who went for good.
    GhostHour { user: UserId },
    /// Chance looks for something to break.
    Fate,
    /// Somebody with authority does something over REST.
    Authority,
}

struct Queued {
    at: u64,
    order: u64,
    /// Boxed: the heap moves what lies in it at each step.
    what: Box<Happening>,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// A hub and what its shell keeps for it.
pub(crate) struct Seat {
    pub(crate) hub: Hub,
    /// When the next tick is queued for.
    tick_at: Option<u64>,
    /// The connection in each slot.
    pub(crate) slots: Vec<Option<u64>>,
    pub(crate) generations: Vec<u32>,
    /// When the last message from each other hub arrives: they keep their order.
    pub(crate) inbox_at: Vec<u64>,
    spins: (u64, u32),
}

pub(crate) struct Node {
    pub(crate) life: u32,
    pub(crate) up: bool,
    started: u64,
    skew: i64,
    pub(crate) seats: Vec<Seat>,
    pub(crate) watched: BTreeSet<RoomId>,
    pub(crate) bus_up: bool,
    pub(crate) desk: Desk,
}

/// What was done, for the figures at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) millis: u64,
    pub(crate) inputs: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        for (fault, count) in &other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.millis += other.millis;
        self.inputs += other.inputs;
    }
}

/// A wish over REST that waits for its answer.
pub(crate) struct Call {
    pub(crate) room: RoomId,
    pub(crate) draft: protocol::entry::Draft,
    pub(crate) since: u64,
    /// The hub that was asked.
    pub(crate) site: Site,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    queue: BinaryHeap<Queued>,
    order: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) store: Store,
    pub(crate) roster: Roster,
    /// Who went for good.
    pub(crate) left: Option<UserId>,
    pub(crate) wires: BTreeMap<u64, Wire>,
    pub(crate) conns: u64,
    pub(crate) clients: Vec<Client>,
    pub(crate) users: Vec<UserId>,
    pub(crate) rooms: Vec<RoomId>,
    pub(crate) calls: BTreeMap<u64, Call>,
    pub(crate) next_call: u64,
    pub(crate) attempts: u64,
    /// The faults have stopped.
    pub(crate) calm: bool,
    /// Nobody comes back: the nodes should forget everything.
    pub(crate) over: bool,
    checker: Option<Checker>,
    /// Properties beyond the history that were broken.
    pub(crate) broken: Vec<String>,
    pub(crate) tally: Tally,
    trace: Option<VecDeque<String>>,
    pub(crate) lines: Option<Vec<Line>>,
    /// Since when no hint of a node for a room came through.
    pub(crate) silent_since: BTreeMap<(usize, RoomId), u64>,
    /// For planted bugs that need to remember.
    pub(crate) tampered: super::tamper::Tampered,
    /// What each name was first used for.
    pub(crate) named: BTreeMap<(UserId, RoomId, ClientId), String>,
    /// Names that were used for more than one text by their sender.
    pub(crate) reused: BTreeSet<(UserId, ClientId)>,
}

/// How a world ended.
pub(crate) struct Outcome {
    pub(crate) verdict: history::Verdict,
    pub(crate) broken: Vec<String>,
    pub(crate) tally: Tally,
    pub(crate) trace: Vec<String>,
    pub(crate) lines: Vec<Line>,
}

impl Outcome {
    pub(crate) fn holds(&self) -> bool {
        self.verdict.holds() && self.broken.is_empty()
    }
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>, traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let mut plan = Plan::of(&mut rng);
        plan.bug = bug;
        let bounds = Bounds {
            delivery_millis: plan.delivery_bound,
        };
        let mut world = Self {
            rng,
            now: 0,
            queue: BinaryHeap::new(),
            order: 0,
            nodes: Vec::new(),
            store: Store::default(),
            roster: Roster::default(),
            left: None,
            wires: BTreeMap::new(),
            conns: 0,
            clients: Vec::new(),
            users: Vec::new(),
            rooms: Vec::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            attempts: 0,
            calm: false,
            over: false,
            checker: Some(Checker::new(bounds)),
            broken: Vec::new(),
            tally: Tally::default(),
            trace: traced.then(VecDeque::new),
            lines: traced.then(Vec::new),
            silent_since: BTreeMap::new(),
            tampered: Default::default(),
            named: BTreeMap::new(),
            reused: BTreeSet::new(),
            plan,
        };
        world.note(|world| format!("{:?}", world.plan));
        world.populate();
        world
    }

    fn populate(&mut self) {
        for _ in 0..self.plan.users {
            let user = UserId(self.rng.uuid());
            self.users.push(user);
            for _ in 0..self.plan.devices {
                let client = Client::new(user, SessionId(self.rng.uuid()), &mut self.rng);
                self.clients.push(client);
                let first = self.rng.below(300);
                self.after(
                    first,
                    Happening::Wake {
                        client: self.clients.len() - 1,
                    },
                );
            }
        }
        for index in 0..self.plan.rooms {
            self.make_room(index);
        }
        for index in 0..self.plan.nodes {
            let skew = self.plan.skew_millis as i64;
            let skew = if skew == 0 {
                0
            } else {
                self.rng.below(2 * skew as u64) as i64 - skew
            };
            let node = Node {
                life: 0,
                up: false,
                started: 0,
                skew,
                seats: Vec::new(),
                watched: BTreeSet::new(),
                bus_up: true,
                desk: Desk::default(),
            };
            self.nodes.push(node);
            self.start_node(index);
        }
        self.after(50, Happening::Fate);
        if let Some(at) = self.plan.left_at {
            self.after(at, Happening::Leaves);
        }
        if self.plan.authority > 0 {
            self.after(300, Happening::Authority);
        }
    }

    fn make_room(&mut self, index: usize) {
        let id = RoomId(self.rng.uuid());
        let kind = [RoomType::Public, RoomType::Group, RoomType::Private][self.rng.index(3)];
        let owner = self.users[0];
        let mut members = vec![owner];
        for user in &self.users[1..] {
            if self.rng.chance(800) {
                members.push(*user);
            }
        }
        let at = Timestamp(WALL_MILLIS);
        let room = Room {
            id,
            kind,
            name: Some(format!("room {index}")),
            topic: None,
            created_by: owner,
            created_at: at,
            member_count: members.len() as u32,
        };
        let entries = members.iter().enumerate().map(|(place, user)| {
            let role = match place {
                0 => Role::Owner,
                1 => Role::Moderator,
                _ => Role::Member,
            };
            let member = Member {
                user_id: *user,
                role,
                joined_at: at,
                muted_until: None,
            };
            Entry {
                seq: place as Seq + 1,
                n: 0,
                at,
                actor: owner,
                key: ClientId(uuid::Uuid::from_u128(place as u128)),
                digest: 0,
                change: Change::Joined { member },
            }
        });
        let entries: Vec<Entry> = entries.collect();
        let epoch = Epoch(self.rng.next() >> 11);
        self.store.create(room, epoch, entries.clone());
        self.record_log(id, epoch, &entries);
        self.rooms.push(id);
    }

    pub(crate) fn start_node(&mut self, index: usize) {
        let hubs = self.plan.hubs;
        let id = (self.plan.nodes > 1).then(|| NodeId(1 + self.rng.next() as u32 / 2));
        let seats = (0..hubs).map(|hub| {
            let setup = Setup {
                hub: HubId(hub),
                hubs,
                node: format!("node-{index}"),
                cluster: id,
                limits: self.plan.limits,
                seed: [
                    self.rng.next(),
                    self.rng.next(),
                    self.rng.next(),
                    self.rng.next(),
                ],
            };
            Seat {
                hub: Hub::new(setup),
                tick_at: None,
                slots: Vec::new(),
                generations: Vec::new(),
                inbox_at: vec![0; usize::from(hubs)],
                spins: (0, 0),
            }
        });
        let seats = seats.collect();
        let node = &mut self.nodes[index];
        node.life += 1;
        node.up = true;
        node.started = self.now;
        node.seats = seats;
        node.watched.clear();
        node.bus_up = true;
        node.desk = id.map_or_else(Desk::default, |id| Desk::new(id, self.now));
        let life = node.life;
        self.note(|_| format!("node {index} is up as {id:?}"));
        self.after(1, Happening::Beat { node: index, life });
    }

    /// Everything in it is gone; what it had sent may still arrive.
    pub(crate) fn kill_node(&mut self, index: usize, frames_lost: bool) {
        self.note(|_| format!("node {index} dies"));
        self.tally.count("node deaths");
        let node = &mut self.nodes[index];
        node.up = false;
        node.seats.clear();
        node.desk = Desk::default();
        self.calls.retain(|_, call| call.site.node != index);
        let cut: Vec<u64> = self
            .wires
            .iter()
            .filter(|(_, wire)| wire.server_open && wire.site.node == index)
            .map(|(conn, _)| *conn)
            .collect();
        for conn in cut {
            self.server_closes(conn, frames_lost);
        }
    }

    /// The server's end of a wire is closed; what is under way arrives, or is lost with it.
    pub(crate) fn server_closes(&mut self, conn: u64, frames_lost: bool) {
        let Some(wire) = self.wires.get_mut(&conn).filter(|wire| wire.server_open) else {
            return;
        };
        wire.server_open = false;
        if frames_lost {
            wire.client_open = false;
            self.client_lost(conn);
            return;
        }
        let delay = self.rng.between(1, 80);
        self.send_down(conn, Down::Closed, delay);
    }

    pub(crate) fn run(mut self) -> Outcome {
        let talk = self.plan.talk_millis + self.plan.silence_millis;
        self.run_until(talk);
        self.calm = true;
        self.note(|_| "faults stop".to_owned());
        self.roster_back();
        for node in 0..self.nodes.len() {
            if !self.nodes[node].up {
                self.start_node(node);
            }
            self.bus_back(node);
        }
        let end = talk + QUIET_MILLIS;
        // In steps: most worlds are quiet and complete long before they must be.
        while self.now < end && self.intact() && !self.has_settled() {
            if self.now >= talk + REPAIR_MILLIS && self.plan.may_lose_words() {
                self.reload_the_unaware();
            }
            let next = self.now + 500;
            self.run_until(next);
        }
        if self.intact() {
            self.audit_quiet();
            self.record(Event::Settled);
        }
        if self.intact() {
            self.over = true;
            let open: Vec<u64> = self.wires.keys().copied().collect();
            for conn in open {
                self.hang_up(conn);
            }
            let end = self.now + FORGET_MILLIS;
            self.run_until(end);
            self.audit_forgotten();
        }
        self.tally.millis = self.now;
        let verdict = self.checker.take().map(Checker::finish).unwrap_or_default();
        Outcome {
            verdict,
            broken: self.broken,
            tally: self.tally,
            trace: self.trace.unwrap_or_default().into(),
            lines: self.lines.unwrap_or_default(),
        }
    }

    fn run_until(&mut self, end: u64) {
        while let Some(next) = self.queue.peek()
            && next.at <= end
            && self.intact()
        {
            let Some(Queued { at, what, .. }) = self.queue.pop() else {
                return;
            };
            self.now = at;
            self.happen(*what);
        }
        if self.intact() {
            self.now = self.now.max(end);
        }
    }

    /// Nothing was broken so far: the first thing that breaks ends the world, so that the trace ends with it.
    fn intact(&self) -> bool {
        self.broken.is_empty()
            && self
                .checker
                .as_ref()
                .is_some_and(|checker| checker.so_far().holds())
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Input { site, input } => self.feed(site, *input),
            Happening::Tick { site } => {
                let now = self.now;
                // An earlier deadline may have taken this one's place.
                if let Some(seat) = self.seat(site).filter(|seat| seat.tick_at == Some(now)) {
                    seat.tick_at = None;
                    self.feed(site, Input::Tick);
                }
            }
            Happening::Question {
                site,
                room,
                ticket,
                question,
            } => self.asked(site, room, ticket, *question),
            Happening::Lands {
                room,
                epoch,
                entries,
            } => self.lands(room, epoch, &entries),
            Happening::Commits {
                room,
                write,
                answer,
            } => self.commits(room, write, answer),
            Happening::RollsBack {
                room,
                site,
                ticket,
                write,
            } => self.rolls_back(room, (site, ticket), write),
            Happening::Reads { site, effect } => self.reads(site, *effect),
            Happening::Bus { node, life, input } => self.bus_delivers(node, life, *input),
            Happening::BusBack { node } => self.bus_back(node),
            Happening::NodeBack { node } => {
                if !self.nodes[node].up {
                    self.start_node(node);
                }
            }
            Happening::Wake { client } => self.wake(client),
            Happening::Down { conn, down } => self.down(conn, down),
            Happening::Up { conn, up } => self.up(conn, up),
            Happening::Gone { conn } => self.server_notices(conn),
            Happening::Beat { node, life } => self.beats(node, life),
            Happening::Puts { node, life } => self.puts(node, life),
            Happening::Stand { site, users } => self.standings(site, users),
            Happening::RosterBack => self.roster_back(),
            Happening::Leaves => self.somebody_leaves(),
            Happening::GhostHour { user } => self.ghost_hour(user),
            Happening::Fate => self.fate(),
            Happening::Authority => self.authority(),
        }
    }

    pub(crate) fn after(&mut self, delay: u64, what: Happening) {
        self.at(self.now + delay, what);
    }

    pub(crate) fn at(&mut self, at: u64, what: Happening) {
        self.order += 1;
        self.queue.push(Queued {
            at,
            order: self.order,
            what: Box::new(what),
        });
    }

    pub(crate) fn seat(&mut self, site: Site) -> Option<&mut Seat> {
        let node = &mut self.nodes[site.node];
        if node.up && node.life == site.life {
            node.seats.get_mut(site.hub)
        } else {
            None
        }
    }

    fn clock(&self, node: usize) -> Now {
        let node = &self.nodes[node];
        Now {
            mono: self.now - node.started,
            micros: (self.now - node.started) * 1_000,
            wall: Timestamp(WALL_MILLIS + self.now as i64 + node.skew),
        }
    }

    /// The wall clock of a node.
    pub(crate) fn wall(&self, node: usize) -> Timestamp {
        self.clock(node).wall
    }

    /// One step of one hub, and everything that it asks for.
    pub(crate) fn feed(&mut self, site: Site, input: Input) {
        let now = self.clock(site.node);
        let input = self.tamper_input(input);
        if self.trace.is_some() && !matches!(input, Input::Tick) {
            let shown = format!("{}.{} <- {input:?}", site.node, site.hub);
            self.note(|_| shown);
        }
        let Some(seat) = self.seat(site) else { return };
        let mut effects = Vec::new();
        seat.hub.handle(now, input, &mut effects);
        self.tally.inputs += 1;
        for effect in effects {
            self.perform(site, effect);
        }
        let at_now = self.now;
        let started = self.nodes[site.node].started;
        let Some(seat) = self.seat(site) else { return };
        seat.spins = if seat.spins.0 == at_now {
            (at_now, seat.spins.1 + 1)
        } else {
            (at_now, 0)
        };
        let spins = seat.spins.1 > SPIN_MAX;
        let due = seat
            .hub
            .next_deadline()
            .map(|at| (at + started).max(at_now));
        let queue = due.filter(|due| seat.tick_at.is_none_or(|at| *due < at));
        if let Some(at) = queue {
            seat.tick_at = Some(at);
            self.at(at, Happening::Tick { site });
        }
        if spins {
            self.break_off(format!(
                "hub {}.{} does not come to rest at {at_now}",
                site.node, site.hub
            ));
        }
    }

    /// People still want something.
    pub(crate) fn talks(&self) -> bool {
        self.now < self.plan.talk_millis
    }

    /// Writes an event into the history.
    pub(crate) fn record(&mut self, event: Event) {
        if let Some(lines) = &mut self.lines {
            lines.push(Line {
                at: self.now,
                event: event.clone(),
            });
        }
        if let Some(checker) = &mut self.checker {
            checker.observe(self.now, &event);
        }
    }

    pub(crate) fn record_log(&mut self, room: RoomId, epoch: Epoch, entries: &[Entry]) {
        for entry in entries {
            let passage = match &entry.change {
                Change::Joined { member } => Some(Passage::Came(member.user_id)),
                Change::Left { user, .. } => Some(Passage::Went(*user)),
                Change::RoomDeleted => Some(Passage::Closed),
                _ => None,
            };
            let (key, body) = match &entry.change {
                Change::Said { message } => (
                    Some(entry.key),
                    Some(history::digest(message.text.as_bytes())),
                ),
                _ => (None, None),
            };
            let event = ServerEvent::of_entry(room, entry.clone());
            let payload = serde_json::to_vec(&event).unwrap();
            let content = Content {
                whole: Some(history::digest(&payload)),
                actor: Some(entry.actor),
                key,
                body,
            };
            let committed = Some(self.now);
            self.record(Event::Log {
                room,
                epoch,
                seq: entry.seq,
                content,
                passage,
                committed,
            });
        }
    }

    pub(crate) fn break_off(&mut self, what: String) {
        self.note(|_| format!("BROKEN: {what}"));
        self.broken.push(what);
    }

    pub(crate) fn note(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_none() {
            return;
        }
        let line = format!("{:>6} {}", self.now, text(self));
        if let Some(trace) = &mut self.trace {
            if trace.len() == TRACE_MAX {
                trace.pop_front();
            }
            trace.push_back(line);
        }
    }

    /// A free slot of a hub, as its shell would choose it.
    pub(crate) fn new_conn_id(&mut self, site: Site, conn: u64) -> Option<ConnId> {
        let seat = self.seat(site)?;
        let index = seat
            .slots
            .iter()
            .position(Option::is_none)
            .unwrap_or_else(|| {
                seat.slots.push(None);
                seat.generations.push(0);
                seat.slots.len() - 1
            });
        seat.slots[index] = Some(conn);
        seat.generations[index] += 1;
        Some(ConnId {
            index: index as u32,
            generation: seat.generations[index],
        })
    }
}

//! The world: one queue of happenings on a virtual clock, and the nodes on which hubs live and die.

mod first;
mod happening;
mod nodes;
mod record;

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use chat::Input;
use history::{Bounds, Checker, Event, Line};
use protocol::ids::{ClientId, RoomId, UserId};

pub(crate) use happening::Happening;
use happening::Queued;
use nodes::Node;

use super::bugs::Bug;
use super::client::Client;
use super::plan::Plan;
use super::rng::Rng;
use super::roster::Roster;
use super::store::Store;
use super::wire::{Site, Wire};

/// The wall clock when a world begins.
pub(crate) const WALL_MILLIS: i64 = 1_767_182_400_000;
/// How long a world may take to become quiet after the faults have stopped: a few sweeps, and a client's patience.
const QUIET_MILLIS: u64 = 60_000;
/// What repairs itself has done so by then: a sweep, and the reads that it leads to.
const REPAIR_MILLIS: u64 = super::SWEEP_MILLIS + 3_000;
/// Everything that a node keeps for quiet rooms is gone after this.
const FORGET_MILLIS: u64 = 200_000;

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

    /// People still want something.
    pub(crate) fn talks(&self) -> bool {
        self.now < self.plan.talk_millis
    }
}

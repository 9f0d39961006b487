//! A shard: one thread that owns its sockets, with one [`chat::Hub`] that decides and this shell that acts.
//!
//! **Invariants.** A socket lives and dies on its thread; others reach it only through the shard's bounded mailbox.
//! Nothing here blocks or awaits: what takes time is spawned and comes back as mail. The effects of one input are
//! carried out, in order, before the next input is handled. Every queue has a bound and a named outcome when it is full.

mod asking;
mod gather;
mod mail;
mod perform;
mod reading;
mod timing;
mod together;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use chat::{Asked, ConnId, Effect, Hub, Input, Now, Outcome, Setup};
use protocol::event::client::{ConnectAuth, json};
use protocol::ids::{RoomId, UserId};
use protocol::message::Seq;
use protocol::problem::{Code, Problem};
use protocol::room::RoomSummary;
use protocol::user::Presence;
use store::{Page, StoreError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::debug;
use transport::{Application, CloseReason, ConnectRequest, Event, ShardHandle, SocketId, Sockets};

use crate::cluster::Line;
use crate::metrics::NodeMetrics;
use crate::otlp::Spans;
use crate::ports::Ports;
pub(crate) use gather::Gather;
pub use mail::Doors;
pub(crate) use mail::{Mail, post_all};
use timing::Timing;

/// Mail that could not be posted to another shard and waits here, in order.
const BACKLOG_MAX: usize = 65_536;

/// How often a shard shows its levels.
const LEVELS_MILLIS: u64 = 1_000;

/// What all shards of a node share.
pub(crate) struct Shared {
    /// The world.
    pub(crate) ports: Arc<Ports>,
    /// The runtime for what takes time.
    pub(crate) backend: Handle,
    /// What is counted.
    pub(crate) metrics: NodeMetrics,
    /// The node's name.
    pub(crate) name: String,
    /// The other nodes, if there are any.
    pub(crate) line: Option<Arc<Line>>,
    /// Where traces are exported, if they are.
    pub(crate) spans: Option<Spans>,
    /// What each shard shows of itself, by its number.
    pub(crate) levels: Box<[Levels]>,
    /// Reads for sockets that are under way on this node; beyond the bound sockets are told to try again.
    pub(crate) reads: Arc<tokio::sync::Semaphore>,
    /// Whose rooms the shards ask for at the moment.
    pub(crate) rooms_gathered: Gather<UserId, Result<Vec<RoomSummary>, StoreError>>,
    /// Whose logs, and after which place.
    pub(crate) logs_gathered: Gather<(RoomId, Seq), Result<Page, StoreError>>,
}

/// What a shard shows of itself, renewed every second and with each tick.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    /// People whose home it is and who are here.
    pub(crate) people: AtomicUsize,
    /// Sockets that are being caught up.
    pub(crate) lagging: AtomicUsize,
}

/// See the module.
pub(crate) struct Shard {
    hub: Hub,
    shared: Arc<Shared>,
    me: u8,
    doors: Vec<ShardHandle<Mail>>,
    /// Mail that found another shard's mailbox full.
    backlogs: Vec<VecDeque<Mail>>,
    /// Inputs that this shard has for itself.
    own: VecDeque<Input>,
    effects: Vec<Effect>,
    calls: BTreeMap<u64, oneshot::Sender<Result<Outcome, Problem>>>,
    looks: BTreeMap<u64, oneshot::Sender<Presence>>,
    next_call: u64,
    timing: Timing,
    /// When the levels are shown again, on the monotonic clock.
    levels_at: u64,
}

impl Shard {
    /// A shard without sockets.
    pub(crate) fn new(
        shared: Arc<Shared>,
        me: u8,
        doors: &[ShardHandle<Mail>],
        seed: [u64; 4],
    ) -> Self {
        let setup = Setup {
            hub: chat::HubId(me),
            hubs: doors.len() as u8,
            node: shared.name.clone(),
            cluster: shared.line.as_ref().map(|line| line.me()),
            limits: shared.ports.settings.limits,
            seed,
        };
        Self {
            hub: Hub::new(setup),
            shared,
            me,
            doors: doors.to_vec(),
            backlogs: doors.iter().map(|_| VecDeque::new()).collect(),
            own: VecDeque::new(),
            effects: Vec::new(),
            calls: BTreeMap::new(),
            looks: BTreeMap::new(),
            next_call: 0,
            timing: Timing::default(),
            levels_at: 0,
        }
    }

    fn now(&self) -> Now {
        let micros = self.shared.ports.clock.monotonic_us();
        Now {
            mono: micros / 1_000,
            micros,
            wall: self.shared.ports.now(),
        }
    }

    /// Handles an input and everything that follows from it on this shard.
    fn handle(&mut self, sockets: &mut Sockets, input: Input) {
        let now = self.now();
        self.took(now, &input);
        self.own.push_back(input);
        while let Some(input) = self.own.pop_front() {
            let mut effects = std::mem::take(&mut self.effects);
            self.hub.handle(now, input, &mut effects);
            for effect in effects.drain(..) {
                self.perform(sockets, now, effect);
            }
            self.effects = effects;
        }
    }

    /// Posts to another shard; what its mailbox does not take waits here, in order.
    fn post(&mut self, hub: u8, input: Input) {
        if hub == self.me {
            self.own.push_back(input);
            return;
        }
        let backlog = &mut self.backlogs[usize::from(hub)];
        let mail = Mail::input(input);
        if !backlog.is_empty() {
            if backlog.len() < BACKLOG_MAX {
                backlog.push_back(mail);
            } else {
                // Live entries are healed by the receiving hub, which sees the hole; the rest is short-lived news.
                self.shared.metrics.mail_dropped.increment(1);
            }
        } else if let Err(full) = self.doors[usize::from(hub)].post(mail) {
            backlog.push_back(full.0);
        }
    }

    fn post_backlogs(&mut self) {
        for (door, backlog) in self.doors.iter().zip(&mut self.backlogs) {
            while let Some(mail) = backlog.pop_front() {
                if let Err(full) = door.post(mail) {
                    backlog.push_front(full.0);
                    break;
                }
            }
        }
    }

    fn token_accepted(&self, token: Option<&str>) -> Result<chat::Who, Problem> {
        let token = token.ok_or(Code::TokenMissing)?;
        let ports = &self.shared.ports;
        let claims = ports.keys.verify(token, ports.clock.unix_seconds())?;
        if ports.revoked.contains(claims.sid) {
            return Err(Code::SessionRevoked.into());
        }
        let expires = protocol::time::Timestamp(
            i64::try_from(claims.exp)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000),
        );
        Ok(chat::Who {
            user: claims.sub,
            session: claims.sid,
            expires,
        })
    }
}

impl Application for Shard {
    type Mail = Mail;

    fn on_connect(&mut self, sockets: &mut Sockets, socket: SocketId, request: ConnectRequest<'_>) {
        if !socket.is_main() {
            sockets.refuse(socket, "Invalid namespace", None::<&Problem>);
            return;
        }
        let auth = match request.auth {
            Some(auth) => json::<ConnectAuth>(auth.get()),
            None => Ok(ConnectAuth::default()),
        };
        let accepted = auth.and_then(|auth| {
            let who = self.token_accepted(auth.token.as_deref())?;
            Ok((
                who,
                auth.resume.map(|resume| resume.cursors).unwrap_or_default(),
            ))
        });
        match accepted {
            Ok((who, cursors)) => {
                let cursors = cursors
                    .into_iter()
                    .take(protocol::limits::USER_ROOMS_MAX)
                    .collect();
                self.handle(
                    sockets,
                    Input::Connected {
                        conn: conn(socket),
                        who,
                        cursors,
                    },
                );
            }
            Err(problem) => {
                debug!(code = %problem.code, "connection refused");
                self.shared
                    .metrics
                    .refused_connects
                    .with(problem.code.as_str())
                    .increment(1);
                sockets.refuse(socket, &problem.title, Some(&problem));
            }
        }
    }

    fn on_event(&mut self, sockets: &mut Sockets, socket: SocketId, event: Event<'_>) {
        let asked = Asked {
            conn: conn(socket),
            ack: event.ack,
        };
        let payload = event.args.first().map_or("null", |raw| raw.get());
        match protocol::event::ClientEvent::parse(event.name, payload) {
            Ok(said) => self.said(sockets, asked, said),
            Err(problem) => self.refuse(sockets, asked, &problem),
        }
    }

    fn on_disconnect(&mut self, sockets: &mut Sockets, socket: SocketId, reason: CloseReason) {
        debug!(?socket, reason = reason.name(), "socket ended");
        self.handle(sockets, Input::Disconnected { conn: conn(socket) });
    }

    fn on_mail(&mut self, sockets: &mut Sockets, mail: Mail) {
        match mail {
            Mail::Input(input) => self.handle(sockets, *input),
            Mail::Call { room, draft, reply } => {
                let call = self.number_call();
                self.calls.insert(call, reply);
                self.handle(sockets, Input::Call { call, room, draft });
            }
            Mail::Look { user, reply } => {
                let call = self.number_call();
                self.looks.insert(call, reply);
                let command = chat::PersonCommand::Look { call };
                self.handle(sockets, Input::Person { user, command });
            }
            Mail::Trail { wanted, reply } => {
                if reply.send(self.trail(wanted)).is_err() {
                    debug!("a caller did not wait for its answer");
                }
            }
            Mail::Answer { asked, frame } => {
                sockets.send(socket(asked.conn), frame);
            }
        }
    }

    fn on_turn_end(&mut self, _sockets: &mut Sockets) {
        self.post_backlogs();
    }

    fn on_written(&mut self, _sockets: &mut Sockets) {
        self.written();
    }

    fn on_tick(&mut self, sockets: &mut Sockets, _now: Duration) {
        self.post_backlogs();
        self.levels_at = self.now().mono + LEVELS_MILLIS;
        if let Some(levels) = self.shared.levels.get(usize::from(self.me)) {
            levels.people.store(self.hub.people_here(), Relaxed);
            levels.lagging.store(self.hub.sockets_lagging(), Relaxed);
        }
        if self
            .hub
            .next_deadline()
            .is_some_and(|at| at <= self.now().mono)
        {
            self.handle(sockets, Input::Tick);
        }
    }

    fn tick_after(&self) -> Duration {
        if self.backlogs.iter().any(|backlog| !backlog.is_empty()) {
            return Duration::ZERO;
        }
        let due = self
            .hub
            .next_deadline()
            .map_or(self.levels_at, |at| at.min(self.levels_at));
        Duration::from_millis(due.saturating_sub(self.now().mono))
    }

    fn on_drain(&mut self, sockets: &mut Sockets) {
        self.say_goodbye(sockets);
    }
}

impl Shard {
    fn number_call(&mut self) -> u64 {
        self.next_call += 1;
        self.next_call
    }
}

/// The hub's name of a socket.
fn conn(socket: SocketId) -> ConnId {
    let (index, generation) = socket.parts();
    ConnId { index, generation }
}

/// The transport's name of a socket.
fn socket(conn: ConnId) -> SocketId {
    SocketId::from_parts(conn.index, conn.generation)
}

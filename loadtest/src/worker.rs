//! One thread of load: a single-threaded runtime that owns its clients. It takes orders one by one and keeps what it
//! has seen; nothing is shared with other workers. `talk` sends, `hear` receives, `judge` compares.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::Failure;
use crate::client::{self, Client};
use crate::known::Known;
use crate::order::{Counts, Order, Outcome, Reply, Setup};
use crate::process;
use crate::target::Target;
use crate::words::Action;

/// What waits for an answer.
pub(crate) struct Pending {
    pub(crate) person: u32,
    pub(crate) action: Action,
    pub(crate) room: u32,
    pub(crate) said: u64,
    pub(crate) intended: u64,
}

/// What a worker remembers.
pub(crate) struct Ledger {
    /// By the id of the ack; on a raw WebSocket by nothing but the message itself.
    pub(crate) pending: HashMap<u64, Pending>,
    /// By room: the last count of each of our senders.
    pub(crate) counts: HashMap<(u32, u32), u32>,
    /// By room: place and message of what was acknowledged.
    pub(crate) acked: HashMap<u32, Vec<(u64, u64)>>,
    /// By room: the first place, and the message at each from there; 0 is nobody's.
    pub(crate) seen: HashMap<u32, (u64, Vec<u64>)>,
    /// Refused, or the sender's connection ended before the answer.
    pub(crate) excused: Vec<(u32, u64)>,
    /// Found while listening.
    pub(crate) faults: crate::check::Faults,
    pub(crate) outcome: Outcome,
    pub(crate) next_ack: u64,
}

/// A worker with its part of a run.
pub(crate) struct Worker {
    base: Instant,
    pub(crate) setup: Setup,
    pub(crate) targets: Vec<Target>,
    pub(crate) numbers: HashMap<Box<str>, u32>,
    pub(crate) scratch: RefCell<Vec<u8>>,
    pub(crate) known: RefCell<Known>,
    pub(crate) ledger: RefCell<Ledger>,
    pub(crate) counts: RefCell<Counts>,
    pub(crate) clients: Vec<Rc<Client>>,
    /// What is intended in it is measured.
    pub(crate) window: Cell<(u64, u64)>,
    pub(crate) hurry: Cell<bool>,
}

/// Carries out orders until whoever gives them is gone. `base` is where the worker's own clock starts.
pub(crate) async fn serve(
    base: Instant,
    mut orders: mpsc::Receiver<(Order, oneshot::Sender<Reply>)>,
) {
    let mut worker: Option<Rc<Worker>> = None;
    while let Some((order, reply)) = orders.recv().await {
        let answer = match (order, &worker) {
            (Order::Clock, _) => Reply::Clock(base.elapsed().as_nanos() as u64),
            (Order::Prepare(setup), _) => match Worker::new(base, *setup) {
                Ok(new) => {
                    worker = Some(Rc::new(new));
                    Reply::Done
                }
                Err(Failure(why)) => Reply::Failed(why),
            },
            (order, Some(worker)) => worker.obey(order),
            (_, None) => Reply::Failed("a run begins with `Prepare`".to_owned()),
        };
        // Whoever asked and went away wants no answer.
        drop(reply.send(answer));
    }
}

impl Worker {
    fn new(base: Instant, setup: Setup) -> Result<Worker, Failure> {
        let targets = setup
            .targets
            .iter()
            .map(|url| Target::parse(url))
            .collect::<Result<_, _>>()?;
        let numbers = setup.cast.rooms.iter().cloned().zip(0..).collect();
        let clients = (0..setup.cast.people.len()).map(|index| Rc::new(Client::new(index as u32)));
        Ok(Worker {
            base,
            targets,
            numbers,
            scratch: RefCell::new(vec![0; 1 << 18]),
            known: RefCell::new(Known::new()),
            ledger: RefCell::new(Ledger {
                pending: HashMap::new(),
                counts: HashMap::new(),
                acked: HashMap::new(),
                seen: HashMap::new(),
                excused: Vec::new(),
                faults: crate::check::Faults::default(),
                outcome: Outcome::new(),
                next_ack: 0,
            }),
            counts: RefCell::default(),
            clients: clients.collect(),
            window: Cell::new((u64::MAX, u64::MAX)),
            hurry: Cell::new(false),
            setup,
        })
    }

    /// Nanoseconds of the run's clock.
    pub(crate) fn now(&self) -> u64 {
        (self.base.elapsed().as_nanos() as i64)
            .saturating_add(self.setup.clock)
            .max(0) as u64
    }

    /// A time of the run's clock as this process counts.
    pub(crate) fn instant(&self, at: u64) -> Instant {
        let own = (at as i64).saturating_sub(self.setup.clock).max(0) as u64;
        self.base + Duration::from_nanos(own)
    }

    /// Sleeps until this time of the run's clock, to the millisecond.
    pub(crate) async fn sleep_until(&self, at: u64) {
        tokio::time::sleep_until(self.instant(at).into()).await;
    }

    /// The slot of the series that a time belongs to.
    pub(crate) fn slot(&self, at: u64) -> usize {
        (at / self.setup.slot) as usize
    }

    pub(crate) fn is_measured(&self, intended: u64) -> bool {
        let (from, until) = self.window.get();
        intended >= from && intended < until
    }

    fn obey(self: &Rc<Self>, order: Order) -> Reply {
        match order {
            Order::Clock | Order::Prepare(_) => unreachable!("`serve` answers them"),
            Order::Connect { from } => {
                tokio::task::spawn_local(self.clone().connect(from));
                Reply::Done
            }
            Order::Cut { keep_every } => {
                self.cut(keep_every);
                Reply::Done
            }
            Order::Talk(talk) => {
                self.window.set((talk.measured, talk.until));
                tokio::task::spawn_local(self.clone().talk(talk));
                Reply::Done
            }
            Order::Hurry => {
                self.hurry.set(true);
                Reply::Done
            }
            Order::Count => Reply::Counts(Counts {
                pending: self.ledger.borrow().pending.len() as u64,
                cpu_millis: process::own_cpu_millis(),
                ..*self.counts.borrow()
            }),
            Order::Said => Reply::Said(self.said()),
            Order::Judge(said) => Reply::Faults(self.judge(&said)),
            Order::Outcome => Reply::Outcome(Box::new(self.ledger.borrow().outcome.clone())),
        }
    }

    /// Connects those who are not, at this worker's share of the rate.
    async fn connect(self: Rc<Self>, from: u64) {
        let people = &self.setup.scenario.people;
        let of = self.setup.share.1;
        let between = if people.connect_rate > 0.0 {
            1e9 * f64::from(of) / people.connect_rate
        } else {
            0.0
        };
        let places = Arc::new(Semaphore::new((people.in_flight / of).max(1) as usize));
        let first = from as f64 + between * f64::from(self.setup.share.0) / f64::from(of);
        self.sleep_until(from).await;
        let absent = self.clients.iter().filter(|client| !client.is_ready());
        for (turn, client) in absent.enumerate() {
            if between > 0.0 {
                let at = (first + turn as f64 * between) as u64;
                if at > self.now() {
                    self.sleep_until(at).await;
                }
            }
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let task = tokio::task::spawn_local(client::live(self.clone(), client.clone(), place));
            client.belongs_to(task.abort_handle());
        }
    }

    fn cut(&self, keep_every: u32) {
        for client in &self.clients {
            let number = self.setup.cast.people[client.index as usize].number;
            let stays = keep_every > 0 && number.is_multiple_of(keep_every);
            if !stays && client.cut() {
                self.counts.borrow_mut().ready -= 1;
            }
        }
        self.excuse(|person| !self.clients[person as usize].is_ready());
    }

    /// The fate of what these people had under way is unknown from now on.
    pub(crate) fn excuse(&self, is_gone: impl Fn(u32) -> bool) {
        let ledger = &mut *self.ledger.borrow_mut();
        let excused = &mut ledger.excused;
        ledger.pending.retain(|_, pending| {
            let gone = is_gone(pending.person);
            if gone && pending.action == Action::Send {
                excused.push((pending.room, pending.said));
            }
            !gone
        });
    }
}

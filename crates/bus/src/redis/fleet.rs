//! The servers of one URL, who owns what among them, and the tasks that speak and listen to each.
//!
//! A server has three connections: one to publish, one to listen, one to ask (roster and limits). None waits for another.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::envelope::Envelope;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::counters::BusCounters;
use crate::hearing::Teller;
use crate::redis::address::{Access, Address, told};
use crate::redis::breaker::Breaker;
use crate::redis::line::Line;
use crate::redis::map::{Map, Told};
use crate::redis::own::Own;
use crate::redis::wanted::Wanted;
use crate::redis::{line, listen, speak, topology};
use crate::seal::{ClusterKey, Name};

/// Envelopes that may wait for one server: a burst of a second or so. Beyond it they are dropped and counted.
const WORDS_MAX: usize = 8_192;

pub(crate) struct Fleet {
    pub(crate) access: Access,
    cluster: bool,
    pub(crate) seeds: Vec<String>,
    pub(crate) key: ClusterKey,
    pub(crate) counters: Arc<BusCounters>,
    pub(crate) teller: Teller,
    pub(crate) own: Own,
    /// Asks for a look at the owners; only a cluster has somebody who listens.
    pub(crate) doubt: Notify,
    /// Nodes that were alive at the last beat; 0 when this process does not beat.
    pub(crate) nodes: AtomicUsize,
    /// Speakers and listeners: the bus is closed when they have ended.
    pub(crate) talking: TaskTracker,
    /// Everybody else.
    pub(crate) tasks: TaskTracker,
    /// Ends everything.
    pub(crate) over: CancellationToken,
    /// Ends speaking and listening.
    pub(crate) hushed: CancellationToken,
    layout: watch::Sender<Arc<Layout>>,
    /// What the last try to connect met, until one succeeds: for whoever waits in vain.
    trouble: Mutex<Option<String>>,
    /// For the limits, while nobody is known to own a name.
    pub(crate) unowned: Breaker,
    /// Held while another layout is made of the present one.
    drawing: Mutex<()>,
    wanted: Mutex<Wanted>,
    stations: AtomicU32,
}

/// One server.
pub(crate) struct Station {
    pub(crate) id: u32,
    /// `host:port`.
    pub(crate) server: String,
    pub(crate) words: mpsc::Sender<Word>,
    /// There may be something to subscribe.
    pub(crate) poke: Notify,
    /// What is said does not come: the listener's connection must be made anew.
    pub(crate) distrusted: Notify,
    pub(crate) line: Line,
    /// For the limits, which wait for nobody.
    pub(crate) breaker: Breaker,
    /// Ends speaking and listening to this server.
    pub(crate) hushed: CancellationToken,
    /// Ends everything with this server.
    pub(crate) over: CancellationToken,
}

/// The commands of pub/sub.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Publish,
    Subscribe,
    Unsubscribe,
}

/// Something to publish.
pub(crate) struct Word {
    pub(crate) name: Name,
    pub(crate) envelope: Envelope,
    /// Whether a server has sent it on already.
    pub(crate) moved: bool,
}

/// Who owns what, at one moment.
pub(crate) struct Layout {
    map: Map,
    pub(crate) stations: Vec<Arc<Station>>,
}

impl Layout {
    /// The server that owns a name; `None` while nobody is known to.
    pub(crate) fn owner(&self, name: &Name) -> Option<&Arc<Station>> {
        self.stations.get(self.map.owner(name)?)
    }

    pub(crate) fn owner_id(&self, name: &Name) -> Option<u32> {
        self.owner(name).map(|station| station.id)
    }
}

impl Fleet {
    /// Starts the tasks; returns at once.
    pub(crate) fn start(address: Address, key: ClusterKey, teller: Teller) -> Arc<Self> {
        let over = CancellationToken::new();
        let fleet = Arc::new(Self {
            access: address.access,
            cluster: address.cluster,
            seeds: address.servers,
            key,
            counters: Arc::default(),
            teller,
            own: Own::default(),
            doubt: Notify::new(),
            nodes: AtomicUsize::new(0),
            talking: TaskTracker::new(),
            tasks: TaskTracker::new(),
            hushed: over.child_token(),
            over,
            layout: watch::Sender::new(Arc::new(Layout {
                map: Map::unknown(),
                stations: Vec::new(),
            })),
            trouble: Mutex::default(),
            unowned: Breaker::new(),
            drawing: Mutex::default(),
            wanted: Mutex::default(),
            stations: AtomicU32::new(0),
        });
        if fleet.cluster {
            fleet.tasks.spawn(topology::keep(Arc::clone(&fleet)));
        } else {
            let stations = fleet.seeds.iter().map(|server| fleet.station(server));
            let layout = Layout {
                map: Map::rendezvous(&fleet.seeds),
                stations: stations.collect(),
            };
            fleet.layout.send_replace(Arc::new(layout));
        }
        fleet
    }

    /// A command of pub/sub, in its sharded form for a cluster.
    pub(crate) fn command(&self, plain: Command) -> &'static str {
        match (plain, self.cluster) {
            (Command::Publish, false) => "PUBLISH",
            (Command::Publish, true) => "SPUBLISH",
            (Command::Subscribe, false) => "SUBSCRIBE",
            (Command::Subscribe, true) => "SSUBSCRIBE",
            (Command::Unsubscribe, false) => "UNSUBSCRIBE",
            (Command::Unsubscribe, true) => "SUNSUBSCRIBE",
        }
    }

    pub(crate) fn layout(&self) -> Arc<Layout> {
        Arc::clone(&self.layout.borrow())
    }

    /// The server that owns a name, as soon as one is known to.
    pub(crate) async fn owner_soon(&self, name: &Name) -> Option<Arc<Station>> {
        let mut layouts = self.layout.subscribe();
        let found = layouts
            .wait_for(|layout| layout.owner(name).is_some())
            .await;
        found.ok()?.owner(name).map(Arc::clone)
    }

    /// The books of the subscriptions. Never held across an await.
    pub(crate) fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how a try to connect ended.
    pub(crate) fn tried<T>(&self, server: &str, tried: &Result<T, redis::RedisError>) {
        let trouble = tried.as_ref().err().map(|error| told(server, error));
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// What stands between this process and its servers, as far as it is known.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what a cluster says about itself.
    pub(crate) fn adopt(self: &Arc<Self>, told: &Told) {
        self.relay(|stations| Map::slots(told, |server| self.number(stations, server)));
    }

    /// Takes over what a server says about one slot.
    pub(crate) fn moved(self: &Arc<Self>, slot: u16, server: &str) {
        self.relay(|stations| {
            let mut map = self.layout().map.clone();
            if let Map::Slots(slots) = &mut map {
                slots[usize::from(slot)] = self.number(stations, server);
            }
            map
        });
    }

    /// Hands a word to the server that owns its name, or drops and counts it.
    pub(crate) fn route(&self, word: Word) {
        let layout = self.layout();
        let taken = layout
            .owner(&word.name)
            .is_some_and(|station| station.words.try_send(word).is_ok());
        if !taken {
            self.counters.publish_dropped.add(1);
        }
    }

    /// Envelopes may have been lost.
    pub(crate) fn lost(&self) {
        self.counters.losses.add(1);
        self.teller.lost();
    }

    /// Shows how the subscriptions stand.
    pub(crate) fn count(&self) {
        let (watched, unconfirmed) = self.wanted().counts();
        self.counters.watched.set(watched);
        self.counters.unconfirmed.set(unconfirmed);
    }

    /// Puts another map in place; servers that own nothing any more are left.
    fn relay(self: &Arc<Self>, draw: impl FnOnce(&mut Vec<Arc<Station>>) -> Map) {
        let _drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.layout();
        let mut stations = before.stations.clone();
        let mut map = draw(&mut stations);
        if let Map::Slots(slots) = &mut map {
            keep_owners(slots, &mut stations);
        }
        let after = Arc::new(Layout { map, stations });
        // The same numbers may stand for other servers.
        let ids = |layout: &Layout| layout.stations.iter().map(|s| s.id).collect::<Vec<_>>();
        if before.map == after.map && ids(&before) == ids(&after) {
            return;
        }
        self.layout.send_replace(Arc::clone(&after));
        for station in &before.stations {
            if !after.stations.iter().any(|kept| kept.id == station.id) {
                station.over.cancel();
            }
        }
        let servers: Vec<&str> = after.stations.iter().map(|s| s.server.as_str()).collect();
        if ids(&before) == ids(&after) {
            tracing::debug!(?servers, "slots of the Redis Cluster have moved");
        } else {
            tracing::info!(?servers, "the Redis Cluster has other masters");
        }
        if self.wanted().remap(|name| after.owner_id(name)) {
            self.lost();
        }
        self.count();
        for station in &after.stations {
            station.poke.notify_one();
        }
    }

    /// A server's number in the list, which it joins if it must.
    fn number(self: &Arc<Self>, stations: &mut Vec<Arc<Station>>, server: &str) -> u16 {
        let known = stations.iter().position(|station| station.server == server);
        let number = known.unwrap_or_else(|| {
            stations.push(self.station(server));
            stations.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    fn station(self: &Arc<Self>, server: &str) -> Arc<Station> {
        let (words, queue) = mpsc::channel(WORDS_MAX);
        let (line, ends) = line::new();
        let over = self.over.child_token();
        let station = Arc::new(Station {
            id: self.stations.fetch_add(1, Ordering::Relaxed),
            server: server.to_owned(),
            words,
            poke: Notify::new(),
            distrusted: Notify::new(),
            line,
            breaker: Breaker::new(),
            hushed: over.child_token(),
            over,
        });
        let (fleet, here) = (Arc::clone(self), Arc::clone(&station));
        self.talking.spawn(speak::speak(fleet, here, queue));
        let (fleet, here) = (Arc::clone(self), Arc::clone(&station));
        self.talking.spawn(listen::listen(fleet, here));
        let (fleet, here) = (Arc::clone(self), Arc::clone(&station));
        self.tasks.spawn(line::keep(fleet, here, ends));
        // Whoever closes the bus closes it everywhere.
        let (all, here) = (self.hushed.clone(), station.hushed.clone());
        let over = station.over.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = all.cancelled() => here.cancel(),
                () = over.cancelled() => {}
            }
        });
        station
    }
}

/// Drops the servers that own no slot, and numbers the rest anew.
fn keep_owners(slots: &mut [u16], stations: &mut Vec<Arc<Station>>) {
    let mut owns = vec![false; stations.len()];
    for owner in slots.iter() {
        if let Some(owns) = owns.get_mut(usize::from(*owner)) {
            *owns = true;
        }
    }
    let mut numbers = Vec::with_capacity(owns.len());
    let mut next = 0u16;
    for owns in &owns {
        numbers.push(if *owns { next } else { u16::MAX });
        next += u16::from(*owns);
    }
    for owner in slots.iter_mut() {
        *owner = numbers
            .get(usize::from(*owner))
            .copied()
            .unwrap_or(u16::MAX);
    }
    let mut owns = owns.into_iter();
    stations.retain(|_| owns.next().unwrap_or(false));
}

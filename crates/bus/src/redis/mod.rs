//! The bus on Redis: one server, several independent ones, or a Redis Cluster with sharded pub/sub.
//!
//! Redis is asked for nothing that must not be lost: hints are repaired from the store, the roster from the nodes, and
//! limits only slow people down. Nothing here may make a caller wait for a server that is away, and no subscription may
//! ever be silently dead. Decision 0009 says why the subscriptions are ours and not the driver's.

mod address;
mod ask;
mod breaker;
mod clocks;
mod fleet;
mod limiter;
mod line;
mod listen;
mod map;
mod own;
mod roster;
mod scripts;
mod speak;
mod topology;
mod wanted;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::envelope::{Envelope, Topic};
use tokio_util::sync::DropGuard;

use crate::Future;
use crate::hearing::{Events, hearing};
use crate::hints::Bus;
use crate::limits_local::LocalLimiter;
use crate::open::{Cluster, OpenError, Patience};
use crate::redis::address::Address;
use crate::redis::fleet::{Fleet, Word};
use crate::redis::limiter::RedisLimiter;
use crate::redis::roster::RedisRoster;
use crate::seal::ClusterKey;

/// How long what waits may take to be sent at the end.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

pub(crate) use clocks::clocks;

pub(crate) fn open(url: &str, key: &ClusterKey, patience: Patience) -> Result<Cluster, OpenError> {
    let (teller, events) = hearing();
    let fleet = Fleet::start(Address::read(url)?, key.clone(), teller);
    let end = Arc::new(fleet.over.clone().drop_guard());
    Ok(Cluster {
        counters: Arc::clone(&fleet.counters),
        bus: Arc::new(RedisBus {
            fleet: Arc::clone(&fleet),
            events: Mutex::new(Some(events)),
            _end: Arc::clone(&end),
        }),
        roster: Arc::new(RedisRoster {
            fleet: Arc::clone(&fleet),
            _end: Arc::clone(&end),
        }),
        limiter: Arc::new(RedisLimiter {
            fleet,
            local: LocalLimiter::new(),
            deadline: patience.limits,
            _end: end,
        }),
    })
}

struct RedisBus {
    fleet: Arc<Fleet>,
    events: Mutex<Option<Events>>,
    /// The fleet ends with the last of its handles.
    _end: Arc<DropGuard>,
}

impl Bus for RedisBus {
    fn publish(&self, envelope: Envelope) {
        let name = self.fleet.key.channel(envelope.topic());
        self.fleet.route(Word {
            name,
            envelope,
            moved: false,
        });
    }

    fn watch(&self, topic: Topic) {
        let name = self.fleet.key.channel(topic);
        let mut wanted = self.fleet.wanted();
        if let Some(topic) = wanted.watch(name, topic) {
            self.fleet.teller.watched(topic);
        }
        drop(wanted);
        self.changed(topic);
    }

    fn unwatch(&self, topic: Topic) {
        let name = self.fleet.key.channel(topic);
        let mut wanted = self.fleet.wanted();
        wanted.unwatch(name);
        self.fleet.teller.unwatched(topic);
        drop(wanted);
        self.changed(topic);
    }

    fn events(&self) -> Events {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.take().expect("events are taken once")
    }

    fn distrust(&self, topics: &[Topic]) {
        let layout = self.fleet.layout();
        for topic in topics {
            if let Some(station) = layout.owner(&self.fleet.key.channel(*topic)) {
                // Whoever is not listening now is about to begin anew anyway.
                station.distrusted.notify_waiters();
            }
        }
        self.fleet.doubt.notify_one();
    }

    fn healthy(&self) -> bool {
        self.fleet.wanted().counts().1 == 0
    }

    fn close(&self) -> Future<'_, ()> {
        Box::pin(async move {
            self.fleet.hushed.cancel();
            self.fleet.talking.close();
            let ended = tokio::time::timeout(CLOSE_DEADLINE, self.fleet.talking.wait()).await;
            if ended.is_err() {
                tracing::warn!("hints that still waited were not published");
            }
            self.fleet.teller.close();
        })
    }
}

impl RedisBus {
    fn changed(&self, topic: Topic) {
        self.fleet.count();
        let name = self.fleet.key.channel(topic);
        if let Some(station) = self.fleet.layout().owner(&name) {
            station.poke.notify_one();
        }
    }
}

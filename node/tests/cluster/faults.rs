//! A bus and a roster that lose what a test wants lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bus::Future;
use bus::hints::{Bus, EVENTS_MAX, Events};
use bus::roster::{Away, NodeCard, Roster};
use bus::roster_local::LocalRoster;
use protocol::envelope::{Envelope, Standing, Topic};
use protocol::ids::{NodeId, UserId};

/// What a node's bus drops of what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Drops {
    Nothing,
    /// Entries; heads that are said again get through.
    Entries,
    /// Everything about rooms.
    Rooms,
    /// How people stand.
    Standings,
    /// Sign-outs.
    SignOuts,
}

/// One node's bus.
pub(crate) struct FaultyBus {
    inner: Arc<dyn Bus>,
    watched: Mutex<BTreeSet<Topic>>,
    drops: AtomicU8,
    cut: AtomicBool,
    deaf: AtomicBool,
}

impl FaultyBus {
    pub(crate) fn new(inner: Arc<dyn Bus>) -> Self {
        Self {
            inner,
            watched: Mutex::default(),
            drops: AtomicU8::new(Drops::Nothing as u8),
            cut: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
        }
    }

    /// Nothing comes any more, and nobody is told, until somebody distrusts it.
    pub(crate) fn go_deaf(&self) {
        self.deaf.store(true, SeqCst);
        for topic in &*self.watched.lock().unwrap() {
            self.inner.unwatch(*topic);
        }
    }

    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf.load(SeqCst)
    }

    pub(crate) fn drops(&self, what: Drops) {
        self.drops.store(what as u8, SeqCst);
    }

    /// Nothing comes and nothing goes, and nobody is told.
    pub(crate) fn cut(&self) {
        self.cut.store(true, SeqCst);
        for topic in &*self.watched.lock().unwrap() {
            self.inner.unwatch(*topic);
        }
    }

    /// The connection is back: every topic is subscribed anew.
    pub(crate) fn mend(&self) {
        self.cut.store(false, SeqCst);
        for topic in &*self.watched.lock().unwrap() {
            self.inner.watch(*topic);
        }
    }

    /// The listener falls too far behind: it is told that it has lost something. Must not be interrupted by it, as in a
    /// test on one thread.
    pub(crate) fn overflow(&self) {
        self.inner.watch(Topic::Everyone);
        for _ in 0..=EVENTS_MAX {
            self.inner.publish(Envelope::Revoked {
                sessions: Vec::new(),
                reason: "revoked".to_owned(),
            });
        }
    }
}

impl Bus for FaultyBus {
    fn publish(&self, envelope: Envelope) {
        let drops = self.drops.load(SeqCst);
        let is = |what: Drops| drops == what as u8;
        let dropped = match &envelope {
            Envelope::Grown { hint } if is(Drops::Entries) => !hint.entries.is_empty(),
            Envelope::Standing { .. } => is(Drops::Standings),
            Envelope::Revoked { .. } => is(Drops::SignOuts),
            other => is(Drops::Rooms) && matches!(other.topic(), Topic::Room(_)),
        };
        if !dropped && !self.cut.load(SeqCst) {
            self.inner.publish(envelope);
        }
    }

    fn watch(&self, topic: Topic) {
        self.watched.lock().unwrap().insert(topic);
        if !self.cut.load(SeqCst) {
            self.inner.watch(topic);
        }
    }

    fn unwatch(&self, topic: Topic) {
        self.watched.lock().unwrap().remove(&topic);
        self.inner.unwatch(topic);
    }

    fn events(&self) -> Events {
        self.inner.events()
    }

    fn distrust(&self, topics: &[Topic]) {
        self.inner.distrust(topics);
        if self.deaf.swap(false, SeqCst) {
            self.mend();
        }
    }

    fn healthy(&self) -> bool {
        !self.cut.load(SeqCst)
    }

    fn close(&self) -> Future<'_, ()> {
        self.inner.close()
    }
}

/// One node's way to the roster.
pub(crate) struct FaultyRoster {
    inner: LocalRoster,
    away: AtomicBool,
    /// The node that it does not list, 0 for none.
    hidden: AtomicU32,
}

impl FaultyRoster {
    pub(crate) fn new(inner: LocalRoster) -> Arc<Self> {
        Arc::new(Self {
            inner,
            away: AtomicBool::new(false),
            hidden: AtomicU32::new(0),
        })
    }

    /// The lease of this node has ended, as far as who beats here is told.
    pub(crate) fn hides(&self, node: NodeId) {
        self.hidden.store(node.0, SeqCst);
    }

    pub(crate) fn is_away(&self, away: bool) {
        self.away.store(away, SeqCst);
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce() -> Future<'a, Result<T, Away>>,
    ) -> Future<'a, Result<T, Away>> {
        if self.away.load(SeqCst) {
            return Box::pin(std::future::ready(Err(Away(
                "as the test wants".to_owned(),
            ))));
        }
        call()
    }
}

impl Roster for FaultyRoster {
    fn beat(&self, me: NodeCard) -> Future<'_, Result<Vec<NodeCard>, Away>> {
        let hidden = NodeId(self.hidden.load(SeqCst));
        self.call(move || {
            Box::pin(async move {
                let mut alive = self.inner.beat(me).await?;
                alive.retain(|card| card.id != hidden);
                Ok(alive)
            })
        })
    }

    fn leave(&self, me: NodeId) -> Future<'_, Result<(), Away>> {
        self.call(|| self.inner.leave(me))
    }

    fn put(
        &self,
        me: NodeId,
        people: Vec<(UserId, Option<Standing>)>,
    ) -> Future<'_, Result<(), Away>> {
        self.call(|| self.inner.put(me, people))
    }

    fn standings(
        &self,
        people: Vec<UserId>,
    ) -> Future<'_, Result<Vec<Vec<(NodeId, Standing)>>, Away>> {
        self.call(|| self.inner.standings(people))
    }
}

//! Which other nodes count: those with a lease, and for a moment those that spoke before a list could name them.

use std::sync::Arc;

use protocol::ids::NodeId;

/// How long a node that spoke counts without a lease: the lists come every three seconds.
const STRANGER_MILLIS: u64 = 4_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Peers {
    /// There are no others.
    alone: bool,
    /// Sorted; `None` while the roster is away.
    alive: Option<Arc<[NodeId]>>,
    /// Until when each of these counts.
    strangers: Vec<(NodeId, u64)>,
}

impl Peers {
    pub(super) fn new(alone: bool) -> Self {
        Self {
            alone,
            alive: None,
            strangers: Vec::new(),
        }
    }

    /// Nobody else has anything to say of anybody.
    pub(super) fn are_none(&self) -> bool {
        self.alone
    }

    /// The roster is there.
    pub(super) fn can_be_asked(&self) -> bool {
        self.alive.is_some()
    }

    pub(super) fn counts(&self, node: NodeId) -> bool {
        let stranger = self.strangers.iter().any(|(other, _)| *other == node);
        stranger || self.has_lease(node)
    }

    fn has_lease(&self, node: NodeId) -> bool {
        let alive = self.alive.as_deref().unwrap_or_default();
        alive.binary_search(&node).is_ok()
    }

    /// A node that does not count has spoken: it may have started a moment ago.
    pub(super) fn spoke(&mut self, now: u64, node: NodeId) {
        self.strangers.push((node, now + STRANGER_MILLIS));
    }

    pub(super) fn list(&mut self, alive: Option<Arc<[NodeId]>>) {
        self.alive = alive;
    }

    /// When [`Peers::lapse`] has something to do.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.strangers.iter().map(|(_, until)| *until).min()
    }

    pub(super) fn lapse(&mut self, now: u64) {
        self.strangers.retain(|(_, until)| *until > now);
    }
}

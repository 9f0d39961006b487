//! A node among others: what its shards say goes to the bus and the roster, what those say comes back as mail.
//!
//! A node by itself has none of this. Five tasks on the backend runtime, each in its file: [`hearing`] (the bus's
//! events to the shards), [`canary`] (whether this node hears itself), [`beat`] (this node's lease, and who else is alive), [`standings`] (how people stand here,
//! kept in the roster), [`revocations`] (sign-outs, by the bus and by looking). The shards never wait for any of them,
//! and nothing here is the truth: whatever is lost is found again in the store or in the roster.

mod beat;
mod canary;
mod hearing;
#[cfg(test)]
mod hearing_tests;
mod line;
mod revocations;
mod standings;

use std::fmt;
use std::sync::Arc;

use bus::hints::Bus;
use bus::roster::{NodeCard, Roster};
use protocol::ids::NodeId;
use service::drain::Drain;
use service::readiness::Check;
use tokio::sync::watch;
use transport::{Elsewhere, ShardHandle};

use crate::ports::Ports;
use crate::shard::Mail;
pub(crate) use line::Line;

/// What makes a node one of several.
pub struct Cluster {
    /// Carries news between the nodes. Its events are this node's.
    pub bus: Arc<dyn Bus>,
    /// Who is alive and who is connected where.
    pub roster: Arc<dyn Roster>,
    /// This node, as the others find it. Its id is in every sid that this node gives.
    pub card: NodeCard,
    /// Passes requests on whose sid names another node; made with [`Cluster::peers`].
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    /// Fails while this node alone does not hear the bus.
    pub hearing: Option<Check>,
    peers: watch::Sender<Arc<[NodeCard]>>,
}

impl Cluster {
    /// A node that knows nobody yet and passes nothing on.
    pub fn new(bus: Arc<dyn Bus>, roster: Arc<dyn Roster>, card: NodeCard) -> Self {
        Self {
            bus,
            roster,
            card,
            elsewhere: None,
            hearing: None,
            peers: watch::Sender::new(Arc::from([])),
        }
    }

    /// Who is alive, from now on.
    pub fn peers(&self) -> Peers {
        Peers(self.peers.subscribe())
    }

    /// The node's own number.
    pub fn me(&self) -> NodeId {
        self.card.id
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("card", &self.card)
            .finish_non_exhaustive()
    }
}

/// The nodes that are alive, this one included, as of its last beat: a node that starts is there within 3 s, one that
/// dies is gone within 13 s. While the roster is away the last list stands, since an address that may be old is worth
/// more than none. Empty before the first beat. Cheap to clone; never waits.
#[derive(Clone, Debug)]
pub struct Peers(watch::Receiver<Arc<[NodeCard]>>);

impl Peers {
    /// All of them, by number.
    pub fn alive(&self) -> Arc<[NodeCard]> {
        self.0.borrow().clone()
    }

    /// Where a node's public listener is reached.
    pub fn url(&self, node: NodeId) -> Option<String> {
        let alive = self.0.borrow();
        let at = alive.binary_search_by_key(&node, |card| card.id).ok()?;
        Some(alive[at].url.clone())
    }

    /// Waits until the list is another; `false` when the node has ended and it never will be.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// The tasks of a node among others, until [`Tasks::leave`].
pub(crate) struct Tasks {
    line: Arc<Line>,
    gone: watch::Sender<bool>,
}

impl Tasks {
    /// Starts them; the drain waits for their end.
    pub(crate) fn start(
        line: &Arc<Line>,
        ports: &Arc<Ports>,
        shards: &[ShardHandle<Mail>],
        drain: &Drain,
    ) -> Self {
        let (gone, _) = watch::channel(false);
        let (said, to_revoke) = revocations::channel();
        let line = line.clone();
        let (at_bus, at_roster, at_desk) = (line.clone(), line.clone(), line.clone());
        let at_canary = line.clone();
        let spawn = |name, task: store::Future<'static, ()>| {
            let mut gone = gone.subscribe();
            drain.spawn(name, async move {
                tokio::select! {
                    () = task => {}
                    // An error means that nobody will ever say it: as good a reason to end.
                    _ = gone.wait_for(|gone| *gone) => {}
                }
            });
        };
        let all = shards.to_vec();
        spawn("bus", Box::pin(hearing::hear(at_bus, all, said)));
        spawn("canary", Box::pin(canary::sing(at_canary)));
        let all = shards.to_vec();
        spawn("beats", Box::pin(beat::beat(at_roster, all)));
        spawn("standings", Box::pin(standings::keep(at_desk)));
        let all = shards.to_vec();
        let revoking = revocations::revoke(ports.clone(), all, to_revoke);
        spawn("revocations", Box::pin(revoking));
        Self { line, gone }
    }

    /// This node's sockets are closed: it ends its lease, and the bus says what waits.
    pub(crate) async fn leave(self) {
        self.gone.send_replace(true);
        self.line.leave().await;
    }
}

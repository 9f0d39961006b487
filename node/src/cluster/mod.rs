//! A node among others: what its shards say goes to the bus and the roster, what those say comes back as mail.
//!
//! A node by itself has none of this. Six tasks on the backend runtime, each in its file: [`hearing`] (the bus's
//! events to the shards), [`canary`] (whether this node hears itself), [`beat`] (this node's lease, and who else is alive),
//! [`doubt`] (who is there without a lease), [`standings`] (how people stand here, kept in the roster), [`revocations`]
//! (sign-outs, by the bus and by looking). The shards never wait for any of them,
//! and nothing here is the truth: whatever is lost is found again in the store or in the roster.

mod beat;
mod canary;
mod doubt;
mod hearing;
#[cfg(test)]
mod hearing_tests;
mod line;
mod peers;
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
pub use doubt::Reach;
pub(crate) use line::Line;
use peers::Book;
pub use peers::Peers;

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
    /// Asks nodes whose lease has ended whether they are there; without it, they are not.
    pub reach: Option<Arc<dyn Reach>>,
    /// Fails while this node alone does not hear the bus.
    pub hearing: Option<Check>,
    peers: watch::Sender<Book>,
}

impl Cluster {
    /// A node that knows nobody yet and passes nothing on.
    pub fn new(bus: Arc<dyn Bus>, roster: Arc<dyn Roster>, card: NodeCard) -> Self {
        Self {
            bus,
            roster,
            card,
            elsewhere: None,
            reach: None,
            hearing: None,
            peers: watch::Sender::default(),
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
        let (at_canary, in_doubt) = (line.clone(), line.clone());
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
        let store = ports.store.clone();
        spawn("bus", Box::pin(hearing::hear(at_bus, store, all, said)));
        spawn("canary", Box::pin(canary::sing(at_canary)));
        let all = shards.to_vec();
        spawn("beats", Box::pin(beat::beat(at_roster, all)));
        if let Some(reach) = line.reach.clone() {
            spawn("doubts", Box::pin(doubt::settle(in_doubt, reach)));
        }
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

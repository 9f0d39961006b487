//! Which nodes there are, and who is connected where. Shared, forgetful, and right again within one lease after
//! anything that happens: every node renews what it knows, and readers ignore what a dead node left behind.

use std::fmt;
use std::time::Duration;

use protocol::envelope::Standing;
use protocol::ids::{NodeId, UserId};

use crate::Future;

/// How long a node counts as alive after its last beat. With beats every [`BEAT_PERIOD`] two may be lost.
pub const LEASE: Duration = Duration::from_secs(10);
/// How often a node beats.
pub const BEAT_PERIOD: Duration = Duration::from_secs(3);
/// How long a standing stays without being put again; nodes put all of theirs again at least three times in it.
pub const STANDING_TTL: Duration = Duration::from_secs(30 * 60);

/// The roster cannot be reached: nothing is known now, and nothing may be concluded from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away(pub String);

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the roster is away: {}", self.0)
    }
}

impl std::error::Error for Away {}

/// A node as the others see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NodeCard {
    /// Its number, random at each start, so that a node that comes back is another one.
    pub id: NodeId,
    /// Its name, for people.
    pub name: String,
    /// Where the other nodes reach its public listener: `http://10.0.0.7:8080`.
    pub url: String,
    /// Whether it hears its own words on the bus. Nodes of versions that do not say so count as hearing.
    #[serde(default = "yes")]
    pub hears: bool,
}

fn yes() -> bool {
    true
}

/// How one person stands, by node; at most once each.
pub type ByNode = Vec<(NodeId, Standing)>;

/// The roster of a cluster.
pub trait Roster: Send + Sync + 'static {
    /// Renews this node's lease and returns all that are alive, this one included.
    fn beat(&self, me: NodeCard) -> Future<'_, Result<Vec<NodeCard>, Away>>;

    /// Ends this node's lease.
    fn leave(&self, me: NodeId) -> Future<'_, Result<(), Away>>;

    /// Keeps how people stand on this node; `None` forgets. In one round trip, however many.
    fn put(
        &self,
        me: NodeId,
        people: Vec<(UserId, Option<Standing>)>,
    ) -> Future<'_, Result<(), Away>>;

    /// How people stand on all nodes that were ever put and not forgotten; whether a node is alive is the reader's to
    /// check against the last beat. In the order asked.
    fn standings(&self, people: Vec<UserId>) -> Future<'_, Result<Vec<ByNode>, Away>>;
}

//! What a node is given from outside: the store, its hubs, whose tokens to believe, the limiter, the clock.
//!
//! REST handlers and sockets reach the world through [`Ports`] and through nothing else.

use std::sync::Arc;

use bus::limits::Limiter;
use chat::{Outcome, Told};
use protocol::entry::Draft;
use protocol::ids::{RoomId, SessionId, UserId};
use protocol::problem::Problem;
use protocol::room::ReadMarker;
use protocol::time::Timestamp;
use protocol::user::Presence;
use service::clock::Clock;
use service::http::Network;
use store::Store;

use crate::contract::Documents;
use crate::jwks::Keys;
use crate::revoked::RevokedSessions;

/// An answer that is waited for on any thread.
pub type BoxFuture<'a, T> = store::Future<'a, T>;

/// Everything that the outer parts of a node share.
pub struct Ports {
    /// Durable state. Handlers read from it; they change rooms through [`Ports::hubs`] alone.
    pub store: Arc<dyn Store>,
    /// The rooms and people of this node.
    pub hubs: Arc<dyn Hubs>,
    /// The keys of auth.
    pub keys: Keys,
    /// Sessions that were signed out while their tokens still run.
    pub revoked: Arc<RevokedSessions>,
    /// Budgets, held over the whole cluster.
    pub limiter: Arc<dyn Limiter>,
    /// The time.
    pub clock: Clock,
    /// How the public HTTP side is set up.
    pub settings: Settings,
    /// What the exports of this node share.
    pub exports: crate::api::Exports,
    /// The published documents, with those of the other services merged in.
    pub documents: Documents,
}

impl Ports {
    /// The wall clock, as entries are stamped.
    pub fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.clock.unix_ms()).unwrap_or(i64::MAX))
    }
}

/// How the public HTTP side is set up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether rate limits are on.
    pub limits: bool,
    /// Whether clients reach us by TLS (which ends at the ingress).
    pub https: bool,
    /// Whether the page of the dev mailbox is there; a client may hint at it.
    pub dev_mailbox: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Where traces are exported to, as `http://HOST:PORT`; `None` exports none.
    pub otlp: Option<String>,
    /// Web origins other than our own that may call, written exactly as browsers send them.
    pub origins: Vec<String>,
}

/// The node's hubs as REST calls see them.
pub trait Hubs: Send + Sync {
    /// Asks a room's home for a change; answered after the commit, or with why not.
    fn submit(&self, room: RoomId, draft: Draft) -> BoxFuture<'_, Result<Outcome, Problem>>;

    /// News for a person's sockets.
    fn tell(&self, user: UserId, told: Told);

    /// A read marker has moved; `head_n` is how many messages the room has.
    fn read_moved(&self, room: RoomId, user: UserId, marker: (ReadMarker, u64), head_n: u64);

    /// How these people are now, in the order asked.
    fn presence(&self, users: Vec<UserId>) -> BoxFuture<'_, Vec<Presence>>;

    /// Sessions were signed out: their live sockets are closed.
    fn revoked(&self, sessions: Vec<SessionId>, reason: &'static str);
}

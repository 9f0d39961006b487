//! A client of chatify in Rust, as the guide for client developers (`docs/protocol.md`) describes one: it connects with
//! its token and cursors, takes in a room strictly in order, comes back after any disconnect, and repeats what was not
//! acknowledged under the same `clientId`. What it asked, was answered and heard goes into a [`Recorder`], whose history
//! the checker of `history` judges as it grows.
//!
//! `chatify verify`, the tests with faults and the load generator use it. The last takes only [`wire`] and [`words`]:
//! a hundred thousand idle connections can afford neither a task nor a buffer each.
//! It must never hide a fault: what a right server never does ends the connection or stands in the history.

mod audit;
mod device;
mod endpoint;
mod http;
mod link;
mod member;
mod outbox;
mod polling;
mod recorder;
mod websocket;
pub mod wire;
pub mod words;

use std::fmt;

pub use audit::Audit;
pub use endpoint::Endpoint;
pub use http::{Http, Reply};
pub use link::{Link, Way};
pub use member::{Identity, Member, Refused, Road, Rooms, Sent, Standing, Tempo};
pub use recorder::{Figures, Recorder};

/// Something between us and a server did not work; one line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// What was done, and why it failed.
    pub(crate) fn of(what: impl fmt::Display, why: impl fmt::Display) -> Fault {
        Fault(format!("{what}: {why}"))
    }
}

//! Sessions of other nodes: what a request for one of them is given to, and what may come of it. Whoever implements
//! this knows the other nodes; the transport knows that a sid names one, and carries the bytes of an upgrade.
//!
//! A request is passed on once at most: one that says it was passed on already is never passed on again, whether or not
//! that can be believed.

use crate::application::{Body, BodyError};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use std::{net::IpAddr, pin::Pin};
use tokio::net::TcpStream;

/// The header of a request that a node passes on. What stands in it is the implementor's; that it is there ends the way.
pub const PASSED_ON: HeaderName = HeaderName::from_static("x-chatify-passed-on");

/// A request whose sid names another node.
pub struct Stray {
    /// Which node.
    pub node: u32,
    /// Whom it came from, behind the proxies that are trusted.
    pub client: IpAddr,
    /// The request as it came. Its body fails with `http_body_util::LengthLimitError` beyond `Limits::max_payload`.
    pub request: Request<UnsyncBoxBody<Bytes, BodyError>>,
}

/// What came of passing a request on.
pub enum Passed {
    /// The node is not known, or cannot be reached: the client is told what a single server says about a sid that it does
    /// not know, and begins anew.
    Unknown,
    /// What the owner answers, without the headers that are about its own connection.
    Answered(http::Response<Body>),
    /// The owner agreed to the upgrade.
    Switched(Line),
    /// The body is over the bound.
    TooLarge,
}

/// A connection to the owner of a session on which an upgrade was agreed.
pub struct Line {
    /// Registered with the runtime of the thread that asked.
    pub owner: TcpStream,
    /// What the owner has said behind its answer.
    pub leftover: Bytes,
}

/// Awaited on the shard's thread; dropped when the client goes away, which the owner must then notice.
pub type PassedFuture = Pin<Box<dyn Future<Output = Passed>>>;

/// Hands requests to the owners of sessions of other nodes. There is none in a server by itself.
pub trait Elsewhere: Send + Sync + 'static {
    /// Passes a request on.
    fn pass(&self, stray: Stray) -> PassedFuture;

    /// Whom a request with the header [`PASSED_ON`] came from, if it was a node of ours that wrote it.
    fn vouched(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<IpAddr>;
}

/// Which way a request has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// From a client or a proxy.
    Direct,
    /// It says that it was passed on, and nobody vouches for it.
    Claimed,
    /// A node of ours has passed it on for this client.
    PassedOn(IpAddr),
}

pub(crate) fn look<B>(elsewhere: Option<&dyn Elsewhere>, request: &Request<B>) -> Hop {
    if !request.headers().contains_key(PASSED_ON) {
        return Hop::Direct;
    }
    let vouched = elsewhere
        .and_then(|other| other.vouched(request.method(), request.uri(), request.headers()));
    vouched.map_or(Hop::Claimed, Hop::PassedOn)
}

//! Sessions of other nodes: a poll, a post or an upgrade that a balancer gave to the wrong node is passed on to the one
//! that its sid names, so that no balancer needs sticky sessions.
//!
//! The owner judges the request as its own: the same limits, the same answers, the same end of a session when the client
//! goes away. It believes the client's address because this node vouches for it with the cluster's key ([`voucher`]).
//! Nothing is passed on twice. A node that is not alive, or cannot be reached, has no sessions: its clients are told so
//! at once, and begin anew.

mod asking;
mod headers;
mod reach;
mod upgrading;
mod voucher;

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use protocol::ids::NodeId;
use service::clock::Clock;
use service::secret::Secret;
use tokio::runtime::Handle;
use tracing::debug;
use transport::{Body, Elsewhere, PASSED_ON, Passed, PassedFuture, Stray};

use crate::cluster::Peers;
use crate::config::NodeConfig;
use crate::metrics::NodeMetrics;
use asking::Asking;
use voucher::Voucher;

/// How long the connection to a node of the same cluster may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// What an answer may take beyond what the owner itself waits for.
const SLACK: Duration = Duration::from_secs(5);

/// Passes requests on to the other nodes.
pub struct Passage {
    peers: Peers,
    voucher: Voucher,
    clock: Clock,
    asking: Asking,
    /// For answers that come at once or never.
    answer_deadline: Duration,
    metrics: NodeMetrics,
}

impl Passage {
    /// Requests go to `peers`, vouched for with `key`, which all nodes share. Polls and posts are asked on the runtime
    /// that this is called on.
    pub fn new(config: &NodeConfig, key: &Secret, peers: Peers, clock: Clock) -> Self {
        // A poll is answered by the next heartbeat at the latest.
        let poll_deadline = config.ping_interval + config.ping_timeout + SLACK;
        Self {
            peers,
            voucher: Voucher::new(key),
            clock,
            asking: Asking::new(Handle::current(), poll_deadline),
            answer_deadline: config.connect_timeout + SLACK,
            metrics: NodeMetrics::register(),
        }
    }

    /// The request as the owner gets it; `None` when that node is not alive.
    fn addressed(&self, stray: Stray) -> Option<(NodeId, Request<Body>)> {
        let node = NodeId(stray.node);
        let base = self.peers.url(node)?;
        let (mut parts, body) = stray.request.into_parts();
        let target = parts.uri.path_and_query()?.clone();
        let voucher =
            self.voucher
                .write((&parts.method, target.as_str()), stray.client, self.now());
        parts.uri = format!("{base}{target}").parse().ok()?;
        parts.version = Version::HTTP_11;
        // What the listener has put there is about its own connection.
        parts.extensions.clear();
        headers::end_to_end(&mut parts.headers);
        parts
            .headers
            .insert(PASSED_ON, HeaderValue::from_str(&voucher).ok()?);
        Some((node, Request::from_parts(parts, body)))
    }

    fn now(&self) -> u64 {
        self.clock.unix_seconds()
    }
}

impl Elsewhere for Passage {
    fn pass(&self, stray: Stray) -> PassedFuture {
        let upgrade = headers::is_upgrade(stray.request.headers());
        let count = self.metrics.strays.clone();
        let Some((node, request)) = self.addressed(stray) else {
            count.with("unknown").increment(1);
            return Box::pin(std::future::ready(Passed::Unknown));
        };
        let gone = gone(self.peers.clone(), node);
        let answer: PassedFuture = if upgrade {
            let deadline = self.answer_deadline;
            Box::pin(async move {
                let asked = tokio::time::timeout(deadline, upgrading::upgrade(request));
                asked.await.unwrap_or(Passed::Unknown)
            })
        } else {
            self.asking.ask(request)
        };
        Box::pin(async move {
            let passed = tokio::select! {
                passed = answer => passed,
                () = gone => Passed::Unknown,
            };
            let outcome = match &passed {
                Passed::Answered(_) => "answered",
                Passed::Switched(_) => "switched",
                Passed::TooLarge => "too_large",
                Passed::Unknown => "unreachable",
            };
            debug!(%node, outcome, "a stray request was passed on");
            count.with(outcome).increment(1);
            passed
        })
    }

    fn vouched(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<IpAddr> {
        let target = uri.path_and_query()?.as_str();
        let mut given = headers.get_all(PASSED_ON).iter();
        match (given.next()?.to_str(), given.next()) {
            (Ok(text), None) => self.voucher.read((method, target), text, self.now()),
            _ => None,
        }
    }
}

/// Resolves when the node is not alive any more: one that is frozen answers nobody, and its lease tells.
async fn gone(mut peers: Peers, node: NodeId) {
    while peers.url(node).is_some() {
        if !peers.changed().await {
            // This node ends; the client's own connection does so too.
            std::future::pending::<()>().await;
        }
    }
}

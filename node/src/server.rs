//! A node's life: shards start, requests that are no socket's go to the router, the drain ends it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use axum::Router;
use axum::body::Body as AxumBody;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use service::drain::Drain;
use service::http::{ClientAddress, client_address};
use tokio::runtime::Handle;
use tower::ServiceExt;
use tracing::{error, info, warn};
use transport::{
    Body, CloseReason, DrainPlan, HttpFallback, NoSubnet, Origins, Rate, ResponseFuture, Server,
    ServerConfig, Subnet,
};

use crate::cluster::{Cluster, Line, Tasks};
use crate::config::NodeConfig;
use crate::metrics::NodeMetrics;
use crate::otlp::{self, Exporter};
use crate::ports::Ports;
use crate::shard::{Doors, Gather, Levels, Mail, Shard, Shared};

/// How often hubs look at their deadlines: the shortest is the 20 ms that an early entry is held.
const TICK: Duration = Duration::from_millis(20);
/// How often what the shards count is copied into the metrics.
const COUNT_PERIOD: Duration = Duration::from_secs(1);

/// A node that serves.
pub struct Node {
    server: Server<Mail>,
    drain_closes: usize,
    ports: Arc<Ports>,
    line: Option<Arc<Line>>,
    shared: Arc<Shared>,
    exporter: Option<Exporter>,
}

/// Where and for whom a node listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The public address; port 0 takes a free one.
    pub address: SocketAddr,
    /// When what is left of a drain is cut.
    pub drain_deadline: Duration,
}

impl Node {
    /// Starts the shards. `doors` are those that `ports` holds; they open here. `router` answers what is no socket's.
    /// `cluster` makes the node one of several; without it, it is the only one that writes to the store.
    ///
    /// # Errors
    /// When the address cannot be listened on or the operating system gives no random numbers.
    pub fn start(
        config: &NodeConfig,
        listen: &Listen,
        ports: Arc<Ports>,
        doors: &Doors,
        (router, cluster): (Router, Option<Cluster>),
    ) -> io::Result<Self> {
        let backend = Handle::current();
        let metrics = NodeMetrics::register();
        let elsewhere = cluster.as_ref().and_then(|one| one.elsewhere.clone());
        let line = cluster.map(|one| Arc::new(Line::new(one, NodeMetrics::register())));
        let exported = ports.settings.otlp.as_ref().map(|url| {
            let dropped = NodeMetrics::register().traces_dropped;
            otlp::exporter(url, config.name(), dropped)
        });
        let (spans, exporter) = exported.unzip();
        let shared = Arc::new(Shared {
            spans,
            name: config.name(),
            reads: Arc::new(tokio::sync::Semaphore::new(config.reads)),
            backend: backend.clone(),
            metrics,
            line: line.clone(),
            rooms_gathered: Gather::new(line.is_some()),
            logs_gathered: Gather::new(line.is_some()),
            levels: (0..64).map(|_| Levels::default()).collect(),
            ports: ports.clone(),
        });
        let fallback = Arc::new(Fallback {
            router,
            backend,
            ports: ports.clone(),
        });
        let seeds = seeds()?;
        let for_shards = shared.clone();
        let mut server = server_config(config, listen, &ports)?;
        server.node = line.as_ref().map_or(0, |line| line.me().0);
        let server = Server::start(
            server,
            move |me, all| Shard::new(for_shards.clone(), me, all, seeds[usize::from(me)]),
            fallback,
            elsewhere,
        )?;
        doors.open(server.shards(), line.clone());
        info!(address = %server.local_addr(), shards = server.shards().len(), node = shared.name, "node listens");
        Ok(Self {
            server,
            drain_closes: config.drain_closes,
            ports,
            line,
            shared,
            exporter,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Serves until the process leaves, then closes its connections in paced batches, and leaves the other nodes.
    pub async fn run(self, drain: Drain, deadline: Duration) {
        let counting = drain.clone();
        let shards = self.server.shards().to_vec();
        let among_others = self
            .line
            .as_ref()
            .map(|line| Tasks::start(line, &self.ports, &shards, &drain));
        drain.spawn("node counters", async move {
            count(&shards, &self.shared.levels, counting).await
        });
        if let Some(exporter) = self.exporter {
            drain.spawn_aside(exporter.run());
        }
        drain.leaving().await;
        let plan = DrainPlan {
            closes_per_step: self.drain_closes,
            deadline,
        };
        let metrics = NodeMetrics::register();
        metrics.draining.set(1.0);
        let drained = self.server.drain(plan).await;
        metrics.draining.set(0.0);
        if drained.sessions_cut > 0 || drained.shards_failed > 0 {
            warn!(
                cut = drained.sessions_cut,
                failed = drained.shards_failed,
                "connections were left at the deadline"
            );
            metrics.drains_cut.increment(1);
        } else {
            metrics.drains_clean.increment(1);
        }
        if let Some(tasks) = among_others {
            tasks.leave().await;
        }
    }
}

fn server_config(config: &NodeConfig, listen: &Listen, ports: &Ports) -> io::Result<ServerConfig> {
    let mut server = ServerConfig::new(listen.address);
    if config.shards > 0 {
        server.shards = config.shards.min(64) as u8;
    }
    server.shards = server.shards.min(64);
    server.ping_interval = config.ping_interval;
    server.ping_timeout = config.ping_timeout;
    server.connect_timeout = config.connect_timeout;
    server.tick = Some(TICK);
    server.limits.max_payload = protocol::limits::FRAME_BYTES_MAX;
    server.limits.outbox_bytes = config.outbox_bytes;
    server.limits.connections = crate::files::connections(config.connections);
    server.limits.rate = ports.settings.limits.then_some(Rate {
        frames: config.frames_per_second as f32,
        bytes: config.frames_per_second as f32 * 4_096.0,
        seconds_of_burst: 10.0,
    });
    server.origins = Origins {
        allowed: ports.settings.origins.clone(),
        ..Origins::default()
    };
    let subnets: Result<Vec<Subnet>, NoSubnet> = ports
        .settings
        .trusted_proxies
        .iter()
        .map(|network| network.to_string().parse())
        .collect();
    server.proxies =
        subnets.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    Ok(server)
}

/// Where each hub's ids begin.
fn seeds() -> io::Result<Vec<[u64; 4]>> {
    let random = SystemRandom::new();
    (0..64)
        .map(|_| {
            let mut bytes = [0; 32];
            random
                .fill(&mut bytes)
                .map_err(|_| io::Error::other("the operating system gives no random numbers"))?;
            let word = |at: usize| {
                bytes[at * 8..at * 8 + 8]
                    .iter()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte))
            };
            Ok([word(0), word(1), word(2), word(3)])
        })
        .collect()
}

/// Requests that are no socket's: the router answers them on the backend runtime.
struct Fallback {
    router: Router,
    backend: Handle,
    ports: Arc<Ports>,
}

impl HttpFallback for Fallback {
    fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> ResponseFuture {
        let mut request = request.map(AxumBody::new);
        let client = client_address(
            peer.ip(),
            request.headers(),
            &self.ports.settings.trusted_proxies,
        );
        request.extensions_mut().insert(ClientAddress(client));
        let answer = self.backend.spawn(self.router.clone().oneshot(request));
        Box::pin(async move {
            match answer.await {
                Ok(Ok(response)) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
                Ok(Err(never)) => match never {},
                Err(error) => {
                    error!(%error, "a handler failed");
                    let mut response = Response::new(Body::default());
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }
            }
        })
    }
}

/// Copies what the shards count into the metrics.
async fn count(shards: &[transport::ShardHandle<Mail>], levels: &[Levels], drain: Drain) {
    let metrics = NodeMetrics::register();
    metrics.draining.set(0.0);
    let level = |of: fn(&Levels) -> &AtomicUsize| {
        let all = levels.iter().map(|one| of(one).load(Relaxed));
        all.sum::<usize>() as f64
    };
    let total = |of: fn(&transport::Counters) -> u64| {
        shards.iter().map(|shard| of(shard.counters())).sum::<u64>()
    };
    let mut leaving = Box::pin(drain.leaving());
    loop {
        metrics
            .sockets
            .set(total(|one| one.sockets.load(Relaxed)) as f64);
        metrics
            .connections
            .set(total(|one| one.connections.load(Relaxed)) as f64);
        metrics
            .handshakes
            .absolute(total(|one| one.handshakes.load(Relaxed)));
        metrics
            .frames_in
            .absolute(total(|one| one.frames_in.load(Relaxed)));
        metrics
            .frames_out
            .absolute(total(|one| one.frames_out.load(Relaxed)));
        metrics
            .bytes_out
            .absolute(total(|one| one.bytes_out.load(Relaxed)));
        metrics
            .writes
            .absolute(total(|one| one.writes.load(Relaxed)));
        metrics
            .outbox_bytes
            .set(total(|one| one.outbox_bytes.load(Relaxed)) as f64);
        metrics.online_people.set(level(|one| &one.people));
        metrics.lagging_sockets.set(level(|one| &one.lagging));
        metrics
            .mailbox_depth
            .set(shards.iter().map(|shard| shard.depth()).sum::<usize>() as f64);
        for reason in CloseReason::ALL {
            let closed = shards
                .iter()
                .map(|shard| shard.counters().closed(reason))
                .sum();
            metrics.closed.with(reason.name()).absolute(closed);
            if reason == CloseReason::RateLimited {
                metrics.limited_frames.absolute(closed);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(COUNT_PERIOD) => {}
            () = &mut leaving => return,
        }
    }
}

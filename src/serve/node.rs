//! `chatify node`: sockets and the API, as one of several nodes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bus::limits::Limiter;
use bus::roster::{BEAT_PERIOD, LEASE, NodeCard};
use node::api::admin::AdminPorts;
use node::cluster::{Cluster, Peers};
use node::contract::Documents;
use node::jwks::KeyKeeper;
use node::ports::Ports;
use node::revoked::RevokedSessions;
use node::{Doors, Listen, Node, NodeConfig, Passage};
use protocol::ids::NodeId;
use protocol::time::Timestamp;
use service::config::{Settings, Url};
use store::Store;
use tracing::{info, warn};

use super::wanted::Wanted;
use super::{Life, backends, cannot_listen, live};
use crate::Failure;
use crate::config::{ClusterConfig, TopConfig};

/// Sessions revoked up to this long ago are refused after a start: longer than any access token lives.
const REVOKED_MILLIS: i64 = 15 * 60_000;
/// Of the drain's deadline, what the sockets may take; the rest is for what ends after them.
const SOCKETS_SHARE: f32 = 0.8;
/// What a beat of another node may take beyond its period.
const BEAT_SLACK: Duration = Duration::from_millis(500);

/// Serves until the process is told to stop.
pub(crate) fn serve(settings: &Settings) -> Result<String, Failure> {
    let (top, cluster): (TopConfig, ClusterConfig) = (settings.read()?, settings.read()?);
    let config: NodeConfig = settings.read()?;
    let tokens: auth::AuthConfig = settings.read()?;
    let mut wanted = Wanted::default();
    wanted.store(&top);
    wanted.bus(&cluster);
    let key = wanted.key(&cluster);
    let url = wanted.advertised(&cluster, top.listen);
    let auth_url = wanted.auth_url(&cluster);
    let lines = [
        ("store", top.store.as_ref().map(Url::expose)),
        ("bus", Some(cluster.bus.expose())),
    ];
    wanted.secured(&cluster, &lines);
    wanted.check()?;
    live(settings, async move |life: Life| {
        let meant_for = (tokens.issuer.as_str(), tokens.audience.as_str());
        let (keeper, keys) =
            KeyKeeper::new(&auth_url, meant_for, life.clock.clone()).map_err(Failure::of)?;
        let check = life.readiness.register("keys");
        life.drain.spawn_background("keys", keeper.run(check));

        let shared = backends::bus(&life, &cluster, &key).await?;
        let store = backends::shared_store(&life, &top, &cluster).await?;
        let doors = Doors::default();
        let card = NodeCard {
            id: new_id(),
            name: config.name(),
            url,
            hears: true,
        };
        let mut peers = Cluster::new(shared.bus, shared.roster, card);
        let passage = Passage::new(&config, &key, peers.peers(), life.clock.clone());
        let passage = Arc::new(passage);
        peers.elsewhere = Some(passage.clone());
        peers.reach = Some(passage.clone());
        peers.hearing = Some(life.readiness.register("hearing"));
        let check = life.readiness.register("peers");
        let (known, me) = (peers.peers(), peers.me());
        life.drain.spawn_aside(async move {
            known_to_all(known, me).await;
            check.pass_for_good();
        });
        let ports = Ports {
            store: store.clone(),
            hubs: Arc::new(doors.clone()),
            keys,
            revoked: revoked_lately(&life, store.as_ref()).await?,
            limiter: shared.limiter,
            clock: life.clock.clone(),
            settings: top.public(false),
            exports: node::api::Exports::default(),
            documents: Documents::with([auth::openapi(), node::api::admin::openapi()]),
        };
        let among = (config.name(), Some((peers.me(), peers.peers())));
        let others = admin(&life, &top, (&store, &doors, &ports.limiter), among)?;
        let others = others.merge(passage.router(peers.me()));
        let served = Served {
            ports,
            doors,
            others,
            cluster: Some(peers),
        };
        let address = begin(&life, (&top, &config), served)?;
        info!(%address, "the node is up");
        // The node closes the bus itself, with its last words.
        Ok(vec![("store", backends::closing_store(store))])
    })
}

/// What a node serves.
pub(super) struct Served {
    pub(super) ports: Ports,
    pub(super) doors: Doors,
    /// Routes of other services in the same process.
    pub(super) others: Router,
    /// The other nodes, if there are any.
    pub(super) cluster: Option<Cluster>,
}

/// The routes of administrators; none where there is no admin key.
pub(super) fn admin(
    life: &Life,
    top: &TopConfig,
    (store, doors, limiter): (&Arc<dyn Store>, &Doors, &Arc<dyn Limiter>),
    (name, cluster): (String, Option<(NodeId, Peers)>),
) -> Result<Router, Failure> {
    let Some(key) = crate::admin::key(top)? else {
        return Ok(Router::new());
    };
    Ok(node::api::admin::router(AdminPorts {
        key,
        store: store.clone(),
        doors: doors.clone(),
        drain: life.drain.clone(),
        limiter: limiter.clone(),
        clock: life.clock.clone(),
        name,
        cluster,
    }))
}

/// Listens and serves; where.
pub(super) fn begin(
    life: &Life,
    (top, config): (&TopConfig, &NodeConfig),
    served: Served,
) -> Result<SocketAddr, Failure> {
    let ports = Arc::new(served.ports);
    let router = node::api::router_with(ports.clone(), served.others);
    let deadline = life.config.drain_deadline;
    let listen = Listen {
        address: top.listen,
        drain_deadline: deadline,
    };
    let node = Node::start(
        config,
        &listen,
        ports,
        &served.doors,
        (router, served.cluster),
    )
    .map_err(|error| cannot_listen("listen", top.listen, error))?;
    if !top.limits {
        warn!("rate limits are off: for load tests on a machine of your own");
    }
    let address = node.local_addr();
    let running = node.run(life.drain.clone(), deadline.mul_f32(SOCKETS_SHARE));
    life.drain.spawn("node", running);
    Ok(address)
}

/// The sessions whose tokens may still run although they were signed out before this process started.
pub(super) async fn revoked_lately(
    life: &Life,
    store: &dyn Store,
) -> Result<Arc<RevokedSessions>, Failure> {
    let since = Timestamp(life.clock.unix_ms() as i64 - REVOKED_MILLIS);
    let revoked = RevokedSessions::default();
    let recent = store.revoked_since(since).await.map_err(Failure::of)?;
    revoked.add(&recent, life.clock.unix_seconds());
    Ok(Arc::new(revoked))
}

/// Waits until every other node can have read this one's lease: before, a request of a session here that came to another
/// node would find nobody to be passed on to. Where there is no roster, nobody is waited for beyond a lease.
async fn known_to_all(mut peers: Peers, me: NodeId) {
    let listed = async {
        while peers.url(me).is_none() {
            if !peers.changed().await {
                return;
            }
        }
        tokio::time::sleep(BEAT_PERIOD + BEAT_SLACK).await;
    };
    if tokio::time::timeout(LEASE, listed).await.is_err() {
        warn!("this node begins without a roster: requests that come to the wrong node begin anew");
    }
}

/// Another one at each start, so that a node that comes back owns no session of its former life.
fn new_id() -> NodeId {
    let random = uuid::Uuid::new_v4().as_fields().0;
    NodeId(random.max(1))
}

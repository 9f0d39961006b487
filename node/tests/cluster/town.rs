//! Nodes on one store, and people who are signed in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use bus::hints::Bus;
use bus::hints_local::LocalBus;
use bus::limits::Unlimited;
use bus::roster::{NodeCard, Roster as _};
use bus::roster_local::LocalRoster;
use http::Request;
use node::api::admin::token::{AdminKey, Grant, Scope};
use node::api::admin::{self, AdminPorts};
use node::cluster::{Cluster, Peers};
use node::contract::Documents;
use node::ports::{Hubs, Ports, Settings};
use node::revoked::RevokedSessions;
use node::{Doors, Listen, Node, NodeConfig, Passage};
use protocol::ids::{NodeId, RoomId, SessionId, UserId};
use protocol::time::Timestamp;
use protocol::token::{Claims, KeySet, Signer};
use protocol::user::User;
use serde_json::{Value, json};
use service::clock::Clock;
use service::drain::{Drain, Patience};
use service::secret::Secret;
use store::{NewSession, Store};
use tokio::sync::watch;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::faults::{FaultyBus, FaultyRoster};
use crate::socket::{PATIENCE, Socket};

const ISSUER: &str = "https://chat.test";
const AUDIENCE: &str = "chatify";

/// One node.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) bus: Arc<FaultyBus>,
    pub(crate) roster: Arc<FaultyRoster>,
    pub(crate) peers: Peers,
    pub(crate) id: NodeId,
    doors: Doors,
    router: Router,
    pub(crate) drain: Drain,
}

/// All of them.
pub(crate) struct Town {
    pub(crate) nodes: Vec<Place>,
    pub(crate) store: Arc<dyn Store>,
    signer: Signer,
    people: AtomicU64,
}

/// Somebody who is signed in.
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) session: SessionId,
    token: String,
}

impl Place {
    /// Whether the roster says that somebody is connected here.
    pub(crate) async fn stands_in_roster(&self, who: UserId) -> bool {
        let found = self.roster.standings(vec![who]).await.unwrap();
        found[0].iter().any(|(node, _)| *node == self.id)
    }
}

impl Person {
    /// What lets them in.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Their id as it stands in events.
    pub(crate) fn name(&self) -> String {
        self.id.to_string()
    }
}

impl Town {
    /// So many nodes that know each other.
    pub(crate) async fn of(nodes: usize) -> Self {
        Self::with(nodes, Settings::default()).await
    }

    pub(crate) async fn with(nodes: usize, settings: Settings) -> Self {
        let buses = LocalBus::cluster(nodes).into_iter();
        Self::on(
            buses.map(|bus| Arc::new(bus) as Arc<dyn Bus>).collect(),
            settings,
        )
        .await
    }

    /// A node on each of these buses, which know each other.
    pub(crate) async fn on(buses: Vec<Arc<dyn Bus>>, settings: Settings) -> Self {
        let nodes = buses.len();
        let store = store::open("sqlite::memory:").await.unwrap();
        let signer = Signer::from_seed("k1", &[7; 32]).unwrap();
        let keys = KeySet::new(ISSUER, AUDIENCE)
            .with("k1", signer.public())
            .unwrap();
        let (_, keys) = watch::channel(Arc::new(keys));
        let roster = LocalRoster::new();
        let places = buses.into_iter().zip(1..);
        let places = places.map(|(bus, number)| {
            let doors = Doors::default();
            let ports = Arc::new(Ports {
                store: store.clone(),
                hubs: Arc::new(doors.clone()),
                keys: keys.clone().into(),
                revoked: Arc::new(RevokedSessions::default()),
                limiter: Arc::new(Unlimited),
                clock: Clock::System,
                settings: settings.clone(),
                exports: node::api::Exports::default(),
                documents: Documents::with([]),
            });
            let bus = Arc::new(FaultyBus::new(bus));
            let roster = FaultyRoster::new(roster.clone());
            start(number, ports, doors, (bus, roster))
        });
        let town = Self {
            nodes: places.collect(),
            store,
            signer,
            people: AtomicU64::new(0),
        };
        for place in &town.nodes {
            let mut peers = place.peers.clone();
            let all = async {
                while peers.alive().len() < nodes {
                    assert!(peers.changed().await);
                }
            };
            tokio::time::timeout(PATIENCE, all).await.unwrap();
        }
        town
    }

    pub(crate) async fn person(&self, name: &str) -> Person {
        let nth = self.people.fetch_add(1, Ordering::SeqCst) + 1;
        let id = UserId(Uuid::new_v4());
        let now = Clock::System.unix_ms() as i64;
        let user = User {
            id,
            display_name: name.to_owned(),
            avatar_url: None,
            created_at: Timestamp(now),
        };
        let mail = format!("p{nth}@chat.test");
        self.store.user_by_email(mail, user).await.unwrap();
        let session = SessionId(Uuid::new_v4());
        let new = NewSession {
            id: session,
            user: id,
            device: None,
            at: Timestamp(now),
            refresh_hash: [nth as u8; 32],
            refresh_expires: Timestamp(now + 1_000_000),
        };
        self.store.create_session(new).await.unwrap();
        let token = self.signer.sign(&Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: id,
            sid: session,
            jti: Uuid::new_v4(),
            iat: (now / 1_000 - 10) as u64,
            exp: (now / 1_000 + 600) as u64,
            nbf: None,
        });
        Person { id, session, token }
    }

    /// A group with these people in it, made over the first node.
    pub(crate) async fn room(&self, owner: &Person, members: &[&Person]) -> RoomId {
        let ids: Vec<_> = members.iter().map(|member| member.id).collect();
        let body = json!({"type": "group", "name": "a room", "memberIds": ids});
        let made = self.call(0, owner, ("POST", "/v1/rooms"), body).await;
        made["id"].as_str().unwrap().parse().unwrap()
    }

    /// A socket of somebody at a node.
    pub(crate) async fn connect(&self, node: usize, who: &Person) -> Socket {
        Socket::connect(self.nodes[node].address, &who.token).await
    }

    /// A REST call that is granted.
    pub(crate) async fn call(
        &self,
        node: usize,
        who: &Person,
        (method, path): (&str, &str),
        body: Value,
    ) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", who.token))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let router = self.nodes[node].router.clone();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(
            status.is_success(),
            "{status} {}",
            String::from_utf8_lossy(&bytes)
        );
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// An administrator's call that is granted.
    pub(crate) async fn admin(
        &self,
        node: usize,
        scope: Scope,
        (method, path): (&str, &str),
    ) -> Value {
        let token = admin_key().token(&Grant {
            name: "elder".to_owned(),
            scope,
            exp: Clock::System.unix_seconds() + 60,
        });
        let elder = Person {
            id: UserId(Uuid::nil()),
            session: SessionId(Uuid::nil()),
            token,
        };
        self.call(node, &elder, (method, path), Value::Null).await
    }

    /// The doors of a node's hubs.
    pub(crate) fn hubs(&self, node: usize) -> &dyn Hubs {
        &self.nodes[node].doors
    }

    /// A node stops in good order.
    pub(crate) async fn stop(&self, node: usize) {
        let drain = self.nodes[node].drain.clone();
        drain.leave("the test wants it");
        let patience = Patience {
            grace: Duration::ZERO,
            deadline: PATIENCE,
        };
        assert!(drain.stop(patience).await.is_clean());
    }
}

fn admin_key() -> AdminKey {
    AdminKey::new(&Secret::new(
        "the key of this town's elders, alone".to_owned(),
    ))
    .unwrap()
}

/// Nobody's at this moment: a node says where it is reached before it listens.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn start(
    number: u32,
    ports: Arc<Ports>,
    doors: Doors,
    (bus, roster): (Arc<FaultyBus>, Arc<FaultyRoster>),
) -> Place {
    let config = NodeConfig {
        name: Some(format!("node-{number}")),
        shards: 2,
        connections: 1_000,
        outbox_bytes: 262_144,
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(10),
        frames_per_second: 1_000,
        drain_closes: 200,
        reads: 64,
    };
    let listen = Listen {
        address: free_address(),
        drain_deadline: PATIENCE,
    };
    let card = NodeCard {
        id: NodeId(number),
        name: format!("node-{number}"),
        url: format!("http://{}", listen.address),
        hears: true,
    };
    let mut cluster = Cluster::new(bus.clone(), roster.clone(), card);
    let peers = cluster.peers();
    let key = Secret::new("the key of this town's nodes alone".to_owned());
    let passage = Passage::new(&config, &key, peers.clone(), Clock::System);
    let passage = Arc::new(passage);
    cluster.elsewhere = Some(passage.clone());
    cluster.reach = Some(passage.clone());
    let drain = Drain::new();
    let admin = admin::router(AdminPorts {
        key: admin_key(),
        store: ports.store.clone(),
        doors: doors.clone(),
        drain: drain.clone(),
        limiter: ports.limiter.clone(),
        clock: Clock::System,
        name: format!("node-{number}"),
        cluster: Some((NodeId(number), peers.clone())),
    });
    let others = admin.merge(passage.router(NodeId(number)));
    let router = node::api::router_with(ports.clone(), others);
    let node = Node::start(
        &config,
        &listen,
        ports,
        &doors,
        (router.clone(), Some(cluster)),
    )
    .unwrap();
    let address = node.local_addr();
    drain.spawn("node", node.run(drain.clone(), PATIENCE));
    Place {
        address,
        bus,
        roster,
        peers,
        id: NodeId(number),
        doors,
        router,
        drain,
    }
}

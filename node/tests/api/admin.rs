//! Administrators: who is one, what each may do, and that every call is written down before it is done.

use std::sync::Arc;

use bus::limits_local::LocalLimiter;
use node::Doors;
use node::api::admin::token::{AdminKey, Grant, Scope};
use node::api::admin::{AdminPorts, openapi, router};
use protocol::time::Timestamp;
use serde_json::{Value, json};
use service::clock::Clock;
use service::drain::{Drain, Phase};
use service::secret::Secret;

use crate::shell::TODAY;
use crate::world::{Reply, World, call};

const NOW: u64 = TODAY.0 as u64;

struct Office {
    world: World,
    key: AdminKey,
    drain: Drain,
}

impl Office {
    async fn new() -> Self {
        let mut world = World::new().await;
        let key = AdminKey::new(&Secret::new("k".repeat(32))).unwrap();
        let drain = Drain::new();
        let admin = router(AdminPorts {
            key: key.clone(),
            store: world.store.clone(),
            doors: Doors::default(),
            drain: drain.clone(),
            limiter: Arc::new(LocalLimiter::new()),
            clock: Clock::manual(NOW).0,
            name: "alone".to_owned(),
            cluster: None,
        });
        let ports = world.ports();
        world.router = node::api::router_with(Arc::new(ports), admin);
        Self { world, key, drain }
    }

    fn token(&self, scope: Scope, seconds: u64) -> String {
        self.key.token(&Grant {
            name: "ada".to_owned(),
            scope,
            exp: NOW / 1_000 + seconds,
        })
    }

    async fn send(&self, method: &str, path: &str, token: &str) -> Reply {
        let call = call(method, path).header("authorization", &format!("Bearer {token}"));
        self.world.send(call).await
    }

    async fn get(&self, path: &str) -> Value {
        let token = self.token(Scope::Read, 60);
        self.send("GET", path, &token).await.expect(200).json()
    }

    async fn notes(&self) -> Vec<String> {
        let notes = self.world.store.notes(None, 100).await.unwrap();
        notes
            .into_iter()
            .map(|note| format!("{} {}", note.who, note.action))
            .collect()
    }
}

/// Every operation of the document: method, path.
fn operations() -> Vec<(String, String)> {
    let document = serde_json::to_value(openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap().clone();
    let methods = |(path, item): (String, Value)| {
        let methods: Vec<String> = item.as_object().unwrap().keys().cloned().collect();
        methods
            .into_iter()
            .map(move |method| (method.to_uppercase(), path.clone()))
    };
    paths.into_iter().flat_map(methods).collect()
}

#[tokio::test]
async fn no_operation_opens_to_anybody_but_an_administrator_of_the_right_scope() {
    let office = Office::new().await;
    let person = office.world.person("Ann").await;
    let other_key = AdminKey::new(&Secret::new("o".repeat(32))).unwrap();
    let grant = Grant {
        name: "eve".to_owned(),
        scope: Scope::Operate,
        exp: u64::MAX,
    };
    let operations = operations();
    assert_eq!(operations.len(), 7);
    for (method, path) in &operations {
        let path = path.replace("{id}", "00000000");
        let refused = async |token: &str, status: u16, code: &str| {
            let reply = office.send(method, &path, token).await.expect(status);
            assert_eq!(reply.code(), code, "{method} {path}");
        };
        let bare = office.world.send(call(method, &path)).await.expect(401);
        assert_eq!(bare.code(), "token_missing");
        refused(&person.token, 401, "token_invalid").await;
        refused(&other_key.token(&grant), 401, "token_invalid").await;
        refused(&office.token(Scope::Operate, 0), 401, "token_expired").await;
        if method != "GET" {
            refused(&office.token(Scope::Read, 60), 403, "forbidden").await;
        }
    }
    assert_eq!(office.notes().await, [""; 0], "what is refused is not done");
    assert_eq!(office.drain.phase(), Phase::Serving);
    // The other way round: an administrator is no person.
    let token = office.token(Scope::Operate, 60);
    office.send("GET", "/v1/users/me", &token).await.expect(401);
}

#[tokio::test]
async fn every_call_is_written_down_and_the_log_is_read_page_by_page() {
    let office = Office::new().await;
    let ann = office.world.person("Ann").await;
    office.get("/v1/admin/users?q=an").await;
    office
        .get(&format!("/v1/admin/sessions?user={}", ann.id))
        .await;
    let page = office.get("/v1/admin/audit?limit=2").await;
    let notes = page["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 2);
    assert_eq!(notes[0]["action"], "GET /v1/admin/audit");
    assert_eq!(
        notes[1]["target"],
        format!("/v1/admin/sessions?user={}", ann.id)
    );
    assert_eq!(notes[1]["at"], json!(Timestamp(TODAY.0)));
    let before = notes[1]["id"].as_str().unwrap();
    let older = office
        .get(&format!("/v1/admin/audit?before={before}"))
        .await;
    assert_eq!(older["notes"][0]["target"], "/v1/admin/users?q=an");
    assert_eq!(older["notes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_administrator_has_a_budget_and_what_is_beyond_it_is_not_written_down() {
    let office = Office::new().await;
    let token = office.token(Scope::Read, 60);
    for _ in 0..200 {
        office
            .send("GET", "/v1/admin/nodes", &token)
            .await
            .expect(200);
    }
    let refused = office
        .send("GET", "/v1/admin/nodes", &token)
        .await
        .expect(429);
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    let notes = office.world.store.notes(None, 1_000).await.unwrap();
    assert_eq!(notes.len(), 200);
    let other = office.key.token(&Grant {
        name: "bob".to_owned(),
        scope: Scope::Read,
        exp: NOW / 1_000 + 60,
    });
    office
        .send("GET", "/v1/admin/nodes", &other)
        .await
        .expect(200);
}

#[tokio::test]
async fn who_tries_tokens_is_slowed_down_and_keeps_no_administrator_out() {
    let office = Office::new().await;
    for _ in 0..60 {
        office
            .send("GET", "/v1/admin/nodes", "guess")
            .await
            .expect(401);
    }
    let refused = office
        .send("GET", "/v1/admin/nodes", "guess")
        .await
        .expect(429);
    assert_eq!(refused.code(), "rate_limited");
    office.get("/v1/admin/nodes").await;
}

#[tokio::test]
async fn people_rooms_and_devices_are_found_without_their_secrets() {
    let office = Office::new().await;
    let (ann, ben) = (
        office.world.person("Ann").await,
        office.world.person("Ben").await,
    );
    let room = office.world.room("private", &ann, &[&ben]).await;
    office
        .world
        .say(&ann, room, "nobody else may read this")
        .await;
    let by_name = office.get("/v1/admin/users?q=ann").await;
    let by_mail = office.get("/v1/admin/users?email=p1@chat.test").await;
    let by_id = office.get(&format!("/v1/admin/users?id={}", ann.id)).await;
    assert_eq!(by_name["users"][0]["displayName"], "Ann");
    assert_eq!((&by_name, &by_mail), (&by_id, &by_id));
    let token = office.token(Scope::Read, 60);
    office
        .send("GET", "/v1/admin/users", &token)
        .await
        .expect(400);

    let by_id = office.get(&format!("/v1/admin/rooms?id={room}")).await;
    assert_eq!(by_id["rooms"][0]["messages"], 1);
    let by_user = office
        .get(&format!("/v1/admin/rooms?user={}", ben.id))
        .await;
    assert_eq!(by_user["rooms"][0]["room"]["id"], room.to_string());
    assert!(!by_user.to_string().contains("nobody else"), "{by_user}");

    let devices = office
        .get(&format!("/v1/admin/sessions?user={}", ann.id))
        .await;
    assert_eq!(devices["sessions"][0]["userId"], ann.id.to_string());
    assert!(!devices.to_string().to_lowercase().contains("hash"));
}

#[tokio::test]
async fn a_node_is_drained_by_its_number_alone() {
    let office = Office::new().await;
    let nodes = office.get("/v1/admin/nodes").await;
    let me = nodes["nodes"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(nodes["nodes"][0]["this"], true);
    let token = office.token(Scope::Operate, 60);
    for wrong in ["0000000a", "x"] {
        let path = format!("/v1/admin/nodes/{wrong}/drain");
        office.send("POST", &path, &token).await.expect(404);
    }
    assert_eq!(office.drain.phase(), Phase::Serving);
    let path = format!("/v1/admin/nodes/{me}/drain");
    office.send("POST", &path, &token).await.expect(202);
    assert_eq!(office.drain.phase(), Phase::Leaving);
    assert_eq!(
        office.notes().await[0],
        "ada POST /v1/admin/nodes/{id}/drain"
    );
}

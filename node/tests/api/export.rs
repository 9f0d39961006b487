//! `POST /v1/users/me/export`: all of one's own, nothing of others, and no burden for the node.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use bus::limits::Unlimited;
use bus::limits_local::LocalLimiter;
use http_body_util::BodyExt as _;
use node::api::EXPORTS_AT_ONCE_MAX;
use node::ports::Settings;
use serde_json::{Value, json};
use store::Store;
use uuid::Uuid;

use crate::world::{Call, Person, World, call};

const PATH: &str = "/v1/users/me/export";

fn export(who: &Person) -> Call {
    call("POST", PATH).by(who)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

/// A database of its own on the server that `make test` has started.
async fn mongo() -> Arc<dyn Store> {
    let url = std::env::var("CHATIFY_TEST_MONGODB")
        .expect("CHATIFY_TEST_MONGODB is not set: run `make test`, or `eval \"$(ops/dev/servers.sh start)\"`");
    let (hosts, query) = url.split_once('?').unwrap_or((&url, ""));
    let database = Uuid::new_v4().simple();
    let url = format!("{}/t{database}?{query}", hosts.trim_end_matches('/'));
    store::open(&url).await.unwrap()
}

async fn world_on(store: Arc<dyn Store>) -> World {
    World::on(store, Settings::default(), Arc::new(Unlimited), false).await
}

async fn everything_of_ones_own_and_nothing_of_others(world: World) {
    let ada = world.person("Ada").await;
    let bob = world.person("Bob").await;
    let shared = world.room("private", &bob, &[&ada]).await;
    let left = world.room("private", &bob, &[&ada]).await;
    let gone = world.room("group", &ada, &[&bob]).await;
    let first = world.said(&ada, shared, "a first thougt").await;
    world.said(&bob, shared, "bob's own words").await;
    let place = format!("/v1/rooms/{shared}/messages/{first}");
    let better = json!({"text": "a first thought"});
    world.ask(&ada, "PATCH", &place, better).await.expect(200);
    let fox = format!("{place}/reactions/%F0%9F%A6%8A");
    world.do_(&bob, "PUT", &fox).await.expect(200);
    let cat = format!("{place}/reactions/%F0%9F%90%88");
    world.do_(&ada, "PUT", &cat).await.expect(200);
    world.said(&ada, left, "said before I left").await;
    let me = format!("/v1/rooms/{left}/members/me");
    world.do_(&ada, "DELETE", &me).await.expect(204);
    world.said(&bob, left, "said behind her back").await;
    world.said(&ada, gone, "said where nothing is left").await;
    let room = format!("/v1/rooms/{gone}");
    world.do_(&ada, "DELETE", &room).await.expect(204);

    let reply = world.send(export(&ada)).await.expect(200);
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(
        reply
            .header("content-disposition")
            .starts_with("attachment")
    );
    let rows = lines(&reply.text);
    assert_eq!(rows[0]["profile"]["id"], json!(ada.id));
    let of = |kind: &str| rows.iter().filter(|row| !row[kind].is_null()).count();
    assert_eq!((of("device"), of("room")), (1, 1), "{}", reply.text);
    let wrote: Vec<_> = rows
        .iter()
        .flat_map(|row| [&row["did"]["said"]["text"], &row["did"]["edited"]["text"]])
        .filter_map(Value::as_str)
        .collect();
    for own in [
        "a first thougt",
        "a first thought",
        "said before I left",
        "said where nothing is left",
    ] {
        assert_eq!(
            wrote.iter().filter(|text| **text == own).count(),
            1,
            "{own}"
        );
    }
    assert_eq!(wrote.len(), 4);
    assert!(reply.text.contains("🐈") && reply.text.contains("p1@chat.test"));
    for foreign in [
        "bob's",
        "behind",
        "🦊",
        "p2@",
        &bob.id.to_string(),
        "refresh",
    ] {
        assert!(!reply.text.contains(foreign), "{foreign}");
    }
    assert_eq!(rows.last(), Some(&json!({"end": {"lines": rows.len()}})));
}

#[tokio::test]
async fn a_person_is_given_all_of_their_own_and_nothing_of_others_on_sqlite() {
    everything_of_ones_own_and_nothing_of_others(World::new().await).await;
}

#[tokio::test]
async fn a_person_is_given_all_of_their_own_and_nothing_of_others_on_mongodb() {
    everything_of_ones_own_and_nothing_of_others(world_on(mongo().await).await).await;
}

/// The next piece of an answer that is being read.
async fn piece(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

#[tokio::test]
async fn nothing_is_read_before_its_reader_wants_it() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    world.said(&ada, room, "said before").await;
    let mut body = world.begin(export(&ada)).await.into_body();
    let first = piece(&mut body).await.unwrap().unwrap();
    assert!(first.starts_with(b"{\"profile\""));
    world.said(&ada, room, "said while it is read").await;
    let mut rest = String::new();
    while let Some(more) = piece(&mut body).await {
        rest.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
    }
    assert!(rest.contains("said before") && rest.contains("said while it is read"));
    assert!(lines(&rest).last().unwrap()["end"].is_object());
}

#[tokio::test]
async fn a_node_writes_so_many_at_once_and_refuses_the_next_until_one_has_ended() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let mut open = Vec::new();
    for _ in 0..EXPORTS_AT_ONCE_MAX {
        let begun = world.begin(export(&ada)).await;
        assert_eq!(begun.status(), 200);
        open.push(begun.into_body());
    }
    let refused = world.send(export(&ada)).await.expect(503);
    assert_eq!(refused.code(), "overloaded");
    assert_eq!(refused.header("retry-after"), "10");
    open.pop();
    world.send(export(&ada)).await.expect(200);
    while piece(&mut open[0]).await.is_some() {}
    assert_eq!(world.begin(export(&ada)).await.status(), 200);
}

#[tokio::test]
async fn a_person_may_ask_a_few_times_a_day() {
    let limiter = Arc::new(LocalLimiter::new());
    let world = World::with(Settings::default(), limiter, false).await;
    let ada = world.person("Ada").await;
    for _ in 0..5 {
        world.send(export(&ada)).await.expect(200);
    }
    let refused = world.send(export(&ada)).await.expect(429);
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(
        refused.header("ratelimit-policy"),
        "\"exports\";q=5;w=86400"
    );
    let bob = world.person("Bob").await;
    world.send(export(&bob)).await.expect(200);
}

#[tokio::test]
async fn an_export_ends_when_its_device_is_signed_out() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    world.said(&ada, room, "what a thief wants to read").await;
    let mut body = world.begin(export(&ada)).await.into_body();
    piece(&mut body).await.unwrap().unwrap();
    let now = world.ports().clock.unix_seconds();
    world.revoked.add(&[ada.session], now);
    assert!(piece(&mut body).await.unwrap().is_err());
    assert!(piece(&mut body).await.is_none());
}

#[tokio::test]
async fn an_export_is_not_kept_under_its_idempotency_key() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    let keyed = || export(&ada).header("idempotency-key", "again");
    // A layer that gathered the body would have read the message that is not said yet.
    let mut body = world.begin(keyed()).await.into_body();
    world.said(&ada, room, "said meanwhile").await;
    let mut first = String::new();
    while let Some(more) = piece(&mut body).await {
        first.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
    }
    assert!(first.contains("said meanwhile"));
    world.said(&ada, room, "said later").await;
    let again = world.send(keyed()).await.expect(200);
    assert_eq!(again.header("idempotency-replayed"), "");
    assert!(again.text.contains("said later"));
}

#[tokio::test]
async fn nobody_is_given_an_erased_person() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    world
        .store
        .erase_user(ada.id, crate::shell::TODAY)
        .await
        .unwrap();
    let refused = world.send(export(&ada)).await.expect(404);
    assert_eq!(refused.code(), "user_not_found");
}

//! Subscriptions that are dead and do not say so: a node finds out by itself, since it does not hear its own voice.
//! Times are printed and never asserted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::ClusterKey;
use bus::hints::Bus;
use node::ports::Settings;
use serde_json::json;
use uuid::Uuid;

use crate::proxy::{Proxy, Wire};
use crate::town::Town;

/// Ann on the first node, Ben on the second: one message gets through before `spoil` is called, and one after `healed`.
async fn heals(town: Town, spoil: impl AsyncFnOnce(&Town), healed: impl AsyncFn(&Town) -> bool) {
    let (ann, ben) = (town.person("Ann").await, town.person("Ben").await);
    let room = town.room(&ann, &[&ben]).await;
    let mut at_a = town.connect(0, &ann).await;
    let mut at_b = town.connect(1, &ben).await;
    let payload = |text: &str| json!({"roomId": room, "clientId": Uuid::new_v4(), "text": text});
    assert_eq!(
        at_a.ask("message:send", payload("before")).await["ok"],
        true
    );
    at_b.hear("before").await;
    spoil(&town).await;
    let began = Instant::now();
    let healing = async {
        while !healed(&town).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::socket::PATIENCE, healing)
        .await
        .expect("never healed");
    println!(
        "the ghost was found and healed after {:.1} s",
        began.elapsed().as_secs_f32()
    );
    let sent = Instant::now();
    assert_eq!(at_a.ask("message:send", payload("after")).await["ok"], true);
    at_b.hear("after").await;
    println!("a message took {} ms then", sent.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_subscriptions_died_silently_makes_them_anew() {
    let town = Town::of(2).await;
    let spoil = async |town: &Town| town.nodes[1].bus.go_deaf();
    heals(town, spoil, async |town| !town.nodes[1].bus.is_deaf()).await;
}

/// Every connection to Redis falls silent without an end; new ones get through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_connections_to_redis_fell_silent_hears_again() {
    let Ok(url) = std::env::var("CHATIFY_TEST_REDIS") else {
        panic!(
            "CHATIFY_TEST_REDIS is not set: run `make test`, or `eval \"$(ops/dev/servers.sh start)\"`"
        );
    };
    let server = url.trim_start_matches("redis://").to_owned();
    let wire = Proxy::before(&server).await;
    let key = ClusterKey::new(&Uuid::new_v4().to_string()).unwrap();
    let mut counters = Vec::new();
    let mut open = |url: &str| {
        let cluster = bus::open(url, &key).unwrap();
        counters.push(cluster.counters.clone());
        cluster.bus as Arc<dyn Bus>
    };
    let buses = vec![open(&url), open(&format!("redis://{}", wire.address))];
    let town = Town::on(buses, Settings::default()).await;
    let behind = counters.pop().unwrap();
    let losses = behind.losses.get();
    let spoil = async |_: &Town| {
        wire.turn(Wire::Silent);
        // Long enough for every connection that stands to have noticed.
        tokio::time::sleep(Duration::from_millis(100)).await;
        wire.turn(Wire::Whole);
    };
    heals(town, spoil, async |_: &Town| {
        behind.losses.get() > losses && behind.unconfirmed.get() == 0
    })
    .await;
}

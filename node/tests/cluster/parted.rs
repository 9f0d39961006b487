//! Nodes that the roster does not list any more: well and parted from Redis, frozen, or another one at the old address.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus::roster::{NodeCard, Roster as _};
use node::cluster::Peers;
use protocol::ids::NodeId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::socket::PATIENCE;
use crate::strays::{Polling, UNKNOWN, answer, ask, get, sent};
use crate::town::Town;

async fn until(peers: &Peers, is_so: impl Fn(&Peers) -> bool) {
    let mut peers = peers.clone();
    let waiting = async {
        while !is_so(&peers) {
            assert!(peers.changed().await);
        }
    };
    timeout(PATIENCE, waiting).await.expect("never so");
}

fn lists(peers: &Peers, node: NodeId) -> bool {
    peers.alive().iter().any(|card| card.id == node)
}

/// The roster lists the first node to nobody else.
async fn part(town: &Town) {
    let parted = town.nodes[0].id;
    for place in &town.nodes[1..] {
        place.roster.hides(parted);
    }
    town.nodes[0].roster.is_away(true);
    for place in &town.nodes[1..] {
        until(&place.peers, |peers| !lists(peers, parted)).await;
    }
}

/// Found as: clients that poll were sent away by every node but their own as soon as its lease had ended, again and again.
#[tokio::test]
async fn a_node_without_a_lease_that_answers_keeps_its_sessions() {
    let town = Town::of(3).await;
    let (ann, ben) = (town.person("Ann").await, town.person("Ben").await);
    let room = town.room(&ann, &[&ben]).await;
    let mut at_a = Polling::connect(&town, 0, &ann).await;
    // A poll that is under way when the lease ends: what it brings is the next message.
    let under_way = sent(town.nodes[1].address, &get(&at_a.target, "")).await;
    part(&town).await;
    let mut at_b = town.connect(1, &ben).await;
    let said = serde_json::json!({"roomId": room, "clientId": uuid::Uuid::new_v4(), "text": "while parted"});
    assert_eq!(at_b.ask("message:send", said).await["ok"], true);
    let told = timeout(PATIENCE, answer(under_way))
        .await
        .expect("an answer");
    assert_eq!(told.0, 200, "{}", told.1);
    for round in 0..6 {
        let text = format!("round {round}");
        at_a.send(room, &text).await;
        at_b.hear(&text).await;
    }
    // It is still known when it has a lease again, and when that has ended again.
    let id = town.nodes[0].id;
    town.nodes[0].roster.is_away(false);
    for place in &town.nodes[1..] {
        place.roster.hides(NodeId(0));
        until(&place.peers, |peers| lists(peers, id)).await;
    }
    at_a.send(room, "whole again").await;
    at_b.hear("whole again").await;
    part(&town).await;
    at_a.send(room, "parted again").await;
    at_b.hear("parted again").await;
}

/// A node with this number at this address, which had a lease a moment ago.
async fn vanished(town: &Town, id: NodeId, address: std::net::SocketAddr) {
    let place = &town.nodes[1];
    let card = NodeCard {
        id,
        name: "vanished".to_owned(),
        url: format!("http://{address}"),
        hears: true,
    };
    place.roster.beat(card).await.unwrap();
    until(&place.peers, |peers| lists(peers, id)).await;
    place.roster.hides(id);
    until(&place.peers, |peers| !lists(peers, id)).await;
}

/// The name of a session that a node with this number would own.
fn sid_of(node: NodeId) -> String {
    let mut raw = [7; 24];
    raw[16..20].copy_from_slice(&node.0.to_be_bytes());
    raw[20] = 0;
    URL_SAFE_NO_PAD.encode(raw)
}

#[tokio::test]
async fn a_frozen_node_is_not_waited_for() {
    let town = Town::of(2).await;
    // The kernel takes connections for it, and nobody ever reads what comes.
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let id = NodeId(77);
    vanished(&town, id, frozen.local_addr().unwrap()).await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", sid_of(id));
    let told = ask(town.nodes[1].address, &get(&target, "")).await;
    assert_eq!((told.0, told.1.as_str()), UNKNOWN);
    assert_eq!(town.nodes[1].peers.url(id), None);
}

/// An address that belongs to somebody else by now: it answers everything, and is given nobody's tokens.
#[tokio::test]
async fn somebody_else_at_the_address_of_a_node_is_not_taken_for_it() {
    let town = Town::of(2).await;
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = stranger.local_addr().unwrap();
    let heard = Arc::new(std::sync::Mutex::new(String::new()));
    let hearing = heard.clone();
    #[allow(clippy::disallowed_methods, reason = "a test's own task")]
    let answering = tokio::spawn(async move {
        while let Ok((mut socket, _)) = stranger.accept().await {
            let mut said = [0; 4096];
            let count = socket.read(&mut said).await.unwrap_or(0);
            hearing
                .lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&said[..count]));
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
            drop(socket.write_all(answer.as_bytes()).await);
        }
    });
    let id = NodeId(78);
    vanished(&town, id, address).await;
    until(&town.nodes[1].peers, |peers| peers.url(id).is_none()).await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", sid_of(id));
    let told = ask(town.nodes[1].address, &get(&target, "")).await;
    assert_eq!((told.0, told.1.as_str()), UNKNOWN);
    assert!(!heard.lock().unwrap().contains("/socket.io/"));
    answering.abort();
}

#[tokio::test]
async fn whoever_is_no_node_is_not_told_who_is_here() {
    let town = Town::of(1).await;
    let place = &town.nodes[0];
    let target = format!("/internal/here/{}/chance", place.id);
    for headers in ["", "x-chatify-passed-on: 0.0.0.0 1800000000 AAAA\r\n"] {
        let told = ask(place.address, &get(&target, headers)).await;
        assert_eq!(told.0, 404, "{}", told.1);
    }
}

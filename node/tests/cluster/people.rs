//! Who is there, seen from another node.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::Drops;
use crate::socket::{PATIENCE, Socket};
use crate::town::{Person, Town};

/// How somebody is, as a watching socket is answered.
async fn watch(socket: &mut Socket, whom: &Person) -> String {
    let answer = socket
        .ask("presence:watch", json!({"userIds": [whom.id]}))
        .await;
    assert_eq!(answer["ok"], true, "{answer}");
    status(&answer["data"]["users"])
}

fn status(users: &Value) -> String {
    users[0]["status"].as_str().unwrap().to_owned()
}

/// Ann and Ben share a room; Ben is connected to the last node.
async fn acquainted(nodes: usize) -> (Town, Person, Person, Socket) {
    let town = Town::of(nodes).await;
    let (ann, ben) = (town.person("Ann").await, town.person("Ben").await);
    town.room(&ann, &[&ben]).await;
    let watcher = town.connect(nodes - 1, &ben).await;
    (town, ann, ben, watcher)
}

#[tokio::test]
async fn whoever_comes_and_goes_on_one_node_is_seen_on_another() {
    let (town, ann, ben, mut watcher) = acquainted(2).await;
    assert_eq!(watch(&mut watcher, &ann).await, "offline");
    let mut socket = town.connect(0, &ann).await;
    watcher.sees(&ann.name(), &["online"]).await;
    let word = json!({"status": "dnd", "text": "writing"});
    assert_eq!(socket.ask("presence:set", word).await["ok"], true);
    watcher.sees(&ann.name(), &["dnd"]).await;
    // Who asks only now is told the same, over REST too.
    let path = format!("/v1/presence?users={}", ann.id);
    let seen = town.call(1, &ben, ("GET", &path), Value::Null).await;
    assert_eq!(status(&seen["users"]), "dnd");
    drop(socket);
    watcher.sees(&ann.name(), &["offline"]).await;
}

#[tokio::test]
async fn whoever_is_connected_already_is_found_by_the_first_who_asks() {
    let (town, ann, ben, mut watcher) = acquainted(2).await;
    let _socket = town.connect(0, &ann).await;
    let path = format!("/v1/presence?users={}", ann.id);
    let online = async {
        loop {
            // Her node tells the roster a moment after she came.
            let seen = town.call(1, &ben, ("GET", &path), Value::Null).await;
            if status(&seen["users"]) == "online" {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, online).await.unwrap();
    assert_eq!(watch(&mut watcher, &ann).await, "online");
}

#[tokio::test]
async fn moving_to_another_node_shows_nobody_as_gone() {
    let (town, ann, _ben, mut watcher) = acquainted(3).await;
    watch(&mut watcher, &ann).await;
    let mut first = town.connect(0, &ann).await;
    watcher.sees(&ann.name(), &["online"]).await;
    let away = json!({"status": "away"});
    assert_eq!(first.ask("presence:set", away).await["ok"], true);
    watcher.sees(&ann.name(), &["away"]).await;
    drop(first);
    let mut second = town.connect(1, &ann).await;
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    let let_go = async {
        while town.nodes[0].stands_in_roster(ann.id).await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, let_go).await.unwrap();
    // Her first node has let go of her, and her word has moved with her: the next thing that anybody sees is her next
    // word, and neither offline nor online in between.
    let dnd = json!({"status": "dnd"});
    assert_eq!(second.ask("presence:set", dnd).await["ok"], true);
    let next = watcher
        .sees(&ann.name(), &["offline", "unknown", "online", "dnd"])
        .await;
    assert_eq!(next, "dnd");
}

#[tokio::test]
async fn a_lost_word_is_said_again() {
    let (town, ann, _ben, mut watcher) = acquainted(2).await;
    watch(&mut watcher, &ann).await;
    town.nodes[0].bus.drops(Drops::Standings);
    let _socket = town.connect(0, &ann).await;
    let came = Instant::now();
    town.nodes[0].bus.drops(Drops::Nothing);
    watcher.sees(&ann.name(), &["online"]).await;
    println!("seen {} ms after she came", came.elapsed().as_millis());
}

#[tokio::test]
async fn a_node_that_dies_leaves_no_ghosts() {
    let (town, ann, _ben, mut watcher) = acquainted(2).await;
    watch(&mut watcher, &ann).await;
    let _socket = town.connect(0, &ann).await;
    watcher.sees(&ann.name(), &["online"]).await;
    // As others see it, it is dead: no beat, no word.
    town.nodes[0].roster.is_away(true);
    town.nodes[0].bus.cut();
    let died = Instant::now();
    watcher.sees(&ann.name(), &["offline"]).await;
    println!(
        "seen as gone {} ms after her node died (bound 15 s)",
        died.elapsed().as_millis()
    );
    assert_eq!(town.nodes[1].peers.alive().len(), 1);
    // It was not dead: it comes back with her.
    town.nodes[0].roster.is_away(false);
    town.nodes[0].bus.mend();
    watcher.sees(&ann.name(), &["online"]).await;
}

#[tokio::test]
async fn while_the_roster_is_away_nobody_knows_and_afterwards_everybody_does() {
    let (town, ann, ben, mut watcher) = acquainted(2).await;
    watch(&mut watcher, &ann).await;
    let _socket = town.connect(0, &ann).await;
    watcher.sees(&ann.name(), &["online"]).await;
    town.nodes.iter().for_each(|node| node.roster.is_away(true));
    watcher.sees(&ann.name(), &["unknown"]).await;
    // Whoever is connected to the node that is asked is known by it all the same.
    let path = format!("/v1/presence?users={}", ben.id);
    let seen = town.call(1, &ann, ("GET", &path), Value::Null).await;
    assert_eq!(status(&seen["users"]), "online");
    town.nodes
        .iter()
        .for_each(|node| node.roster.is_away(false));
    watcher.sees(&ann.name(), &["online"]).await;
}

#[tokio::test]
async fn a_node_that_leaves_is_gone_from_the_list_at_once() {
    let (town, ann, _ben, mut watcher) = acquainted(2).await;
    watch(&mut watcher, &ann).await;
    let mut socket = town.connect(0, &ann).await;
    watcher.sees(&ann.name(), &["online"]).await;
    let mut peers = town.nodes[1].peers.clone();
    assert_eq!(
        peers.url(town.nodes[0].id).as_deref(),
        Some("http://node-1.test")
    );
    town.stop(0).await;
    socket.end().await;
    let gone = async {
        while peers.url(town.nodes[0].id).is_some() {
            assert!(peers.changed().await);
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    watcher.sees(&ann.name(), &["offline"]).await;
}

//! A sign-out reaches every node's sockets.

use std::time::Instant;

use protocol::time::Timestamp;
use store::Revoke;

use crate::faults::Drops;
use crate::town::{Person, Town};

/// What auth does: the store first.
async fn sign_out(town: &Town, who: &Person) {
    let now = service::clock::Clock::System.unix_ms() as i64;
    let gone = town
        .store
        .revoke(who.id, Revoke::One(who.session), Timestamp(now))
        .await
        .unwrap();
    assert_eq!(gone, [who.session]);
}

#[tokio::test]
async fn a_sign_out_on_one_node_closes_the_sockets_on_another() {
    let town = Town::of(2).await;
    let ann = town.person("Ann").await;
    let mut socket = town.connect(1, &ann).await;
    sign_out(&town, &ann).await;
    let signed_out = Instant::now();
    town.hubs(0).revoked(vec![ann.session], "logout");
    let told = socket.event("session:revoked").await;
    socket.end().await;
    println!("closed {} ms after", signed_out.elapsed().as_millis());
    let reason = told["reason"].as_str().unwrap();
    // By the bus it is the true reason; had the look in the store come first, only that it is so.
    assert!(["logout", "revoked"].contains(&reason));
}

#[tokio::test]
async fn a_sign_out_of_which_nothing_is_heard_is_found_in_the_store() {
    let town = Town::of(2).await;
    let ann = town.person("Ann").await;
    let mut socket = town.connect(1, &ann).await;
    town.nodes[0].bus.drops(Drops::SignOuts);
    sign_out(&town, &ann).await;
    let signed_out = Instant::now();
    town.hubs(0).revoked(vec![ann.session], "revoked");
    socket.event("session:revoked").await;
    socket.end().await;
    println!(
        "closed {} ms after a sign-out that nobody told",
        signed_out.elapsed().as_millis()
    );
}

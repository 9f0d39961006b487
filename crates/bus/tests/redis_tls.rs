//! Servers that speak TLS: what a certificate must be for a process to use them, alone and as a cluster.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod servers;

use bus::hints::BusEvent;
use protocol::envelope::{Envelope, Topic};
use protocol::ids::{RoomId, UserId};
use servers::guarded::Guarded;
use servers::{PATIENCE, free_port, processes, ready};
use uuid::Uuid;

/// Two processes at this URL: news goes from one to the other.
async fn talk(url: &str) {
    let both = processes(url, 2);
    ready(&both).await;
    let room = RoomId(Uuid::from_u128(1));
    let mut events = both[1].bus.events();
    both[1].bus.watch(Topic::Room(room));
    let heard = async {
        while events.recv().await != Some(BusEvent::Watched(Topic::Room(room))) {}
        let said = Envelope::Typing {
            room,
            user: UserId(Uuid::from_u128(2)),
            active: true,
        };
        both[0].bus.publish(said.clone());
        while events.recv().await != Some(BusEvent::Said(said.clone())) {}
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("news");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_the_right_certificate_is_used_and_no_other() {
    let server = Guarded::start(|| free_port(false), &[]);
    let known = server.known();
    talk(&server.url("rediss", "localhost", &known)).await;
    for (what, host, query, advice) in [
        ("an unknown authority", "localhost", "", "?ca-file=PATH"),
        (
            "another name",
            "127.0.0.1",
            known.as_str(),
            "for another name",
        ),
    ] {
        let process = processes(&server.url("rediss", host, query), 1).remove(0);
        let nobody = vec![UserId(Uuid::nil())];
        let away = process.roster.standings(nobody).await.unwrap_err();
        let said = away.to_string();
        assert!(
            said.contains(advice) && !said.contains('\n'),
            "{what}: {said}"
        );
        println!("{what}: {said}");
        assert_eq!(process.counters.connections.get(), 0, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_names_its_servers_as_their_certificate_does_is_used() {
    // Clients are told a name that the certificate has.
    let names = [
        ["--cluster-enabled", "yes"],
        ["--tls-cluster", "yes"],
        ["--cluster-announce-hostname", "localhost"],
        ["--cluster-preferred-endpoint-type", "hostname"],
    ];
    let server = Guarded::start(|| free_port(true), &names.concat());
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.plain)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut slots = redis::cmd("CLUSTER");
    slots.arg(&["ADDSLOTSRANGE", "0", "16383"]);
    let () = slots.query_async(&mut connection).await.unwrap();
    talk(&server.url("rediss+cluster", "localhost", &server.known())).await;
}

#[tokio::test]
async fn a_server_tells_its_time_to_whoever_believes_its_certificate() {
    let server = Guarded::start(|| free_port(false), &[]);
    let asked = async |query: &str| {
        let clocks = bus::clocks(&server.url("rediss", "localhost", query)).await;
        clocks.unwrap().remove(0)
    };
    let clock = asked(&server.known()).await;
    assert!(clock.server.starts_with("localhost:"), "{clock:?}");
    // Some time after this was written: what it is compared with is the caller's.
    assert!(
        clock
            .unix_seconds
            .is_ok_and(|seconds| seconds > 1_790_000_000)
    );
    let why = asked("").await.unix_seconds.unwrap_err();
    assert!(
        why.contains("?ca-file=PATH") && !why.contains('\n'),
        "{why}"
    );
}

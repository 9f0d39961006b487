//! What happens to the bus on Redis when servers crash, freeze, fail over and move slots. Each test has servers of its
//! own. Times are printed and never asserted.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod servers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::hints::{Bus, BusEvent, Events};
use bus::limits::Policy;
use bus::roster::NodeCard;
use bus::{Cluster, ClusterKey, Patience};
use protocol::envelope::{Envelope, Topic};
use protocol::ids::{NodeId, RoomId, UserId};
use servers::{PATIENCE, RedisCluster, Server, key, processes, ready, until};
use uuid::Uuid;

fn room(n: u128) -> RoomId {
    RoomId(Uuid::from_u128(n))
}

fn typing(n: u128, round: u128) -> Envelope {
    Envelope::Typing {
        room: room(n),
        user: UserId(Uuid::from_u128(round)),
        active: true,
    }
}

async fn next(events: &mut Events) -> BusEvent {
    tokio::time::timeout(PATIENCE, events.recv())
        .await
        .expect("an event comes")
        .expect("the bus is open")
}

/// Two processes; the second one watches so many rooms.
async fn watching(url: &str, rooms: u128) -> (Cluster, Cluster, Events) {
    let both = processes(url, 2);
    ready(&both).await;
    let [a, b] = <[Cluster; 2]>::try_from(both).ok().unwrap();
    let mut events = b.bus.events();
    for n in 0..rooms {
        b.bus.watch(Topic::Room(room(n)));
    }
    for _ in 0..rooms {
        while !matches!(next(&mut events).await, BusEvent::Watched(_)) {}
    }
    assert!(b.bus.healthy());
    (a, b, events)
}

/// Speaks in every room again and again until each was heard once more; says how long the first and the last took.
async fn all_heard(a: &Arc<dyn Bus>, events: &mut Events, rooms: u128) -> (Duration, Duration) {
    let begun = Instant::now();
    let mut first = None;
    let mut silent: BTreeSet<Topic> = (0..rooms).map(|n| Topic::Room(room(n))).collect();
    let mut rounds = tokio::time::interval(Duration::from_millis(50));
    // Rounds of other calls may still be under way.
    let base = Uuid::new_v4().as_u128() >> 20;
    let mut round = base;
    let hearing = async {
        while !silent.is_empty() {
            tokio::select! {
                _ = rounds.tick() => {
                    round += 1;
                    (0..rooms).for_each(|n| a.publish(typing(n, round)));
                }
                event = events.recv() => {
                    if let Some(BusEvent::Said(Envelope::Typing { room, user, .. })) = event
                        && user.0.as_u128() > base && user.0.as_u128() <= round
                        && silent.remove(&Topic::Room(room))
                    {
                        first.get_or_insert(begun.elapsed());
                    }
                }
            }
        }
    };
    let heard = tokio::time::timeout(PATIENCE, hearing).await;
    assert!(heard.is_ok(), "rooms that stay silent: {silent:?}");
    (first.unwrap(), begun.elapsed())
}

/// Waits until a loss was told and everything is watched again; says which topics were confirmed anew.
async fn repaired(cluster: &Cluster, events: &mut Events) -> BTreeSet<Topic> {
    let (mut lost, mut again) = (false, BTreeSet::new());
    let waiting = async {
        while !lost || again.is_empty() || !cluster.bus.healthy() {
            // Looks again now and then: health is no event.
            match tokio::time::timeout(Duration::from_millis(50), events.recv()).await {
                Ok(Some(BusEvent::Lost)) => lost = true,
                Ok(Some(BusEvent::Watched(topic))) => drop(again.insert(topic)),
                _ => {}
            }
        }
        while let Some(event) = events.try_recv() {
            if let BusEvent::Watched(topic) = event {
                again.insert(topic);
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(
        waited.is_ok(),
        "lost was told: {lost}; {} confirmed anew",
        again.len()
    );
    again
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_and_a_restart_everything_is_watched_again_and_the_loss_is_told() {
    let mut server = Server::start().await;
    let (a, b, mut events) = watching(&server.url(), 100).await;
    server.kill();
    let begun = Instant::now();
    for n in 0..10_000 {
        a.bus.publish(typing(n % 100, n));
    }
    println!("10,000 published to nobody in {:?}", begun.elapsed());
    server.start_again().await;
    let begun = Instant::now();
    assert_eq!(repaired(&b, &mut events).await.len(), 100);
    println!("restart to repair: {:?}", begun.elapsed());
    all_heard(&a.bus, &mut events, 100).await;
    assert!(b.counters.losses.get() >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_is_noticed_and_comes_back() {
    let server = Server::start().await;
    let (a, b, mut events) = watching(&server.url(), 100).await;
    server.freeze();
    let begun = Instant::now();
    while next(&mut events).await != BusEvent::Lost {}
    println!("freeze noticed after {:?}", begun.elapsed());
    assert!(!b.bus.healthy());
    server.thaw();
    until("everything is watched again", async || b.bus.healthy()).await;
    all_heard(&a.bus, &mut events, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_several_servers_away_leaves_the_others_as_they_are() {
    let mut servers = [
        Server::start().await,
        Server::start().await,
        Server::start().await,
    ];
    let url = format!(
        "redis://{},{},{}",
        servers[0].address(),
        servers[1].address(),
        servers[2].address()
    );
    let (a, b, mut events) = watching(&url, 100).await;
    servers[0].kill();
    while next(&mut events).await != BusEvent::Lost {}
    let kept = 100 - b.counters.unconfirmed.get();
    assert!((30..100).contains(&kept), "{kept}");
    let mut heard = BTreeSet::new();
    while heard.len() < usize::try_from(kept).unwrap() {
        (0..100).for_each(|n| a.bus.publish(typing(n, 1)));
        if let BusEvent::Said(envelope) = next(&mut events).await {
            heard.insert(envelope.topic());
        }
    }
    servers[0].start_again().await;
    until("everything is watched again", async || b.bus.healthy()).await;
    all_heard(&a.bus, &mut events, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_hand_and_a_killed_master_leave_nothing_silent() {
    let mut cluster = RedisCluster::start().await;
    let (a, b, mut events) = watching(&cluster.url(), 200).await;

    let (_, replica) = cluster.pair().await;
    cluster.nodes[replica].ask(&["CLUSTER", "FAILOVER"]).await;
    let begun = Instant::now();
    let again = repaired(&b, &mut events).await.len();
    let repair = begun.elapsed();
    let (first, all) = all_heard(&a.bus, &mut events, 200).await;
    println!(
        "CLUSTER FAILOVER: {again} rooms watched again after {repair:?}; then heard {first:?} to {all:?}"
    );

    cluster.settled().await;
    let (master, _) = cluster.pair().await;
    cluster.nodes[master].kill();
    let begun = Instant::now();
    until("the loss is noticed", async || !b.bus.healthy()).await;
    let again = repaired(&b, &mut events).await.len();
    let repair = begun.elapsed();
    let (first, all) = all_heard(&a.bus, &mut events, 200).await;
    println!(
        "kill -9 of a master: {again} rooms watched again after {repair:?}; then heard {first:?} to {all:?}"
    );

    cluster.nodes[master].start_again().await;
    cluster.settled().await;
    let (_, all) = all_heard(&a.bus, &mut events, 200).await;
    println!("the killed master is back as a replica: all heard within {all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_freezes_is_replaced_and_may_come_back() {
    let cluster = RedisCluster::start().await;
    let (a, b, mut events) = watching(&cluster.url(), 100).await;
    let (master, _) = cluster.pair().await;
    cluster.nodes[master].freeze();
    let begun = Instant::now();
    repaired(&b, &mut events).await;
    let repair = begun.elapsed();
    let (first, all) = all_heard(&a.bus, &mut events, 100).await;
    println!(
        "SIGSTOP of a master: watched again after {repair:?}; then heard {first:?} to {all:?}"
    );
    cluster.nodes[master].thaw();
    cluster.settled().await;
    all_heard(&a.bus, &mut events, 100).await;
    until("nothing stays unconfirmed", async || b.bus.healthy()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_of_slots_that_move_are_heard_where_they_went() {
    let cluster = RedisCluster::start().await;
    let (a, b, mut events) = watching(&cluster.url(), 100).await;
    let [from, to] = [&cluster.nodes[0], &cluster.nodes[1]];
    let (from_id, to_id) = (
        from.text(&["CLUSTER", "MYID"]).await,
        to.text(&["CLUSTER", "MYID"]).await,
    );
    let channels: Vec<String> =
        redis::from_redis_value(from.ask(&["PUBSUB", "SHARDCHANNELS"]).await).unwrap();
    assert!(channels.len() > 10);
    for channel in &channels[..10] {
        let slot: u16 =
            redis::from_redis_value(from.ask(&["CLUSTER", "KEYSLOT", channel]).await).unwrap();
        let slot = slot.to_string();
        to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id])
            .await;
        from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id])
            .await;
        to.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
        from.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id])
            .await;
    }
    let begun = Instant::now();
    repaired(&b, &mut events).await;
    println!("10 moved slots: watched again after {:?}", begun.elapsed());
    let (first, all) = all_heard(&a.bus, &mut events, 100).await;
    println!("then heard {first:?} to {all:?}");
    until("nothing stays unconfirmed", async || b.bus.healthy()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forged_or_foreign_is_dropped_and_counted() {
    let server = Server::start().await;
    let (a, b, mut events) = watching(&server.url(), 1).await;
    let channels: Vec<String> =
        redis::from_redis_value(server.ask(&["PUBSUB", "CHANNELS"]).await).unwrap();
    let channel = channels
        .iter()
        .find(|name| name.starts_with("chatify:h:"))
        .unwrap();
    let body = serde_json::to_string(&typing(0, 666)).unwrap();
    let sealed_by_nobody = format!("0123456789abcdef{body}");
    for forged in ["", "x", &body, &sealed_by_nobody] {
        server.ask(&["PUBLISH", channel, forged]).await;
    }
    a.bus.publish(typing(0, 1));
    assert_eq!(next(&mut events).await, BusEvent::Said(typing(0, 1)));
    assert_eq!(b.counters.forged.get(), 4);
    // A cluster of another key on the same server hears nothing of it, and says nothing to it.
    let (foreign, _other, mut foreign_events) = watching(&server.url(), 1).await;
    foreign.bus.publish(typing(0, 2));
    assert_eq!(
        next(&mut foreign_events).await,
        BusEvent::Said(typing(0, 2))
    );
    a.bus.publish(typing(0, 3));
    assert_eq!(next(&mut events).await, BusEvent::Said(typing(0, 3)));
    assert_eq!(b.counters.forged.get(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_later_than_the_process_is_found() {
    let mut server = Server::start().await;
    server.kill();
    let cluster = bus::open(&server.url(), &key()).unwrap();
    let mut events = cluster.bus.events();
    let topic = Topic::Room(room(1));
    cluster.bus.watch(topic);
    assert!(!cluster.bus.healthy());
    let card = NodeCard {
        id: NodeId(1),
        name: "a".into(),
        url: "http://127.0.0.1:1".into(),
        hears: true,
    };
    assert!(cluster.roster.beat(card.clone()).await.is_err());
    server.start_again().await;
    while next(&mut events).await != BusEvent::Watched(topic) {}
    until("the roster is back", async || {
        cluster.roster.beat(card.clone()).await == Ok(vec![card.clone()])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_frozen_limits_are_stricter_and_quick_and_then_shared_again() {
    const POLICY: Policy = Policy::even("even", 40, Duration::from_secs(3_600));
    let server = Server::start().await;
    let cluster = bus::open_with(&server.url(), &key(), Patience::default()).unwrap();
    let local = || cluster.counters.limits_local.get();
    let now = 1_800_000_000_000;
    until("limits are shared", async || {
        let before = local();
        cluster.limiter.take("warm", POLICY, now).await;
        local() == before
    })
    .await;
    server.freeze();
    let begun = Instant::now();
    let mut allowed = 0;
    for _ in 0..1_000 {
        allowed += u32::from(cluster.limiter.take("a", POLICY, now).await.allowed);
    }
    println!("1,000 verdicts in an outage: {:?}", begun.elapsed());
    assert_eq!(allowed, 10, "a fourth");
    server.thaw();
    until("limits are shared again", async || {
        let before = local();
        cluster.limiter.look("a", POLICY, now).await;
        local() == before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_holds_over_two_processes() {
    let server = Server::start().await;
    let both = processes(&server.url(), 2);
    for policy in [
        Policy::even("even", 30, Duration::from_secs(3_600)),
        Policy::strict("strict", 30, Duration::from_secs(3_600)),
    ] {
        let takes = (0..200).map(|n| async move { n });
        let takes = takes.map(|n| async {
            let n: usize = n.await;
            both[n % 2]
                .limiter
                .take("a", policy, 1_800_000_000_000)
                .await
                .allowed
        });
        let verdicts = futures_util::future::join_all(takes).await;
        assert_eq!(verdicts.into_iter().filter(|allowed| *allowed).count(), 30);
    }
    // Scripts are loaded anew where they are unknown.
    server.ask(&["SCRIPT", "FLUSH"]).await;
    let strict = Policy::strict("strict", 30, Duration::from_secs(3_600));
    assert!(
        !both[0]
            .limiter
            .take("a", strict, 1_800_000_000_000)
            .await
            .allowed
    );
    assert_eq!(both[0].counters.limits_local.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_redis_tells_whom_it_is_about() {
    let server = Server::start().await;
    let (_, b, _events) = watching(&server.url(), 3).await;
    let policy = Policy::strict("mail", 3, Duration::from_secs(3_600));
    b.limiter
        .take("ada@example.com{*}", policy, 1_800_000_000_000)
        .await;
    let mut names: Vec<String> = redis::from_redis_value(server.ask(&["KEYS", "*"]).await).unwrap();
    names.extend(
        redis::from_redis_value::<Vec<String>>(server.ask(&["PUBSUB", "CHANNELS"]).await).unwrap(),
    );
    assert!(names.len() >= 4);
    for name in names {
        let tail = name.strip_prefix("chatify:").unwrap();
        assert!(
            tail.len() == 34 && tail[2..].bytes().all(|b| b.is_ascii_hexdigit()),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_the_few_rights_that_the_schema_names_is_enough() {
    let server = Server::start().await;
    let schema = include_str!("../src/redis/schema.md");
    let rights = schema
        .split("ACL SETUSER ")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let words: Vec<&str> = ["ACL", "SETUSER"]
        .into_iter()
        .chain(rights.split_whitespace())
        .collect();
    server.ask(&words).await;
    let url = format!("redis://chatify:PASSWORD@{}", server.address());
    let (a, b, mut events) = watching(&url, 3).await;
    all_heard(&a.bus, &mut events, 3).await;
    b.bus.unwatch(Topic::Room(room(0)));
    b.bus.watch(Topic::Room(room(9)));
    while next(&mut events).await != BusEvent::Watched(Topic::Room(room(9))) {}
    let card = NodeCard {
        id: NodeId(1),
        name: "a".into(),
        url: "http://127.0.0.1:1".into(),
        hears: true,
    };
    assert_eq!(a.roster.beat(card.clone()).await.unwrap(), [card]);
    let user = UserId(Uuid::from_u128(1));
    a.roster.put(NodeId(1), vec![(user, None)]).await.unwrap();
    a.roster.standings(vec![user]).await.unwrap();
    a.roster.leave(NodeId(1)).await.unwrap();
    for policy in [
        Policy::even("even", 5, Duration::from_secs(60)),
        Policy::strict("strict", 5, Duration::from_secs(60)),
    ] {
        a.limiter.take("a", policy, 1_800_000_000_000).await;
        a.limiter.look("a", policy, 1_800_000_000_000).await;
    }
    assert_eq!(a.counters.limits_local.get(), 0);
}

#[tokio::test]
async fn a_url_that_names_no_bus_is_one_clear_line() {
    let key: ClusterKey = key();
    for url in ["amqp://a", "redis://", "", "redis+cluster://a/2"] {
        let Err(error) = bus::open(url, &key) else {
            panic!("{url} was opened")
        };
        println!("{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_distrusted_is_subscribed_anew_and_the_loss_is_told() {
    let server = Server::start().await;
    let (a, b, mut events) = watching(&server.url(), 20).await;
    b.bus.distrust(&[Topic::Room(room(3))]);
    let again = repaired(&b, &mut events).await;
    assert_eq!(again.len(), 20, "one server carries them all");
    all_heard(&a.bus, &mut events, 20).await;
    // Nothing is listened to anew by a process that has not been told to.
    assert_eq!(a.counters.losses.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_kills_its_subscribers_is_listened_to_again() {
    let server = Server::start().await;
    let (a, b, mut events) = watching(&server.url(), 20).await;
    let begun = Instant::now();
    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    repaired(&b, &mut events).await;
    let (_, last) = all_heard(&a.bus, &mut events, 20).await;
    println!(
        "all heard {last:?} after it, {:?} after the kill",
        begun.elapsed()
    );
}

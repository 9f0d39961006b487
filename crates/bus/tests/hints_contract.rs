//! What every bus between nodes must keep, whatever it is made of: one suite, run for each backend by `contract!`.
//! Each test is given three processes of one cluster that nobody else talks to.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod servers;

use std::sync::Arc;
use std::time::Duration;

use bus::hints::{Bus, BusEvent, Events};
use bus::hints_local::LocalBus;
use protocol::entry::Hint;
use protocol::envelope::{Envelope, Topic};
use protocol::ids::{RoomId, SessionId, UserId};
use protocol::room::{Epoch, Head};
use servers::{PATIENCE, Server, limited, processes, ready, shared};
use uuid::Uuid;

type Processes = Vec<Arc<dyn Bus>>;

fn room(n: u128) -> RoomId {
    RoomId(Uuid::from_u128(n))
}

fn typing(room: RoomId, n: u128) -> Envelope {
    Envelope::Typing {
        room,
        user: UserId(Uuid::from_u128(n)),
        active: true,
    }
}

/// The first room's log ends here now.
fn grown(seq: u64) -> Envelope {
    let head = Head {
        epoch: Epoch(1),
        seq,
        n: seq,
    };
    let hint = Hint {
        room: room(1),
        head,
        entries: Vec::new(),
    };
    Envelope::Grown {
        hint: Box::new(hint),
    }
}

async fn next(events: &mut Events) -> BusEvent {
    tokio::time::timeout(PATIENCE, events.recv())
        .await
        .expect("an event comes")
        .expect("the bus is open")
}

/// Waits for a topic's confirmation; what comes before it is of no interest.
async fn watched(events: &mut Events, topic: Topic) {
    while next(events).await != BusEvent::Watched(topic) {}
}

async fn said(events: &mut Events) -> Envelope {
    loop {
        if let BusEvent::Said(envelope) = next(events).await {
            return envelope;
        }
    }
}

/// One word may be lost, as anything may be; a subscription that is dead hears none of them.
async fn say_until_heard(by: &Arc<dyn Bus>, events: &mut Events, envelope: &Envelope) {
    let saying = async {
        let mut again = tokio::time::interval(Duration::from_millis(100));
        loop {
            again.tick().await;
            by.publish(envelope.clone());
        }
    };
    let hearing = async { while said(events).await != *envelope {} };
    tokio::select! {
        () = saying => {}
        () = hearing => {}
    }
}

mod behaviour {
    use super::*;

    pub(super) async fn whoever_watches_a_topic_hears_it_and_nobody_else(processes: Processes) {
        let [a, b, c] = &processes[..] else { panic!() };
        let (mut b_events, mut c_events) = (b.events(), c.events());
        let (one, other) = (room(1), room(2));
        b.watch(Topic::Room(one));
        c.watch(Topic::Room(other));
        watched(&mut b_events, Topic::Room(one)).await;
        watched(&mut c_events, Topic::Room(other)).await;
        a.publish(typing(one, 7));
        a.publish(typing(other, 8));
        assert_eq!(said(&mut b_events).await, typing(one, 7));
        assert_eq!(said(&mut c_events).await, typing(other, 8));
        a.publish(typing(other, 9));
        assert_eq!(said(&mut c_events).await, typing(other, 9));
        assert_eq!(b_events.try_recv(), None);
    }

    pub(super) async fn whoever_says_that_a_log_has_grown_is_not_told_so(processes: Processes) {
        let [a, b, _] = &processes[..] else { panic!() };
        let (mut own, mut events) = (a.events(), b.events());
        let topic = Topic::Room(room(1));
        a.watch(topic);
        b.watch(topic);
        watched(&mut own, topic).await;
        watched(&mut events, topic).await;
        for n in 1..=100 {
            a.publish(grown(n));
            a.publish(typing(room(1), n.into()));
            assert_eq!(said(&mut own).await, typing(room(1), n.into()));
            assert_eq!(said(&mut events).await, grown(n));
            assert_eq!(said(&mut events).await, typing(room(1), n.into()));
        }
        // What others say of the same log is heard.
        b.publish(grown(101));
        assert_eq!(said(&mut own).await, grown(101));
    }

    pub(super) async fn every_kind_of_topic_is_heard(processes: Processes) {
        let [a, b, _] = &processes[..] else { panic!() };
        let mut events = b.events();
        let user = UserId(Uuid::from_u128(0x0123));
        let envelopes = [
            typing(room(1), 1),
            Envelope::Added {
                user,
                room: room(1),
            },
            Envelope::Revoked {
                sessions: vec![SessionId(Uuid::from_u128(5))],
                reason: "logout".into(),
            },
        ];
        for envelope in &envelopes {
            b.watch(envelope.topic());
            watched(&mut events, envelope.topic()).await;
            a.publish(envelope.clone());
            assert_eq!(said(&mut events).await, *envelope);
        }
    }

    pub(super) async fn one_topic_of_one_process_keeps_its_order(processes: Processes) {
        let [a, b, c] = &processes[..] else { panic!() };
        let topic = Topic::Room(room(1));
        let mut listeners = [b.events(), c.events()];
        b.watch(topic);
        c.watch(topic);
        for events in &mut listeners {
            watched(events, topic).await;
        }
        for n in 0..2_000 {
            a.publish(typing(room(1), n));
        }
        for events in &mut listeners {
            for n in 0..2_000 {
                assert_eq!(said(events).await, typing(room(1), n));
            }
        }
    }

    pub(super) async fn what_is_not_watched_any_more_is_not_heard(processes: Processes) {
        let [a, b, _] = &processes[..] else { panic!() };
        let mut events = b.events();
        let (left, kept) = (room(1), room(2));
        for room in [left, kept] {
            b.watch(Topic::Room(room));
            watched(&mut events, Topic::Room(room)).await;
        }
        b.unwatch(Topic::Room(left));
        b.unwatch(Topic::Room(left));
        // A few may still come, until the bus has heard of it.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for n in 0.. {
            a.publish(typing(left, n));
            a.publish(typing(kept, n));
            let mut still = false;
            loop {
                match tokio::time::timeout(PATIENCE / 10, said(&mut events)).await {
                    Ok(heard) if heard == typing(kept, n) => break,
                    Ok(heard) => still |= heard.topic() == Topic::Room(left),
                    // It was lost, as anything may be: nothing can be told by this round.
                    Err(_) => {
                        still = true;
                        break;
                    }
                }
            }
            // Servers may differ in speed: only what comes after the other room's word of the next round would tell.
            if !still && n > 2 {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline);
        }
        b.watch(Topic::Room(left));
        watched(&mut events, Topic::Room(left)).await;
        say_until_heard(a, &mut events, &typing(left, 999_999)).await;
    }

    pub(super) async fn watching_what_is_watched_changes_nothing(processes: Processes) {
        let [a, b, _] = &processes[..] else { panic!() };
        let mut events = b.events();
        let topic = Topic::Room(room(1));
        b.watch(topic);
        b.watch(topic);
        watched(&mut events, topic).await;
        b.watch(topic);
        a.publish(typing(room(1), 1));
        a.publish(typing(room(1), 2));
        assert_eq!(next(&mut events).await, BusEvent::Said(typing(room(1), 1)));
        assert_eq!(next(&mut events).await, BusEvent::Said(typing(room(1), 2)));
    }

    pub(super) async fn many_topics_are_confirmed_and_heard(processes: Processes) {
        let [a, b, _] = &processes[..] else { panic!() };
        let mut events = b.events();
        for n in 0..1_000 {
            b.watch(Topic::Room(room(n)));
        }
        for _ in 0..1_000 {
            while !matches!(next(&mut events).await, BusEvent::Watched(_)) {}
        }
        assert!(b.healthy());
        for n in 0..1_000 {
            a.publish(typing(room(n), n));
        }
        let mut heard = std::collections::BTreeSet::new();
        while heard.len() < 1_000 {
            heard.insert(said(&mut events).await.topic());
        }
    }

    pub(super) async fn a_closed_bus_has_said_its_last_words(processes: Processes) {
        let [a, b, _] = &processes[..] else { panic!() };
        let (mut own, mut events) = (a.events(), b.events());
        let topic = Topic::Room(room(1));
        b.watch(topic);
        watched(&mut events, topic).await;
        for n in 0..100 {
            a.publish(typing(room(1), n));
        }
        a.close().await;
        for n in 0..100 {
            assert_eq!(said(&mut events).await, typing(room(1), n));
        }
        while tokio::time::timeout(PATIENCE, own.recv())
            .await
            .expect("the end is told")
            .is_some()
        {}
        // And says nothing more, without harm.
        a.publish(typing(room(1), 100));
        a.watch(topic);
    }

    pub(super) async fn nobody_who_publishes_waits_for_a_listener(processes: Processes) {
        let [a, b, _] = &processes[..] else { panic!() };
        let mut events = b.events();
        let topic = Topic::Room(room(1));
        b.watch(topic);
        watched(&mut events, topic).await;
        for n in 0..20_000 {
            a.publish(typing(room(1), n));
            if n % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        // However many were dropped: the bus goes on, and the last word comes.
        say_until_heard(a, &mut events, &typing(room(1), 1 << 40)).await;
    }
}

macro_rules! contract {
    ($backend:ident, $open:expr) => {
        mod $backend {
            use super::*;
            contract!(@tests $open,
                whoever_watches_a_topic_hears_it_and_nobody_else
                whoever_says_that_a_log_has_grown_is_not_told_so
                every_kind_of_topic_is_heard
                one_topic_of_one_process_keeps_its_order
                what_is_not_watched_any_more_is_not_heard
                watching_what_is_watched_changes_nothing
                many_topics_are_confirmed_and_heard
                a_closed_bus_has_said_its_last_words
                nobody_who_publishes_waits_for_a_listener
            );
        }
    };
    (@tests $open:expr, $($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            behaviour::$name($open.await).await;
        }
    )*};
}

contract!(local, async {
    let handles = LocalBus::cluster(3).into_iter();
    handles
        .map(|bus| Arc::new(bus) as Arc<dyn Bus>)
        .collect::<Vec<_>>()
});

async fn buses(url: &str) -> Processes {
    let all = processes(url, 3);
    ready(&all).await;
    all.into_iter().map(|cluster| cluster.bus).collect()
}

contract!(redis, async { buses(&shared("CHATIFY_TEST_REDIS")).await });
contract!(redis_cluster, async {
    buses(&shared("CHATIFY_TEST_REDIS_CLUSTER")).await
});
contract!(redis_with_few_rights, async {
    buses(&limited("CHATIFY_TEST_REDIS").await).await
});
contract!(redis_cluster_with_few_rights, async {
    buses(&limited("CHATIFY_TEST_REDIS_CLUSTER").await).await
});

mod three_redis {
    use super::*;

    async fn with_servers<F: Future<Output = ()>>(behaviour: impl FnOnce(Processes) -> F) {
        let servers = [
            Server::start().await,
            Server::start().await,
            Server::start().await,
        ];
        let addresses = servers.each_ref().map(Server::address);
        behaviour(buses(&format!("redis://{}", addresses.join(","))).await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_kind_of_topic_is_heard() {
        with_servers(behaviour::every_kind_of_topic_is_heard).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_topic_of_one_process_keeps_its_order() {
        with_servers(behaviour::one_topic_of_one_process_keeps_its_order).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_topics_are_confirmed_and_heard() {
        with_servers(behaviour::many_topics_are_confirmed_and_heard).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_closed_bus_has_said_its_last_words() {
        with_servers(behaviour::a_closed_bus_has_said_its_last_words).await;
    }
}

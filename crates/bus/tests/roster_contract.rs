//! What every roster must keep, whatever it is made of: one suite, run for each backend by `contract!`. Each test is
//! given two processes' handles of one roster that nobody else uses.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod servers;

use std::sync::Arc;

use bus::roster::{NodeCard, Roster};
use bus::roster_local::LocalRoster;
use protocol::envelope::Standing;
use protocol::ids::{NodeId, UserId};
use protocol::user::PresenceStatus;
use servers::{Server, limited, processes, shared};
use uuid::Uuid;

type Handles = [Arc<dyn Roster>; 2];

fn card(n: u32) -> NodeCard {
    NodeCard {
        id: NodeId(n),
        name: format!("node-{n}"),
        url: format!("http://10.0.0.{n}:8080"),
        hears: true,
    }
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn standing(status: PresenceStatus, said_at: i64) -> Standing {
    Standing {
        status,
        text: Some("{at} lunch * \"\u{0}\r\n".into()),
        said_at,
    }
}

mod behaviour {
    use super::*;

    pub(super) async fn nodes_find_each_other_and_lose_who_leaves([a, b]: Handles) {
        assert_eq!(a.beat(card(1)).await.unwrap(), [card(1)]);
        let mut all = b.beat(card(2)).await.unwrap();
        all.sort_by_key(|card| card.id);
        assert_eq!(all, [card(1), card(2)]);
        a.leave(NodeId(1)).await.unwrap();
        a.leave(NodeId(1)).await.unwrap();
        assert_eq!(b.beat(card(2)).await.unwrap(), [card(2)]);
    }

    pub(super) async fn a_beat_brings_the_newest_card([a, b]: Handles) {
        a.beat(card(1)).await.unwrap();
        let moved = NodeCard {
            url: "http://10.0.0.99:8080".into(),
            ..card(1)
        };
        a.beat(moved.clone()).await.unwrap();
        assert!(b.beat(card(2)).await.unwrap().contains(&moved));
    }

    pub(super) async fn standings_are_kept_by_node_and_answered_in_order([a, b]: Handles) {
        let (online, away) = (
            standing(PresenceStatus::Online, 5),
            standing(PresenceStatus::Away, 6),
        );
        a.put(
            NodeId(1),
            vec![
                (user(1), Some(online.clone())),
                (user(2), Some(away.clone())),
            ],
        )
        .await
        .unwrap();
        b.put(NodeId(2), vec![(user(1), Some(away.clone()))])
            .await
            .unwrap();
        let asked = vec![user(3), user(2), user(1), user(2)];
        let mut found = b.standings(asked).await.unwrap();
        found[2].sort_by_key(|(node, _)| *node);
        assert_eq!(
            found,
            [
                vec![],
                vec![(NodeId(1), away.clone())],
                vec![(NodeId(1), online), (NodeId(2), away.clone())],
                vec![(NodeId(1), away.clone())],
            ]
        );
        a.put(NodeId(1), vec![(user(1), None), (user(9), None)])
            .await
            .unwrap();
        let found = a.standings(vec![user(1)]).await.unwrap();
        assert_eq!(found, [vec![(NodeId(2), away)]]);
    }

    pub(super) async fn many_people_are_put_and_asked_in_one_call([a, b]: Handles) {
        let online = standing(PresenceStatus::Online, 5);
        let people: Vec<UserId> = (0..5_000).map(user).collect();
        let all = people.iter().map(|user| (*user, Some(online.clone())));
        a.put(NodeId(1), all.collect()).await.unwrap();
        let found = b.standings(people).await.unwrap();
        assert_eq!(found.len(), 5_000);
        for one in found {
            assert_eq!(one, [(NodeId(1), online.clone())]);
        }
    }

    pub(super) async fn asking_for_nobody_is_fine([a, _]: Handles) {
        a.put(NodeId(1), Vec::new()).await.unwrap();
        assert!(a.standings(Vec::new()).await.unwrap().is_empty());
    }
}

macro_rules! contract {
    ($backend:ident, $open:expr) => {
        mod $backend {
            use super::*;
            contract!(@tests $open,
                nodes_find_each_other_and_lose_who_leaves
                a_beat_brings_the_newest_card
                standings_are_kept_by_node_and_answered_in_order
                many_people_are_put_and_asked_in_one_call
                asking_for_nobody_is_fine
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
    let roster = Arc::new(LocalRoster::new());
    [Arc::clone(&roster) as Arc<dyn Roster>, roster]
});

fn rosters(url: &str) -> Handles {
    let mut both = processes(url, 2).into_iter();
    std::array::from_fn(|_| both.next().unwrap().roster)
}

contract!(redis, async { rosters(&shared("CHATIFY_TEST_REDIS")) });
contract!(redis_cluster, async {
    rosters(&shared("CHATIFY_TEST_REDIS_CLUSTER"))
});
contract!(redis_with_few_rights, async {
    rosters(&limited("CHATIFY_TEST_REDIS").await)
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_share_the_people() {
    let servers = [
        Server::start().await,
        Server::start().await,
        Server::start().await,
    ];
    let addresses = servers.each_ref().map(Server::address);
    let both = rosters(&format!("redis://{}", addresses.join(",")));
    behaviour::many_people_are_put_and_asked_in_one_call(both).await;
    for server in &servers {
        let keys: usize = ::redis::from_redis_value(server.ask(&["DBSIZE"]).await).unwrap();
        assert!((1_000..2_500).contains(&keys), "{keys}");
    }
}

#[tokio::test]
async fn what_somebody_else_wrote_into_redis_is_nobody() {
    let server = Server::start().await;
    let [a, b] = rosters(&server.url());
    a.beat(card(1)).await.unwrap();
    a.put(
        NodeId(1),
        vec![(user(1), Some(standing(PresenceStatus::Away, 1)))],
    )
    .await
    .unwrap();
    let keys: Vec<String> = ::redis::from_redis_value(server.ask(&["KEYS", "*"]).await).unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let forged = r#"99999999999999:0123456789abcdef{"id":7,"name":"x","url":"http://evil"}"#;
        server.ask(&["HSET", &key, "00000007", forged]).await;
        server.ask(&["HSET", &key, "00000008", "nonsense"]).await;
    }
    assert_eq!(b.beat(card(1)).await.unwrap(), [card(1)]);
    let found = b.standings(vec![user(1)]).await.unwrap();
    assert_eq!(found[0].len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_beating_is_gone_after_its_lease() {
    let roster = LocalRoster::new();
    roster.beat(card(1)).await.unwrap();
    tokio::time::advance(bus::roster::LEASE).await;
    assert_eq!(roster.beat(card(2)).await.unwrap(), [card(2)]);
}

//! No sticky sessions: whatever node a balancer gives a request to, its session's owner answers it, and says exactly what
//! it would have said itself.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

use crate::socket::{PATIENCE, Socket};
use crate::town::{Person, Town};

/// What a server says about a sid that it does not know.
pub(crate) const UNKNOWN: (u16, &str) = (400, r#"{"code":1,"message":"Session ID unknown"}"#);

/// Sends one request on a connection of its own, as a balancer without keep-alive does; status and body.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let stream = sent(address, request).await;
    timeout(PATIENCE, answer(stream)).await.expect("an answer")
}

pub(crate) async fn sent(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

pub(crate) async fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

pub(crate) fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: chat.test\r\nConnection: close\r\n{headers}\r\n")
}

fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: chat.test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// A client by long-polling alone, whose every request goes to another node than the last.
pub(crate) struct Polling {
    nodes: Vec<SocketAddr>,
    turn: Cell<usize>,
    pub(crate) target: String,
    packets: VecDeque<String>,
}

impl Polling {
    /// A session that the node with this number owns.
    pub(crate) async fn open(town: &Town, owner: usize) -> Self {
        let nodes: Vec<_> = town.nodes.iter().map(|place| place.address).collect();
        let target = "/socket.io/?EIO=4&transport=polling";
        let (status, body) = ask(nodes[owner], &get(target, "")).await;
        assert_eq!(status, 200, "{body}");
        let handshake: Value = serde_json::from_str(&body[1..]).unwrap();
        let sid = handshake["sid"].as_str().unwrap();
        Self {
            nodes,
            turn: Cell::new(owner),
            target: format!("{target}&sid={sid}"),
            packets: VecDeque::new(),
        }
    }

    /// The same, signed in.
    pub(crate) async fn connect(town: &Town, owner: usize, who: &Person) -> Self {
        let mut polling = Self::open(town, owner).await;
        let auth = json!({"token": who.token()});
        polling.say(&format!("40{auth}")).await;
        polling.hear("session:ready").await;
        polling
    }

    fn next(&self) -> SocketAddr {
        self.turn.set(self.turn.get() + 1);
        self.nodes[self.turn.get() % self.nodes.len()]
    }

    async fn say(&self, packet: &str) {
        let said = ask(self.next(), &post(&self.target, packet)).await;
        assert_eq!(said, (200, "ok".to_owned()));
    }

    /// Polls until a packet holds this.
    pub(crate) async fn hear(&mut self, what: &str) -> String {
        loop {
            while let Some(packet) = self.packets.pop_front() {
                if packet == "2" {
                    self.say("3").await;
                } else if packet.contains(what) {
                    return packet;
                }
            }
            let (status, body) = ask(self.next(), &get(&self.target, "")).await;
            assert_eq!(status, 200, "{body}");
            self.packets = body.split('\x1e').map(str::to_owned).collect();
        }
    }

    pub(crate) async fn send(&mut self, room: impl ToString, text: &str) {
        let id = Uuid::new_v4();
        let said = json!({"roomId": room.to_string(), "text": text, "clientId": id});
        self.say(&format!("427{}", json!(["message:send", said])))
            .await;
        // With its bracket: ids are random, and sooner or later one of them holds these digits.
        let ack = self.hear("437[").await;
        assert!(ack.contains(r#""ok":true"#), "{ack}");
    }

    /// Polls the node with this number until the session is over.
    async fn until_unknown(&self, node: usize) {
        let over =
            async { while ask(self.nodes[node], &get(&self.target, "")).await.0 != UNKNOWN.0 {} };
        timeout(PATIENCE, over).await.expect("an end");
        let told = ask(self.nodes[node], &get(&self.target, "")).await;
        assert_eq!((told.0, told.1.as_str()), UNKNOWN);
    }
}

#[tokio::test]
async fn a_client_that_only_polls_works_though_each_request_meets_another_node() {
    let town = Town::of(3).await;
    let (ann, ben) = (town.person("Ann").await, town.person("Ben").await);
    let room = town.room(&ann, &[&ben]).await;
    let mut at_a = Polling::connect(&town, 0, &ann).await;
    let mut at_b = Polling::connect(&town, 1, &ben).await;
    for round in 0..8 {
        let (question, reply) = (format!("question {round}"), format!("reply {round}"));
        at_a.send(room, &question).await;
        at_b.hear(&question).await;
        at_b.send(room, &reply).await;
        at_a.hear(&reply).await;
    }
}

/// Probes and upgrades a session at this node.
async fn upgrade(node: SocketAddr, polling: &Polling) -> Socket {
    let target = polling.target.replace("=polling", "=websocket");
    let mut socket = Socket::upgraded(node, &target).await;
    socket.write("2probe").await;
    assert_eq!(socket.frame().await.as_deref(), Some("3probe"));
    socket.write("5").await;
    socket
}

#[tokio::test]
async fn a_session_is_upgraded_through_another_node_and_talks_on() {
    let town = Town::of(3).await;
    let (ann, ben) = (town.person("Ann").await, town.person("Ben").await);
    let room = town.room(&ann, &[&ben]).await;
    let polling = Polling::connect(&town, 0, &ann).await;
    let mut at_b = town.connect(1, &ben).await;
    let mut carried = upgrade(town.nodes[2].address, &polling).await;
    for round in 0..8 {
        // Long enough for several reads and writes of the relay.
        let text = format!("{round} {}", "long ".repeat(700));
        let said = json!({"roomId": room, "text": text.trim(), "clientId": Uuid::new_v4()});
        assert_eq!(carried.ask("message:send", said).await["ok"], true);
        at_b.hear(text.trim()).await;
        let said =
            json!({"roomId": room, "text": format!("re {round}"), "clientId": Uuid::new_v4()});
        assert_eq!(at_b.ask("message:send", said).await["ok"], true);
        carried.hear(&format!("re {round}")).await;
    }
}

#[tokio::test]
async fn when_a_carried_client_goes_away_its_session_ends_and_the_other_way_round() {
    let town = Town::of(2).await;
    let (ann, ben) = (town.person("Ann").await, town.person("Ben").await);
    town.room(&ann, &[&ben]).await;
    let mut watcher = town.connect(0, &ben).await;
    let watched = json!({"userIds": [ann.id]});
    watcher.ask("presence:watch", watched).await;

    let polling = Polling::connect(&town, 0, &ann).await;
    let carried = upgrade(town.nodes[1].address, &polling).await;
    watcher.sees(&ann.name(), &["online"]).await;
    drop(carried);
    watcher.sees(&ann.name(), &["offline"]).await;

    let polling = Polling::connect(&town, 0, &ann).await;
    let mut carried = upgrade(town.nodes[1].address, &polling).await;
    town.hubs(0).revoked(vec![ann.session], "logout");
    carried.end().await;
}

#[tokio::test]
async fn a_session_of_a_node_that_is_not_there_is_unknown_everywhere() {
    let town = Town::of(2).await;
    let polling = Polling::open(&town, 0).await;
    let at_b = town.nodes[1].address;
    town.stop(0).await;
    let told = ask(at_b, &get(&polling.target, "")).await;
    assert_eq!((told.0, told.1.as_str()), UNKNOWN);
    let told = ask(at_b, &post(&polling.target, "4hello")).await;
    assert_eq!((told.0, told.1.as_str()), UNKNOWN);
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let target = polling.target.replace("=polling", "=websocket");
    let request = get(&target, upgrade).replace("Connection: close", "Connection: Upgrade");
    let mut stream = sent(at_b, &request).await;
    let mut told = [0; 12];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 400");
}

#[tokio::test]
async fn a_stray_poll_that_is_given_up_ends_its_session_like_any_other() {
    let town = Town::of(2).await;
    let ann = town.person("Ann").await;
    let room = town.room(&ann, &[]).await;
    let polling = Polling::connect(&town, 0, &ann).await;
    // Says nothing to anybody, and is refused when the session is over.
    let nothing = format!("42{}", json!(["typing:stop", {"roomId": room}]));
    let given_up = async {
        let mut hold = std::time::Duration::from_millis(10);
        loop {
            let poll = sent(town.nodes[1].address, &get(&polling.target, "")).await;
            // This only gives both nodes the time to read it.
            tokio::time::sleep(hold).await;
            drop(poll);
            tokio::time::sleep(hold).await;
            let said = ask(town.nodes[0].address, &post(&polling.target, &nothing)).await;
            if said.0 == UNKNOWN.0 {
                return;
            }
            hold *= 2;
        }
    };
    timeout(PATIENCE, given_up).await.expect("an end");
    polling.until_unknown(1).await;
}

#[tokio::test]
async fn two_polls_at_once_end_a_session_through_whatever_nodes_they_come() {
    let town = Town::of(3).await;
    let polling = Polling::open(&town, 0).await;
    let poll = get(&polling.target, "");
    let (one, other) = tokio::join!(
        ask(town.nodes[1].address, &poll),
        ask(town.nodes[2].address, &poll)
    );
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{one:?} {other:?}");
    polling.until_unknown(1).await;
}

#[tokio::test]
async fn a_stray_body_over_the_bound_is_refused_and_ends_its_session() {
    let town = Town::of(2).await;
    let polling = Polling::open(&town, 0).await;
    let large = "4".repeat(protocol::limits::FRAME_BYTES_MAX + 1);
    let told = ask(town.nodes[1].address, &post(&polling.target, &large)).await;
    assert_eq!(told.0, 413, "{}", told.1);
    polling.until_unknown(1).await;
}

#[tokio::test]
async fn a_request_that_says_it_was_passed_on_is_not_passed_on_again() {
    let town = Town::of(2).await;
    let polling = Polling::open(&town, 0).await;
    for forged in ["x", "127.0.0.1 1800000000 AAAA"] {
        let headers = format!("x-chatify-passed-on: {forged}\r\n");
        let told = ask(town.nodes[1].address, &get(&polling.target, &headers)).await;
        assert_eq!((told.0, told.1.as_str()), UNKNOWN);
    }
    // Its own node serves it, whatever it says.
    let said = post(&polling.target, "3").replace("\r\n\r\n", "\r\nx-chatify-passed-on: x\r\n\r\n");
    assert_eq!(ask(town.nodes[0].address, &said).await.0, 200);
}

#[tokio::test]
async fn a_node_that_leaves_ends_what_it_carries_and_is_gone_in_good_order() {
    let town = Town::of(2).await;
    let ann = town.person("Ann").await;
    let polling = Polling::connect(&town, 0, &ann).await;
    let mut carried = upgrade(town.nodes[1].address, &polling).await;
    let ((), ()) = tokio::join!(town.stop(1), carried.end());
}

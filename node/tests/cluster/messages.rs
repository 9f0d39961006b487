//! What is said on one node is heard on the others, whatever the bus loses.

use std::time::Instant;

use node::ports::Settings;
use protocol::ids::RoomId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::faults::Drops;
use crate::socket::Socket;
use crate::town::{Person, Town};

/// Two nodes, a room, Ann on the first and Ben on the second.
struct Talk {
    town: Town,
    ann: Person,
    ben: Person,
    room: RoomId,
    at_a: Socket,
    at_b: Socket,
}

async fn talk(settings: Settings) -> Talk {
    let town = Town::with(2, settings).await;
    let (ann, ben) = (town.person("Ann").await, town.person("Ben").await);
    let room = town.room(&ann, &[&ben]).await;
    let at_a = town.connect(0, &ann).await;
    let mut at_b = town.connect(1, &ben).await;
    let mut talk = Talk {
        town,
        ann,
        ben,
        room,
        at_a,
        at_b,
    };
    // The second node hears the room once this has come.
    assert_eq!(talk.send("first").await["ok"], true);
    talk.at_b.hear("first").await;
    at_b = talk.at_b;
    Talk { at_b, ..talk }
}

impl Talk {
    async fn send(&mut self, text: &str) -> Value {
        let payload = said(self.room, text);
        self.at_a.ask("message:send", payload).await
    }

    /// How long it takes until Ben hears it.
    async fn travels(&mut self, text: &str, what: &str) {
        assert_eq!(self.send(text).await["ok"], true);
        let acked = Instant::now();
        self.at_b.hear(text).await;
        println!(
            "{what}: heard {} ms after its ack",
            acked.elapsed().as_millis()
        );
    }
}

fn said(room: RoomId, text: &str) -> Value {
    json!({"roomId": room, "text": text, "clientId": Uuid::new_v4()})
}

#[tokio::test]
async fn a_message_sent_on_one_node_is_heard_on_the_other() {
    let mut talk = talk(Settings::default()).await;
    talk.travels("hello", "by its hint").await;
    let reply = talk
        .at_b
        .ask("message:send", said(talk.room, "hello back"))
        .await;
    assert_eq!(reply["ok"], true);
    talk.at_a.hear("hello back").await;
}

#[tokio::test]
async fn a_message_whose_hint_is_lost_is_heard_when_its_head_is_said_again() {
    let mut talk = talk(Settings::default()).await;
    talk.town.nodes[0].bus.drops(Drops::Entries);
    talk.travels("lost at first", "by the head said again (bound 2 s)")
        .await;
}

#[tokio::test]
async fn a_message_of_which_nothing_is_heard_is_found_by_the_sweep() {
    let mut talk = talk(Settings::default()).await;
    talk.town.nodes[0].bus.drops(Drops::Rooms);
    talk.travels("never announced", "by the sweep (bound 10 s)")
        .await;
}

#[tokio::test]
async fn a_node_whose_bus_was_cut_compares_heads_when_it_is_back() {
    let mut talk = talk(Settings::default()).await;
    talk.town.nodes[1].bus.cut();
    // Nothing of it is said again: only a comparison finds it before the sweep does.
    talk.town.nodes[0].bus.drops(Drops::Rooms);
    assert_eq!(talk.send("while it was cut").await["ok"], true);
    talk.town.nodes[1].bus.mend();
    let back = Instant::now();
    talk.at_b.hear("while it was cut").await;
    println!(
        "heard {} ms after the bus was back",
        back.elapsed().as_millis()
    );
}

#[tokio::test]
async fn a_node_that_fell_behind_compares_heads() {
    let mut talk = talk(Settings::default()).await;
    talk.town.nodes[0].bus.drops(Drops::Rooms);
    assert_eq!(talk.send("not heard").await["ok"], true);
    talk.town.nodes[1].bus.overflow();
    let told = Instant::now();
    talk.at_b.hear("not heard").await;
    println!(
        "heard {} ms after the loss was told",
        told.elapsed().as_millis()
    );
}

#[tokio::test]
async fn somebody_who_is_added_on_one_node_is_told_on_the_other() {
    let mut talk = talk(Settings::default()).await;
    let eve = talk.town.person("Eve").await;
    let mut at_b = talk.town.connect(1, &eve).await;
    let path = format!("/v1/rooms/{}/members/{}", talk.room, eve.id);
    talk.town
        .call(0, &talk.ann, ("PUT", &path), Value::Null)
        .await;
    let added = at_b.event("room:added").await;
    assert_eq!(added["room"]["id"], talk.room.to_string());
    talk.travels("welcome", "while somebody came").await;
    at_b.hear("welcome").await;
}

#[tokio::test]
async fn what_is_read_on_one_node_counts_on_the_other() {
    let mut talk = talk(Settings::default()).await;
    let mut phone = talk.town.connect(0, &talk.ben).await;
    let head = talk.send("read me").await["data"]["message"]["seq"].clone();
    phone.hear("read me").await;
    let read = json!({"roomId": talk.room, "seq": head});
    assert_eq!(phone.ask("receipt:read", read).await["ok"], true);
    let told = talk.at_b.event("unread:updated").await;
    assert_eq!((&told["unread"], &told["readSeq"]), (&json!(0), &head));
    // And who wrote it sees how far they are.
    let receipt = talk.at_a.event("receipt:updated").await;
    assert_eq!(receipt["userId"], talk.ben.name());
}

#[tokio::test]
async fn who_writes_is_seen_on_the_other_node() {
    let mut talk = talk(Settings::default()).await;
    let room = json!({"roomId": talk.room});
    assert_eq!(
        talk.at_a.ask("typing:start", room.clone()).await["ok"],
        true
    );
    let typing = talk.at_b.event("typing").await;
    assert_eq!(
        (&typing["userId"], &typing["active"]),
        (&json!(talk.ann.id), &json!(true))
    );
    assert_eq!(talk.at_a.ask("typing:stop", room).await["ok"], true);
    talk.at_b
        .event_where("typing", |typing| typing["active"] == false)
        .await;
}

#[tokio::test]
async fn a_pace_holds_over_two_nodes() {
    let limits = Settings {
        limits: true,
        ..Settings::default()
    };
    let mut talk = talk(limits).await;
    let mut elsewhere = talk.town.connect(1, &talk.ann).await;
    for n in 0..19 {
        assert_eq!(talk.send(&format!("burst {n}")).await["ok"], true);
    }
    elsewhere.hear("burst 18").await;
    let mut granted = 0;
    for n in 0..10 {
        let payload = said(talk.room, &format!("more {n}"));
        let answer = elsewhere.ask("message:send", payload).await;
        if answer["ok"] == true {
            granted += 1;
        } else {
            assert_eq!(answer["error"]["code"], "rate_limited");
        }
    }
    // One comes back each second; a whole second burst would be 10 of them here.
    println!("{granted} of 10 passed on the second node after a burst on the first");
    assert!(granted < 10, "the second node knew nothing of the burst");
}

//! I4 and I5 at the socket: every event that a client may send, said by people who may not, on live sockets of theirs.
//! The list of events is the protocol's own, so that a new one without a line here fails.

use protocol::event::ClientEvent;
use protocol::ids::RoomId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::socket::Socket;
use crate::town::{Person, Town};

/// How somebody is answered who is not in the room.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    /// `room_not_found`.
    Hidden,
    /// Answered, without a word of the room.
    Without,
    /// It is about their own, whatever rooms there are.
    Own,
    /// `token_invalid`.
    Refused,
}
use Want::{Hidden, Own, Refused, Without};

const EVENTS: &[(&str, Want)] = &[
    ("message:send", Hidden),
    ("message:edit", Hidden),
    ("message:delete", Hidden),
    ("reaction:add", Hidden),
    ("reaction:remove", Hidden),
    ("sync", Without),
    ("history", Hidden),
    ("room:subscribe", Hidden),
    ("room:unsubscribe", Without),
    ("receipt:read", Hidden),
    ("typing:start", Hidden),
    ("typing:stop", Hidden),
    ("presence:set", Own),
    ("presence:watch", Hidden),
    ("auth:refresh", Refused),
];

/// What is said: about this room and this message in it; `token` is somebody else's.
fn payload(event: &str, room: &str, message: &str, token: &str) -> Value {
    match event {
        "message:send" => json!({"roomId": room, "text": "let me in", "clientId": Uuid::new_v4()}),
        "message:edit" => json!({"roomId": room, "id": message, "text": "changed"}),
        "message:delete" => json!({"roomId": room, "id": message}),
        "reaction:add" | "reaction:remove" => {
            json!({"roomId": room, "id": message, "emoji": "👍"})
        }
        "sync" => json!({"rooms": {room: 0}}),
        "history" => json!({"roomId": room, "limit": 10}),
        "receipt:read" => json!({"roomId": room, "seq": 1}),
        "presence:set" => json!({"status": "away"}),
        "auth:refresh" => json!({"token": token}),
        _ => json!({"roomId": room}),
    }
}

/// An answer without what names the call, and without the room that was named in it.
fn bare(mut answer: Value, room: &str) -> String {
    if let Some(error) = answer["error"].as_object_mut() {
        error.remove("traceId");
    }
    answer.to_string().replace(room, "ROOM")
}

/// Somebody who is not in the room (any more), and a message of theirs in it, or of another.
struct Outsider {
    what: &'static str,
    socket: Socket,
    message: String,
}

/// A room with an owner and a member, and everybody who must not get anything of it.
struct Scene {
    town: Town,
    room: RoomId,
    owner: Person,
    at_owner: Socket,
    at_member: Socket,
    outsiders: Vec<Outsider>,
}

async fn said(socket: &mut Socket, room: RoomId, text: &str) -> String {
    let payload = json!({"roomId": room, "text": text, "clientId": Uuid::new_v4()});
    let answer = socket.ask("message:send", payload).await;
    assert_eq!(answer["ok"], true, "{answer}");
    answer["data"]["message"]["id"].as_str().unwrap().to_owned()
}

impl Scene {
    async fn new() -> Self {
        let town = Town::of(1).await;
        let owner = town.person("Owner").await;
        let member = town.person("Member").await;
        let mut former = Vec::new();
        for what in ["left", "removed", "banned"] {
            former.push((what, town.person(what).await));
        }
        let mut people: Vec<_> = former.iter().map(|(_, person)| person).collect();
        people.push(&member);
        let room = town.room(&owner, &people).await;
        let mut at_owner = town.connect(0, &owner).await;
        let at_member = town.connect(0, &member).await;
        let of_owner = said(&mut at_owner, room, "the owner's").await;

        let mut outsiders = Vec::new();
        for (what, person) in former {
            let mut socket = town.connect(0, &person).await;
            let message = said(&mut socket, room, "said while I was in").await;
            let (by, which) = match what {
                "left" => (&person, "me".to_owned()),
                "removed" => (&owner, person.name()),
                _ => (&owner, format!("{}?ban=true", person.id)),
            };
            let path = format!("/v1/rooms/{room}/members/{which}");
            town.call(0, by, ("DELETE", &path), Value::Null).await;
            socket.event("room:removed").await;
            outsiders.push(Outsider {
                what,
                socket,
                message,
            });
        }
        let person = town.person("Stranger").await;
        outsiders.push(Outsider {
            what: "stranger",
            socket: town.connect(0, &person).await,
            message: of_owner,
        });
        Self {
            town,
            room,
            owner,
            at_owner,
            at_member,
            outsiders,
        }
    }
}

#[test]
fn every_event_of_the_protocol_has_its_line_in_the_matrix() {
    let lines: Vec<_> = EVENTS.iter().map(|(event, _)| *event).collect();
    assert_eq!(lines, ClientEvent::NAMES);
}

#[tokio::test]
async fn nobody_outside_of_a_room_does_or_learns_anything_in_it_by_a_socket() {
    let mut scene = Scene::new().await;
    let room = scene.room.to_string();
    let head = scene.town.store.heads(vec![scene.room]).await.unwrap();
    let token = scene.owner.token().to_owned();
    for outsider in &mut scene.outsiders {
        for (event, want) in EVENTS {
            let what = format!("{event} by who is {}", outsider.what);
            let nowhere = format!("room_{}", Uuid::new_v4());
            let asked = payload(event, &room, &outsider.message, &token);
            let answer = outsider.socket.ask(event, asked).await;
            let asked = payload(event, &nowhere, &outsider.message, &token);
            let other = outsider.socket.ask(event, asked).await;
            assert_eq!(bare(answer.clone(), &room), bare(other, &nowhere), "{what}");
            match want {
                Hidden => assert_eq!(answer["error"]["code"], "room_not_found", "{what}"),
                Refused => assert_eq!(answer["error"]["code"], "token_invalid", "{what}"),
                Own => assert_eq!(answer["ok"], true, "{what}"),
                Without if *event == "sync" => {
                    assert_eq!(answer["data"]["rooms"], json!({}), "{what}");
                }
                Without => {}
            }
        }
        let cursor = json!({"roomId": room, "after": 0});
        let answer = outsider.socket.ask("room:subscribe", cursor).await;
        assert_eq!(answer["error"]["code"], "room_not_found", "with a cursor");
    }
    // Nothing has happened in the room.
    assert_eq!(
        scene.town.store.heads(vec![scene.room]).await.unwrap(),
        head
    );
    said(&mut scene.at_owner, scene.room, "among ourselves").await;
    scene.at_member.hear("among ourselves").await;
    assert!(!scene.at_member.was_told("typing", &room));
    for outsider in &mut scene.outsiders {
        // What was on its way to them comes before this answer.
        outsider
            .socket
            .ask("presence:set", json!({"status": "online"}))
            .await;
        let told = outsider.socket.was_told("", &room);
        assert!(!told, "{} hears what is said", outsider.what);
    }
}

/// The control: what is refused to others is done for a member, so that the matrix refuses who asks and not what is asked.
#[tokio::test]
async fn a_member_is_granted_what_is_refused_to_others() {
    let mut scene = Scene::new().await;
    let room = scene.room.to_string();
    let mine = said(&mut scene.at_member, scene.room, "mine").await;
    for (event, want) in EVENTS.iter().filter(|(_, want)| *want != Refused) {
        // Deleted before it gets a reaction otherwise.
        let message = match *event {
            "message:delete" => said(&mut scene.at_member, scene.room, "to go").await,
            _ => mine.clone(),
        };
        let asked = payload(event, &room, &message, "");
        let answer = scene.at_member.ask(event, asked).await;
        assert_eq!(answer["ok"], true, "{event} {want:?} {answer}");
        if *event == "room:unsubscribe" {
            let again = payload("room:subscribe", &room, "", "");
            scene.at_member.ask("room:subscribe", again).await;
        }
    }
}

/// I5: who asks after strangers is answered as if they were not there, whether they are connected, away or nobody; so
/// asking often tells nothing either.
#[tokio::test]
async fn presence_of_strangers_cannot_be_told_from_that_of_nobody() {
    let mut scene = Scene::new().await;
    let owner = scene.owner.id.to_string();
    let nobody = format!("usr_{}", Uuid::new_v4());
    let away = scene.town.person("Away").await.id.to_string();
    let about = |answer: Value, who: &str| bare(answer, who).replace(who, "WHO");
    for outsider in &mut scene.outsiders {
        let mut answers = Vec::new();
        for who in [&owner, &nobody, &away] {
            let asked = json!({"userIds": [who]});
            let answer = outsider.socket.ask("presence:watch", asked).await;
            assert_eq!(answer["ok"], true, "{answer}");
            answers.push(about(answer, who));
        }
        assert_eq!(answers[0], answers[1], "{}", outsider.what);
        assert_eq!(answers[0], answers[2], "{}", outsider.what);
        assert!(answers[0].contains("offline"), "{}", answers[0]);
    }
    // And none of those who asked is told when the owner changes.
    let room = json!({"roomId": scene.room});
    scene.at_member.ask("presence:watch", room).await;
    let busy = json!({"status": "away"});
    scene.at_owner.ask("presence:set", busy).await;
    scene.at_member.sees(&owner, &["away"]).await;
    for outsider in &mut scene.outsiders {
        outsider
            .socket
            .ask("presence:set", json!({"status": "online"}))
            .await;
        assert!(!outsider.socket.was_told("presence:changed", &owner));
    }
}

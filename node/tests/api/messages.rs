//! Saying, reading, editing, deleting, reacting; catching up and read markers.

use protocol::ids::{MessageId, RoomId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

#[tokio::test]
async fn a_message_is_said_once_however_often_it_is_sent() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    let place = format!("/v1/rooms/{room}/messages");
    let body = json!({"clientId": Uuid::from_u128(5), "text": "Hello", "meta": {"colour": "red"}});
    let first = world
        .ask(&ada, "POST", &place, body.clone())
        .await
        .expect(201)
        .json();
    let again = world
        .ask(&ada, "POST", &place, body)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&first["duplicate"], &again["duplicate"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(first["message"], again["message"]);
    let message = &first["message"];
    assert_eq!(
        (&message["seq"], &message["n"], &message["version"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(
        (&message["senderId"], &message["meta"]),
        (&json!(ada.id), &json!({"colour": "red"}))
    );
    let other = json!({"clientId": Uuid::from_u128(5), "text": "Something else"});
    assert_eq!(
        world
            .ask(&ada, "POST", &place, other)
            .await
            .expect(409)
            .code(),
        "client_id_conflict"
    );
}

#[tokio::test]
async fn what_the_server_decides_cannot_be_sent_along() {
    let world = World::new().await;
    let (ada, eve) = (world.person("Ada").await, world.person("Eve").await);
    let room = world.room("group", &ada, &[&eve]).await;
    let body = json!({
        "text": "hi", "senderId": ada.id, "seq": 999, "n": 999, "version": 9, "id": MessageId(Uuid::from_u128(1)),
        "createdAt": "2001-01-01T00:00:00.000Z", "reactions": [{"emoji": "👍", "count": 9, "userIds": []}],
        "roomId": RoomId(Uuid::from_u128(1)), "epoch": 1, "deletedAt": "2001-01-01T00:00:00.000Z",
    });
    let sent = world
        .ask(&eve, "POST", &format!("/v1/rooms/{room}/messages"), body)
        .await
        .expect(201)
        .json();
    let message = &sent["message"];
    assert_eq!(
        (&message["senderId"], &message["roomId"]),
        (&json!(eve.id), &json!(room))
    );
    assert_eq!(
        (&message["seq"], &message["n"], &message["version"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(
        (&message["reactions"], &message["deletedAt"]),
        (&json!([]), &json!(null))
    );
    assert!(message["createdAt"].as_str().unwrap().starts_with("2026"));
    assert_ne!(message["id"], json!(MessageId(Uuid::from_u128(1))));
}

#[tokio::test]
async fn what_is_wrong_with_a_message_is_named() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    let place = format!("/v1/rooms/{room}/messages");
    let lost = MessageId(Uuid::from_u128(9));
    for (body, pointer, code) in [
        (json!({}), "/text", "invalid_request"),
        (json!({"text": ""}), "/text", "text_empty"),
        (json!({"text": "x".repeat(4_001)}), "/text", "text_too_long"),
        (json!({"text": {"$ne": null}}), "/text", "invalid_request"),
        (
            json!({"text": "x", "clientId": "1"}),
            "/clientId",
            "invalid_request",
        ),
        (
            json!({"text": "x", "replyTo": "no"}),
            "/replyTo",
            "invalid_request",
        ),
        (
            json!({"text": "x", "replyTo": lost}),
            "/replyTo",
            "message_not_found",
        ),
        (
            json!({"text": "x", "mentions": [7]}),
            "/mentions/0",
            "invalid_request",
        ),
        (
            json!({"text": "x", "mentions": vec![ada.id; 51]}),
            "/mentions",
            "invalid_request",
        ),
        (
            json!({"text": "x", "meta": [1]}),
            "/meta",
            "invalid_request",
        ),
        (
            json!({"text": "x", "meta": {"a": "x".repeat(3_000)}}),
            "/meta",
            "invalid_request",
        ),
    ] {
        let reply = world.ask(&ada, "POST", &place, body.clone()).await;
        assert_eq!(
            (reply.pointer().as_str(), reply.code().as_str()),
            (pointer, code),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_message_is_edited_by_its_sender_and_deleted_by_a_moderator() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("group", &ada, &[&ben]).await;
    let id = world.said(&ben, room, "helo").await;
    let place = format!("/v1/rooms/{room}/messages/{id}");
    assert_eq!(
        world
            .ask(&ada, "PATCH", &place, json!({"text": "mine"}))
            .await
            .expect(403)
            .code(),
        "forbidden"
    );
    let edited = world
        .ask(
            &ben,
            "PATCH",
            &place,
            json!({"text": "hello", "version": 1}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&edited["text"], &edited["version"]),
        (&json!("hello"), &json!(2))
    );
    let stale = world
        .ask(
            &ben,
            "PATCH",
            &place,
            json!({"text": "again", "version": 1}),
        )
        .await
        .expect(409);
    assert_eq!(stale.code(), "version_conflict");
    world
        .ask(&ben, "PATCH", &place, json!({"text": "hello"}))
        .await
        .expect(200);
    assert_eq!(
        world.get(&ada, &place).await.expect(200).json()["version"],
        2
    );
    let gone = world.do_(&ada, "DELETE", &place).await.expect(200).json();
    assert_eq!(
        (&gone["text"], &gone["deletedAt"].is_string()),
        (&json!(""), &true)
    );
    assert_eq!(
        world.do_(&ada, "DELETE", &place).await.expect(200).json(),
        gone
    );
    let late = world
        .ask(&ben, "PATCH", &place, json!({"text": "no"}))
        .await
        .expect(404);
    assert_eq!(late.code(), "message_not_found");
}

#[tokio::test]
async fn a_reaction_counts_once_a_person() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("group", &ada, &[&ben]).await;
    let id = world.said(&ada, room, "cake?").await;
    let thumb = format!("/v1/rooms/{room}/messages/{id}/reactions/%F0%9F%91%8D");
    let count = |reply: crate::world::Reply| reply.expect(200).json()["count"].clone();
    assert_eq!(count(world.do_(&ada, "PUT", &thumb).await), 1);
    assert_eq!(count(world.do_(&ada, "PUT", &thumb).await), 1);
    assert_eq!(count(world.do_(&ben, "PUT", &thumb).await), 2);
    let message = world
        .get(&ben, &format!("/v1/rooms/{room}/messages/{id}"))
        .await
        .json();
    assert_eq!(
        message["reactions"],
        json!([{"emoji": "👍", "count": 2, "userIds": [ada.id, ben.id]}])
    );
    assert_eq!(count(world.do_(&ada, "DELETE", &thumb).await), 1);
    assert_eq!(count(world.do_(&ada, "DELETE", &thumb).await), 1);
    let word = format!("/v1/rooms/{room}/messages/{id}/reactions/nice");
    assert_eq!(
        world.do_(&ada, "PUT", &word).await.expect(400).pointer(),
        "/emoji"
    );
}

fn texts(page: &Value) -> Vec<String> {
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["text"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn history_is_read_before_after_and_around_a_place_and_by_cursors_both_ways() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    // The first entry is the owner's joining: message k has seq k + 1.
    for k in 1..=10 {
        world.say(&ada, room, &format!("m{k}")).await;
    }
    let read = |query: String| {
        let (world, ada) = (&world, &ada);
        async move {
            world
                .get(ada, &format!("/v1/rooms/{room}/messages?{query}"))
                .await
                .expect(200)
                .json()
        }
    };
    assert_eq!(texts(&read("limit=2".into()).await), ["m9", "m10"]);
    assert_eq!(texts(&read("before=5&limit=2".into()).await), ["m2", "m3"]);
    assert_eq!(texts(&read("after=5&limit=2".into()).await), ["m5", "m6"]);
    assert!(texts(&read("around=6&limit=3".into()).await).contains(&"m5".to_owned()));

    let mut page = read("limit=4".into()).await;
    let mut back = texts(&page);
    assert_eq!(page["page"]["next"], json!(null));
    while let Some(prev) = page["page"]["prev"].as_str() {
        page = read(format!("limit=4&cursor={prev}")).await;
        back = [texts(&page), back].concat();
    }
    let all: Vec<_> = (1..=10).map(|k| format!("m{k}")).collect();
    assert_eq!(back, all);
    let mut forth = texts(&page);
    while let Some(next) = page["page"]["next"].as_str() {
        page = read(format!("limit=4&cursor={next}")).await;
        forth.extend(texts(&page));
    }
    assert_eq!(forth, all);

    let place = format!("/v1/rooms/{room}/messages");
    for (query, pointer) in [
        ("before=1&after=2", "/before"),
        ("limit=0", "/limit"),
        ("before=x", "/before"),
        ("cursor=x", "/cursor"),
    ] {
        assert_eq!(
            world
                .get(&ada, &format!("{place}?{query}"))
                .await
                .expect(400)
                .pointer(),
            pointer
        );
    }
}

#[tokio::test]
async fn a_message_of_another_room_is_not_found_in_this_one() {
    let world = World::new().await;
    let (ada, eve) = (world.person("Ada").await, world.person("Eve").await);
    let (hers, other) = (
        world.room("group", &ada, &[]).await,
        world.room("group", &eve, &[]).await,
    );
    let secret = world.said(&ada, hers, "secret").await;
    let place = format!("/v1/rooms/{other}/messages/{secret}");
    assert_eq!(
        world.get(&eve, &place).await.expect(404).code(),
        "message_not_found"
    );
    assert_eq!(
        world.do_(&eve, "DELETE", &place).await.expect(404).code(),
        "message_not_found"
    );
    assert_eq!(
        world
            .do_(&eve, "PUT", &format!("{place}/reactions/%F0%9F%91%8D"))
            .await
            .status,
        404
    );
    let reply = json!({"text": "re", "replyTo": secret});
    let quoted = world
        .ask(&eve, "POST", &format!("/v1/rooms/{other}/messages"), reply)
        .await
        .expect(404);
    assert_eq!(quoted.code(), "message_not_found");
}

#[tokio::test]
async fn sync_brings_what_was_missed_and_says_when_it_is_too_much() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("group", &ada, &[&ben]).await;
    let hidden = world.room("group", &ada, &[]).await;
    world.say(&ada, room, "one").await;
    let id = world.said(&ada, room, "two").await;
    world
        .do_(
            &ben,
            "PUT",
            &format!("/v1/rooms/{room}/messages/{id}/reactions/%F0%9F%91%8D"),
        )
        .await
        .expect(200);

    let body = json!({"rooms": {room.to_string(): 3, hidden.to_string(): 0}});
    let synced = world
        .ask(&ben, "POST", "/v1/sync", body)
        .await
        .expect(200)
        .json();
    assert!(synced["rooms"].get(hidden.to_string()).is_none());
    let missed = &synced["rooms"][room.to_string()];
    let names: Vec<_> = missed["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].clone())
        .collect();
    assert_eq!(names, ["message:new", "reaction:updated"]);
    assert_eq!(missed["events"][0]["data"]["seq"], 4);
    assert_eq!(
        (&missed["headSeq"], &missed["gap"], &missed["more"]),
        (&json!(5), &json!(false), &json!(false))
    );

    let epoch = missed["epoch"].as_u64().unwrap();
    for (cursor, gap) in [
        (json!({"seq": 5, "epoch": epoch}), false),
        (json!({"seq": 5, "epoch": epoch + 1}), true),
        (json!(6), true),
    ] {
        let body = json!({"rooms": {room.to_string(): cursor}});
        let synced = world
            .ask(&ben, "POST", "/v1/sync", body)
            .await
            .expect(200)
            .json();
        let missed = &synced["rooms"][room.to_string()];
        assert_eq!(
            (&missed["gap"], &missed["events"]),
            (&json!(gap), &json!([]))
        );
    }
    let wrong = json!({"rooms": {room.to_string(): "x"}});
    assert_eq!(
        world
            .ask(&ben, "POST", "/v1/sync", wrong)
            .await
            .expect(400)
            .pointer(),
        format!("/rooms/{room}")
    );
}

#[tokio::test]
async fn a_read_marker_only_grows_and_unread_follows_it() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("group", &ada, &[&ben]).await;
    for _ in 0..3 {
        world.say(&ada, room, "hello").await;
    }
    let body = json!({"text": "you", "mentions": [ben.id]});
    world
        .ask(&ada, "POST", &format!("/v1/rooms/{room}/messages"), body)
        .await
        .expect(201);
    let unread = world.get(&ben, "/v1/unread").await.expect(200).json();
    assert_eq!(
        (&unread["unread"], &unread["mentions"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(unread["rooms"][0]["roomId"], json!(room));

    let place = format!("/v1/rooms/{room}/read");
    let read = world
        .ask(&ben, "PUT", &place, json!({"seq": 4}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        read,
        json!({"readSeq": 4, "readN": 2, "unread": 2, "mentions": 1})
    );
    let back = world
        .ask(&ben, "PUT", &place, json!({"seq": 1}))
        .await
        .expect(200)
        .json();
    assert_eq!(back["readSeq"], 4);
    let all = world
        .ask(&ben, "PUT", &place, json!({"seq": 1_000_000}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        all,
        json!({"readSeq": 6, "readN": 4, "unread": 0, "mentions": 0})
    );
    assert_eq!(
        world.get(&ben, "/v1/unread").await.json()["rooms"],
        json!([])
    );
    let moved = world.hub.moved.lock().unwrap().clone();
    assert_eq!(
        moved
            .iter()
            .map(|(_, _, marker)| marker.read_seq)
            .collect::<Vec<_>>(),
        [4, 4, 6]
    );
    assert_eq!(
        world
            .ask(&ben, "PUT", &place, json!({"seq": -1}))
            .await
            .expect(400)
            .pointer(),
        "/seq"
    );
}

//! Making, finding, changing and deleting rooms.

use chat::Told;
use protocol::ids::{RoomId, UserId};
use serde_json::json;
use uuid::Uuid;

use crate::world::World;

#[tokio::test]
async fn a_new_room_belongs_to_its_maker_and_its_members_are_told() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let body = json!({"type": "private", "name": "  plans ", "topic": "Friday", "memberIds": [ben.id, ben.id, ada.id]});
    let reply = world.ask(&ada, "POST", "/v1/rooms", body).await.expect(201);
    let room = reply.json();
    assert_eq!(
        reply.header("location"),
        format!("/v1/rooms/{}", room["id"].as_str().unwrap())
    );
    assert_eq!(
        (&room["name"], &room["topic"]),
        (&json!("plans"), &json!("Friday"))
    );
    assert_eq!(
        (&room["role"], &room["memberCount"], &room["headSeq"]),
        (&json!("owner"), &json!(2), &json!(2))
    );
    let id: RoomId = room["id"].as_str().unwrap().parse().unwrap();
    let told = world.hub.told.lock().unwrap().clone();
    assert_eq!(
        told,
        [
            (ada.id, Told::AddedTo { room: id }),
            (ben.id, Told::AddedTo { room: id })
        ]
    );
    let seen = world
        .get(&ben, &format!("/v1/rooms/{id}"))
        .await
        .expect(200)
        .json();
    assert_eq!(seen["role"], "member");
}

#[tokio::test]
async fn what_is_wrong_with_a_new_room_is_named() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let nobody = UserId(Uuid::from_u128(9));
    for (body, pointer, code) in [
        (json!({"type": "public"}), "/name", "invalid_request"),
        (
            json!({"type": "public", "name": " "}),
            "/name",
            "invalid_request",
        ),
        (
            json!({"type": "public", "name": "x".repeat(81)}),
            "/name",
            "invalid_request",
        ),
        (json!({"type": "dm"}), "/type", "invalid_request"),
        (json!({"name": "x"}), "/type", "invalid_request"),
        (
            json!({"type": "group", "topic": "x".repeat(251)}),
            "/topic",
            "invalid_request",
        ),
        (
            json!({"type": "group", "memberIds": ["ben"]}),
            "/memberIds/0",
            "invalid_request",
        ),
        (
            json!({"type": "group", "memberIds": [ada.id, nobody]}),
            "/memberIds/1",
            "user_not_found",
        ),
        (
            json!({"type": "group", "memberIds": vec![nobody; 101]}),
            "/memberIds",
            "invalid_request",
        ),
    ] {
        let reply = world.ask(&ada, "POST", "/v1/rooms", body.clone()).await;
        assert_eq!(
            (reply.pointer().as_str(), reply.code().as_str()),
            (pointer, code),
            "{body}"
        );
    }
}

#[tokio::test]
async fn two_people_have_one_conversation_whoever_opens_it() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let first = world
        .do_(&ada, "PUT", &format!("/v1/dms/{}", ben.id))
        .await
        .expect(201)
        .json();
    let again = world
        .do_(&ada, "PUT", &format!("/v1/dms/{}", ben.id))
        .await
        .expect(200)
        .json();
    let other = world
        .do_(&ben, "PUT", &format!("/v1/dms/{}", ada.id))
        .await
        .expect(200)
        .json();
    assert_eq!((&first["id"], &first["id"]), (&again["id"], &other["id"]));
    assert_eq!(
        (&first["type"], &first["peerId"]),
        (&json!("dm"), &json!(ben.id))
    );
    assert_eq!(other["peerId"], json!(ada.id));
    assert_eq!(world.hub.told.lock().unwrap().len(), 2);
    let with_self = world
        .do_(&ada, "PUT", &format!("/v1/dms/{}", ada.id))
        .await
        .expect(400);
    assert_eq!(with_self.pointer(), "/userId");
    let nobody = UserId(Uuid::from_u128(9));
    assert_eq!(
        world
            .do_(&ada, "PUT", &format!("/v1/dms/{nobody}"))
            .await
            .expect(404)
            .code(),
        "user_not_found"
    );
}

#[tokio::test]
async fn rooms_are_listed_by_activity_with_what_is_unread_page_by_page() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let mut rooms = Vec::new();
    for _ in 0..5 {
        rooms.push(world.room("group", &ada, &[&ben]).await);
        world.hands.advance(std::time::Duration::from_secs(1));
    }
    world.say(&ada, rooms[0], "news").await;
    let (mut seen, mut path) = (Vec::new(), "/v1/rooms?limit=2".to_owned());
    loop {
        let page = world.get(&ben, &path).await.expect(200).json();
        seen.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["page"]["next"].as_str() else {
            break;
        };
        path = format!("/v1/rooms?limit=2&cursor={next}");
    }
    let order: Vec<_> = seen.iter().map(|room| room["id"].clone()).collect();
    let expected: Vec<_> = [0, 4, 3, 2, 1]
        .iter()
        .map(|nth: &usize| json!(rooms[*nth]))
        .collect();
    assert_eq!(order, expected);
    assert_eq!(
        (&seen[0]["unread"], &seen[0]["lastMessage"]["text"]),
        (&json!(1), &json!("news"))
    );
}

#[tokio::test]
async fn the_directory_lists_public_rooms_and_no_others() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    for (kind, name) in [
        ("public", "Gardening"),
        ("public", "Chess"),
        ("private", "Garden party"),
        ("group", "Garden"),
    ] {
        world
            .ask(
                &ada,
                "POST",
                "/v1/rooms",
                json!({"type": kind, "name": name}),
            )
            .await
            .expect(201);
    }
    let found = |q: &'static str| {
        let world = &world;
        let ben = &ben;
        async move {
            let page = world
                .get(ben, &format!("/v1/directory?q={q}"))
                .await
                .expect(200)
                .json();
            let rooms = page["data"].as_array().unwrap().clone();
            rooms
                .iter()
                .map(|room| room["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(found("gard").await, ["Gardening"]);
    assert_eq!(found("").await.len(), 2);
    assert!(found("%25").await.is_empty());
}

#[tokio::test]
async fn a_stranger_sees_a_public_room_and_learns_nothing_of_any_other() {
    let world = World::new().await;
    let (ada, eve) = (world.person("Ada").await, world.person("Eve").await);
    let public = world.room("public", &ada, &[]).await;
    let private = world.room("private", &ada, &[]).await;
    let unknown = RoomId(Uuid::from_u128(3));
    let seen = world
        .get(&eve, &format!("/v1/rooms/{public}"))
        .await
        .expect(200)
        .json();
    assert_eq!(seen["name"], "a room");
    assert!(seen.get("role").is_none() && seen.get("lastMessage").is_none());
    for room in [private, unknown] {
        let reply = world
            .get(&eve, &format!("/v1/rooms/{room}"))
            .await
            .expect(404);
        assert_eq!(reply.code(), "room_not_found");
    }
}

#[tokio::test]
async fn settings_change_by_an_entry_of_the_log_and_a_repeat_changes_nothing() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("private", &ada, &[&ben]).await;
    let place = format!("/v1/rooms/{room}");
    let change = json!({"name": "new name", "topic": "now"});
    let changed = world
        .ask(&ada, "PATCH", &place, change.clone())
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&changed["name"], &changed["topic"]),
        (&json!("new name"), &json!("now"))
    );
    world.ask(&ada, "PATCH", &place, change).await.expect(200);
    assert_eq!(world.get(&ada, &place).await.json()["headSeq"], 3);
    let cleared = world
        .ask(&ada, "PATCH", &place, json!({"topic": null}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&cleared["name"], &cleared["topic"]),
        (&json!("new name"), &json!(null))
    );
    assert_eq!(
        world
            .ask(&ada, "PATCH", &place, json!({"name": null}))
            .await
            .expect(400)
            .pointer(),
        "/name"
    );
    assert_eq!(
        world
            .ask(&ben, "PATCH", &place, json!({"name": "mine"}))
            .await
            .expect(403)
            .code(),
        "forbidden"
    );
}

#[tokio::test]
async fn a_deleted_room_is_gone_for_everybody() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("public", &ada, &[&ben]).await;
    let place = format!("/v1/rooms/{room}");
    assert_eq!(
        world.do_(&ben, "DELETE", &place).await.expect(403).code(),
        "forbidden"
    );
    world.do_(&ada, "DELETE", &place).await.expect(204);
    for who in [&ada, &ben] {
        assert_eq!(
            world.get(who, &place).await.expect(404).code(),
            "room_not_found"
        );
        assert_eq!(world.get(who, "/v1/rooms").await.json()["data"], json!([]));
        let join = world
            .do_(who, "PUT", &format!("{place}/members/me"))
            .await
            .expect(404);
        assert_eq!(join.code(), "room_not_found");
    }
}

//! Oneself, others, presence, and the end of an account.

use protocol::ids::{SessionId, UserId};
use serde_json::json;
use uuid::Uuid;

use crate::world::{World, call};

#[tokio::test]
async fn a_person_sees_their_address_and_others_do_not() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let me = world.get(&ada, "/v1/users/me").await.expect(200).json();
    assert_eq!(me["displayName"], "Ada");
    assert_eq!(me["email"], "p1@chat.test");
    let seen = world
        .get(&ben, &format!("/v1/users/{}", ada.id))
        .await
        .expect(200)
        .json();
    assert_eq!(seen["displayName"], "Ada");
    assert!(seen.get("email").is_none());
}

#[tokio::test]
async fn a_profile_is_changed_and_null_takes_a_value_away() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let change = json!({"displayName": "  Ada L.  ", "avatarUrl": "https://pictures.test/a.png"});
    let me = world
        .ask(&ada, "PATCH", "/v1/users/me", change)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&me["displayName"], &me["avatarUrl"]),
        (&json!("Ada L."), &json!("https://pictures.test/a.png"))
    );
    let me = world
        .ask(&ada, "PATCH", "/v1/users/me", json!({"avatarUrl": null}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&me["displayName"], &me["avatarUrl"]),
        (&json!("Ada L."), &json!(null))
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_is_named() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    for (change, pointer) in [
        (json!({"displayName": ""}), "/displayName"),
        (json!({"displayName": "x".repeat(65)}), "/displayName"),
        (json!({"displayName": "a\nb"}), "/displayName"),
        (json!({"displayName": 7}), "/displayName"),
        (json!({"avatarUrl": "javascript:alert(1)"}), "/avatarUrl"),
        (json!({"avatarUrl": "https://x/\"onerror="}), "/avatarUrl"),
    ] {
        let reply = world
            .ask(&ada, "PATCH", "/v1/users/me", change.clone())
            .await
            .expect(400);
        assert_eq!(reply.pointer(), pointer, "{change}");
    }
}

#[tokio::test]
async fn people_are_found_by_the_beginning_of_a_word_of_their_name_page_by_page() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    for nth in 0..7 {
        world.person(&format!("Bo {nth}")).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/users?q=bo&limit=3".to_owned());
    loop {
        let page = world.get(&ada, &path).await.expect(200).json();
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["displayName"].to_string()),
        );
        let Some(next) = page["page"]["next"].as_str() else {
            break;
        };
        path = format!("/v1/users?q=bo&limit=3&cursor={next}");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7);
    // Signs that a pattern would read as "anything" are signs here.
    for q in ["%25", "_", "*"] {
        let page = world
            .get(&ada, &format!("/v1/users?q={q}"))
            .await
            .expect(200)
            .json();
        assert_eq!(page["data"], json!([]), "{q}");
    }
}

#[tokio::test]
async fn an_unknown_person_is_not_found() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let nobody = UserId(Uuid::from_u128(9));
    let reply = world
        .get(&ada, &format!("/v1/users/{nobody}"))
        .await
        .expect(404);
    assert_eq!(reply.code(), "user_not_found");
}

#[tokio::test]
async fn presence_is_shown_to_those_who_share_a_room_and_all_others_look_offline() {
    let world = World::new().await;
    let (ada, ben, eve) = (
        world.person("Ada").await,
        world.person("Ben").await,
        world.person("Eve").await,
    );
    let room = world.room("group", &ada, &[&ben]).await;
    *world.hub.online.lock().unwrap() = vec![ada.id, ben.id];
    let nobody = UserId(Uuid::from_u128(9));
    let path = format!("/v1/presence?users={},{nobody},{}", ben.id, eve.id);

    let users = world.get(&ada, &path).await.expect(200).json()["users"].clone();
    let statuses: Vec<_> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["status"].clone())
        .collect();
    assert_eq!(statuses, ["online", "offline", "offline"]);
    assert_eq!(users[0]["userId"], json!(ben.id));
    let users = world.get(&eve, &path).await.expect(200).json()["users"].clone();
    assert_eq!(users[0]["status"], "offline");

    let crowd = world
        .get(&ada, &format!("/v1/rooms/{room}/presence"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&crowd["count"], &crowd["exact"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(crowd["sample"].as_array().unwrap().len(), 2);
    let reply = world
        .get(&eve, &format!("/v1/rooms/{room}/presence"))
        .await
        .expect(404);
    assert_eq!(reply.code(), "room_not_found");

    let many = vec![ben.id.to_string(); 201].join(",");
    assert_eq!(
        world
            .get(&ada, &format!("/v1/presence?users={many}"))
            .await
            .expect(400)
            .pointer(),
        "/users"
    );
    assert_eq!(
        world
            .get(&ada, "/v1/presence?users=ben")
            .await
            .expect(400)
            .pointer(),
        "/users"
    );
}

#[tokio::test]
async fn a_deleted_account_leaves_its_rooms_to_the_admin_who_is_there_longest() {
    let world = World::new().await;
    let (ada, ben, cyd) = (
        world.person("Ada").await,
        world.person("Ben").await,
        world.person("Cyd").await,
    );
    let room = world.room("private", &ada, &[&ben, &cyd]).await;
    let alone = world.room("public", &ada, &[]).await;
    let dm = world
        .ask(&ada, "PUT", &format!("/v1/dms/{}", ben.id), json!({}))
        .await
        .expect(201)
        .json();
    world.say(&ada, room, "farewell").await;
    let place = format!("/v1/rooms/{room}/members/{}", cyd.id);
    world
        .ask(&ada, "PATCH", &place, json!({"role": "admin"}))
        .await
        .expect(200);

    world.do_(&ada, "DELETE", "/v1/users/me").await.expect(204);

    let members = world
        .get(&ben, &format!("/v1/rooms/{room}/members"))
        .await
        .expect(200)
        .json();
    let members = members["data"].as_array().unwrap();
    assert_eq!(members.len(), 2);
    let heir = members
        .iter()
        .find(|member| member["userId"] == json!(cyd.id))
        .unwrap();
    assert_eq!(heir["role"], "owner");
    // What was said stays, the conversation too; the name is gone.
    let page = world
        .get(&ben, &format!("/v1/rooms/{room}/messages"))
        .await
        .expect(200)
        .json();
    assert_eq!(page["data"][0]["text"], "farewell");
    world
        .get(&ben, &format!("/v1/rooms/{}", dm["id"].as_str().unwrap()))
        .await
        .expect(200);
    let seen = world.get(&ben, &format!("/v1/users/{}", ada.id)).await;
    assert!(!seen.text.contains("Ada"), "{seen:?}");
    // The device is signed out, here and for live sockets.
    assert_eq!(
        world.get(&ada, "/v1/users/me").await.expect(401).code(),
        "session_revoked"
    );
    assert_eq!(*world.hub.cut.lock().unwrap(), [ada.session]);
    // Whoever comes to the empty room next may have it.
    let member = world
        .ask(
            &ben,
            "PUT",
            &format!("/v1/rooms/{alone}/members/me"),
            json!({}),
        )
        .await
        .expect(200);
    assert_eq!(member.json()["role"], "owner");
}

#[tokio::test]
async fn a_token_opens_nothing_once_its_session_is_revoked_or_its_time_is_over() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let other = SessionId(Uuid::from_u128(77));
    let later = world.token(ada.id, other, 60);
    let with = |token: &str| {
        call("GET", "/v1/users/me").header("authorization", &format!("Bearer {token}"))
    };
    world.send(with(&later)).await.expect(200);
    world.hands.advance(std::time::Duration::from_secs(120));
    let reply = world.send(with(&later)).await.expect(401);
    assert_eq!(reply.code(), "token_expired");
    assert!(reply.header("www-authenticate").starts_with("Bearer"));
    world.get(&ada, "/v1/users/me").await.expect(200);
    world.revoked.add(&[ada.session], 0);
    assert_eq!(
        world.get(&ada, "/v1/users/me").await.expect(401).code(),
        "session_revoked"
    );
}

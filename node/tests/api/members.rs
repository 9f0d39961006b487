//! Joining, adding, roles, mutes, removal and bans.

use serde_json::json;

use crate::shell::TODAY;
use crate::world::World;

#[tokio::test]
async fn anybody_joins_a_public_room_once_and_leaves_it() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("public", &ada, &[]).await;
    let me = format!("/v1/rooms/{room}/members/me");
    let first = world.do_(&ben, "PUT", &me).await.expect(200).json();
    let again = world
        .do_(&ben, "PUT", &format!("/v1/rooms/{room}/members/{}", ben.id))
        .await
        .expect(200)
        .json();
    assert_eq!(first, again);
    assert_eq!(first["role"], "member");
    assert_eq!(
        world.get(&ben, &format!("/v1/rooms/{room}")).await.json()["headSeq"],
        2
    );
    world.do_(&ben, "DELETE", &me).await.expect(204);
    world.do_(&ben, "DELETE", &me).await.expect(204);
    assert_eq!(
        world.get(&ada, &format!("/v1/rooms/{room}")).await.json()["headSeq"],
        3
    );
    assert_eq!(
        world.do_(&ada, "DELETE", &me).await.status,
        204,
        "alone, an owner may leave too"
    );
}

#[tokio::test]
async fn the_list_of_members_shows_their_names_page_by_page() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let mut others = Vec::new();
    for nth in 0..6 {
        others.push(world.person(&format!("Other {nth}")).await);
    }
    let room = world
        .room("group", &ada, &others.iter().collect::<Vec<_>>())
        .await;
    let (mut names, mut path) = (Vec::new(), format!("/v1/rooms/{room}/members?limit=3"));
    loop {
        let page = world.get(&ada, &path).await.expect(200).json();
        let rows = page["data"].as_array().unwrap().clone();
        assert!(rows.iter().all(|row| row["user"]["id"] == row["userId"]));
        names.extend(
            rows.iter()
                .map(|row| row["user"]["displayName"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["page"]["next"].as_str() else {
            break;
        };
        path = format!("/v1/rooms/{room}/members?limit=3&cursor={next}");
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 7);
}

#[tokio::test]
async fn roles_are_given_from_above_and_an_owner_is_always_left() {
    let world = World::new().await;
    let (ada, ben, cyd) = (
        world.person("Ada").await,
        world.person("Ben").await,
        world.person("Cyd").await,
    );
    let room = world.room("private", &ada, &[&ben, &cyd]).await;
    let place = |who: &crate::world::Person| format!("/v1/rooms/{room}/members/{}", who.id);
    let role = |role| json!({"role": role});
    assert_eq!(
        world
            .ask(&ben, "PATCH", &place(&cyd), role("admin"))
            .await
            .expect(403)
            .code(),
        "forbidden"
    );
    world
        .ask(&ada, "PATCH", &place(&ben), role("admin"))
        .await
        .expect(200);
    world
        .ask(&ben, "PATCH", &place(&cyd), role("moderator"))
        .await
        .expect(200);
    assert_eq!(
        world
            .ask(&ben, "PATCH", &place(&cyd), role("owner"))
            .await
            .expect(403)
            .code(),
        "forbidden"
    );
    let me = format!("/v1/rooms/{room}/members/me");
    assert_eq!(
        world
            .ask(&ada, "PATCH", &me, role("member"))
            .await
            .expect(409)
            .code(),
        "last_owner"
    );
    assert_eq!(
        world.do_(&ada, "DELETE", &me).await.expect(409).code(),
        "last_owner"
    );
    world
        .ask(&ada, "PATCH", &place(&ben), role("owner"))
        .await
        .expect(200);
    world.do_(&ada, "DELETE", &me).await.expect(204);
    assert_eq!(
        world
            .ask(&ben, "PATCH", &place(&cyd), role("king"))
            .await
            .expect(400)
            .pointer(),
        "/role"
    );
}

#[tokio::test]
async fn the_muted_may_not_write_until_their_time_is_over() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("group", &ada, &[&ben]).await;
    let place = format!("/v1/rooms/{room}/members/{}", ben.id);
    let until = TODAY.plus_millis(60_000);
    let muted = world
        .ask(&ada, "PATCH", &place, json!({"mutedUntil": until}))
        .await
        .expect(200)
        .json();
    assert_eq!(muted["mutedUntil"], json!(until));
    let say = format!("/v1/rooms/{room}/messages");
    let refused = world
        .ask(&ben, "POST", &say, json!({"text": "but"}))
        .await
        .expect(403);
    assert_eq!(refused.code(), "muted");
    world.hands.advance(std::time::Duration::from_secs(61));
    world.say(&ben, room, "thanks").await;
    world
        .ask(
            &ada,
            "PATCH",
            &place,
            json!({"mutedUntil": TODAY.plus_millis(3_600_000)}),
        )
        .await
        .expect(200);
    let lifted = world
        .ask(&ada, "PATCH", &place, json!({"mutedUntil": null}))
        .await
        .expect(200)
        .json();
    assert_eq!(lifted["mutedUntil"], json!(null));
    world.say(&ben, room, "again").await;
}

#[tokio::test]
async fn the_banned_stay_out_until_their_time_is_over_or_the_ban_is_lifted() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("public", &ada, &[&ben]).await;
    let place = format!("/v1/rooms/{room}/members/{}", ben.id);
    let me = format!("/v1/rooms/{room}/members/me");
    let until = TODAY.plus_millis(60_000);

    world
        .do_(&ada, "DELETE", &format!("{place}?ban=true&until={until}"))
        .await
        .expect(204);
    assert_eq!(
        world.do_(&ben, "PUT", &me).await.expect(403).code(),
        "banned"
    );
    world.hands.advance(std::time::Duration::from_secs(61));
    world.do_(&ben, "PUT", &me).await.expect(200);

    world
        .do_(&ada, "DELETE", &format!("{place}?ban=true"))
        .await
        .expect(204);
    world.hands.advance(std::time::Duration::from_secs(300));
    assert_eq!(
        world.do_(&ben, "PUT", &me).await.expect(403).code(),
        "banned"
    );
    assert_eq!(
        world.do_(&ada, "PUT", &place).await.expect(403).code(),
        "banned"
    );
    world
        .ask(&ada, "PATCH", &place, json!({"banned": false}))
        .await
        .expect(204);
    world.do_(&ben, "PUT", &me).await.expect(200);
    // Removal without a ban: the door stays open.
    world.do_(&ada, "DELETE", &place).await.expect(204);
    world.do_(&ada, "DELETE", &place).await.expect(204);
    world.do_(&ben, "PUT", &me).await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_removal_is_named() {
    let world = World::new().await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let room = world.room("group", &ada, &[&ben]).await;
    let place = format!("/v1/rooms/{room}/members/{}", ben.id);
    for (query, pointer) in [
        ("until=2026-12-01T00:00:00.000Z", "/until"),
        ("ban=true&until=2001-01-01T00:00:00.000Z", "/until"),
        ("ban=true&until=tomorrow", "/until"),
        ("ban=perhaps", "/ban"),
    ] {
        assert_eq!(
            world
                .do_(&ada, "DELETE", &format!("{place}?{query}"))
                .await
                .expect(400)
                .pointer(),
            pointer
        );
    }
    let own = format!("/v1/rooms/{room}/members/me?ban=true");
    assert_eq!(
        world.do_(&ada, "DELETE", &own).await.expect(400).pointer(),
        "/ban"
    );
    for body in [
        json!({"banned": true}),
        json!({"banned": false, "role": "admin"}),
    ] {
        assert_eq!(
            world
                .ask(&ada, "PATCH", &place, body)
                .await
                .expect(400)
                .pointer(),
            "/banned"
        );
    }
}

#[tokio::test]
async fn nobody_is_added_who_does_not_exist() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    let nobody = protocol::ids::UserId(uuid::Uuid::from_u128(9));
    let reply = world
        .do_(&ada, "PUT", &format!("/v1/rooms/{room}/members/{nobody}"))
        .await
        .expect(404);
    assert_eq!(reply.code(), "user_not_found");
}

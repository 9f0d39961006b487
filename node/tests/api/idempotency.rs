//! `Idempotency-Key`: a call that is repeated is done once.

use serde_json::json;

use crate::world::{World, call};

#[tokio::test]
async fn a_repeated_creation_is_answered_as_the_first_and_makes_one_room() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let body = json!({"type": "public", "name": "general"});
    let make = || {
        call("POST", "/v1/rooms")
            .by(&ada)
            .header("idempotency-key", "k1")
            .body(&body)
    };
    let first = world.send(make()).await.expect(201);
    let again = world.send(make()).await.expect(201);
    assert_eq!(first.text, again.text);
    assert_eq!(
        (
            first.header("idempotency-replayed"),
            again.header("idempotency-replayed")
        ),
        ("", "true")
    );
    assert_eq!(
        world.get(&ada, "/v1/rooms").await.json()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let other = json!({"type": "public", "name": "other"});
    let reused = world
        .send(
            call("POST", "/v1/rooms")
                .by(&ada)
                .header("idempotency-key", "k1")
                .body(&other),
        )
        .await;
    assert_eq!(reused.expect(422).code(), "idempotency_key_reused");
    // Another person's key of the same spelling is another key.
    let ben = world.person("Ben").await;
    world
        .send(
            call("POST", "/v1/rooms")
                .by(&ben)
                .header("idempotency-key", "k1")
                .body(&other),
        )
        .await
        .expect(201);
}

#[tokio::test]
async fn calls_at_the_same_time_under_one_key_make_one_message() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    let place = format!("/v1/rooms/{room}/messages");
    let body = json!({"text": "once"});
    let send = || {
        world.send(
            call("POST", &place)
                .by(&ada)
                .header("idempotency-key", "once")
                .body(&body),
        )
    };
    let replies = tokio::join!(send(), send(), send(), send());
    let ids: Vec<_> = [replies.0, replies.1, replies.2, replies.3]
        .into_iter()
        .map(|reply| {
            assert!(matches!(reply.status, 200 | 201), "{reply:?}");
            reply.json()["message"]["id"].clone()
        })
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    assert_eq!(
        world.get(&ada, &place).await.json()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_refused_call_gives_its_key_back() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    let place = format!("/v1/rooms/{room}/messages");
    let send = |text: &str| {
        call("POST", &place)
            .by(&ada)
            .header("idempotency-key", "k")
            .body(&json!({"text": text}))
    };
    assert_eq!(world.send(send("")).await.expect(400).code(), "text_empty");
    world.send(send("mended")).await.expect(201);
}

#[tokio::test]
async fn a_key_is_1_to_128_printable_characters() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    for key in ["", &"k".repeat(129)] {
        let make = call("POST", "/v1/rooms")
            .by(&ada)
            .header("idempotency-key", key);
        let reply = world
            .send(make.body(&json!({"type": "group"})))
            .await
            .expect(400);
        assert_eq!(reply.pointer(), "/Idempotency-Key");
    }
}

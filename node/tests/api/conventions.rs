//! What holds for every call: problems, traces, limits, CORS, headers.

use std::sync::Arc;

use bus::limits_local::LocalLimiter;
use node::ports::Settings;
use serde_json::json;

use crate::world::{World, call};

#[tokio::test]
async fn every_refusal_is_a_problem_document_with_the_trace_of_its_answer() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let group = json!({"type": "group"}).to_string();
    let post = || call("POST", "/v1/rooms").by(&ada);
    for (name, sent, status, code) in [
        ("no route", call("GET", "/v1/nothing"), 404, "not_found"),
        (
            "no method",
            call("DELETE", "/v1/rooms").by(&ada),
            405,
            "method_not_allowed",
        ),
        ("no token", call("GET", "/v1/rooms"), 401, "token_missing"),
        (
            "no bearer",
            call("GET", "/v1/rooms").header("authorization", "Basic eDp5"),
            401,
            "token_invalid",
        ),
        (
            "bad token",
            call("GET", "/v1/rooms").header("authorization", "Bearer x.y.z"),
            401,
            "token_invalid",
        ),
        (
            "token in query",
            call("GET", "/v1/rooms?token=abc"),
            400,
            "token_in_query",
        ),
        (
            "bad id",
            call("GET", "/v1/rooms/42").by(&ada),
            400,
            "invalid_request",
        ),
        (
            "no kind",
            post().text("text/plain", group.clone()),
            415,
            "unsupported_media_type",
        ),
        (
            "no JSON",
            post().text("application/json", "{"),
            400,
            "invalid_json",
        ),
        (
            "empty",
            post().text("application/json", ""),
            400,
            "invalid_json",
        ),
        (
            "not UTF-8",
            post().text("application/json", vec![b'"', 0xff, b'"']),
            400,
            "invalid_json",
        ),
        (
            "too deep",
            post().text("application/json", "[".repeat(40)),
            400,
            "invalid_json",
        ),
        (
            "too large",
            post().text("application/json", "x".repeat(65_537)),
            413,
            "payload_too_large",
        ),
    ] {
        let reply = world.send(sent).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{name}: {reply:?}"
        );
        assert_eq!(
            reply.header("content-type"),
            "application/problem+json",
            "{name}"
        );
        let problem = reply.json();
        assert_eq!(problem["status"], status, "{name}");
        assert_eq!(problem["type"], format!("/docs/errors/{code}"), "{name}");
        assert_eq!(problem["traceId"], reply.header("x-trace-id"), "{name}");
        assert_eq!(reply.header("x-trace-id").len(), 32, "{name}");
    }
}

#[tokio::test]
async fn a_wrong_id_in_the_path_is_named() {
    let world = World::new().await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    for (path, pointer) in [
        ("/v1/users/me2".to_owned(), "/id"),
        (format!("/v1/users/{room}"), "/id"),
        (
            format!("/v1/rooms/{}", room.to_string().to_uppercase()),
            "/id",
        ),
        (format!("/v1/rooms/{room}/messages/msg_1"), "/msgId"),
        (format!("/v1/rooms/x/messages/{room}"), "/id"),
    ] {
        assert_eq!(
            world.get(&ada, &path).await.expect(400).pointer(),
            pointer,
            "{path}"
        );
    }
    let member = format!("/v1/rooms/{room}/members/you");
    assert_eq!(
        world.do_(&ada, "PUT", &member).await.expect(400).pointer(),
        "/userId"
    );
}

#[tokio::test]
async fn a_trace_that_a_caller_brings_goes_on() {
    let world = World::new().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let reply = world
        .send(call("GET", "/v1/rooms").header("traceparent", &parent))
        .await;
    assert_eq!(
        (
            reply.header("x-trace-id"),
            reply.json()["traceId"].as_str().unwrap()
        ),
        (trace, trace)
    );
    let forged = world
        .send(call("GET", "/v1/rooms").header("x-trace-id", "mine"))
        .await;
    assert_ne!(forged.header("x-trace-id"), "mine");
}

#[tokio::test]
async fn limits_are_announced_and_who_passes_them_is_told_when_to_come_back() {
    let world = World::with(Settings::default(), Arc::new(LocalLimiter::new()), true).await;
    let ada = world.person("Ada").await;
    let reply = world.get(&ada, "/v1/users?q=a").await.expect(200);
    assert_eq!(reply.header("ratelimit-policy"), "\"searches\";q=60;w=60");
    assert_eq!(reply.header("ratelimit"), "\"searches\";r=59;t=1");
    for _ in 0..59 {
        world.get(&ada, "/v1/users?q=a").await.expect(200);
    }
    let refused = world.get(&ada, "/v1/users?q=a").await.expect(429);
    assert_eq!(
        (refused.code().as_str(), refused.header("retry-after")),
        ("rate_limited", "1")
    );
    assert_eq!(refused.json()["retryAfter"], 1);
    world.get(&ada, "/v1/users/me").await.expect(200);
    world.hands.advance(std::time::Duration::from_secs(1));
    world.get(&ada, "/v1/users?q=a").await.expect(200);
    // Without a token the address has its own budget, and is told of it.
    let stranger = world.send(call("GET", "/v1/users/me")).await.expect(401);
    assert!(
        stranger
            .header("ratelimit-policy")
            .starts_with("\"strangers\"")
    );
}

#[tokio::test]
async fn the_pace_of_a_room_is_told_in_seconds_over_rest() {
    let world = World::with(Settings::default(), Arc::new(LocalLimiter::new()), true).await;
    let ada = world.person("Ada").await;
    let room = world.room("group", &ada, &[]).await;
    for _ in 0..20 {
        world.say(&ada, room, "fast").await;
    }
    let place = format!("/v1/rooms/{room}/messages");
    let refused = world
        .ask(&ada, "POST", &place, json!({"text": "faster"}))
        .await
        .expect(429);
    assert_eq!(
        (refused.code().as_str(), refused.header("retry-after")),
        ("rate_limited", "1")
    );
}

#[tokio::test]
async fn only_listed_origins_may_call_from_a_page() {
    let settings = Settings {
        origins: vec!["https://app.test".to_owned()],
        ..Settings::default()
    };
    let world = World::with(settings, Arc::new(bus::limits::Unlimited), false).await;
    let preflight = |origin: &str| {
        call("OPTIONS", "/v1/rooms")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
    };
    let allowed = world.send(preflight("https://app.test")).await.expect(204);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://app.test"
    );
    assert!(
        allowed
            .header("access-control-allow-headers")
            .contains("Authorization")
    );
    for origin in [
        "null",
        "*",
        "https://app.test.evil",
        "https://evil-app.test",
        "http://app.test",
        "https://app.test:444",
        "https://APP.test",
        "https://app.test/",
    ] {
        let refused = world.send(preflight(origin)).await.expect(403);
        assert_eq!(
            (
                refused.code().as_str(),
                refused.header("access-control-allow-origin")
            ),
            ("origin_refused", "")
        );
        let reply = world
            .send(call("GET", "/v1/limits").header("origin", origin))
            .await
            .expect(200);
        assert_eq!(reply.header("access-control-allow-origin"), "", "{origin}");
        assert!(reply.header("vary").to_ascii_lowercase().contains("origin"));
    }
    let reply = world
        .send(call("GET", "/v1/limits").header("origin", "https://app.test"))
        .await
        .expect(200);
    assert_eq!(
        reply.header("access-control-allow-origin"),
        "https://app.test"
    );
    assert_eq!(reply.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn answers_protect_browsers_and_stay_out_of_caches() {
    let settings = Settings {
        https: true,
        ..Settings::default()
    };
    let world = World::with(settings, Arc::new(bus::limits::Unlimited), false).await;
    let ada = world.person("Ada").await;
    let reply = world.get(&ada, "/v1/users/me").await.expect(200);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert!(
        reply
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
    assert!(
        reply
            .header("strict-transport-security")
            .starts_with("max-age=")
    );
}

#[tokio::test]
async fn limits_in_force_can_be_read_by_anybody() {
    let settings = Settings {
        limits: true,
        dev_mailbox: true,
        ..Settings::default()
    };
    let world = World::with(settings, Arc::new(bus::limits::Unlimited), false).await;
    let limits = world
        .send(call("GET", "/v1/limits"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&limits["textChars"], &limits["devMailbox"]),
        (&json!(4_000), &json!(true))
    );
    for name in ["sends", "calls"] {
        let mut rates = limits["rates"].as_array().unwrap().iter();
        assert!(rates.any(|rate| rate["name"] == name), "{name}");
    }
    let world = World::new().await;
    let limits = world
        .send(call("GET", "/v1/limits"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&limits["rates"], &limits["devMailbox"]),
        (&json!([]), &json!(false))
    );
}

//! How a session begins, and every way it is refused.

use crate::support::{Http, Setup, Ws, get, request};
use serde_json::{Value, json};
use std::time::Duration;
use transport::Origins;

fn open_packet(text: &str) -> Value {
    serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap()
}

#[test]
fn polling_begins_with_the_open_packet() {
    let server = Setup::new()
        .with(|config| {
            config.ping_interval = Duration::from_millis(300);
            config.ping_timeout = Duration::from_millis(200);
            config.limits.max_payload = 1_000_000;
        })
        .start();
    let reply = get(server.address(), "/engine.io/?EIO=4&transport=polling");
    assert_eq!(reply.status, 200);
    let mut packet = open_packet(&reply.body);
    let sid = packet["sid"].take();
    assert_eq!(sid.as_str().unwrap().len(), 32);
    assert_eq!(
        packet,
        json!({"sid": null, "upgrades": ["websocket"], "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000})
    );
}

#[test]
fn a_websocket_begins_with_the_open_packet_and_offers_no_upgrade() {
    let server = Setup::new().start();
    let mut ws = Ws::open(server.address(), "/engine.io/?EIO=4&transport=websocket");
    let packet = open_packet(&ws.text());
    assert_eq!(packet["upgrades"], json!([]));
    assert_eq!(packet.as_object().unwrap().len(), 5);
}

#[test]
fn no_two_sessions_have_the_same_name() {
    let server = Setup::new().start();
    let sids: std::collections::BTreeSet<String> = (0..20)
        .map(|_| get(server.address(), "/engine.io/?EIO=4&transport=polling").body)
        .collect();
    assert_eq!(sids.len(), 20);
}

#[test]
fn malformed_handshakes_are_told_what_the_reference_tells() {
    let server = Setup::new().start();
    for (method, target, status, code) in [
        ("GET", "/engine.io/?transport=polling", 400, 5),
        ("GET", "/engine.io/?EIO=abc&transport=polling", 400, 5),
        ("GET", "/engine.io/?EIO=3&transport=polling", 400, 5),
        ("GET", "/engine.io/?EIO=4", 400, 0),
        ("GET", "/engine.io/?EIO=4&transport=abc", 400, 0),
        ("GET", "/engine.io/?EIO=4&transport=toString", 400, 0),
        ("POST", "/engine.io/?EIO=4&transport=polling", 400, 2),
        ("PUT", "/engine.io/?EIO=4&transport=polling", 400, 2),
        ("GET", "/engine.io/?EIO=4&transport=websocket", 400, 3),
        ("GET", "/engine.io/?EIO=4&transport=polling&sid=abc", 400, 1),
        (
            "GET",
            "/engine.io/?EIO=4&transport=polling&transport=websocket",
            400,
            3,
        ),
    ] {
        let reply = request(server.address(), method, target, "", "");
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(
            (reply.status, body["code"].as_u64()),
            (status, Some(code)),
            "{method} {target}"
        );
        assert!(body["message"].is_string());
    }
    for target in [
        "/engine.io/?transport=websocket",
        "/engine.io/?EIO=abc&transport=websocket",
        "/engine.io/?EIO=4",
        "/engine.io/?EIO=4&transport=websocket&sid=abc",
    ] {
        assert_eq!(
            Ws::try_open(server.address(), target, "").1.status,
            400,
            "{target}"
        );
    }
}

#[test]
fn an_upgrade_needs_its_headers() {
    let server = Setup::new().start();
    for headers in [
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
    ] {
        let text = format!(
            "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: chat.test\r\n{headers}\r\n"
        );
        assert_eq!(
            Http::open(server.address()).send(text).reply().status,
            400,
            "{headers}"
        );
    }
}

#[test]
fn bytes_behind_the_upgrade_request_are_not_lost() {
    let server = Setup::new().start();
    let mut text = b"GET /websocket/ HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec();
    text.extend(crate::support::frame(0x81, b"early"));
    let mut http = Http::open(server.address()).send(text);
    assert_eq!(http.reply().status, 101);
    assert_eq!(Ws { http }.text(), "early");
}

#[test]
fn a_token_in_the_query_is_refused_by_either_transport() {
    let server = Setup::new().start();
    for key in ["token", "%74oken", "access_token"] {
        let target = format!("/socket.io/?EIO=4&transport=polling&{key}=secret");
        assert_eq!(get(server.address(), &target).status, 400);
        let target = format!("/socket.io/?EIO=4&transport=websocket&{key}=secret");
        assert_eq!(Ws::try_open(server.address(), &target, "").1.status, 400);
    }
}

#[test]
fn pages_of_other_origins_are_refused_by_either_transport() {
    let server = Setup::new()
        .with(|config| {
            config.origins = Origins {
                allowed: vec!["https://app.example".into()],
                credentials: true,
                ..Origins::default()
            };
        })
        .start();
    let poll = "/socket.io/?EIO=4&transport=polling";
    let websocket = "/socket.io/?EIO=4&transport=websocket";
    for (origin, polled, upgraded) in [
        ("https://app.example", 200, 101),
        ("http://chat.test", 200, 101),
        ("https://chat.test", 200, 101),
        ("null", 403, 403),
        ("https://app.example.evil.com", 403, 403),
        ("https://evilapp.example", 403, 403),
        ("http://app.example", 403, 403),
        ("https://app.example:8443", 403, 403),
        ("https://APP.example", 403, 403),
        ("http://chat.test:81", 403, 403),
    ] {
        let header = format!("Origin: {origin}\r\n");
        let reply = request(server.address(), "GET", poll, &header, "");
        assert_eq!(reply.status, polled, "{origin}");
        assert_eq!(reply.header("vary"), Some("Origin"));
        let allowed = reply.header("access-control-allow-origin");
        assert_eq!(
            allowed,
            (origin == "https://app.example").then_some(origin),
            "{origin}"
        );
        assert_eq!(
            reply.header("access-control-allow-credentials").is_some(),
            allowed.is_some()
        );
        assert_eq!(
            Ws::try_open(server.address(), websocket, &header).1.status,
            upgraded,
            "{origin}"
        );
    }
    assert_eq!(get(server.address(), poll).status, 200);
}

#[test]
fn a_preflight_tells_an_allowed_page_what_it_may_send() {
    let server = Setup::new()
        .with(|config| config.origins.allowed = vec!["https://app.example".into()])
        .start();
    let ask = |origin: &str| {
        let headers = format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n");
        request(
            server.address(),
            "OPTIONS",
            "/socket.io/?EIO=4&transport=polling",
            &headers,
            "",
        )
    };
    let reply = ask("https://app.example");
    assert_eq!(reply.status, 204);
    assert_eq!(
        reply.header("access-control-allow-methods"),
        Some("GET, POST")
    );
    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    let reply = ask("https://evil.example");
    assert_eq!(reply.status, 403);
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[test]
fn any_origin_is_answered_with_a_star() {
    let server = Setup::new()
        .with(|config| config.origins.any = true)
        .start();
    let reply = request(
        server.address(),
        "GET",
        "/socket.io/?EIO=4&transport=polling",
        "Origin: https://anywhere.example\r\n",
        "",
    );
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn other_paths_go_to_the_fallback() {
    let server = Setup::new().start();
    let reply = get(server.address(), "/v1/rooms?limit=1");
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, "GET /v1/rooms?limit=1 127.0.0.1")
    );
}

#[test]
fn kept_headers_and_the_client_behind_a_trusted_proxy_reach_the_application() {
    let server = Setup::new()
        .with(|config| {
            config.kept_headers = vec![http::header::USER_AGENT];
            config.proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .start();
    let headers = "User-Agent: test/1\r\nX-Secret: no\r\nX-Forwarded-For: 6.6.6.6, 9.8.7.6\r\n";
    let (mut ws, _) = Ws::try_open(
        server.address(),
        "/socket.io/?EIO=4&transport=websocket",
        headers,
    );
    ws.text();
    ws.send(r#"40{"whoami":true}"#);
    ws.text();
    ws.text();
    assert_eq!(ws.text(), r#"42["you",["9.8.7.6",["user-agent=test/1"]]]"#);
}

#[test]
fn overload_is_refused_with_503_before_a_session_exists() {
    let server = Setup::new()
        .with(|config| config.limits.connections = 2)
        .start();
    let held: Vec<Ws> = (0..2)
        .map(|_| Ws::engine(server.address(), "/engine.io/"))
        .collect();
    let reply = get(server.address(), "/engine.io/?EIO=4&transport=polling");
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    let target = "/engine.io/?EIO=4&transport=websocket";
    assert_eq!(Ws::try_open(server.address(), target, "").1.status, 503);
    let refused = &server.server.shards()[0].counters().refused;
    assert_eq!(refused.load(std::sync::atomic::Ordering::Relaxed), 2);
    drop(held);
}

//! The documents as they are served, and the pages that people read.

use serde_json::Value;

use crate::world::{World, call};

#[tokio::test]
async fn the_documents_are_served_as_they_are_built() {
    let world = World::new().await;
    let (openapi, asyncapi) = node::contract::contract([]);
    for (path, document) in [("/openapi.json", openapi), ("/asyncapi.json", asyncapi)] {
        let reply = world.send(call("GET", path)).await.expect(200);
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(
            serde_json::from_str::<Value>(&reply.text).unwrap(),
            document
        );
    }
}

#[tokio::test]
async fn every_page_is_whole_without_a_script_under_a_strict_policy() {
    let world = World::new().await;
    for path in [
        "/docs",
        "/docs/guide",
        "/docs/errors",
        "/docs/errors/room_not_found",
    ] {
        let reply = world.send(call("GET", path)).await.expect(200);
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
        let policy = reply.header("content-security-policy").to_owned();
        assert!(
            policy.contains("default-src 'self'") && !policy.contains("unsafe-inline"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"));
        let text = reply.text.to_ascii_lowercase();
        for never in [
            "<script",
            " style=\"",
            "onclick",
            "javascript:",
            "http://",
            "src=\"https:",
        ] {
            assert!(!text.contains(never), "{path} has {never}");
        }
        assert!(text.ends_with("</html>\n") && text.contains("<html lang=\"en\">"));
    }
    assert_eq!(
        world
            .send(call("GET", "/docs/errors/nonsense"))
            .await
            .expect(404)
            .code(),
        "not_found"
    );
    let style = world.send(call("GET", "/docs/style.css")).await.expect(200);
    assert!(style.text.contains("prefers-color-scheme: dark"));
}

#[tokio::test]
async fn the_reference_shows_every_call_event_and_schema_and_its_links_lead_somewhere() {
    let world = World::new().await;
    let page = world.send(call("GET", "/docs")).await.expect(200).text;
    let (openapi, asyncapi) = node::contract::contract([]);
    for path in openapi["paths"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for message in asyncapi["components"]["messages"]
        .as_object()
        .unwrap()
        .values()
    {
        let name = message["name"].as_str().unwrap();
        assert!(
            name.ends_with("(ack)") || page.contains(&format!("<code>{name}</code>")),
            "{name}"
        );
    }
    let places: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    for link in page
        .split("href=\"#")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
    {
        assert!(places.contains(&link), "#{link} leads nowhere");
    }
    let mut once = places.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), places.len(), "an anchor stands twice");
}

/// Probes and scrapers ask the admin listener; here they must not take the client's page for a yes.
#[tokio::test]
async fn the_page_is_shown_to_whoever_opens_one_and_to_no_probe() {
    let world = World::new().await;
    let page = |accept, path| call("GET", path).header("accept", accept);
    for (accept, path) in [
        ("text/html,*/*;q=0.8", "/"),
        ("*/*", "/"),
        ("text/html,*/*;q=0.8", "/rooms/somewhere"),
    ] {
        let reply = world.send(page(accept, path)).await.expect(200);
        assert!(reply.text.contains("<html"), "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics", "/nowhere"] {
        let reply = world.send(page("*/*", path)).await.expect(404);
        assert_eq!(reply.code(), "not_found", "{path}");
    }
}

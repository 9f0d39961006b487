//! Tokens and devices, through the router: J3 to J5 of the security checklist, cookies, signing out.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod house;

use std::collections::BTreeSet;

use house::{ADA, Call, House, Plan, get, post};
use protocol::token::{TokenRefused, verify};
use serde_json::json;

fn refresh_of(reply: &house::Reply) -> String {
    reply.json["refreshToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_refresh_token_is_rotated_at_each_use() {
    let mut house = House::open().await;
    let device = house.sign_in(ADA).await;
    let mut token = device.refresh;
    for _ in 0..5 {
        house.advance(600);
        let reply = house.renew(&token).await;
        assert_eq!(reply.status, 200, "{}", reply.json);
        assert_eq!(reply.json["tokenType"], "Bearer");
        assert_ne!(refresh_of(&reply), token);
        token = refresh_of(&reply);
    }
    let row = house.store.session(device.session).await.unwrap();
    assert_eq!(row.generation, 6);
}

/// J5: a lost answer does not sign anybody out.
#[tokio::test]
async fn the_token_before_gets_the_same_successor_within_ten_seconds() {
    let mut house = House::open().await;
    let device = house.sign_in(ADA).await;
    house.advance(600);
    let first = house.renew(&device.refresh).await;
    house.advance(10);
    let again = house.renew(&device.refresh).await;
    assert_eq!(again.status, 200);
    assert_eq!(refresh_of(&first), refresh_of(&again));
    assert_ne!(first.json["accessToken"], again.json["accessToken"]);
    assert_eq!(
        house
            .store
            .session(device.session)
            .await
            .unwrap()
            .generation,
        2
    );
}

/// J5: an old token ends the whole family and cuts its sockets.
#[tokio::test]
async fn an_old_token_ends_the_family() {
    let mut house = House::open().await;
    let device = house.sign_in(ADA).await;
    let bystander = house.sign_in("eve@example.com").await;
    house.advance(600);
    let newest = refresh_of(&house.renew(&device.refresh).await);
    house.advance(11);
    house
        .renew(&device.refresh)
        .await
        .refused(401, "refresh_reused");
    assert_eq!(house.cuts(), [(device.session, "refresh_reused")]);
    house.renew(&newest).await.refused(401, "session_revoked");
    house
        .renew(&device.refresh)
        .await
        .refused(401, "session_revoked");
    assert_eq!(house.renew(&bystander.refresh).await.status, 200);
    assert_eq!(house.cuts().len(), 1, "cut once");
}

/// J5: a token that never was ours is refused and ends nobody's session.
#[tokio::test]
async fn a_forged_token_hurts_nobody() {
    let mut house = House::open().await;
    let device = house.sign_in(ADA).await;
    let (front, secret) = device.refresh.rsplit_once('.').unwrap();
    let (session, _) = front.rsplit_once('.').unwrap();
    let zeros = "A".repeat(secret.len());
    for forged in [
        format!("{front}.{zeros}"),
        format!("{session}.2.{secret}"),
        format!("{session}.9999999999.{secret}"),
        format!("crt_{}.1.{secret}", "0".repeat(32)),
        "nonsense".into(),
        String::new(),
        device.access.clone(),
    ] {
        house.renew(&forged).await.refused(401, "refresh_invalid");
    }
    assert!(house.cuts().is_empty());
    assert_eq!(house.renew(&device.refresh).await.status, 200);
}

/// J5: a hundred renewals at once have one successor.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_renewals_at_once_have_one_successor() {
    let mut house = House::open().await;
    let device = house.sign_in(ADA).await;
    let mut calls = Vec::new();
    for _ in 0..100 {
        let router = house.router.clone();
        let body = json!({"grantType": "refresh_token", "refreshToken": device.refresh});
        let call = post("/v1/auth/token", body);
        calls.push(
            house
                .drain
                .spawn("renewal", async move { house::reply(&router, call).await }),
        );
    }
    let mut successors = BTreeSet::new();
    for call in calls {
        let reply = call.await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.json);
        successors.insert(refresh_of(&reply));
    }
    assert_eq!(successors.len(), 1);
    assert_eq!(
        house
            .store
            .session(device.session)
            .await
            .unwrap()
            .generation,
        2
    );
    assert!(house.cuts().is_empty());
}

#[tokio::test]
async fn a_device_that_nobody_used_for_a_month_is_signed_out() {
    let mut house = House::open().await;
    let device = house.sign_in(ADA).await;
    house.advance(30 * 24 * 3_600);
    house
        .renew(&device.refresh)
        .await
        .refused(401, "refresh_invalid");
}

#[tokio::test]
async fn a_renewal_is_asked_for_in_one_way() {
    let house = House::open().await;
    for (body, pointer) in [
        (json!({"refreshToken": "x"}), "/grantType"),
        (
            json!({"grantType": "password", "refreshToken": "x"}),
            "/grantType",
        ),
        (json!({"grantType": "refresh_token"}), "/refreshToken"),
        (
            json!({"grantType": "refresh_token", "refreshToken": 7}),
            "/refreshToken",
        ),
    ] {
        let reply = house.call(post("/v1/auth/token", body)).await;
        reply.refused(400, "invalid_request");
        assert_eq!(reply.json["errors"][0]["pointer"], pointer);
    }
}

/// A browser's refresh token is in a cookie that no script reads and no other site sends.
#[tokio::test]
async fn a_browser_keeps_its_refresh_token_in_a_cookie() {
    let mut house = House::open().await;
    let challenge = house.challenge(ADA).await;
    let code = house.code().await;
    let path = format!("/v1/auth/otp/{challenge}/verify");
    let reply = house.call(post(&path, json!({"code": code})).web()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.json.get("refreshToken").is_none());
    let cookie = reply.header("set-cookie").to_owned();
    for part in [
        "chatify_refresh=crt_",
        "HttpOnly",
        "SameSite=Strict",
        "Path=/v1/auth",
        "Max-Age=2592000",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "plain HTTP on a laptop");
    let pair = cookie.split(';').next().unwrap().to_owned();

    let renew = || {
        post("/v1/auth/token", json!({"grantType": "refresh_token"})).with("cookie", pair.clone())
    };
    // Without the header that a foreign page cannot set, the cookie does not count.
    house.call(renew()).await.refused(400, "invalid_request");
    let reply = house
        .call(renew().web().with("x-forwarded-proto", "https"))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.json);
    assert!(reply.json.get("refreshToken").is_none());
    assert!(reply.header("set-cookie").contains("; Secure"));

    house.advance(20);
    let reused = house.call(renew().web()).await;
    reused.refused(401, "refresh_reused");
    assert!(reused.header("set-cookie").contains("Max-Age=0"));
    let none = post("/v1/auth/token", json!({"grantType": "refresh_token"})).web();
    house.call(none).await.refused(401, "refresh_invalid");
}

#[tokio::test]
async fn signing_out_works_by_access_token_refresh_token_and_cookie() {
    let mut house = House::without_limits().await;
    let logout = |body| post("/v1/auth/logout", body);
    let device = house.sign_in(ADA).await;
    let empty = Call {
        body: None,
        headers: vec![],
        ..logout(json!({}))
    };
    let reply = house.call(empty.bearer(&device.access)).await;
    assert_eq!(
        (reply.status, house.cuts()),
        (204, vec![(device.session, "logout")])
    );
    assert_eq!(
        house
            .call(logout(json!({})).bearer(&device.access))
            .await
            .status,
        204,
        "twice is once"
    );
    house
        .renew(&device.refresh)
        .await
        .refused(401, "session_revoked");

    let device = house.sign_in(ADA).await;
    house.advance(3_600);
    let reply = house
        .call(logout(json!({"refreshToken": device.refresh})))
        .await;
    assert_eq!((reply.status, house.cuts().len()), (204, 2));

    let device = house.sign_in(ADA).await;
    let cookie = format!("chatify_refresh={}", device.refresh);
    house
        .call(logout(json!({})).with("cookie", cookie.clone()))
        .await
        .refused(401, "token_missing");
    let reply = house
        .call(logout(json!({})).web().with("cookie", cookie))
        .await;
    assert_eq!((reply.status, house.cuts().len()), (204, 3));
    assert!(reply.header("set-cookie").starts_with("chatify_refresh=;"));
    house
        .call(logout(json!({})))
        .await
        .refused(401, "token_missing");
}

#[tokio::test]
async fn a_person_sees_and_signs_out_their_devices_and_nobody_elses() {
    let mut house = House::without_limits().await;
    let mut devices = Vec::new();
    for _ in 0..3 {
        house.advance(1);
        devices.push(house.sign_in(ADA).await);
    }
    let eve = house.sign_in("eve@example.com").await;
    let list = house
        .call(get("/v1/auth/sessions").bearer(&devices[0].access))
        .await;
    let rows = list.json["data"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let current: Vec<_> = rows.iter().filter(|row| row["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["id"], json!(devices[0].session.to_string()));

    let page = house
        .call(get("/v1/auth/sessions?limit=2").bearer(&devices[0].access))
        .await;
    assert_eq!(page.json["data"].as_array().unwrap().len(), 2);
    let next = page.json["page"]["next"].as_str().unwrap();
    let rest = house
        .call(get(&format!("/v1/auth/sessions?limit=2&cursor={next}")).bearer(&devices[0].access))
        .await;
    assert_eq!(rest.json["data"], json!([rows[2]]));
    assert_eq!(rest.json["page"]["next"], json!(null));
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=x", "/limit"),
        ("cursor=x", "/cursor"),
    ] {
        let reply = house
            .call(get(&format!("/v1/auth/sessions?{query}")).bearer(&devices[0].access))
            .await;
        reply.refused(400, "invalid_request");
        assert_eq!(reply.json["errors"][0]["pointer"], pointer);
    }

    let delete = |id: String, token: &str| {
        get(&format!("/v1/auth/sessions/{id}"))
            .delete()
            .bearer(token)
    };
    let of_eve = house
        .call(delete(eve.session.to_string(), &devices[0].access))
        .await;
    of_eve.refused(404, "session_not_found");
    house
        .call(delete("x".into(), &devices[0].access))
        .await
        .refused(404, "session_not_found");
    assert_eq!(
        house
            .call(delete(devices[1].session.to_string(), &devices[0].access))
            .await
            .status,
        204
    );
    assert_eq!(house.cuts(), [(devices[1].session, "revoked")]);
    let again = house
        .call(delete(devices[1].session.to_string(), &devices[0].access))
        .await;
    again.refused(404, "session_not_found");

    let others = house
        .call(post("/v1/auth/sessions/revoke-others", json!({})).bearer(&devices[0].access))
        .await;
    assert_eq!(others.json, json!({"revoked": 1}));
    assert_eq!(house.cuts().len(), 2);
    assert_eq!(house.renew(&devices[0].refresh).await.status, 200);
    assert_eq!(house.renew(&eve.refresh).await.status, 200);
}

/// J3: an access token lives ten minutes, and less when its session is signed out.
#[tokio::test]
async fn an_access_token_ends_with_its_time_and_with_its_session() {
    let mut house = House::without_limits().await;
    let device = house.sign_in(ADA).await;
    let list = || get("/v1/auth/sessions").bearer(&device.access);
    assert_eq!(house.call(list()).await.status, 200);
    house.advance(604);
    assert_eq!(house.call(list()).await.status, 200);
    house.advance(1);
    let expired = house.call(list()).await;
    expired.refused(401, "token_expired");
    assert_eq!(
        expired.header("www-authenticate"),
        "Bearer error=\"invalid_token\""
    );
    house
        .call(get("/v1/auth/sessions"))
        .await
        .refused(401, "token_missing");
    house
        .call(get("/v1/auth/sessions").bearer("x"))
        .await
        .refused(401, "token_invalid");
    house
        .call(get("/v1/auth/sessions").with("authorization", "Basic eDp5"))
        .await
        .refused(401, "token_invalid");

    let device = house.sign_in(ADA).await;
    house
        .call(post("/v1/auth/logout", json!({})).bearer(&device.access))
        .await;
    house
        .call(get("/v1/auth/sessions").bearer(&device.access))
        .await
        .refused(401, "session_revoked");
}

/// J4: keys rotate under use with no token refused, and what is published says so beforehand.
#[tokio::test]
async fn keys_rotate_and_no_token_is_refused() {
    let settings = vec![("CHATIFY_AUTH_KEY_ROTATION", "1d")];
    let mut house = House::build(Plan {
        settings,
        limits: false,
        ..Plan::default()
    })
    .await;
    let mut device = house.sign_in(ADA).await;
    let node = house.auth.keys();
    let kid = |token: &str| {
        let header = token.split('.').next().unwrap().to_owned();
        String::from_utf8(
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header)
                .unwrap(),
        )
        .unwrap()
    };
    let (mut signed_by, mut now) = (BTreeSet::from([kid(&device.access)]), house::NOW_MS / 1_000);
    for _ in 0..(3 * 24 * 6) {
        let published = house.call(get("/.well-known/jwks.json")).await;
        house.advance(300);
        now += 300;
        house.auth.rotate_keys().await.unwrap();
        let keys = node.borrow().clone();
        verify(&device.access, &keys, now).expect("the old token");
        house.advance(300);
        now += 300;
        let reply = house.renew(&device.refresh).await;
        assert_eq!(reply.status, 200);
        device.access = reply.json["accessToken"].as_str().unwrap().to_owned();
        device.refresh = refresh_of(&reply);
        verify(&device.access, &keys, now).expect("the new token");
        // Whoever fetched the set at the last moment its cache allowed knows the key already.
        let known: Vec<_> = published.json["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].clone())
            .collect();
        assert!(
            known
                .iter()
                .any(|kid_known| kid(&device.access).contains(kid_known.as_str().unwrap()))
        );
        signed_by.insert(kid(&device.access));
    }
    assert!(
        signed_by.len() >= 3,
        "three days have three keys: {signed_by:?}"
    );
    assert!(
        node.borrow().kids().count() <= 3,
        "the oldest are forgotten"
    );
}

#[tokio::test]
async fn the_published_keys_are_cacheable_and_public() {
    let house = House::open().await;
    let reply = house.call(get("/.well-known/jwks.json")).await;
    assert_eq!(reply.header("cache-control"), "public, max-age=300");
    let key = &reply.json["keys"][0];
    for (name, value) in [
        ("kty", "OKP"),
        ("crv", "Ed25519"),
        ("alg", "EdDSA"),
        ("use", "sig"),
    ] {
        assert_eq!(key[name], value);
    }
    assert!(key.get("d").is_none(), "no private part");
}

/// J4: another process with the same secret believes the same tokens; one with another secret does not start.
#[tokio::test]
async fn processes_share_keys_by_store_and_secret() {
    let mut house = House::open().await;
    let device = house.sign_in(ADA).await;
    let plan = Plan {
        store: Some(house.store.clone()),
        ..Plan::default()
    };
    let other = House::build(plan).await;
    let keys = other.auth.keys().borrow().clone();
    assert!(verify(&device.access, &keys, house::NOW_MS / 1_000).is_ok());
    assert_eq!(other.renew(&device.refresh).await.status, 200);

    let foreign = House::open().await;
    let keys = foreign.auth.keys().borrow().clone();
    assert_eq!(
        verify(&device.access, &keys, house::NOW_MS / 1_000),
        Err(TokenRefused::Invalid)
    );

    let mut config = house::config(&[]);
    config.key_secret = Some(house::secret(
        "another key secret, which is long enough too",
    ));
    let ports = auth::Ports {
        store: house.store.clone(),
        mail: house.queue.clone(),
        limiter: std::sync::Arc::new(bus::limits::Unlimited),
        cut: std::sync::Arc::new(|_, _| {}),
        clock: service::clock::Clock::System,
        data: None,
        limits: true,
    };
    let refused = auth::Auth::open(config, ports)
        .await
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("cannot be opened with this key secret"),
        "{refused}"
    );
}

#[test]
fn every_route_is_in_the_api_document() {
    let document = auth::openapi().to_json().unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    for (path, method) in [
        ("/v1/auth/otp", "post"),
        ("/v1/auth/otp/{id}", "get"),
        ("/v1/auth/otp/{id}/resend", "post"),
        ("/v1/auth/otp/{id}/verify", "post"),
        ("/v1/auth/token", "post"),
        ("/v1/auth/logout", "post"),
        ("/v1/auth/sessions", "get"),
        ("/v1/auth/sessions/{id}", "delete"),
        ("/v1/auth/sessions/revoke-others", "post"),
        ("/.well-known/jwks.json", "get"),
    ] {
        assert!(
            document["paths"][path][method].is_object(),
            "{method} {path}"
        );
    }
}

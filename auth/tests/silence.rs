//! I7: a whole life of a session, with everything logged there is, and none of its secrets in the logs.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod house;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use house::{House, get, post};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_logged_whatever_happens() {
    let logs = Logs::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(logs.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let mut house = House::without_limits().await;
    let address = "canary.person@example.com";
    let asked = house.ask(address).await;
    let challenge = asked.json["challengeId"].as_str().unwrap().to_owned();
    let code = house.code().await;
    house
        .redeem(&challenge, &house::wrong(&code))
        .await
        .refused(400, "otp_invalid");
    let path = format!("/v1/auth/otp/{challenge}/verify");
    let body = json!({"code": code, "displayName": "Canary Name", "device": "Canary Device"});
    let device = house::Device::of(&house.call(post(&path, body)).await);
    house.advance(600);
    let renewed = house.renew(&device.refresh).await;
    let list = get("/v1/auth/sessions").bearer(renewed.json["accessToken"].as_str().unwrap());
    assert_eq!(house.call(list).await.status, 200);
    house.advance(60);
    house
        .renew(&device.refresh)
        .await
        .refused(401, "refresh_reused");
    house
        .ask("broken canary@@example.com")
        .await
        .refused(400, "invalid_request");
    let cookie = post("/v1/auth/token", json!({"grantType": "refresh_token"})).web();
    house
        .call(cookie.with("cookie", "chatify_refresh=crt_canary-cookie"))
        .await
        .refused(401, "refresh_invalid");

    let logs = String::from_utf8(logs.0.lock().unwrap().clone()).unwrap();
    // The logs are there, and name what happened.
    assert!(
        logs.contains("a code was asked for") && logs.contains("old refresh token"),
        "{logs}"
    );
    let secret_of = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for (what, canary) in [
        ("address", "canary.person".to_owned()),
        ("broken address", "canary@".to_owned()),
        ("code", code.clone()),
        ("wrong code", house::wrong(&code)),
        ("name", "Canary Name".to_owned()),
        ("device", "Canary Device".to_owned()),
        (
            "challenge secret",
            asked.json["challengeSecret"].as_str().unwrap().to_owned(),
        ),
        ("access token", secret_of(&device.access)),
        ("refresh token", secret_of(&device.refresh)),
        (
            "next access token",
            secret_of(renewed.json["accessToken"].as_str().unwrap()),
        ),
        (
            "next refresh token",
            secret_of(renewed.json["refreshToken"].as_str().unwrap()),
        ),
        ("cookie", "canary-cookie".to_owned()),
        ("key secret", "a key secret of a test".to_owned()),
    ] {
        assert!(!logs.contains(&canary), "{what} is in the logs:\n{logs}");
    }
}

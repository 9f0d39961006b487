//! Codes by mail, through the router: the story of a sign-in, and O3 to O8 of the security checklist.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod house;

use std::collections::BTreeSet;
use std::sync::Arc;

use house::{ADA, Call, Device, House, Plan, get, post, wrong};
use serde_json::json;

#[tokio::test]
async fn a_new_person_signs_up_with_a_code() {
    let mut house = House::open().await;
    let asked = house
        .call(post(
            "/v1/auth/otp",
            json!({"email": "Ada.Lovelace@Example.com", "intent": "signup"}),
        ))
        .await;
    assert_eq!(asked.status, 202);
    assert_eq!(asked.json["expiresIn"], 300);
    assert_eq!(asked.json["resendAfter"], 30);
    assert_eq!(asked.json["codeLength"], 8);
    let mail = house.mail().await;
    assert_eq!(mail.to.as_str(), "ada.lovelace@example.com");
    let code = house::code_of(&mail);
    assert_eq!(code.len(), 8);

    let path = format!(
        "/v1/auth/otp/{}/verify",
        asked.json["challengeId"].as_str().unwrap()
    );
    let typed = format!("{} {}", &code[..4], &code[4..]);
    let call =
        post(&path, json!({"code": typed})).with("user-agent", "Test/1.0 (on a\u{9b} bench)");
    let reply = house.call(call).await;
    assert_eq!(reply.status, 200, "{}", reply.json);
    assert_eq!(reply.json["user"]["displayName"], "Ada Lovelace");
    assert_eq!(reply.json["user"]["email"], "ada.lovelace@example.com");
    assert_eq!(reply.json["tokenType"], "Bearer");
    assert_eq!(reply.json["expiresIn"], 600);
    assert_eq!(reply.json["session"]["current"], true);
    assert_eq!(reply.header("cache-control"), "no-store");

    let device = Device::of(&reply);
    let keys = house.auth.keys().borrow().clone();
    let claims = protocol::token::verify(&device.access, &keys, house::NOW_MS / 1_000).unwrap();
    assert_eq!(
        (claims.sub.to_string(), claims.sid),
        (device.user, device.session)
    );
    assert_eq!(claims.exp - claims.iat, 600);
}

#[tokio::test]
async fn who_comes_back_finds_the_same_account_and_keeps_their_name() {
    let mut house = House::without_limits().await;
    let first = house.sign_in(ADA).await;
    let challenge = house.challenge("ADA@EXAMPLE.COM").await;
    let code = house.code().await;
    let body = json!({"code": code, "displayName": "Somebody Else", "device": "Ada's phone"});
    let reply = house
        .call(post(&format!("/v1/auth/otp/{challenge}/verify"), body))
        .await;
    assert_eq!(reply.json["user"]["id"], json!(first.user));
    assert_eq!(reply.json["user"]["displayName"], "Ada");
    assert_eq!(reply.json["session"]["device"], "Ada's phone");
    assert_ne!(Device::of(&reply).session, first.session);
}

#[tokio::test]
async fn a_name_that_is_refused_does_not_cost_the_code() {
    let mut house = House::open().await;
    let challenge = house.challenge(ADA).await;
    let code = house.code().await;
    let path = format!("/v1/auth/otp/{challenge}/verify");
    let reply = house
        .call(post(&path, json!({"code": code, "displayName": "a\nb"})))
        .await;
    reply.refused(400, "invalid_request");
    assert_eq!(reply.json["errors"][0]["pointer"], "/displayName");
    let reply = house
        .call(post(
            &path,
            json!({"code": code, "displayName": "Countess"}),
        ))
        .await;
    assert_eq!(reply.json["user"]["displayName"], "Countess");
}

#[tokio::test]
async fn a_malformed_call_is_told_which_field_is_wrong() {
    let house = House::open().await;
    for (body, pointer, kind) in [
        (json!({}), "/email", "required"),
        (json!({"email": 7}), "/email", "type"),
        (json!({"email": "nobody"}), "/email", "format"),
        (
            json!({"email": "ada@example.com\r\nBcc: eve@evil.test"}),
            "/email",
            "format",
        ),
        (json!({"email": {"$ne": null}}), "/email", "type"),
        (
            json!({"email": ADA, "intent": "steal"}),
            "/intent",
            "format",
        ),
    ] {
        let reply = house.call(post("/v1/auth/otp", body.clone())).await;
        reply.refused(400, "invalid_request");
        let error = &reply.json["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!(pointer), &json!(kind)),
            "{body}"
        );
    }
    let text = Call {
        body: Some("{".into()),
        ..post("/v1/auth/otp", json!({}))
    };
    house.call(text).await.refused(400, "invalid_json");
    let form = Call {
        headers: vec![("content-type", "text/plain".into())],
        ..post("/v1/auth/otp", json!({}))
    };
    house
        .call(form)
        .await
        .refused(415, "unsupported_media_type");
    let big = Call {
        body: Some(" ".repeat(17_000)),
        ..post("/v1/auth/otp", json!({}))
    };
    house.call(big).await.refused(413, "payload_too_large");
    house
        .call(get("/v1/auth/otp"))
        .await
        .refused(405, "method_not_allowed");
}

/// O3: a code is used once, also by two at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_use_a_code_at_once_one_signs_in() {
    let mut house = House::without_limits().await;
    for round in 0..20 {
        let challenge = house.challenge(&format!("user{round}@example.com")).await;
        let code = house.code().await;
        let mut calls = Vec::new();
        for _ in 0..4 {
            let router = house.router.clone();
            let call = post(
                &format!("/v1/auth/otp/{challenge}/verify"),
                json!({"code": code}),
            );
            calls.push(house.drain.spawn("guess", async move {
                house::reply(&router, call).await.status
            }));
        }
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(call.await.unwrap());
        }
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            1,
            "{statuses:?}"
        );
    }
}

/// O3: a code ends with its time, and with its use.
#[tokio::test]
async fn a_code_ends_with_its_time_and_with_its_use() {
    let mut house = House::open().await;
    let challenge = house.challenge(ADA).await;
    let code = house.code().await;
    assert_eq!(house.redeem(&challenge, &code).await.status, 200);
    house
        .redeem(&challenge, &code)
        .await
        .refused(410, "otp_expired");
    house.advance(31);
    let challenge = house.challenge(ADA).await;
    let code = house.code().await;
    house.advance(300);
    house
        .redeem(&challenge, &code)
        .await
        .refused(410, "otp_expired");
}

/// O4: a code opens its own challenge and no other; a new one voids it.
#[tokio::test]
async fn a_code_is_bound_to_its_challenge_and_void_when_another_is_sent() {
    let mut house = House::without_limits().await;
    let (first, second) = (
        house.challenge(ADA).await,
        house.challenge("eve@example.com").await,
    );
    let (mail_1, mail_2) = (house.mail().await, house.mail().await);
    let (ada, eve) = if mail_1.to.as_str() == ADA {
        (mail_1, mail_2)
    } else {
        (mail_2, mail_1)
    };
    let (of_ada, of_eve) = (house::code_of(&ada), house::code_of(&eve));
    house
        .redeem(&second, &of_ada)
        .await
        .refused(400, "otp_invalid");
    house
        .redeem(&first, &of_eve)
        .await
        .refused(400, "otp_invalid");
    let again = house
        .call(post(&format!("/v1/auth/otp/{first}/resend"), json!({})))
        .await;
    assert_eq!(again.status, 202, "{}", again.json);
    let newest = house.code().await;
    let old = house.redeem(&first, &of_ada).await;
    assert!(of_ada == newest || old.status == 400, "{}", old.json);
    assert_eq!(house.redeem(&first, &newest).await.status, 200);
    assert_eq!(house.redeem(&second, &of_eve).await.status, 200);
}

/// O5: five tries, told how many are left, then locked even for the right code.
#[tokio::test(start_paused = true)]
async fn the_sixth_try_is_refused_whatever_it_is() {
    for mut house in [House::open().await, House::without_limits().await] {
        let challenge = house.challenge(ADA).await;
        let code = house.code().await;
        for left in (0..5).rev() {
            let reply = house.redeem(&challenge, &wrong(&code)).await;
            reply.refused(400, "otp_invalid");
            assert_eq!(reply.json["attemptsLeft"], left);
        }
        house
            .redeem(&challenge, &code)
            .await
            .refused(429, "otp_locked");
        house
            .redeem(&challenge, "")
            .await
            .refused(429, "otp_locked");
    }
}

/// O5: a hundred guesses at once are five.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_guesses_at_once_are_five() {
    let mut house = House::without_limits().await;
    let challenge = house.challenge(ADA).await;
    let code = house.code().await;
    let mut calls = Vec::new();
    for _ in 0..100 {
        let router = house.router.clone();
        let call = post(
            &format!("/v1/auth/otp/{challenge}/verify"),
            json!({"code": wrong(&code)}),
        );
        calls.push(house.drain.spawn(
            "guess",
            async move { house::reply(&router, call).await.status },
        ));
    }
    let mut compared = 0;
    for call in calls {
        match call.await.unwrap() {
            400 => compared += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert_eq!(compared, 5);
    house
        .redeem(&challenge, &code)
        .await
        .refused(429, "otp_locked");
}

/// O6: one mail each half minute, five an hour, ten a day, whatever the spelling; never a word about it.
#[tokio::test]
async fn a_mailbox_is_never_flooded() {
    let mut house = House::open().await;
    let spellings = [
        ADA,
        "ADA@example.com",
        "ada+a@example.com",
        "ada+b@Example.COM",
    ];
    let mut passed = 0u64;
    let mut times = Vec::new();
    while passed < 26 * 3_600 {
        for spelling in spellings {
            // From everywhere, so that only the mailbox's budget counts.
            let client = format!("198.51.{}.{}", passed / 60 / 200 % 200, passed / 60 % 200);
            let call = post(
                "/v1/auth/otp",
                json!({"email": spelling, "intent": "login"}),
            )
            .from(&client);
            let reply = house.call(call).await;
            assert_eq!(reply.status, 202);
        }
        house.until_nothing_is_pending().await;
        while let Some(mail) = house.mail_now() {
            times.push(mail.made_at.0);
        }
        house.advance(300);
        passed += 300;
    }
    assert!((10..=20).contains(&times.len()), "{times:?}");
    for start in &times {
        let within = |ms: i64| {
            times
                .iter()
                .filter(|at| *at >= start && *at - start < ms)
                .count()
        };
        assert!(within(30_000) <= 1 && within(3_600_000) <= 5 && within(86_400_000) <= 10);
    }
}

/// O6: one address of the internet has a budget, told in headers; neighbours in its /64 share it.
#[tokio::test]
async fn an_asker_has_a_budget_and_is_told() {
    let settings = vec![("CHATIFY_AUTH_SENDS_PER_ADDRESS", "3")];
    let house = House::build(Plan {
        settings,
        ..Plan::default()
    })
    .await;
    for n in 0..3 {
        let call = post(
            "/v1/auth/otp",
            json!({"email": format!("user{n}@example.com")}),
        );
        let reply = house.call(call.from(&format!("2001:db8:1:2::{n}"))).await;
        assert_eq!(reply.status, 202);
        assert_eq!(reply.header("ratelimit-policy"), "\"otp\";q=3;w=3600");
        assert!(
            reply
                .header("ratelimit")
                .starts_with(&format!("\"otp\";r={}", 2 - n))
        );
    }
    let call = || post("/v1/auth/otp", json!({"email": "user9@example.com"}));
    let reply = house.call(call().from("2001:db8:1:2:ffff::9")).await;
    reply.refused(429, "rate_limited");
    assert_eq!(reply.header("retry-after"), "1200");
    assert_eq!(reply.json["retryAfter"], 1200);
    assert_eq!(house.call(call().from("2001:db8:1:3::1")).await.status, 202);
}

/// O7: known, unknown and limited addresses get the same answer by the same way: nothing is looked up, nothing waited
/// for. (`examples/timing.rs` measures the time.)
#[tokio::test]
async fn an_answer_does_not_tell_who_has_an_account() {
    let mut house = House::open().await;
    house.sign_in(ADA).await;
    house.advance(31);
    let known = house.ask(ADA).await;
    let limited = house.ask(ADA).await;
    let unknown = house.ask("nobody@example.com").await;
    let shape = |reply: &house::Reply| {
        let names: BTreeSet<String> = reply.json.as_object().unwrap().keys().cloned().collect();
        let headers: BTreeSet<String> = reply.headers.keys().map(ToString::to_string).collect();
        let same = ["expiresIn", "resendAfter", "codeLength"].map(|name| reply.json[name].clone());
        (reply.status, names, headers, same, reply.body.len())
    };
    assert_eq!(shape(&known), shape(&unknown));
    assert_eq!(shape(&known), shape(&limited));
    // Two mails, and the limited one's challenge ends up looking sent like theirs.
    let (first, second) = (house.mail().await, house.mail().await);
    let to: BTreeSet<&str> = [first.to.as_str(), second.to.as_str()].into();
    assert_eq!(to, BTreeSet::from([ADA, "nobody@example.com"]));
    for reply in [&known, &limited, &unknown] {
        house_sent(&house, reply).await;
    }
    assert!(house.mail_now().is_none());
    // Guessing at it is like guessing at any other.
    let id = limited.json["challengeId"].as_str().unwrap();
    let guess = house.redeem(id, "00000000").await;
    guess.refused(400, "otp_invalid");
    assert_eq!(guess.json["attemptsLeft"], 4);
}

/// Waits until a challenge's mail is said to be sent.
async fn house_sent(house: &House, asked: &house::Reply) {
    let path = format!(
        "/v1/auth/otp/{}",
        asked.json["challengeId"].as_str().unwrap()
    );
    let secret = asked.json["challengeSecret"].as_str().unwrap();
    for _ in 0..2_000 {
        let reply = house
            .call(get(&path).with("x-challenge-secret", secret))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.json);
        if reply.json["state"] == "sent" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("never sent");
}

/// O8: whoever spends somebody's budgets does not sign their devices out, nor lock their account.
#[tokio::test(start_paused = true)]
async fn a_stranger_cannot_lock_an_account() {
    let mut house = House::open().await;
    let device = house.sign_in(ADA).await;
    house.advance(31);
    let mut challenges = Vec::new();
    for n in 0..40 {
        let call = post("/v1/auth/otp", json!({"email": ADA})).from(&format!("203.0.{n}.1"));
        challenges.push(
            house.call(call).await.json["challengeId"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    for (n, challenge) in challenges.iter().enumerate() {
        for _ in 0..6 {
            let path = format!("/v1/auth/otp/{challenge}/verify");
            house
                .call(post(&path, json!({"code": "00000000"})).from(&format!("203.0.{n}.1")))
                .await;
        }
    }
    let renewed = house.renew(&device.refresh).await;
    assert_eq!(renewed.status, 200, "{}", renewed.json);
    let list = house
        .call(get("/v1/auth/sessions").bearer(renewed.json["accessToken"].as_str().unwrap()))
        .await;
    assert_eq!(list.status, 200);
    // And a day later the mailbox takes codes again, from the owner's own place.
    house.advance(24 * 3_600);
    while house.mail_now().is_some() {}
    let challenge = house.challenge(ADA).await;
    let code = house.code().await;
    assert_eq!(house.redeem(&challenge, &code).await.status, 200);
}

#[tokio::test]
async fn another_code_can_be_asked_for_after_half_a_minute() {
    let mut house = House::open().await;
    let challenge = house.challenge(ADA).await;
    let first = house.code().await;
    let path = format!("/v1/auth/otp/{challenge}/resend");
    house.advance(10);
    let early = house.call(post(&path, json!({}))).await;
    early.refused(429, "otp_cooldown");
    assert_eq!(early.header("retry-after"), "20");
    house.advance(20);
    let again = house.call(post(&path, json!({}))).await;
    assert_eq!(again.status, 202, "{}", again.json);
    assert_eq!(again.json["challengeId"], json!(challenge));
    assert!(again.json.get("challengeSecret").is_none());
    let second = house.code().await;
    assert_ne!(first, second);
    assert_eq!(house.redeem(&challenge, &second).await.status, 200);
    house.advance(31);
    house
        .call(post(&path, json!({})))
        .await
        .refused(410, "otp_expired");
}

#[tokio::test]
async fn a_challenge_is_watched_with_its_secret_alone() {
    let mut house = House::open().await;
    let asked = house.ask(ADA).await;
    house.mail().await;
    house_sent(&house, &asked).await;
    let path = format!(
        "/v1/auth/otp/{}",
        asked.json["challengeId"].as_str().unwrap()
    );
    house
        .call(get(&path))
        .await
        .refused(404, "challenge_not_found");
    house
        .call(get(&path).with("x-challenge-secret", "guess"))
        .await
        .refused(404, "challenge_not_found");
    house
        .call(get("/v1/auth/otp/otp_x"))
        .await
        .refused(404, "challenge_not_found");

    let call = post("/v1/auth/otp", json!({"email": "eve@example.com"})).web();
    let web = house.call(call).await;
    assert!(web.json.get("challengeSecret").is_none());
    let cookie = web.header("set-cookie");
    for part in [
        "chatify_challenge=",
        "HttpOnly",
        "SameSite=Strict",
        "Path=/v1/auth",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap().to_owned();
    let path = format!("/v1/auth/otp/{}", web.json["challengeId"].as_str().unwrap());
    let reply = house
        .call(get(&path).web().with("cookie", format!("a=b; {pair}")))
        .await;
    assert_eq!(
        (reply.status, &reply.json["attemptsLeft"]),
        (200, &json!(5))
    );
}

/// H27: whatever step the process dies at, the code arrives; and once a queue has confirmed it, it is forgotten.
#[tokio::test]
async fn a_mail_that_was_written_down_is_sent_by_the_next_process() {
    let store = store::open("sqlite::memory:").await.unwrap();
    let plan = Plan {
        takes_mail: false,
        store: Some(Arc::clone(&store)),
        ..Plan::default()
    };
    let dying = House::build(plan).await;
    let challenge = dying.challenge(ADA).await;
    assert_eq!(
        store.pending_mails(10).await.unwrap().len(),
        1,
        "nobody has confirmed it"
    );
    drop(dying);

    let plan = Plan {
        store: Some(Arc::clone(&store)),
        ..Plan::default()
    };
    let mut next = House::build(plan).await;
    let code = next.code().await;
    assert_eq!(next.redeem(&challenge, &code).await.status, 200);
    next.until_nothing_is_pending().await;
}

/// O2: whoever reads the whole store finds no code in it.
#[tokio::test]
async fn a_dump_of_the_store_holds_no_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatify.db");
    let store = store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    let plan = Plan {
        takes_mail: false,
        store: Some(Arc::clone(&store)),
        ..Plan::default()
    };
    let house = House::build(plan).await;
    house.challenge(ADA).await;
    let delivery = house.queue.consume(1).next().await.unwrap();
    let code = house::code_of(&delivery.job);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes
            .windows(code.len())
            .any(|window| window == code.as_bytes());
        assert!(!found, "the code is on disk");
    }
}

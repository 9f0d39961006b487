//! Budgets end to end, through the router: O5 (guesses in an hour and a day) and O6 (codes for one domain); and O7 by
//! what is done instead of by how long it takes.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod house;

use std::collections::BTreeMap;

use house::{ADA, House, Plan, Reply, get, post, wrong};
use serde_json::json;

const HOUR: u64 = 3_600;

/// Guesses wrong at a new challenge of this mailbox until it is locked or refused; how many were compared.
async fn guess(house: &House, mailbox: &str, from: &str) -> (u32, Reply) {
    let asked = house.call(post("/v1/auth/otp", json!({"email": mailbox})).from(from));
    let asked = asked.await;
    assert_eq!(asked.status, 202, "{}", asked.json);
    let id = asked.json["challengeId"].as_str().unwrap().to_owned();
    let path = format!("/v1/auth/otp/{id}/verify");
    let mut compared = 0;
    loop {
        // Nine digits are no code: never right by chance.
        let reply = house
            .call(post(&path, json!({"code": "000000000"})).from(from))
            .await;
        match reply.code() {
            "otp_invalid" => compared += 1,
            _ => return (compared, reply),
        }
    }
}

/// O5: whoever guesses on from one place is refused after ten in an hour and thirty in a day, and only they.
#[tokio::test(start_paused = true)]
async fn guesses_at_a_mailbox_from_one_place_end_in_an_hour_and_in_a_day() {
    let mut house = House::open().await;
    let (thief, owner) = ("203.0.113.7", "198.51.100.1");
    let mut in_day = 0;
    for hour in 0..5 {
        let mut in_hour = 0;
        for _ in 0..4 {
            let (compared, refused) = guess(&house, ADA, thief).await;
            in_hour += compared;
            let code = refused.code();
            assert!(code == "otp_locked" || code == "rate_limited", "{code}");
        }
        in_day += in_hour;
        let granted = if hour < 3 { 10 } else { 0 };
        assert_eq!(in_hour, granted, "hour {hour}");
        house.advance(HOUR + 1);
    }
    assert_eq!(in_day, 30);
    let (none, refused) = guess(&house, ADA, thief).await;
    assert_eq!(none, 0);
    refused.refused(429, "rate_limited");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 12 * HOUR);

    // Neither another spelling nor a neighbour's address is another place; another mailbox is.
    assert_eq!(guess(&house, "ADA+x@Example.com", thief).await.0, 0);
    assert_eq!(guess(&house, "eve@example.com", thief).await.0, 5);
    // The owner, elsewhere, mistypes and signs in.
    house.advance(2 * HOUR);
    while house.mail_now().is_some() {}
    let asked = house.call(post("/v1/auth/otp", json!({"email": ADA})).from(owner));
    let asked = asked.await;
    let code = loop {
        let mail = house.mail().await;
        if mail.to.as_str() == ADA {
            break house::code_of(&mail);
        }
    };
    let path = format!(
        "/v1/auth/otp/{}/verify",
        asked.json["challengeId"].as_str().unwrap()
    );
    let mistyped = post(&path, json!({"code": wrong(&code)})).from(owner);
    house.call(mistyped).await.refused(400, "otp_invalid");
    let typed = post(&path, json!({"code": code})).from(owner);
    assert_eq!(house.call(typed).await.status, 200);
    // A day after the last wrong one the place may guess again.
    house.advance(24 * HOUR);
    assert_eq!(guess(&house, ADA, thief).await.0, 5);
}

/// O6: one domain gets so many codes a minute, however many mailboxes are named; never a word about it, and its
/// neighbours get theirs.
#[tokio::test]
async fn the_mailboxes_of_one_domain_share_a_budget_in_silence() {
    let settings = vec![("CHATIFY_AUTH_SENDS_PER_DOMAIN", "3")];
    let mut house = House::build(Plan {
        settings,
        ..Plan::default()
    })
    .await;
    let mut shapes = BTreeMap::new();
    for n in 0..8 {
        let domain = if n == 7 { "other.test" } else { "bombed.test" };
        let body = json!({"email": format!("user{n}@{domain}")});
        let asked = house
            .call(post("/v1/auth/otp", body).from(&format!("198.51.{n}.1")))
            .await;
        assert_eq!(asked.status, 202);
        let names: Vec<String> = asked.headers.keys().map(ToString::to_string).collect();
        *shapes.entry((names, asked.body.len())).or_insert(0) += 1;
    }
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    // A mailbox that gets nothing takes nothing from its neighbours.
    for _ in 0..5 {
        house.ask("user0@bombed.test").await;
    }
    house.until_nothing_is_pending().await;
    let mut got = BTreeMap::new();
    for _ in 0..4 {
        let mail = house.mail().await;
        *got.entry(mail.to.domain().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(got["bombed.test"], 3);
    assert_eq!(got["other.test"], 1);
    assert!(house.mail_now().is_none());

    house.advance(60);
    house.ask("user9@bombed.test").await;
    assert_eq!(house.mail().await.to.as_str(), "user9@bombed.test");
}

/// O7: nothing about accounts is looked at before a code was right. Without the tables of accounts everything that can be
/// done with an address is answered as before, alike for one that has an account and one that has none.
#[tokio::test(start_paused = true)]
async fn until_a_code_was_right_nothing_about_accounts_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatify.db");
    let store = store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    let mut house = House::build(Plan {
        store: Some(store),
        ..Plan::default()
    })
    .await;
    house.sign_in(ADA).await;
    house.advance(31);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "DROP TABLE users; DROP TABLE user_names; DROP TABLE sessions; DROP TABLE members;",
    )
    .unwrap();

    let mut seen = Vec::new();
    for address in [ADA, "nobody@example.com"] {
        let mut answers = Vec::new();
        let asked = house.ask(address).await;
        let code = house.code().await;
        let id = asked.json["challengeId"].as_str().unwrap().to_owned();
        let secret = asked.json["challengeSecret"].as_str().unwrap().to_owned();
        let of = format!("/v1/auth/otp/{id}");
        answers.push((asked.status, asked.body.len()));
        answers.push((house.ask(address).await.status, 0));
        let watched = house
            .call(get(&of).with("x-challenge-secret", secret))
            .await;
        answers.push((
            watched.status,
            watched.json["attemptsLeft"].as_u64().unwrap() as usize,
        ));
        for _ in 0..2 {
            let guessed = house.redeem(&id, &wrong(&code)).await;
            assert_eq!(guessed.code(), "otp_invalid");
            answers.push((
                guessed.status,
                guessed.json["attemptsLeft"].as_u64().unwrap() as usize,
            ));
        }
        house.advance(31);
        let again = house.call(post(&format!("{of}/resend"), json!({}))).await;
        answers.push((again.status, again.body.len()));
        house.mail().await;
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    assert!(
        seen[0]
            .iter()
            .all(|(status, _)| matches!(status, 200 | 202 | 400))
    );
}

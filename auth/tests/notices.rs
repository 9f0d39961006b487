//! O5, the notice: the owner of a mailbox at which many wrong codes are typed is told, once a day, and nobody else learns
//! of it.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

mod house;

use std::net::IpAddr;
use std::sync::Arc;

use house::{ADA, House, Plan, post};
use protocol::mail_job::{Mail, MailJob};
use serde_json::json;

const HOUR: u64 = 3_600;

/// What whoever guesses sees of one guess.
type Seen = (u16, String, Option<u64>, Vec<String>);

/// Types five wrong codes for a new challenge of this address, from a network of its own, and one that finds it locked.
async fn five(house: &House, address: &str, network: u8) -> Vec<Seen> {
    let from = format!("198.51.{network}.7");
    let asked = house.call(post("/v1/auth/otp", json!({"email": address})).from(&from));
    let asked = asked.await;
    assert_eq!(asked.status, 202, "{}", asked.json);
    let id = asked.json["challengeId"].as_str().unwrap().to_owned();
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(wrong(house, &id, &from).await);
    }
    seen
}

async fn wrong(house: &House, challenge: &str, from: &str) -> Seen {
    let path = format!("/v1/auth/otp/{challenge}/verify");
    // Nine digits are no code: never right by chance.
    let body = json!({"code": "000000000"});
    let reply = house.call(post(&path, body).from(from)).await;
    let mut names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
    names.sort();
    let left = reply.json["attemptsLeft"].as_u64();
    (reply.status, reply.code().to_owned(), left, names)
}

/// Twenty of them, from the networks behind `first`.
async fn twenty(house: &House, address: &str, first: u8) {
    for network in first..first + 4 {
        five(house, address, network).await;
    }
}

/// All notices up to the one for this address, for which wrong codes were typed last: they are counted in their order.
async fn notices_until(house: &mut House, address: &str) -> Vec<MailJob> {
    let mut notices = Vec::new();
    loop {
        let mail = house.mail().await;
        if let Mail::WrongCodes { .. } = mail.mail {
            notices.push(mail);
            if notices.last().unwrap().to.as_str() == address {
                return notices;
            }
        }
    }
}

fn last_from(notice: &MailJob) -> IpAddr {
    match notice.mail {
        Mail::WrongCodes { last_from } => last_from.unwrap(),
        _ => panic!("no notice"),
    }
}

/// Whoever the codes came from, and however the mailbox was spelled.
#[tokio::test(start_paused = true)]
async fn the_twentieth_wrong_code_of_a_day_is_told_to_the_owner_once_a_day() {
    let mut house = House::open().await;
    twenty(&house, ADA, 1).await;
    let notices = notices_until(&mut house, ADA).await;
    // The network of the twentieth, so it was not sent earlier.
    assert_eq!(last_from(&notices[0]), IpAddr::from([198, 51, 4, 0]));
    assert_eq!(notices.len(), 1);

    for (spelling, network) in [
        (ADA, 11),
        ("ADA+x@Example.com", 21),
        ("ada+y@example.com", 31),
    ] {
        twenty(&house, spelling, network).await;
    }
    twenty(&house, "eve@example.com", 41).await;
    let notices = notices_until(&mut house, "eve@example.com").await;
    assert_eq!(notices.len(), 1, "nobody but eve");

    house.advance(24 * HOUR + 1);
    for network in 51..54 {
        five(&house, ADA, network).await;
    }
    five(&house, ADA, 54).await;
    let notices = notices_until(&mut house, ADA).await;
    assert_eq!(notices.len(), 1);
    assert_eq!(last_from(&notices[0]), IpAddr::from([198, 51, 54, 0]));
}

#[tokio::test(start_paused = true)]
async fn whoever_guesses_sees_nothing_of_a_notice() {
    let mut house = House::open().await;
    let mut seen = Vec::new();
    for network in 1..7 {
        seen.push(five(&house, ADA, network).await);
    }
    notices_until(&mut house, ADA).await;
    seen.push(five(&house, ADA, 7).await);
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
}

/// Budgets may be forgotten when Redis fails over, and a cluster has many processes: the store remembers.
#[tokio::test(start_paused = true)]
async fn processes_that_forgot_their_budgets_send_one_notice_together() {
    let store = store::open("sqlite::memory:").await.unwrap();
    let plan = || Plan {
        store: Some(Arc::clone(&store)),
        ..Plan::default()
    };
    let mut first = House::build(plan()).await;
    twenty(&first, ADA, 1).await;
    assert_eq!(notices_until(&mut first, ADA).await.len(), 1);
    let mut second = House::build(plan()).await;
    twenty(&second, ADA, 11).await;
    twenty(&second, "eve@example.com", 21).await;
    let notices = notices_until(&mut second, "eve@example.com").await;
    assert_eq!(notices.len(), 1, "nobody but eve");
}

/// O6: notices are mails too. One that a domain has no room for is sent with a later wrong code.
#[tokio::test(start_paused = true)]
async fn a_domain_gets_no_more_mails_for_notices_than_for_codes() {
    let mut house = House::build(Plan {
        settings: vec![("CHATIFY_AUTH_SENDS_PER_DOMAIN", "2")],
        ..Plan::default()
    })
    .await;
    // Two codes are what the domain gets in a minute.
    house.challenge("bob@example.com").await;
    twenty(&house, ADA, 1).await;
    let asked = house.challenge(ADA).await;
    // Another domain has room for a code and a notice.
    twenty(&house, "eve@other.test", 11).await;
    let notices = notices_until(&mut house, "eve@other.test").await;
    assert_eq!(notices.len(), 1, "nobody but eve");
    house.advance(61);
    wrong(&house, &asked, "203.0.113.7").await;
    let notices = notices_until(&mut house, ADA).await;
    assert_eq!(notices.len(), 1);
    assert_eq!(last_from(&notices[0]), IpAddr::from([203, 0, 113, 0]));
}

//! `chatify verify`: green on a right server, red on a planted bug, with the name of the rule that it broke.

use std::net::SocketAddr;
use std::process::{Output, Stdio};

use crate::house::{House, LOOK, chatify, free_address, told};
use crate::proxy::{self, Bug};

fn verify(address: SocketAddr, flags: &[&str]) -> Output {
    chatify()
        .args(["verify", "--url", &format!("http://{address}")])
        .args(["--seconds", "4", "--rate", "20", "--rooms", "1"])
        .args(flags)
        .output()
        .expect("the binary")
}

#[test]
fn a_right_server_is_green_and_the_history_holds_when_it_is_judged_again() {
    let house = House::start(&["--limits", "off"]);
    let history = house.path().join("history.jsonl");
    let path = history.to_str().expect("a path");
    let (text, code) = told(&verify(house.public, &["--json", "--out", path]));
    assert_eq!(code, Some(0), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).expect(&text);
    assert_eq!(json["verdict"], "green");
    assert!(json["acked"].as_u64() > Some(20), "{text}");
    assert_eq!(
        json["leftBehind"].as_array().map(Vec::len),
        Some(0),
        "{text}"
    );
    let file = std::io::BufReader::new(std::fs::File::open(history).expect("the history"));
    let again = history::check(file, history::Bounds::default()).expect("a history");
    assert!(again.holds(), "{again}");
    assert_eq!(Some(again.totals.acked), json["acked"].as_u64());
}

#[test]
fn a_server_that_is_killed_and_comes_back_in_mid_run_is_green() {
    let mut house = House::start(&["--limits", "off"]);
    let history = house.path().join("history.jsonl");
    let running = chatify()
        .args(["verify", "--url", &format!("http://{}", house.public)])
        .args(["--seconds", "10", "--rate", "30", "--json", "--out"])
        .arg(&history)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    // The file is written in blocks: the first one is there when everybody talks.
    while !std::fs::read_to_string(&history).is_ok_and(|text| text.contains("\"op\":\"ok\"")) {
        std::thread::sleep(LOOK);
    }
    house.kill_and_restart();
    let (text, code) = told(&running.wait_with_output().expect("its end"));
    assert_eq!(code, Some(0), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).expect(&text);
    let (connections, people) = (json["connections"].as_u64(), json["people"].as_u64());
    assert!(
        connections >= people.map(|people| people * 2),
        "everybody came back: {text}"
    );
}

fn red(bug: Bug, transport: &str) -> String {
    let house = House::start(&["--limits", "off"]);
    let through = proxy::start(house.public, bug);
    let (text, code) = told(&verify(through, &["--transport", transport]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("RED"), "{text}");
    text
}

#[test]
fn an_acknowledged_message_that_is_not_delivered_is_red_as_g5_skipped() {
    let text = red(Bug::Drops, "websocket");
    assert!(text.contains("G5 skipped: 1"), "{text}");
    assert!(!text.contains("G5 repeated"), "{text}");
}

#[test]
fn a_session_that_upgrades_is_carried_by_its_websocket_and_judged_there() {
    // The proxy breaks WebSockets alone: without an upgrade there would be nothing to see.
    let text = red(Bug::Drops, "upgrade");
    assert!(text.contains("G5 skipped: 1"), "{text}");
}

#[test]
fn a_message_that_is_delivered_twice_is_red_as_g5_repeated() {
    let text = red(Bug::Doubles, "websocket");
    assert!(text.contains("G5 repeated: 1"), "{text}");
    assert!(!text.contains("G5 skipped"), "{text}");
}

#[test]
fn messages_that_change_places_are_red_as_skipped_and_repeated() {
    let text = red(Bug::Swaps, "websocket");
    assert!(text.contains("G5 skipped: 1"), "{text}");
    assert!(text.contains("G5 repeated: 1"), "{text}");
}

#[test]
fn the_same_way_without_a_bug_is_green() {
    let house = House::start(&["--limits", "off"]);
    let through = proxy::start(house.public, Bug::Nothing);
    let (text, code) = told(&verify(through, &["--transport", "mix"]));
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn an_address_where_nobody_listens_is_named_in_one_line() {
    let nobody = free_address();
    let (text, code) = told(&verify(nobody, &[]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with(&format!("http://{nobody}: ")), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

//! The program as its users run it: against a real chatify, against small servers of both other kinds, and against
//! servers that break one delivery, which it must report.

mod house;
#[path = "../../../tests/operator/proxy.rs"]
mod proxy;
mod server;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use house::House;
use proxy::Bug;
use serde_json::Value;

/// A run, its answer and what it wrote.
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
    json: Option<Value>,
    html: String,
}

fn loadtest() -> Command {
    Command::new(env!("CARGO_BIN_EXE_chatify-loadtest"))
}

fn scenario(name: &str) -> PathBuf {
    PathBuf::from(format!("scenarios/{name}.toml"))
}

/// Twenty people in two rooms of ten, for a moment.
const SMALL: [&str; 6] = [
    "connections=20",
    "rooms=2x10",
    "connect-rate=0",
    "warm-up=0.2",
    "duration=1.5",
    "rate=60",
];

fn run(name: &str, sets: &[&str], flags: &[&str]) -> Told {
    let folder = tempfile::tempdir().expect("a folder");
    let (json, html) = (
        folder.path().join("run.json"),
        folder.path().join("run.html"),
    );
    let mut command = loadtest();
    command
        .arg("run")
        .arg(scenario(name))
        .args(["--settle", "5"])
        .args(flags);
    command.arg("--json").arg(&json).arg("--html").arg(&html);
    for set in SMALL.iter().chain(sets) {
        command.args(["--set", set]);
    }
    let output = command.output().expect("it runs");
    Told {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        json: std::fs::read(json)
            .ok()
            .map(|bytes| serde_json::from_slice(&bytes).expect("JSON")),
        html: std::fs::read_to_string(html).unwrap_or_default(),
    }
}

impl Told {
    fn finding(&self, name: &str) -> u64 {
        self.json
            .as_ref()
            .and_then(|json| json["findings"][name].as_u64())
            .unwrap_or_else(|| panic!("{}{}", self.out, self.err))
    }

    fn value(&self, name: &str) -> f64 {
        self.json
            .as_ref()
            .and_then(|json| json["values"][name]["value"].as_f64())
            .unwrap_or_else(|| panic!("{name}: {}{}", self.out, self.err))
    }

    fn assert_in_order(&self) {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        assert!(
            self.value("deliveries") > 0.0 && self.out.contains("in order"),
            "{}",
            self.out
        );
    }
}

/// An agent that ends with us.
struct Agent(Child, String);

impl Agent {
    fn start() -> Agent {
        let mut child = loadtest()
            .args(["agent", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let err = child.stderr.take().expect("its standard error");
        let mut err = BufReader::new(err);
        err.read_line(&mut line).expect("a line");
        // It goes on telling; somebody must read.
        std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
        let address = line
            .trim()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        Agent(child, address)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn chatify<'a>(house: &'a House, target: &'a str) -> Vec<&'a str> {
    vec!["--target", target, "--people", &house.people]
}

#[test]
fn a_mix_of_everything_against_a_real_server_is_in_order_and_reported() {
    let house = House::start();
    let (target, pid) = (house.public.to_string(), house.pid().to_string());
    let told = run(
        "chat-mix",
        &[],
        &[chatify(&house, &target), vec!["--pid", &pid]].concat(),
    );
    told.assert_in_order();
    assert_eq!(told.value("connections"), 20.0);
    assert!(told.value("server: RSS") > 1_000.0);
    let deliveries = told.value("deliveries") / told.value("messages acknowledged");
    assert!(
        (deliveries - 10.0).abs() < 1.5,
        "ten members a room hear each message: {deliveries}"
    );
    for name in [
        "delivery, p99",
        "ack, p50",
        "typing, p50",
        "read, p50",
        "connect, p99",
    ] {
        assert!(told.value(name) > 0.0, "{name}");
    }
    assert!(
        told.html.starts_with("<!doctype html>")
            && told.html.ends_with("</html>\n")
            && told.html.contains("In order")
    );
}

#[test]
fn who_comes_back_from_a_storm_misses_nothing() {
    let house = House::start();
    let target = house.public.to_string();
    let told = run(
        "reconnect-storm",
        &["after=0.3", "away=0.8", "keep=4"],
        &chatify(&house, &target),
    );
    told.assert_in_order();
    assert_eq!(told.value("people who come back"), 16.0);
    assert!(told.value("messages replayed") > 0.0);
}

#[test]
fn two_agents_share_the_people_and_are_checked_together() {
    let house = House::start();
    // Two names of one server stand for two nodes.
    let target = format!(
        "http://{0},http://localhost:{1}",
        house.public,
        house.public.port()
    );
    let (a, b) = (Agent::start(), Agent::start());
    let agents = format!("{},{}", a.1, b.1);
    let flags = [chatify(&house, &target), vec!["--agents", &agents]].concat();
    let told = run("messages", &["process=poisson"], &flags);
    told.assert_in_order();
    let deliveries = told.value("deliveries") / told.value("messages acknowledged");
    assert!(
        (deliveries - 10.0).abs() < 1.5,
        "each hears what the other agent's people say: {deliveries}"
    );
    // An agent serves the next run too.
    run("messages", &[], &flags).assert_in_order();
}

#[test]
fn a_loss_a_double_and_a_swap_on_the_way_from_chatify_are_reported() {
    let house = House::start();
    for (bug, finding) in [
        (Bug::Drops, "lost"),
        (Bug::Doubles, "doubled"),
        (Bug::Swaps, "reordered"),
    ] {
        let target = proxy::start(house.public, bug).to_string();
        assert_reported(&run("messages", &[], &chatify(&house, &target)), finding);
    }
}

#[test]
fn a_right_man_in_the_middle_is_no_fault() {
    let house = House::start();
    let target = proxy::start(house.public, Bug::Nothing).to_string();
    run("messages", &[], &chatify(&house, &target)).assert_in_order();
}

fn assert_reported(told: &Told, finding: &str) {
    assert_eq!(told.code, Some(1), "{finding}: {}{}", told.out, told.err);
    assert!(told.finding(finding) >= 1, "{finding}: {}", told.out);
    assert!(told.out.contains("NOT IN ORDER") && told.html.contains("Not in order"));
}

fn other(kind: &str, server: SocketAddr, bug: Option<&str>) {
    let target = server.to_string();
    // Without a log only the order of each sender is promised: one writer a room.
    let told = run(
        "messages",
        &["writers=1"],
        &["--kind", kind, "--target", &target],
    );
    match bug {
        None => told.assert_in_order(),
        Some(finding) => assert_reported(&told, finding),
    }
}

#[test]
fn a_right_server_of_each_other_kind_is_in_order() {
    for kind in ["socketio", "raw"] {
        other(kind, server::start(Bug::Nothing), None);
    }
}

#[test]
fn a_loss_a_double_and_a_swap_of_a_server_without_a_log_are_reported() {
    for kind in ["socketio", "raw"] {
        for (bug, finding) in [
            (Bug::Drops, "lost"),
            (Bug::Doubles, "doubled"),
            (Bug::Swaps, "reordered"),
        ] {
            other(kind, server::start(bug), Some(finding));
        }
    }
}

#[test]
fn what_one_agent_sent_and_anothers_people_did_not_get_is_reported() {
    let (a, b) = (Agent::start(), Agent::start());
    let agents = format!("{},{}", a.1, b.1);
    let target = server::start(Bug::Drops).to_string();
    let told = run(
        "messages",
        &[],
        &[
            "--kind", "socketio", "--target", &target, "--agents", &agents,
        ],
    );
    assert_reported(&told, "lost");
    assert_eq!(told.finding("lost"), 1);
}

#[test]
fn a_storm_on_a_server_without_replay_owes_nobody_what_was_said_meanwhile() {
    let target = server::start(Bug::Nothing).to_string();
    let told = run(
        "reconnect-storm",
        &["after=0.3", "away=0.8", "keep=4"],
        &["--kind", "socketio", "--target", &target],
    );
    told.assert_in_order();
    assert_eq!(told.value("people who come back"), 16.0);
}

#[test]
fn a_scenario_with_an_unknown_key_is_refused_by_name_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "[people]\nconnections = 3\nspeed = 9\n").expect("written");
    let output = loadtest().arg("run").arg(&file).output().expect("it runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err.contains("wrong.toml") && err.contains("line 3") && err.contains("`speed`"),
        "{err}"
    );
}

#[test]
fn a_server_that_is_not_there_gives_no_result() {
    let told = run(
        "messages",
        &[],
        &[
            "--kind",
            "raw",
            "--target",
            &house::free_address().to_string(),
        ],
    );
    assert_eq!(told.code, Some(2));
    assert!(
        told.err.contains("20 of 20 people could not connect"),
        "{}",
        told.err
    );
}

#[test]
fn results_are_compared_by_their_files() {
    let target = server::start(Bug::Nothing).to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| {
        let told = run("messages", &[], &["--kind", "raw", "--target", &target]);
        let path = folder.path().join(name);
        std::fs::write(&path, told.json.expect("a result").to_string()).expect("written");
        path
    };
    let (a, b) = (write("a.json"), write("b.json"));
    let output = loadtest()
        .arg("compare")
        .args([&a, &b])
        .output()
        .expect("it runs");
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(
        out.contains("messages: B against A") && out.contains("| delivery, p99 |"),
        "{out}"
    );
    let several = loadtest()
        .arg("compare")
        .arg("--a")
        .args([&a, &b, &a])
        .arg("--b")
        .args([&a, &b, &b])
        .output()
        .expect("it runs");
    assert!(String::from_utf8_lossy(&several.stdout).contains("within noise"));
}

#[test]
fn people_come_back_to_a_server_that_crashed_and_what_was_not_answered_is_said_again() {
    let mut house = House::start();
    let (target, people) = (format!("http://{}", house.public), house.people.clone());
    let told = std::thread::spawn(move || {
        run(
            "deploy",
            &["duration=8"],
            &["--target", &target, "--people", &people],
        )
    });
    house.crash_while_they_talk(20);
    let told = told.join().expect("the run ends");
    told.assert_in_order();
    assert_eq!(told.value("connections that the server ended"), 20.0);
    assert!(told.value("cut off until ready again, p50") > 0.0);
}

//! `chatify doctor`: an all-in-one as it comes is fine, one that is set up badly is told so line by line.

use crate::guarded::Guarded;
use crate::house::{House, chatify, free_address, told};

#[test]
fn an_all_in_one_as_it_comes_is_fine_while_it_runs() {
    let house = House::start(&[]);
    let output = chatify()
        .arg("--data")
        .arg(house.path().join("data"))
        .args([
            "doctor",
            "--json",
            "--url",
            &format!("http://{}", house.public),
        ])
        .output()
        .expect("the binary");
    let (text, code) = told(&output);
    assert_eq!(code, Some(0), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).expect(&text);
    assert_eq!(json["healthy"], true);
    let findings = json["findings"].as_array().expect("findings");
    let of = |check: &str| {
        let found = findings.iter().find(|finding| finding["check"] == check);
        found.map(|finding| finding["level"].as_str().expect("a level").to_owned())
    };
    for check in ["https", "dev mailbox", "store", "clock", "signing keys"] {
        assert_eq!(of(check).as_deref(), Some("ok"), "{check}: {text}");
    }
}

#[test]
fn one_that_is_set_up_badly_is_told_each_fault_and_how_to_mend_it() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("chatify.db"), [7; 64]).expect("a file");
    let output = chatify()
        .env("CHATIFY_AUTH_KEY_SECRET", "changeme")
        .arg("--data")
        .arg(folder.path())
        .args([
            "--listen",
            "0.0.0.0:8080",
            "--admin-listen",
            "198.51.100.7:9090",
        ])
        .args(["--limits", "off", "--trusted-proxies", "0.0.0.0/0"])
        .args(["--origins", "http://chat.example"])
        .args(["doctor", "--url", "http://127.0.0.1:1"])
        .output()
        .expect("the binary");
    let (text, code) = told(&output);
    assert_eq!(code, Some(1), "{text}");
    for check in [
        "https",
        "admin listener",
        "trusted proxies",
        "rate limits",
        "dev mailbox",
        "auth.key-secret",
        "store",
        "url",
    ] {
        let line = text
            .lines()
            .find(|line| line.starts_with("wrong") && line.contains(check));
        assert!(
            line.is_some_and(|line| line.contains("Mend it: ")),
            "{check}: {text}"
        );
    }
    assert!(text.contains("warn   origins"), "{text}");
    assert!(!text.contains("changeme"), "{text}");
}

#[test]
fn the_clock_of_a_bus_is_read_by_tls_too() {
    let server = Guarded::start(|| free_address().port(), &[]);
    let findings = |query: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let output = chatify()
            .env("CHATIFY_BUS", server.url("rediss", "localhost", query))
            .arg("--data")
            .arg(folder.path())
            .args(["doctor", "--json"])
            .output()
            .expect("the binary");
        let (text, _) = told(&output);
        let json: serde_json::Value = serde_json::from_str(&text).expect(&text);
        json["findings"].as_array().expect("findings").clone()
    };
    let of = |findings: &[serde_json::Value], check: &str| {
        let found = findings.iter().find(|finding| finding["check"] == check);
        found.cloned().unwrap_or_default()
    };
    let known = findings(&server.known());
    for check in ["bus", "clock"] {
        let found = of(&known, check);
        assert_eq!(found["level"], "ok", "{check}: {known:?}");
        let text = found["told"].as_str().expect("words");
        assert!(text.starts_with("localhost:"), "{text}");
    }
    // Whoever does not believe the certificate is told so, and no time.
    let unknown = findings("");
    let found = of(&unknown, "bus");
    assert_eq!(found["level"], "wrong", "{unknown:?}");
    assert!(
        found["told"]
            .as_str()
            .expect("words")
            .contains("?ca-file=PATH"),
        "{found}"
    );
    assert_eq!(of(&unknown, "clock"), serde_json::Value::Null);
}

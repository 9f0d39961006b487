//! Tests of loading: who wins, what is refused, and that no secret shows.

use std::io::Write;

use super::*;
use crate::config::declared::tests::{Demo, Top};

fn catalogue() -> Catalogue {
    Catalogue::new().with::<Top>().with::<Demo>()
}

fn load(flags: &[&str], variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let (flags, _) = catalogue().take_flags(flags.iter().map(|flag| (*flag).to_owned()))?;
    catalogue().load(
        flags,
        variables
            .iter()
            .map(|(name, text)| ((*name).into(), (*text).into())),
    )
}

/// A file that is removed when dropped.
fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(content.as_bytes()).expect("written");
    file
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().expect("a plain path")
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file =
        file("listen = \"127.0.0.1:2\"\n[demo]\noutbox-bytes = \"2KiB\"\npatience = \"2s\"\n");
    let settings = load(
        &["--config", path(&file), "--listen", "127.0.0.1:4"],
        &[
            ("CHATIFY_LISTEN", "127.0.0.1:3"),
            ("CHATIFY_DEMO_OUTBOX_BYTES", "3KiB"),
        ],
    )
    .expect("valid");
    let (top, demo): (Top, Demo) = (
        settings.read().expect("top"),
        settings.read().expect("demo"),
    );
    assert_eq!(top.listen.port(), 4);
    assert_eq!(demo.outbox_bytes.bytes(), 3 << 10);
    assert_eq!(demo.patience.as_secs(), 2);
    assert!(top.limits && demo.pepper.is_none() && demo.peers.is_empty());
    assert_eq!(settings.source("listen"), Source::Flag("listen".into()));
    assert_eq!(
        settings.source("demo.patience").to_string(),
        format!("{}:4", path(&file))
    );
    assert_eq!(settings.source("limits"), Source::Default);
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let file = file("limits = false\ndemo.peers = [\"a\", \"b\"]\n");
    let settings = load(&[], &[("CHATIFY_CONFIG", path(&file))]).expect("valid");
    assert!(!settings.read::<Top>().expect("top").limits);
    assert_eq!(settings.read::<Demo>().expect("demo").peers, ["a", "b"]);
}

#[test]
fn unknown_names_are_refused_with_their_place_and_the_nearest_name() {
    let file = file("lisen = \"x\"\n[demo]\n\noutbox_bytes = 1\n");
    let error = load(
        &["--config", path(&file)],
        &[("CHATIFY_DEMO_PATIENS", "1s")],
    )
    .expect_err("three unknown names");
    let place = path(&file);
    assert_eq!(
        error.problems(),
        [
            format!("{place}:1: `lisen` is no setting; did you mean `listen`?"),
            format!(
                "{place}:4: `demo.outbox_bytes` is no setting; did you mean `demo.outbox-bytes`?"
            ),
            "`CHATIFY_DEMO_PATIENS` is no setting; did you mean `CHATIFY_DEMO_PATIENCE`?"
                .to_owned(),
        ]
    );
}

#[test]
fn values_that_do_not_fit_are_refused_with_their_place() {
    let error = load(
        &["--demo-outbox-bytes", "2MiB"],
        &[
            ("CHATIFY_LISTEN", "here"),
            ("CHATIFY_DEMO_PATIENCE", "soon"),
        ],
    )
    .expect_err("three wrong values")
    .to_string();
    for part in [
        "--demo-outbox-bytes: `demo.outbox-bytes` (`2MiB`) is outside of 1KiB to 1MiB",
        "CHATIFY_LISTEN: `listen` (`here`) is not an address with port",
        "CHATIFY_DEMO_PATIENCE: `demo.patience` (`soon`) is not a duration",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn secrets_come_from_variables_and_from_files_without_their_line_end() {
    let secret = file("hunter2\n");
    let pepper = |settings: Settings| {
        settings
            .read::<Demo>()
            .expect("demo")
            .pepper
            .expect("given")
    };
    let by_variable = load(&[], &[("CHATIFY_DEMO_PEPPER", "hunter2")]).expect("valid");
    let by_file = load(&[], &[("CHATIFY_DEMO_PEPPER_FILE", path(&secret))]).expect("valid");
    let by_flag = load(&["--demo-pepper-file", path(&secret)], &[]).expect("valid");
    let toml = file(&format!("[demo]\npepper-file = \"{}\"\n", path(&secret)));
    let by_toml = load(&["--config", path(&toml)], &[]).expect("valid");
    for settings in [by_variable, by_file, by_flag, by_toml] {
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(pepper(settings).expose(), "hunter2");
    }
}

#[test]
fn a_secret_file_that_is_missing_or_empty_is_refused() {
    let empty = file("\n");
    for wrong in [path(&empty), "no-such-file"] {
        let error = load(&[], &[("CHATIFY_DEMO_PEPPER_FILE", wrong)]).expect_err("no secret");
        assert!(
            error.to_string().starts_with("CHATIFY_DEMO_PEPPER_FILE: "),
            "{error}"
        );
    }
    let error = load(&[], &[("CHATIFY_LISTEN_FILE", "x")]).expect_err("not a secret");
    assert!(error.to_string().contains("no setting"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load(&["--config", "no-such-file.toml"], &[]).expect_err("missing");
    assert!(
        error.to_string().starts_with("no-such-file.toml: "),
        "{error}"
    );
}

#[test]
fn what_kubernetes_puts_into_every_pod_is_nobodys_mistake() {
    let links = [
        ("CHATIFY_NODE_SERVICE_HOST", "10.0.0.1"),
        ("CHATIFY_NODE_SERVICE_PORT_HTTP", "80"),
        ("CHATIFY_NODE_PORT", "tcp://10.0.0.1:80"),
        ("CHATIFY_NODE_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    assert!(load(&[], &links).is_ok());
}

#[test]
fn where_the_tests_find_their_servers_is_no_setting() {
    assert!(load(&[], &[("CHATIFY_TEST_REDIS", "redis://127.0.0.1:1")]).is_ok());
}

#[test]
fn a_section_that_was_not_declared_cannot_be_read() {
    let settings = Catalogue::new()
        .with::<Top>()
        .load(Flags::default(), [])
        .expect("valid");
    assert!(settings.read::<Demo>().is_err());
}

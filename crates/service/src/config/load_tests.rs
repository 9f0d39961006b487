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
fn a_url_comes_from_a_file_too_and_its_password_is_not_shown() {
    let url = file("mongodb://u:hunter2@db/chatify\n");
    let store = |settings: &Settings| settings.read::<Demo>().expect("demo").store.expect("given");
    let by_variable = load(&[], &[("CHATIFY_DEMO_STORE_FILE", path(&url))]).expect("valid");
    let by_flag = load(&["--demo-store-file", path(&url)], &[]).expect("valid");
    let toml = file(&format!("[demo]\nstore-file = \"{}\"\n", path(&url)));
    let by_toml = load(&["--config", path(&toml)], &[]).expect("valid");
    for settings in [by_variable, by_flag, by_toml] {
        assert_eq!(store(&settings).expose(), "mongodb://u:hunter2@db/chatify");
        let shown = settings.print();
        assert!(shown.contains("mongodb://u:***@db/chatify"), "{shown}");
        assert!(!shown.contains("hunter2"));
    }
    let plain = load(&["--demo-store", "sqlite:x"], &[]).expect("valid");
    assert_eq!(store(&plain).expose(), "sqlite:x");
}

#[test]
fn a_flag_wins_over_the_file_of_a_variable_and_the_file_over_the_toml() {
    let url = file("redis://of-the-file\n");
    let toml = file("[demo]\nstore = \"redis://of-the-toml\"\n");
    let variables = [
        ("CHATIFY_CONFIG", path(&toml)),
        ("CHATIFY_DEMO_STORE_FILE", path(&url)),
    ];
    let store = |flags: &[&str]| {
        let settings = load(flags, &variables).expect("valid");
        settings.read::<Demo>().expect("demo").store.expect("given")
    };
    assert_eq!(store(&[]).expose(), "redis://of-the-file");
    assert_eq!(store(&["--demo-store", "redis://f"]).expose(), "redis://f");
}

#[test]
fn the_file_of_a_url_that_is_missing_empty_or_no_url_is_refused_and_not_repeated() {
    let (empty, other) = (file("\n"), file("hunter2 is no URL\n"));
    for (wrong, why) in [
        (path(&empty), "empty"),
        ("no-such-file", "No such file"),
        (path(&other), "`demo.store` is not a URL"),
    ] {
        let error = load(&[], &[("CHATIFY_DEMO_STORE_FILE", wrong)]).expect_err("no URL");
        let error = error.to_string();
        assert!(error.starts_with("CHATIFY_DEMO_STORE_FILE: "), "{error}");
        assert!(error.contains(why) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_value_and_its_file_at_the_same_level_are_refused() {
    let url = file("redis://a\n");
    let place = path(&url);
    let toml = file(&format!(
        "[demo]\nstore = \"redis://b\"\nstore-file = \"{place}\"\n"
    ));
    let by_variables = load(
        &[],
        &[
            ("CHATIFY_DEMO_STORE", "redis://b"),
            ("CHATIFY_DEMO_STORE_FILE", place),
        ],
    );
    let by_secrets = load(
        &[],
        &[
            ("CHATIFY_DEMO_PEPPER", "b"),
            ("CHATIFY_DEMO_PEPPER_FILE", place),
        ],
    );
    let by_flags = load(
        &["--demo-store", "redis://b", "--demo-store-file", place],
        &[],
    );
    let by_toml = load(&["--config", path(&toml)], &[]);
    for (loaded, key) in [
        (by_variables, "demo.store"),
        (by_secrets, "demo.pepper"),
        (by_flags, "demo.store"),
        (by_toml, "demo.store"),
    ] {
        let error = loaded.expect_err("given twice").to_string();
        assert!(
            error.contains(&format!("`{key}` is given twice, by ")),
            "{error}"
        );
    }
    let repeated = load(
        &["--demo-store", "redis://a", "--demo-store", "redis://b"],
        &[],
    );
    assert!(repeated.is_ok(), "the last of a repeated flag counts");
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

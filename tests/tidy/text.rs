//! Words that no file may hold: paths of somebody's machine, hosts of registries, things left undone, tests switched off.
//! This file spells them in halves, so that it does not find itself.

use crate::tree::Tree;

/// The word, the extensions it matters in (none: all), and why.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (concat!("/ro", "ot/"), &[], "a path of one machine"),
    (concat!("/wo", "rk/"), &[], "a path of one machine"),
    (concat!("/ho", "me/"), &[], "a path of one machine"),
    (concat!("arti", "factory"), &[], "the host of a registry"),
    (
        concat!("registry.np", "mjs.org"),
        &[],
        "the host of a registry",
    ),
    (
        concat!("index.crates", ".io"),
        &[],
        "the host of a registry",
    ),
    (
        concat!("static.crates", ".io"),
        &[],
        "the host of a registry",
    ),
    (
        concat!("files.python", "hosted"),
        &[],
        "the host of a registry",
    ),
    (concat!("TO", "DO"), CODE, "finish it, or leave it out"),
    (concat!("FIX", "ME"), CODE, "finish it, or leave it out"),
    (concat!("#[ign", "ore"), &["rs"], "a test that never runs"),
    (concat!("it.sk", "ip("), SCRIPTS, "a test that never runs"),
    (concat!("test.sk", "ip("), SCRIPTS, "a test that never runs"),
    (
        concat!("describe.sk", "ip("),
        SCRIPTS,
        "a test that never runs",
    ),
    (
        concat!("it.on", "ly("),
        SCRIPTS,
        "it switches all other tests off",
    ),
    (
        concat!("test.on", "ly("),
        SCRIPTS,
        "it switches all other tests off",
    ),
    (
        concat!("describe.on", "ly("),
        SCRIPTS,
        "it switches all other tests off",
    ),
];
const CODE: &[&str] = &["rs", "ts", "tsx", "css", "mjs", "sh", "toml"];
const SCRIPTS: &[&str] = &["ts", "tsx", "mjs"];

/// Every place where one of them stands.
pub(crate) fn forbidden_words(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in &tree.0 {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        for (word, extensions, why) in FORBIDDEN {
            if !extensions.is_empty() && !extensions.contains(&extension) {
                continue;
            }
            for (number, _) in text
                .lines()
                .enumerate()
                .filter(|(_, line)| line.contains(word))
            {
                complaints.push(format!("{path}:{}: `{word}`: {why}", number + 1));
            }
        }
    }
    complaints
}

#[test]
fn each_forbidden_word_is_found_where_it_matters() {
    for (word, extensions, _) in FORBIDDEN {
        let path = format!("a.{}", extensions.first().unwrap_or(&"json"));
        let text = format!("fine\nx {word} x\n");
        let found = forbidden_words(&Tree::of(&[(&path, &text)]));
        assert!(
            found
                .iter()
                .any(|one| one.starts_with(&format!("{path}:2: "))),
            "{word}: {found:?}"
        );
    }
    let elsewhere = format!("{} is a word", concat!("TO", "DO"));
    assert!(forbidden_words(&Tree::of(&[("a.md", &elsewhere)])).is_empty());
}

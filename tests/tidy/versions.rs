//! Least versions of dependencies with known holes: the advisory database misses some, and cannot be reached everywhere.

use crate::tree::Tree;

/// The crate, the first version without the hole, and the hole.
const LEAST: &[(&str, &str, &str)] = &[
    (
        "bytes",
        "1.11.1",
        "RUSTSEC-2026-0007: reserve overflows by a length from the wire",
    ),
    (
        "crossbeam-channel",
        "0.5.15",
        "RUSTSEC-2025-0024: double free on drop",
    ),
    (
        "hickory-proto",
        "0.26.3",
        "RUSTSEC-2026-0118, 0119: denial of service in DNS code",
    ),
    (
        "hyper",
        "1.0.0",
        "RUSTSEC-2021-0078, 0079: request smuggling",
    ),
    (
        "jsonwebtoken",
        "10.3.0",
        "CVE-2026-25537: claims of a wrong type pass",
    ),
    (
        "lettre",
        "0.11.22",
        "RUSTSEC-2026-0141: the host name is not checked",
    ),
    ("lru", "0.16.3", "RUSTSEC-2026-0253"),
    (
        "metrics-exporter-prometheus",
        "0.18.0",
        "older ones need protobuf with RUSTSEC-2024-0437",
    ),
    (
        "protobuf",
        "3.7.2",
        "RUSTSEC-2024-0437: unbounded recursion",
    ),
    (
        "rustls",
        "0.23.18",
        "RUSTSEC-2024-0336, 0399: endless loop, panic in accept",
    ),
    (
        "rustls-webpki",
        "0.103.10",
        "RUSTSEC-2026-0098, 0099, 0104: name constraints",
    ),
    ("time", "0.3.47", "RUSTSEC-2026-0009: stack exhaustion"),
    (
        "tokio",
        "1.44.2",
        "RUSTSEC-2025-0023: unsound broadcast channel",
    ),
    (
        "tracing-subscriber",
        "0.3.20",
        "RUSTSEC-2025-0055: escape sequences reach the terminal",
    ),
];

/// Only versions of the same major line as the hole's mend are judged by it; older lines are too old as well.
fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or(version);
    release
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

/// Name and version of every package of a Cargo.lock.
fn packages(lock: &str) -> impl Iterator<Item = (&str, &str)> {
    lock.split("[[package]]").skip(1).filter_map(|package| {
        let field = |name: &str| {
            package
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_suffix('"'))
        };
        Some((field("name = \"")?, field("version = \"")?))
    })
}

/// Packages older than they may be.
pub(crate) fn too_old(lock: &str) -> Vec<String> {
    assert!(packages(lock).count() > 0, "Cargo.lock was not read");
    packages(lock)
        .flat_map(|(name, version)| {
            LEAST
                .iter()
                .filter(move |(of, least, _)| *of == name && numbers(version) < numbers(least))
                .map(move |(_, least, why)| {
                    format!("{name} {version} is older than {least}: {why}")
                })
        })
        .collect()
}

/// Git sources, other registries, and hosts in the lock file of the web client.
pub(crate) fn foreign_sources(tree: &Tree) -> Vec<String> {
    let usual = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let mut complaints: Vec<String> = tree
        .text("Cargo.lock")
        .lines()
        .filter(|line| line.starts_with("source = ") && *line != usual)
        .map(|line| format!("Cargo.lock: {line}"))
        .collect();
    for (path, text) in &tree.0 {
        if path.ends_with("package-lock.json") && text.contains("\"resolved\": \"http") {
            complaints.push(format!("{path}: `resolved` names a host (see web/.npmrc)"));
        }
    }
    complaints
}

#[test]
fn each_hole_is_found_just_below_its_mend() {
    for (name, least, _) in LEAST {
        let lock =
            |version: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        assert!(too_old(&lock(least)).is_empty(), "{name} {least}");
        assert_eq!(too_old(&lock("0.0.9")).len(), 1, "{name}");
    }
    let older = "[[package]]\nname = \"tokio\"\nversion = \"1.9.0\"\n";
    assert_eq!(too_old(older).len(), 1, "versions are numbers, not text");
}

#[test]
fn a_foreign_source_is_found() {
    let tree = Tree::of(&[
        ("Cargo.lock", "source = \"git+https://example.org/x\"\n"),
        (
            "web/package-lock.json",
            "\"resolved\": \"https://example.org/x.tgz\"",
        ),
    ]);
    assert_eq!(foreign_sources(&tree).len(), 2);
}

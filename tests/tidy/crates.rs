//! Rules about crates: who may depend on whom, what stands only at the top, and what the pure crates must not know.

use std::collections::BTreeMap;

use crate::tree::Tree;

/// Our crates, and which of ours each may depend on: the one direction.
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("service", &[]),
    ("history", &["protocol"]),
    ("chat", &["protocol"]),
    ("store", &["protocol"]),
    ("archive", &["protocol", "store"]),
    ("bus", &["protocol"]),
    ("transport", &["protocol"]),
    (
        "node",
        &[
            "protocol",
            "chat",
            "store",
            "archive",
            "bus",
            "service",
            "transport",
        ],
    ),
    ("auth", &["protocol", "store", "bus", "service"]),
    ("mailer", &["protocol", "bus", "service"]),
    ("client", &["protocol", "history"]),
    ("loadtest", &["protocol", "history", "client"]),
    ("chaos", &["protocol", "history"]),
    (
        "chatify",
        &[
            "protocol",
            "chat",
            "store",
            "bus",
            "service",
            "transport",
            "node",
            "auth",
            "mailer",
            "history",
            "client",
            "archive",
        ],
    ),
];

/// Crates without I/O, clock or chance, and what would bring them.
const PURE: [&str; 2] = ["protocol", "chat"];
const IMPURE_CRATES: [&str; 9] = [
    "tokio",
    "tokio-util",
    "hyper",
    "mio",
    "rand",
    "getrandom",
    "fastrand",
    "socket2",
    "tracing",
];
const IMPURE_WORDS: [&str; 15] = [
    "SystemTime",
    "Instant::now",
    "TcpStream",
    "UdpSocket",
    "to_socket_addrs",
    "std::fs",
    "std::thread",
    "std::env",
    "tokio::",
    "RandomState",
    "thread_rng",
    "new_v4(",
    "now_v7(",
    "Timestamp::now",
    "println!",
];

/// Section → lines of `name = value`, as far as our manifests use TOML.
type Manifest = BTreeMap<String, Vec<(String, String)>>;

fn manifest(text: &str) -> Manifest {
    let mut sections = Manifest::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.split(']').next())
        {
            section = name.trim_start_matches('[').to_owned();
            sections.entry(section.clone()).or_default();
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#'))
        {
            let entry = (name.trim().to_owned(), value.trim().to_owned());
            sections.entry(section.clone()).or_default().push(entry);
        }
    }
    sections
}

/// Path and content of every manifest of the workspace. `fuzz/` and the peers are workspaces of their own.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, Manifest)> {
    tree.with(&["toml"])
        .filter(|(path, _)| path.ends_with("Cargo.toml"))
        .filter(|(path, _)| {
            !["fuzz/", "loadtest/peers/"]
                .iter()
                .any(|own| path.starts_with(own))
        })
        .map(|(path, text)| (path, manifest(text)))
        .filter(|(_, manifest)| manifest.contains_key("package"))
}

fn name(manifest: &Manifest) -> &str {
    let package = manifest.get("package").map_or(&[][..], Vec::as_slice);
    package
        .iter()
        .find(|(key, _)| key == "name")
        .map_or("", |(_, name)| name.trim_matches('"'))
}

/// Names of the dependencies in a section. `tokio.workspace = true` is `tokio`.
fn dependencies<'a>(
    manifest: &'a Manifest,
    section: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let lines = manifest.get(section).map_or(&[][..], Vec::as_slice);
    lines
        .iter()
        .map(|(key, value)| (key.split('.').next().unwrap_or(key), value.as_str()))
}

/// Dependencies of ours that point the wrong way, and crates that have no place in the order.
pub(crate) fn wrong_arrows(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, manifest) in manifests(tree) {
        let name = name(&manifest);
        let Some((_, allowed)) = ARROWS.iter().find(|(of, _)| *of == name) else {
            complaints.push(format!(
                "{path}: `{name}` has no place in the order of the crates"
            ));
            continue;
        };
        for section in ["dependencies", "build-dependencies"] {
            for (other, _) in dependencies(&manifest, section) {
                let ours = ARROWS.iter().any(|(of, _)| *of == other);
                if ours && !allowed.contains(&other) {
                    complaints.push(format!("{path}: `{name}` must not depend on `{other}`"));
                }
            }
        }
    }
    complaints
}

/// Versions outside of the top, cargo features, and crates that do not take the lints.
pub(crate) fn wrong_manifests(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, manifest) in manifests(tree) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (key, value) in manifest.get(section).map_or(&[][..], Vec::as_slice) {
                if !key.ends_with(".workspace") && !value.contains("workspace = true") {
                    complaints.push(format!("{path}: `{key}`: its version belongs to the top"));
                }
            }
        }
        if manifest.contains_key("features") {
            complaints.push(format!(
                "{path}: cargo features: everything is always compiled"
            ));
        }
        let lints = manifest.get("lints").map_or(&[][..], Vec::as_slice);
        if !lints
            .iter()
            .any(|(key, value)| key == "workspace" && value == "true")
        {
            complaints.push(format!("{path}: it must take the lints of the workspace"));
        }
    }
    complaints
}

/// Runtimes, clocks and chance in the pure crates. Tests may use what they like.
pub(crate) fn impure(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, manifest) in manifests(tree).filter(|(_, manifest)| PURE.contains(&name(manifest))) {
        for (other, _) in dependencies(&manifest, "dependencies") {
            if IMPURE_CRATES.contains(&other) {
                complaints.push(format!("{path}: a pure crate must not depend on `{other}`"));
            }
        }
        let sources = path.replace("Cargo.toml", "src/");
        let files = tree
            .with(&["rs"])
            .filter(|(file, _)| file.starts_with(&sources));
        for (file, text) in files.filter(|(file, _)| !file.ends_with("tests.rs")) {
            complaints.extend(impure_lines(file, text));
        }
    }
    complaints
}

fn impure_lines(file: &str, text: &str) -> Vec<String> {
    // Tests stand last in a file.
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let lines = || {
        code.lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    };
    let words = lines().flat_map(|(number, line)| {
        let found = IMPURE_WORDS
            .iter()
            .filter(move |word| line.contains(**word));
        found.map(move |word| format!("{file}:{}: `{word}` in a pure crate", number + 1))
    });
    // A map is fine with a fixed hasher: then its order is the same in every run.
    let fixed_hasher = code.contains("BuildHasherDefault");
    let maps = lines()
        .filter(|(_, line)| !fixed_hasher && (line.contains("HashMap") || line.contains("HashSet")))
        .map(|(number, _)| format!("{file}:{}: a map whose order is random", number + 1));
    words.chain(maps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_with(name: &str, dependencies: &str) -> Tree {
        let text = format!(
            "[package]\nname = \"{name}\"\n[dependencies]\n{dependencies}\n[lints]\nworkspace = true\n"
        );
        Tree::of(&[("crates/x/Cargo.toml", &text)])
    }

    #[test]
    fn an_arrow_the_wrong_way_is_found() {
        let wrong = wrong_arrows(&crate_with("protocol", "chat.workspace = true"));
        assert_eq!(
            wrong,
            ["crates/x/Cargo.toml: `protocol` must not depend on `chat`"]
        );
        assert!(!wrong_arrows(&crate_with("node", "auth = { workspace = true }")).is_empty());
        assert!(!wrong_arrows(&crate_with("utils", "")).is_empty());
        assert!(wrong_arrows(&crate_with("chat", "protocol.workspace = true")).is_empty());
    }

    #[test]
    fn a_version_a_feature_and_missing_lints_are_found() {
        assert_eq!(
            wrong_manifests(&crate_with("chat", "serde = \"1\"")).len(),
            1
        );
        assert!(wrong_manifests(&crate_with("chat", "serde.workspace = true")).is_empty());
        let bare = Tree::of(&[(
            "Cargo.toml",
            "[package]\nname = \"x\"\n[features]\nfast = []\n",
        )]);
        assert_eq!(wrong_manifests(&bare).len(), 2);
    }

    #[test]
    fn runtimes_clocks_and_chance_are_found_in_code_and_not_in_tests() {
        assert_eq!(
            impure(&crate_with("chat", "tokio.workspace = true")).len(),
            1
        );
        for word in IMPURE_WORDS {
            assert_eq!(
                impure_lines("a.rs", &format!("//! ok\nlet x = {word};\n")).len(),
                1,
                "{word}"
            );
            assert!(impure_lines("a.rs", &format!("// {word}\n#[cfg(test)]\n{word}")).is_empty());
        }
        assert_eq!(
            impure_lines("a.rs", "use std::collections::HashMap;").len(),
            1
        );
        assert!(
            impure_lines("a.rs", "type M = HashMap<u8, u8, BuildHasherDefault<H>>;").is_empty()
        );
    }
}

//! Rules about what runs chatify: the image, the composition and the dashboards name settings and metrics that exist.

use std::collections::BTreeSet;

use crate::tree::Tree;

/// What sets variables of chatify, files and a folder. Every `CHATIFY_…` in there is one, or a flaw.
const SETTERS: [&str; 4] = [
    "Dockerfile",
    "docker-compose.yml",
    "ops/compose/secrets.sh",
    "helm/chatify/templates/",
];
/// How our metrics begin.
const METRIC_PREFIX: &str = "chatify_";
/// What Prometheus puts behind the name of a histogram.
const METRIC_SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Variables that are no setting of docs/configuration.md.
pub(crate) fn unknown_settings(tree: &Tree) -> Vec<String> {
    let known = variables(&tree.text("docs/configuration.md"));
    let is_part = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let mut complaints = Vec::new();
    let sets = |path: &str| SETTERS.iter().any(|setter| path.starts_with(setter));
    for (path, text) in tree.0.iter().filter(|(path, _)| sets(path)) {
        for name in words(text, "CHATIFY_", is_part) {
            if !known.contains(&name) {
                complaints.push(format!("{path}: there is no setting `{name}`"));
            }
        }
    }
    complaints
}

/// Metrics in dashboards, rules and settings of Prometheus that are not in docs/metrics.md.
pub(crate) fn unknown_metrics(tree: &Tree) -> Vec<String> {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let known = words(&tree.text("docs/metrics.md"), METRIC_PREFIX, is_part);
    let mut complaints = Vec::new();
    for (path, text) in tree
        .with(&["json", "yml"])
        .filter(|(path, _)| path.starts_with("ops/"))
    {
        for name in words(text, METRIC_PREFIX, is_part) {
            let plain = METRIC_SUFFIXES
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix));
            if !known.contains(&name) && !plain.is_some_and(|plain| known.contains(plain)) {
                complaints.push(format!("{path}: there is no metric `{name}`"));
            }
        }
    }
    complaints
}

/// The variables of a reference: a row ``| `node.outbox-bytes` | `` is `CHATIFY_NODE_OUTBOX_BYTES`, a secret also with `_FILE`.
fn variables(reference: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["CHATIFY_CONFIG".to_owned()]);
    for row in reference.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let key = cells.next().unwrap_or_default().trim_matches('`');
        let name = format!("CHATIFY_{}", key.to_uppercase().replace(['.', '-'], "_"));
        if cells.next() == Some("secret") {
            names.insert(format!("{name}_FILE"));
        }
        names.insert(name);
    }
    names
}

/// Every word of the text that begins with `prefix` and goes on with such bytes.
fn words(text: &str, prefix: &str, is_part: impl Fn(u8) -> bool) -> BTreeSet<String> {
    let starts = text.match_indices(prefix).map(|(at, _)| at);
    // `old_chatify_x` is another word.
    let starts = starts.filter(|at| *at == 0 || !is_part(text.as_bytes()[at - 1]));
    starts
        .map(|at| {
            let rest = &text[at..];
            let end = rest.bytes().position(|b| !is_part(b)).unwrap_or(rest.len());
            rest[..end].to_owned()
        })
        .filter(|word| word.len() > prefix.len())
        .collect()
}

#[test]
fn a_setting_that_is_gone_is_found_in_what_sets_it() {
    let tree = Tree::of(&[
        (
            "docs/configuration.md",
            "| key | type |\n| `node.name` | text |\n| `cluster-key` | secret |\n",
        ),
        (
            "docker-compose.yml",
            "CHATIFY_NODE_NAME: a\nCHATIFY_CLUSTER_KEY_FILE: b\nCHATIFY_NODE_NAME_FILE: c\n",
        ),
        ("Dockerfile", "ENV CHATIFY_OLD=1 CHATIFY_CONFIG=/x\n"),
        (
            "helm/chatify/templates/a.tpl",
            "- name: CHATIFY_{{ $key }}\n- name: CHATIFY_GONE\n",
        ),
    ]);
    let expected = [
        "Dockerfile: there is no setting `CHATIFY_OLD`",
        "docker-compose.yml: there is no setting `CHATIFY_NODE_NAME_FILE`",
        "helm/chatify/templates/a.tpl: there is no setting `CHATIFY_GONE`",
    ];
    assert_eq!(unknown_settings(&tree), expected);
}

#[test]
fn a_metric_that_is_gone_is_found_in_a_dashboard() {
    let tree = Tree::of(&[
        (
            "docs/metrics.md",
            "| `chatify_sockets` | gauge |\n| `chatify_seconds` | histogram |\n",
        ),
        (
            "ops/grafana/dashboards/a.json",
            "\"sum(chatify_sockets) + rate(chatify_seconds_bucket[5m]) + chatify_gone\"",
        ),
    ]);
    let expected = ["ops/grafana/dashboards/a.json: there is no metric `chatify_gone`"];
    assert_eq!(unknown_metrics(&tree), expected);
}

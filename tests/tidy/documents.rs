//! Rules about the docs: what the code has is documented, and what the docs name exists.

use std::collections::BTreeSet;
use std::process::Command;

use protocol::event::{ClientEvent, ServerEvent};
use protocol::problem::Code;

use crate::tree::Tree;

/// Prefixes of our metrics' names; those of the process itself follow Prometheus' custom.
const METRIC_PREFIXES: [&str; 2] = ["chatify_", "process_"];

/// What the built binary prints.
pub(crate) fn said_by_chatify(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_chatify"))
        .args(arguments)
        .output()
        .expect("chatify was built for this test");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// A generated page is what the binary prints.
pub(crate) fn stale_reference(page: &str, tree: &Tree, said: &str) -> Vec<String> {
    let name = page;
    let page = tree.text(page);
    if page.trim_end() == said.trim_end() {
        return Vec::new();
    }
    let missing = said
        .lines()
        .find(|line| !page.lines().any(|written| written == *line));
    vec![format!(
        "{name} is stale (`make docs` writes it); the first new line is: {}",
        missing.unwrap_or("(lines are gone)")
    )]
}

/// docs/protocol.md against the events of both directions.
pub(crate) fn events(tree: &Tree) -> Vec<String> {
    let known: BTreeSet<String> = ClientEvent::NAMES
        .iter()
        .copied()
        .chain(ServerEvent::ALL.iter().map(|(name, _)| *name))
        .map(str::to_owned)
        .collect();
    // Only names with a colon can be told apart from other words.
    let is_event = |word: &str| {
        word.split_once(':').is_some_and(|(thing, verb)| {
            let letters =
                |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
            letters(thing) && letters(verb)
        })
    };
    compare(
        "docs/protocol.md",
        "event",
        &known,
        &quoted(&tree.text("docs/protocol.md")),
        is_event,
    )
}

/// One page a code in docs/errors.
pub(crate) fn errors(tree: &Tree) -> Vec<String> {
    let known: BTreeSet<String> = Code::ALL
        .iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    let pages: BTreeSet<String> = tree
        .0
        .keys()
        .filter_map(|path| path.strip_prefix("docs/errors/")?.strip_suffix(".md"))
        .filter(|page| *page != "README")
        .map(str::to_owned)
        .collect();
    compare("docs/errors", "error code", &known, &pages, |_| true)
}

/// docs/metrics.md against the names of metrics in the code.
pub(crate) fn metrics(tree: &Tree) -> Vec<String> {
    let is_metric = |word: &str| {
        METRIC_PREFIXES
            .iter()
            .any(|prefix| word.starts_with(prefix) && word.len() > prefix.len())
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let used: BTreeSet<String> = tree
        .with(&["rs"])
        .filter(|(path, _)| {
            let folder = path.contains("/metrics/");
            path.contains("src/") && (folder || path.ends_with("metrics.rs"))
        })
        .flat_map(|(_, text)| {
            // Tests stand last in a file.
            let code = text.split("#[cfg(test)]").next().unwrap_or(text);
            let code = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            let words = code.flat_map(|line| line.split('"').skip(1).step_by(2));
            words
                .filter(|word| is_metric(word))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    compare(
        "docs/metrics.md",
        "metric",
        &used,
        &quoted(&tree.text("docs/metrics.md")),
        is_metric,
    )
}

/// What is known and not written, and what is written (and would be one by its looks) and not known.
fn compare(
    page: &str,
    kind: &str,
    known: &BTreeSet<String>,
    written: &BTreeSet<String>,
    looks_like_one: impl Fn(&str) -> bool,
) -> Vec<String> {
    let missing = known
        .difference(written)
        .map(|name| format!("{page}: the {kind} `{name}` is missing"));
    let gone = written
        .difference(known)
        .filter(|name| looks_like_one(name))
        .map(|name| format!("{page}: there is no {kind} `{name}`"));
    missing.chain(gone).collect()
}

/// The first word of everything between backticks, as `message:send {roomId}` names an event.
fn quoted(page: &str) -> BTreeSet<String> {
    // Without the blocks of code.
    let prose: String = page.split("```").step_by(2).collect();
    prose
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|span| span.split([' ', '{', '(']).next())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_stale_reference_is_found_with_its_first_new_line() {
    let tree = Tree::of(&[("docs/configuration.md", "a\nb\n")]);
    assert!(stale_reference("docs/configuration.md", &tree, "a\nb\n").is_empty());
    assert!(stale_reference("docs/configuration.md", &tree, "a\nc\nb\n")[0].ends_with(": c"));
    assert_eq!(
        stale_reference("docs/configuration.md", &tree, "a\n").len(),
        1
    );
}

#[test]
fn an_event_that_is_not_documented_or_gone_is_found() {
    let found = events(&Tree::of(&[(
        "docs/protocol.md",
        "`message:shout {x}` and `sync` and `a:1`",
    )]));
    assert!(found.contains(&"docs/protocol.md: there is no event `message:shout`".to_owned()));
    assert!(found.contains(&"docs/protocol.md: the event `message:send` is missing".to_owned()));
    assert!(
        !found
            .iter()
            .any(|one| one.contains("`sync`") || one.contains("`a:1`")),
        "{found:?}"
    );
}

#[test]
fn a_page_without_code_and_a_code_without_page_are_found() {
    let found = errors(&Tree::of(&[
        ("docs/errors/nonsense.md", ""),
        ("docs/errors/internal.md", ""),
    ]));
    assert!(found.contains(&"docs/errors: there is no error code `nonsense`".to_owned()));
    assert!(found.contains(&"docs/errors: the error code `rate_limited` is missing".to_owned()));
    assert!(
        !found.iter().any(|one| one.contains("`internal`")),
        "{found:?}"
    );
}

#[test]
fn a_metric_that_is_not_documented_or_gone_is_found() {
    let tree = Tree::of(&[
        (
            "node/src/metrics.rs",
            "// \"chatify_old\"\na = \"chatify_new\",\n#[cfg(test)]\n\"chatify_t\"",
        ),
        ("docs/metrics.md", "| `chatify_gone` | `seconds` |"),
    ]);
    let found = metrics(&tree);
    let expected = [
        "docs/metrics.md: the metric `chatify_new` is missing",
        "docs/metrics.md: there is no metric `chatify_gone`",
    ];
    assert_eq!(found, expected);
}

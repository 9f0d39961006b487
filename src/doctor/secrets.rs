//! Whether secrets are secret. Pure; what is found names the setting and never shows the value.

use std::collections::BTreeSet;

use service::secret::Secret;

use super::finding::Finding;
use super::view::View;

/// As auth and the bus ask for.
const CHARS_MIN: usize = 32;
/// 32 random hexadecimal digits have fewer different ones than this once in 10,000,000 times.
const DIFFERENT_MIN: usize = 8;
/// What stands in examples and in what people type for want of a better idea.
const KNOWN_WORDS: [&str; 10] = [
    "changeme",
    "change-me",
    "change_me",
    "password",
    "example",
    "default",
    "0123456789",
    "abcdefgh",
    "chatify",
    "supersecret",
];
const MEND: &str = "draw one with `openssl rand -hex 32`, and give it as a file (`…-file`)";

pub(crate) fn checks(view: &View) -> Vec<Finding> {
    vec![
        key_secret(view),
        cluster_key(view),
        given("auth.otp-pepper", &view.otp_pepper)
            .unwrap_or_else(|| Finding::ok("auth.otp-pepper", "made from auth.key-secret")),
    ]
}

fn key_secret(view: &View) -> Finding {
    const CHECK: &str = "auth.key-secret";
    given(CHECK, &view.key_secret).unwrap_or_else(|| {
        if view.is_embedded() {
            Finding::ok(CHECK, "a file in the data folder")
        } else {
            Finding::wrong(
                CHECK,
                "unset: no two processes would believe each other",
                MEND,
            )
        }
    })
}

fn cluster_key(view: &View) -> Finding {
    const CHECK: &str = "cluster-key";
    let is_local = view.bus.is_empty() || view.bus == "local:";
    match given(CHECK, &view.cluster_key) {
        Some(_) if view.cluster_key == view.key_secret => Finding::wrong(
            CHECK,
            "the same as auth.key-secret: every node could make tokens",
            MEND,
        ),
        Some(finding) => finding,
        None if is_local => Finding::ok(CHECK, "not needed within one process"),
        None => Finding::wrong(
            CHECK,
            "unset: whoever reaches the bus could speak as a node",
            MEND,
        ),
    }
}

/// What is to be said of a secret that was given.
fn given(check: &'static str, secret: &Secret) -> Option<Finding> {
    if secret.is_empty() {
        return None;
    }
    Some(match weakness(secret.expose()) {
        None => Finding::ok(check, "long and mixed"),
        Some(why) => Finding::wrong(check, why, MEND),
    })
}

fn weakness(secret: &str) -> Option<String> {
    let chars = secret.chars().count();
    if chars < CHARS_MIN {
        return Some(format!("{chars} characters, fewer than {CHARS_MIN}"));
    }
    let different = secret.chars().collect::<BTreeSet<_>>().len();
    if different < DIFFERENT_MIN {
        return Some(format!("only {different} different characters"));
    }
    let repeats = |length: usize| {
        let start: Vec<char> = secret.chars().take(length).collect();
        secret
            .chars()
            .zip(start.iter().cycle())
            .all(|(at, first)| at == *first)
    };
    if (1..=chars / 2).any(repeats) {
        return Some("one piece, repeated".to_owned());
    }
    let lower = secret.to_lowercase();
    let word = KNOWN_WORDS.iter().find(|word| lower.contains(**word))?;
    Some(format!("holds the well-known `{word}`"))
}

#[cfg(test)]
mod tests {
    use super::super::view::sample;
    use super::*;

    const GOOD: &str = "6f1c9a3e7b2d4850a1c3e5f792b4d6e8";

    #[test]
    fn weak_secrets_are_told_apart_from_drawn_ones() {
        assert_eq!(weakness(GOOD), None);
        for weak in [
            "short",
            &"a".repeat(40),
            &"k3Jx9QwZ".repeat(5),
            "changeme-changeme-6f1c9a3e7b2d4850",
            "this is the chatify key of our house 7",
        ] {
            assert!(weakness(weak).is_some(), "{weak}");
        }
    }

    #[test]
    fn a_cluster_needs_a_key_of_its_own() {
        let mut view = sample();
        assert!(!checks(&view).iter().any(Finding::is_wrong));
        view.bus = "redis://10.0.0.1".into();
        assert!(cluster_key(&view).is_wrong());
        view.cluster_key = Secret::new(GOOD.into());
        assert!(!cluster_key(&view).is_wrong());
        view.key_secret = Secret::new(GOOD.into());
        assert!(cluster_key(&view).is_wrong(), "one secret for two purposes");
    }

    #[test]
    fn what_is_told_of_a_secret_does_not_show_it() {
        let mut view = sample();
        view.key_secret = Secret::new("hunter2hunter2hunter2".into());
        assert!(
            checks(&view)
                .iter()
                .all(|found| !found.told.contains("hunter2"))
        );
    }
}

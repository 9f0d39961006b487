//! All settings that a process knows, and the names under which each can be given.

use std::collections::BTreeSet;

use super::error::ConfigError;
use super::nearest::nearest;

/// One setting: everything there is to know about it, in one place.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Dotted, such as `node.outbox-bytes`; the key in the TOML file.
    pub key: String,
    /// What the reference calls its type.
    pub kind: &'static str,
    /// As one would write it; empty means unset.
    pub default: &'static str,
    /// Least and greatest value, if bounded.
    pub bounds: Option<(&'static str, &'static str)>,
    /// Sentences for the reference.
    pub doc: String,
    /// Never shown.
    pub secret: bool,
    /// May be the content of a file.
    pub from_file: bool,
    /// May stand alone as a flag.
    pub switch: bool,
    /// A text as people may see it.
    pub(super) shown: fn(&str) -> String,
    /// Judges a text without keeping the value.
    pub(super) check: fn(&str) -> Result<(), String>,
}

/// Settings that belong together, declared with [`settings!`](crate::settings).
pub trait Section: Sized {
    /// The part of the keys before the dot; empty for top-level settings.
    const NAME: &'static str;
    /// What the section is about.
    fn about() -> String;
    /// Its settings in the order of their declaration.
    fn settings() -> Vec<Setting>;
    /// Builds the section from loaded settings.
    ///
    /// # Errors
    /// When a value is not what its setting asks for, which loading has already refused.
    fn read(settings: &super::Settings) -> Result<Self, ConfigError>;
}

/// Every setting a process knows.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Name, what it is about, settings.
    pub(super) sections: Vec<(&'static str, String, Vec<Setting>)>,
}

/// The settings that were given as flags.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Key (or key + `-file`) and value.
    pub(super) given: Vec<(String, String)>,
    pub(super) config_file: Option<String>,
}

/// The flag and, in upper case, the variable that name the TOML file.
const CONFIG_FLAG: &str = "config";

impl Setting {
    /// `--node-outbox-bytes`. A secret is given as `--…-file` only: arguments can be read by every process.
    pub fn flag(&self) -> String {
        let suffix = if self.secret { "-file" } else { "" };
        format!("--{}{suffix}", self.key.replace('.', "-"))
    }

    /// `--store-file`, for what may be the content of a file.
    pub fn file_flag(&self) -> Option<String> {
        let flag = || format!("--{}-file", self.key.replace('.', "-"));
        self.from_file.then(flag)
    }

    /// `CHATIFY_NODE_OUTBOX_BYTES`. What may be the content of a file may also be given as the path in `…_FILE`.
    pub fn variable(&self) -> String {
        format!(
            "CHATIFY_{}",
            self.key.replace(['.', '-'], "_").to_uppercase()
        )
    }
}

impl Catalogue {
    /// No settings yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the settings of one more section.
    #[must_use]
    pub fn with<S: Section>(mut self) -> Self {
        self.sections.push((S::NAME, S::about(), S::settings()));
        self
    }

    /// All settings in order.
    pub fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.sections.iter().flat_map(|(_, _, settings)| settings)
    }

    /// Takes the flags of this catalogue (`--key value`, `--key=value`, `--config FILE`) out of the arguments; what
    /// remains is the subcommand and its own arguments. Everything behind `--` remains.
    ///
    /// # Errors
    /// A flag without its value, or the clear text of a secret.
    pub fn take_flags(
        &self,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<(Flags, Vec<String>), ConfigError> {
        let mut flags = Flags::default();
        let mut rest = Vec::new();
        let mut problems = Vec::new();
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                rest.push(argument);
                rest.extend(arguments);
                break;
            }
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let by_flag = |s: &&Setting| s.flag() == name;
            let by_file = |s: &&Setting| s.file_flag().as_deref() == Some(name);
            let in_file = self.settings().find(by_file);
            let setting = in_file.or_else(|| self.settings().find(by_flag));
            let clear_secret = self
                .settings()
                .find(|s| s.secret && s.flag() == format!("{name}-file"));
            if let Some(secret) = clear_secret {
                problems.push(format!(
                    "{name}: a secret in the arguments can be read by every process; use {} or {}_FILE",
                    secret.flag(),
                    secret.variable()
                ));
                // Its value must not turn up as a subcommand, or in a message.
                if inline.is_none() {
                    arguments.next();
                }
                continue;
            }
            let is_config = name.strip_prefix("--") == Some(CONFIG_FLAG);
            if setting.is_none() && !is_config {
                rest.push(argument);
                continue;
            }
            let switch = setting.is_some_and(|setting| setting.switch);
            let next_is_value = |next: &String| {
                !next.starts_with("--")
                    && (!switch || setting.is_some_and(|s| (s.check)(next).is_ok()))
            };
            let value = match inline {
                Some(value) => Some(value),
                None => arguments
                    .next_if(next_is_value)
                    .or_else(|| switch.then(|| "on".to_owned())),
            };
            match (value, setting) {
                (None, _) => problems.push(format!("{name}: its value is missing")),
                (Some(value), None) => flags.config_file = Some(value),
                (Some(value), Some(setting)) => {
                    let suffix = if in_file.is_some() { "-file" } else { "" };
                    flags
                        .given
                        .push((format!("{}{suffix}", setting.key), value));
                }
            }
        }
        ConfigError::check(problems)?;
        Ok((flags, rest))
    }

    /// What is wrong with the declarations themselves, for a test of the whole catalogue: two settings of one name, a
    /// setting named like a section (no TOML file could hold both), a default that its own setting refuses.
    pub fn flaws(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        let mut variables = BTreeSet::new();
        for setting in self.settings() {
            if !variables.insert(setting.variable()) {
                flaws.push(format!("{} means two settings", setting.variable()));
            }
            if self
                .sections
                .iter()
                .any(|(name, _, _)| *name == setting.key)
            {
                flaws.push(format!("`{}` is a setting and a section", setting.key));
            }
            if let Err(why) = (setting.check)(setting.default) {
                flaws.push(format!("the default of `{}` is {why}", setting.key));
            }
        }
        flaws
    }

    /// The message for a flag that nobody knows, for the end of a command line's parsing.
    pub fn unknown_flag(&self, given: &str) -> ConfigError {
        let both = |setting: &Setting| [Some(setting.flag()), setting.file_flag()];
        let known: Vec<String> = self.settings().flat_map(both).flatten().collect();
        let name = given.split('=').next().unwrap_or(given);
        ConfigError::new(unknown(name, known.iter().map(String::as_str)))
    }
}

/// "`lisen` is no setting; did you mean `listen`?"
pub(super) fn unknown<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(given, known) {
        Some(name) => format!("`{given}` is no setting; did you mean `{name}`?"),
        None => format!("`{given}` is no setting; `chatify config --reference` lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::declared::tests::{Demo, Top};
    use super::*;

    fn take(arguments: &[&str]) -> Result<(Flags, Vec<String>), ConfigError> {
        let catalogue = Catalogue::new().with::<Top>().with::<Demo>();
        catalogue.take_flags(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[allow(dead_code, reason = "only the declarations are looked at")]
    mod flawed {
        crate::settings! {
            /// Clashes with the other sections of the tests.
            pub(super) struct Flawed in "" {
                /// Named like a section.
                demo: String = "",
                /// The variable of `demo.patience`.
                demo_patience: u16 = "x",
            }
        }
    }

    #[test]
    fn declarations_that_clash_are_found() {
        assert_eq!(
            Catalogue::new().with::<Top>().with::<Demo>().flaws(),
            Vec::<String>::new()
        );
        let flaws = Catalogue::new()
            .with::<Demo>()
            .with::<flawed::Flawed>()
            .flaws();
        assert_eq!(flaws.len(), 3, "{flaws:?}");
        assert!(flaws[0].contains("is a setting and a section"), "{flaws:?}");
        assert_eq!(flaws[1], "CHATIFY_DEMO_PATIENCE means two settings");
        assert!(
            flaws[2].starts_with("the default of `demo-patience` is not"),
            "{flaws:?}"
        );
    }

    #[test]
    fn flags_are_taken_out_wherever_they_stand() {
        let (flags, rest) = take(&[
            "--listen",
            "127.0.0.1:1",
            "seed",
            "--users",
            "5",
            "--demo-outbox-bytes=1KiB",
        ])
        .expect("known flags");
        assert_eq!(rest, ["seed", "--users", "5"]);
        let given: Vec<_> = flags
            .given
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            given,
            [("listen", "127.0.0.1:1"), ("demo.outbox-bytes", "1KiB")]
        );
    }

    #[test]
    fn a_switch_may_stand_alone_and_leaves_the_subcommand_where_it_is() {
        let (flags, rest) = take(&["--limits", "seed"]).expect("known flags");
        assert_eq!(
            (flags.given[0].1.as_str(), rest),
            ("on", vec!["seed".to_owned()])
        );
        let (flags, rest) = take(&["--limits", "off", "seed"]).expect("known flags");
        assert_eq!(
            (flags.given[0].1.as_str(), rest),
            ("off", vec!["seed".to_owned()])
        );
    }

    #[test]
    fn a_flag_without_its_value_is_refused() {
        let error = take(&["--listen", "--limits"]).expect_err("no address");
        assert_eq!(error.problems(), ["--listen: its value is missing"]);
    }

    #[test]
    fn a_secret_among_the_arguments_is_refused_and_not_repeated() {
        for arguments in [
            &["--demo-pepper", "hunter2"][..],
            &["--demo-pepper=hunter2"][..],
        ] {
            let error = take(arguments).expect_err("in clear").to_string();
            assert!(
                error.contains("--demo-pepper-file") && !error.contains("hunter2"),
                "{error}"
            );
        }
        let (flags, _) = take(&["--demo-pepper-file", "p"]).expect("a path is fine");
        assert_eq!(
            flags.given,
            [("demo.pepper-file".to_owned(), "p".to_owned())]
        );
    }

    #[test]
    fn an_unknown_flag_is_told_the_nearest_known_one() {
        let error = Catalogue::new()
            .with::<Top>()
            .unknown_flag("--lisen=1")
            .to_string();
        assert_eq!(error, "`--lisen` is no setting; did you mean `--listen`?");
    }

    #[test]
    fn what_stands_behind_two_dashes_is_not_ours() {
        let (flags, rest) = take(&["run", "--", "--listen", "x"]).expect("fine");
        assert!(flags.given.is_empty());
        assert_eq!(rest, ["run", "--", "--listen", "x"]);
    }
}

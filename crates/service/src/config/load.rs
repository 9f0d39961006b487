//! Loading: looks every setting up in the flags, the variables, the file and the defaults, in this order, and refuses
//! what it does not know. Reports every problem it finds, not only the first.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::catalogue::{Catalogue, Flags, Section, Setting, unknown};
use super::error::ConfigError;
use super::file;
use super::value::Value;
use crate::secret::Secret;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The declaration.
    Default,
    /// A line of the TOML file.
    File {
        /// As it was given.
        path: String,
        /// Counted from 1.
        line: usize,
    },
    /// A variable of this name.
    Environment(String),
    /// A flag of this name.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// The effective settings with their sources. Shows no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) catalogue: Catalogue,
    /// Key → text and source. Every text is kept as a secret: simpler than telling them apart.
    pub(super) values: BTreeMap<String, (Secret, Source)>,
}

/// Longest file that a secret may come from; a wrong path must not fill the memory.
const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;

impl Catalogue {
    /// Puts flags, variables (only `CHATIFY_…` matter) and the TOML file (`--config`, `CHATIFY_CONFIG`) together.
    ///
    /// # Errors
    /// Unknown names, values that do not parse or lie outside of their bounds, files that cannot be read.
    pub fn load(
        &self,
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, ConfigError> {
        let mut problems = Vec::new();
        let mut loading = Loading {
            catalogue: self,
            values: BTreeMap::new(),
            problems: &mut problems,
        };
        let variables: BTreeMap<String, String> = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with("CHATIFY_"))
            .collect();
        let path = flags
            .config_file
            .as_ref()
            .or_else(|| variables.get("CHATIFY_CONFIG"));
        if let Some(path) = path {
            loading.take_file(path);
        }
        loading.take_variables(variables);
        for (key, text) in flags.given {
            let source = Source::Flag(key.replace('.', "-"));
            loading.take(&key, text, source);
        }
        let values = loading.finish();
        ConfigError::check(problems)?;
        Ok(Settings {
            catalogue: self.clone(),
            values,
        })
    }
}

/// The state of one loading; later sources overwrite earlier ones.
struct Loading<'a> {
    catalogue: &'a Catalogue,
    values: BTreeMap<String, (Secret, Source)>,
    problems: &'a mut Vec<String>,
}

impl Loading<'_> {
    fn take_file(&mut self, path: &str) {
        let source = match std::fs::read_to_string(path) {
            Ok(source) => source,
            Err(error) => return self.problems.push(format!("{path}: {error}")),
        };
        match file::entries(&source) {
            Ok(entries) => {
                for entry in entries {
                    let source = Source::File {
                        path: path.to_owned(),
                        line: entry.line,
                    };
                    self.take(&entry.key, entry.text, source);
                }
            }
            Err((line, why)) => self.problems.push(format!("{path}:{line}: {why}")),
        }
    }

    fn take_variables(&mut self, variables: BTreeMap<String, String>) {
        let known: BTreeMap<String, String> = self
            .catalogue
            .settings()
            .flat_map(|setting| {
                let file = setting.secret.then(|| {
                    (
                        format!("{}_FILE", setting.variable()),
                        format!("{}-file", setting.key),
                    )
                });
                [(setting.variable(), setting.key.clone())]
                    .into_iter()
                    .chain(file)
            })
            .collect();
        for (name, text) in variables {
            match known.get(&name) {
                Some(key) => self.take(key, text, Source::Environment(name)),
                None if name == "CHATIFY_CONFIG" || is_service_link(&name) => {}
                None => self
                    .problems
                    .push(unknown(&name, known.keys().map(String::as_str))),
            }
        }
    }

    /// Takes one value under its key, or the path of its file under key + `-file`.
    fn take(&mut self, key: &str, text: String, source: Source) {
        if let Some(setting) = self.find(key) {
            return self.put(&setting, text, source);
        }
        let secret = key.strip_suffix("-file").and_then(|key| self.find(key));
        let Some(setting) = secret.filter(|setting| setting.secret) else {
            let known = self
                .catalogue
                .settings()
                .map(|setting| setting.key.as_str());
            return self
                .problems
                .push(format!("{source}: {}", unknown(key, known)));
        };
        match read_secret(Path::new(&text)) {
            Ok(secret) => self.put(&setting, secret, source),
            Err(why) => self.problems.push(format!("{source}: {text}: {why}")),
        }
    }

    fn put(&mut self, setting: &Setting, text: String, source: Source) {
        if let Err(why) = (setting.check)(&text) {
            let shown = if setting.secret {
                String::new()
            } else {
                format!(" (`{text}`)")
            };
            self.problems
                .push(format!("{source}: `{}`{shown} is {why}", setting.key));
        }
        self.values
            .insert(setting.key.clone(), (Secret::new(text), source));
    }

    fn find(&self, key: &str) -> Option<Setting> {
        self.catalogue
            .settings()
            .find(|setting| setting.key == key)
            .cloned()
    }

    fn finish(mut self) -> BTreeMap<String, (Secret, Source)> {
        for setting in self.catalogue.settings() {
            if !self.values.contains_key(&setting.key) {
                let default = Secret::new(setting.default.to_owned());
                self.values
                    .insert(setting.key.clone(), (default, Source::Default));
            }
        }
        self.values
    }
}

impl Settings {
    /// One section of the settings.
    ///
    /// # Errors
    /// When the section was not in the catalogue.
    pub fn read<S: Section>(&self) -> Result<S, ConfigError> {
        S::read(self)
    }

    /// One value by its key.
    ///
    /// # Errors
    /// When the key was not in the catalogue or is of another type.
    pub fn value<T: Value>(&self, key: &str) -> Result<T, ConfigError> {
        let Some((text, source)) = self.values.get(key) else {
            return Err(ConfigError::new(format!(
                "`{key}` is no setting of this process"
            )));
        };
        T::parse(text.expose())
            .map_err(|why| ConfigError::new(format!("{source}: `{key}` is {why}")))
    }

    /// Where a key's value came from; a key that does not exist has its default's source.
    pub fn source(&self, key: &str) -> Source {
        self.values
            .get(key)
            .map_or(Source::Default, |(_, source)| source.clone())
    }
}

/// The secret in a file, without the line end that editors add.
fn read_secret(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    if size > SECRET_FILE_BYTES_MAX {
        return Err(format!("longer than {SECRET_FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        Err("empty".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Kubernetes puts variables such as `CHATIFY_NODE_SERVICE_HOST` or `CHATIFY_PORT_8080_TCP_ADDR` into every pod beside a
/// Service whose name starts with "chatify": nobody's settings, and no reason to refuse to start.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_TCP")
        || name.contains("_UDP")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::declared::tests::{Demo, Top};
    use super::*;

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
    fn a_section_that_was_not_declared_cannot_be_read() {
        let settings = Catalogue::new()
            .with::<Top>()
            .load(Flags::default(), [])
            .expect("valid");
        assert!(settings.read::<Demo>().is_err());
    }
}

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

/// Longest file that a value may come from; a wrong path must not fill the memory.
const VALUE_FILE_BYTES_MAX: u64 = 64 << 10;

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
                let file = setting.from_file.then(|| {
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
                None if name == "CHATIFY_CONFIG" || is_nobodys(&name) => {}
                None => self
                    .problems
                    .push(unknown(&name, known.keys().map(String::as_str))),
            }
        }
    }

    /// Takes one value under its key, or the path of its file under key + `-file`.
    fn take(&mut self, key: &str, text: String, source: Source) {
        if let Some(setting) = self.find(key) {
            let shown = (!setting.secret).then(|| (setting.shown)(&text));
            return self.put(&setting, text, shown, source);
        }
        let in_file = key.strip_suffix("-file").and_then(|key| self.find(key));
        let Some(setting) = in_file.filter(|setting| setting.from_file) else {
            let known = self
                .catalogue
                .settings()
                .map(|setting| setting.key.as_str());
            return self
                .problems
                .push(format!("{source}: {}", unknown(key, known)));
        };
        match content(Path::new(&text)) {
            // Not shown, whatever is wrong with it: the path may be that of another secret.
            Ok(content) => self.put(&setting, content, None, source),
            Err(why) => self.problems.push(format!("{source}: {text}: {why}")),
        }
    }

    fn put(&mut self, setting: &Setting, text: String, shown: Option<String>, source: Source) {
        if let Some((_, before)) = self.values.get(&setting.key)
            && twice(before, &source)
        {
            self.problems.push(format!(
                "`{}` is given twice, by {before} and by {source}; take one away",
                setting.key
            ));
        }
        if let Err(why) = (setting.check)(&text) {
            let shown = shown.map_or_else(String::new, |shown| format!(" (`{shown}`)"));
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

/// Whether neither of two sources wins over the other: a value and the path of its file at the same level. A flag that is
/// repeated is no mistake, the last one counts.
fn twice(before: &Source, now: &Source) -> bool {
    match (before, now) {
        (Source::File { .. }, Source::File { .. }) => true,
        (Source::Environment(before), Source::Environment(now))
        | (Source::Flag(before), Source::Flag(now)) => before != now,
        _ => false,
    }
}

/// What is in a file, without the line end that editors add.
fn content(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    if size > VALUE_FILE_BYTES_MAX {
        return Err(format!("longer than {VALUE_FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        Err("empty".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Nobody's settings, and no reason to refuse to start. Kubernetes puts variables such as `CHATIFY_NODE_SERVICE_HOST` or
/// `CHATIFY_PORT_8080_TCP_ADDR` into every pod beside a Service whose name starts with "chatify"; our own tests find the
/// servers that they talk to by `CHATIFY_TEST_…`, and start processes beside them.
fn is_nobodys(name: &str) -> bool {
    name.starts_with("CHATIFY_TEST_")
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_TCP")
        || name.contains("_UDP")
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

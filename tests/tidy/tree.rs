//! The repository as the rules see it: paths and texts of the files that people wrote. Built by hand in the tests of the
//! rules themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Folders that tools fill, and git's own.
const FOREIGN: [&str; 9] = [
    ".git",
    "target",
    "node_modules",
    "dist",
    "data",
    ".venv",
    "corpus",
    "artifacts",
    "coverage",
];

/// Path from the top (with `/`) → text. Files that are no text are left out.
pub(crate) struct Tree(pub(crate) BTreeMap<String, String>);

impl Tree {
    /// The whole repository.
    pub(crate) fn read() -> Self {
        let mut files = BTreeMap::new();
        walk(Path::new("."), "", &mut files);
        assert!(files.len() > 20, "the repository was not found");
        Self(files)
    }

    /// A small one, for the tests of a rule.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self(
            files
                .iter()
                .map(|(path, text)| ((*path).into(), (*text).into()))
                .collect(),
        )
    }

    /// A file's text, empty when there is none.
    pub(crate) fn text(&self, path: &str) -> String {
        self.0.get(path).cloned().unwrap_or_default()
    }

    /// The files whose names end with one of the extensions.
    pub(crate) fn with<'a>(
        &'a self,
        extensions: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .filter(|(path, _)| {
                path.rsplit_once('.')
                    .is_some_and(|(_, extension)| extensions.contains(&extension))
            })
    }
}

fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("a kind");
        // In a second work tree of git `.git` is a file, with a path of this machine in it.
        if FOREIGN.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.insert(path, text);
        }
    }
}

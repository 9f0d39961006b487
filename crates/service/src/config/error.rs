//! Everything that is wrong with the settings, all at once: who mends a file wants the whole list.

use std::fmt;

/// One problem a line; each names the place (a file's line, a variable, a flag) and never a secret's value.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    /// For what only the service itself can judge, such as two settings that exclude each other.
    pub fn new(problem: impl Into<String>) -> Self {
        Self {
            problems: vec![problem.into()],
        }
    }

    /// The problems, in the order in which they were found.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Nothing when there are no problems.
    ///
    /// # Errors
    /// With all of them, when there are some.
    pub fn check(problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self { problems })
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

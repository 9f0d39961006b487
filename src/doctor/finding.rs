//! What a check found, as a line for people and as JSON for programs. Pure.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Fine for somebody who knows.
    Warn,
    /// To be mended before anybody depends on it.
    Wrong,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// The check, in one or two words that never change.
    pub(crate) check: &'static str,
    /// What is so.
    pub(crate) told: String,
    /// How to mend it; empty when there is nothing to mend.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) mend: &'static str,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, told: impl Into<String>) -> Finding {
        Finding {
            level: Level::Ok,
            check,
            told: told.into(),
            mend: "",
        }
    }

    pub(crate) fn warn(check: &'static str, told: impl Into<String>, mend: &'static str) -> Self {
        Finding {
            level: Level::Warn,
            check,
            told: told.into(),
            mend,
        }
    }

    pub(crate) fn wrong(check: &'static str, told: impl Into<String>, mend: &'static str) -> Self {
        Finding {
            level: Level::Wrong,
            check,
            told: told.into(),
            mend,
        }
    }

    pub(crate) fn is_wrong(&self) -> bool {
        self.level == Level::Wrong
    }
}

/// A line each.
pub(crate) fn table(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Wrong => "wrong",
        };
        out.push_str(&format!(
            "{level:<5}  {:<15}  {}",
            finding.check, finding.told
        ));
        if !finding.mend.is_empty() {
            out.push_str(&format!(". Mend it: {}", finding.mend));
        }
        out.push('\n');
    }
    out
}

pub(crate) fn json(findings: &[Finding]) -> String {
    let healthy = !findings.iter().any(Finding::is_wrong);
    let whole = serde_json::json!({ "healthy": healthy, "findings": findings });
    format!("{whole:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_with_how_to_mend_it() {
        let findings = [
            Finding::wrong("limits", "they are off", "limits=on"),
            Finding::ok("origins", "our own alone"),
        ];
        let lines = table(&findings);
        assert_eq!(
            lines.lines().next(),
            Some("wrong  limits           they are off. Mend it: limits=on")
        );
        assert!(json(&findings).contains("\"healthy\": false"));
    }
}

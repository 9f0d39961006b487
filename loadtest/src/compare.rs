//! Two servers, or one before and after: ratios of medians with their spread, and what is no more than noise.

use std::path::{Path, PathBuf};

use crate::Failure;
use crate::report::{Report, figure};

/// Fewer runs of a side say nothing about how much a number moves by itself.
const RUNS_MIN: usize = 3;

/// A number of one side, over its runs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Side {
    median: f64,
    low: f64,
    high: f64,
    runs: usize,
}

impl Side {
    fn of(mut values: Vec<f64>) -> Option<Side> {
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]) / 2.0
        };
        Some(Side {
            median,
            low,
            high,
            runs: values.len(),
        })
    }

    /// `median ± half of the range, in %`.
    fn words(&self) -> String {
        let spread = (self.high - self.low) / 2.0 / self.median.abs() * 100.0;
        if self.runs < 2 || !spread.is_finite() {
            return figure(self.median);
        }
        format!("{} ± {spread:.0} %", figure(self.median))
    }
}

/// Compares, and tells whether every run was in order.
pub(crate) fn compare(a: &[PathBuf], b: &[PathBuf]) -> Result<(String, bool), Failure> {
    let read = |paths: &[PathBuf]| {
        paths
            .iter()
            .map(|path| Report::read(path))
            .collect::<Result<Vec<_>, _>>()
    };
    let (before, after) = (read(a)?, read(b)?);
    let Some(first) = before.first().filter(|_| !after.is_empty()) else {
        return Err(Failure(
            "both sides need a result: `compare A.json B.json`, or `--a … --b …`".to_owned(),
        ));
    };
    if let Some(other) = before
        .iter()
        .chain(&after)
        .find(|report| report.scenario != first.scenario)
    {
        return Err(Failure(format!(
            "`{}` and `{}` are two scenarios: compare one",
            first.scenario, other.scenario
        )));
    }
    let mut out = format!("## {}: B against A\n\n", first.scenario);
    out.push_str(&format!(
        "A: {} ({})  \nB: {} ({})\n\n",
        names(a),
        runs(&before),
        names(b),
        runs(&after)
    ));
    out.push_str("| measured | A | B | unit | B/A | |\n|:--|--:|--:|:--|--:|:--|\n");
    for (name, _, unit) in first.rows() {
        let of = |reports: &[Report]| {
            Side::of(
                reports
                    .iter()
                    .filter_map(|report| report.value(name))
                    .collect(),
            )
        };
        if let (Some(a), Some(b)) = (of(&before), of(&after)) {
            let (ratio, word) = judge(name, unit, (&a, &b));
            out.push_str(&format!(
                "| {name} | {} | {} | {unit} | {ratio} | {word} |\n",
                a.words(),
                b.words()
            ));
        }
    }
    if before.len() < RUNS_MIN || after.len() < RUNS_MIN {
        out.push_str(&format!(
            "\n`?`: fewer than {RUNS_MIN} runs of a side: nobody knows how much of it is noise.\n"
        ));
    }
    let plans = before
        .iter()
        .chain(&after)
        .any(|report| report.plan != first.plan);
    if plans {
        out.push_str("\nThe scenarios were run with different settings: the numbers may not be comparable.\n");
    }
    let mut all_in_order = true;
    for (path, report) in a.iter().zip(&before).chain(b.iter().zip(&after)) {
        if !report.in_order {
            all_in_order = false;
            out.push_str(&format!("\n{}: {}.\n", path.display(), report.sentence()));
        }
    }
    Ok((out, all_in_order))
}

/// The ratio with its range, and what it means.
fn judge(name: &str, unit: &str, (a, b): (&Side, &Side)) -> (String, &'static str) {
    if a.median == b.median {
        return ("1.00".to_owned(), "same");
    }
    if a.median <= 0.0 || b.median <= 0.0 {
        return ("–".to_owned(), "");
    }
    let ratio = b.median / a.median;
    let is_known = a.runs >= RUNS_MIN && b.runs >= RUNS_MIN;
    let words = if is_known && a.low > 0.0 {
        format!("{ratio:.2} ({:.2}–{:.2})", b.low / a.high, b.high / a.low)
    } else {
        format!("{ratio:.2}")
    };
    let is_asked_for = name == "messages asked for";
    let word = match (is_known, unit) {
        (false, _) => "?",
        _ if a.low <= b.high && b.low <= a.high => "within noise",
        (_, "1/s") if !is_asked_for => {
            if ratio > 1.0 {
                "better"
            } else {
                "worse"
            }
        }
        (_, "ms" | "s" | "µs" | "bytes" | "KiB" | "% of a core") => {
            if ratio < 1.0 {
                "better"
            } else {
                "worse"
            }
        }
        _ => "differs",
    };
    (words, word)
}

fn names(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| {
        Path::new(path)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    paths.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn runs(reports: &[Report]) -> String {
    match reports.len() {
        1 => "1 run".to_owned(),
        many => format!("{many} runs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(values: &[f64]) -> Side {
        Side::of(values.to_vec()).unwrap()
    }

    fn word(unit: &str, a: &[f64], b: &[f64]) -> &'static str {
        judge("x", unit, (&side(a), &side(b))).1
    }

    #[test]
    fn medians_are_of_odd_and_even_numbers_of_runs() {
        assert_eq!(side(&[3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(side(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(side(&[9.0, 10.0, 11.0]).words(), "10 ± 10 %");
    }

    #[test]
    fn ranges_that_meet_are_noise_and_less_is_better_but_for_rates() {
        assert_eq!(
            word("ms", &[10.0, 11.0, 12.0], &[11.5, 13.0, 14.0]),
            "within noise"
        );
        assert_eq!(word("ms", &[10.0, 11.0, 12.0], &[5.0, 6.0, 7.0]), "better");
        assert_eq!(word("1/s", &[10.0, 11.0, 12.0], &[5.0, 6.0, 7.0]), "worse");
        assert_eq!(word("ms", &[10.0], &[5.0]), "?");
        assert_eq!(word("", &[10.0; 3], &[5.0; 3]), "differs");
    }

    #[test]
    fn a_ratio_carries_the_range_that_the_runs_leave_open() {
        let (ratio, _) = judge(
            "x",
            "ms",
            (&side(&[10.0, 10.0, 20.0]), &side(&[5.0, 5.0, 5.0])),
        );
        assert_eq!(ratio, "0.50 (0.25–0.50)");
    }
}

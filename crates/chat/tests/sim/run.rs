//! Runs many worlds over both cores and says what came of it.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use history::Totals;

use super::bugs::Bug;
use super::world::{Outcome, Tally, World};

/// Lines of trace shown with a failure.
const TRACE_SHOWN: usize = 120;

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.trim().parse().ok()
}

pub(crate) fn world(seed: u64, bug: Option<Bug>) -> Outcome {
    World::new(seed, bug, false).run()
}

/// What gives a failing world away.
pub(crate) fn signs(seed: u64, bug: Option<Bug>) -> Vec<&'static str> {
    let outcome = world(seed, bug);
    let mut signs: Vec<&'static str> = outcome
        .verdict
        .seen()
        .map(|(anomaly, _)| anomaly.name().1)
        .collect();
    if !outcome.broken.is_empty() {
        signs.push("audit");
    }
    signs
}

/// Runs a seed again, with everything that happened; writes its history to `CHATIFY_HISTORY` when that names a file.
pub(crate) fn tell(seed: u64, bug: Option<Bug>) -> String {
    let outcome = World::new(seed, bug, true).run();
    if let Ok(path) = std::env::var("CHATIFY_HISTORY") {
        let mut file = std::fs::File::create(path).unwrap();
        for line in &outcome.lines {
            writeln!(file, "{}", serde_json::to_string(line).unwrap()).unwrap();
        }
    }
    let shown = number("SIM_TRACE").map_or(TRACE_SHOWN, |lines| lines as usize);
    let skipped = outcome.trace.len().saturating_sub(shown);
    format!(
        "seed {seed} (replay it with CHATIFY_SEED={seed})\n{}\n{}\n{}\n{}",
        outcome.trace.first().map_or("", |plan| plan.as_str()),
        outcome.trace[skipped..]
            .iter()
            .map(|line| short(line))
            .collect::<Vec<_>>()
            .join("\n"),
        outcome.verdict,
        outcome.broken.join("\n"),
    )
}

/// A line with ids cut to their last four digits: enough to tell them apart within one world.
fn short(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let id = rest.get(..36).filter(|id| {
            id.char_indices().all(|(at, c)| {
                if matches!(at, 8 | 13 | 18 | 23) {
                    c == '-'
                } else {
                    c.is_ascii_hexdigit()
                }
            })
        });
        match id {
            Some(id) => {
                shown.push_str(&id[32..]);
                rest = &rest[36..];
            }
            None => {
                shown.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    shown
}

/// What many worlds came to.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) worlds: u64,
    pub(crate) totals: Totals,
    pub(crate) tally: Tally,
}

/// Runs seeds until one fails; `Err` is the lowest failing seed that was seen.
pub(crate) fn sweep(first: u64, count: u64, bug: Option<Bug>) -> Result<Sum, u64> {
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    let failed = Mutex::new(Vec::new());
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Sum::default();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let result = std::panic::catch_unwind(|| world(seed, bug));
                    let Ok(outcome) = result else {
                        failed.lock().unwrap().push(seed);
                        stop.store(true, Ordering::Relaxed);
                        break;
                    };
                    own.worlds += 1;
                    own.totals.add(&outcome.verdict.totals);
                    own.tally.add(&outcome.tally);
                    if !outcome.holds() {
                        failed.lock().unwrap().push(seed);
                        stop.store(true, Ordering::Relaxed);
                    }
                    if bug.is_none() && seed > first && (seed - first).is_multiple_of(2_000) {
                        println!(
                            "  {} of {count} worlds, {:.0} s",
                            seed - first,
                            began.elapsed().as_secs_f64()
                        );
                    }
                }
                let mut sum = sum.lock().unwrap();
                sum.worlds += own.worlds;
                sum.totals.add(&own.totals);
                sum.tally.add(&own.tally);
            });
        }
    });
    match failed.into_inner().unwrap().into_iter().min() {
        Some(seed) => Err(seed),
        None => Ok(sum.into_inner().unwrap()),
    }
}

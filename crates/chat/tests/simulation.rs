//! Whole clusters on a virtual clock, each from one seed: whatever is lost, late, doubled, cut or killed, the guarantee
//! holds. `SIM_SEEDS=n` says how many worlds (20,000 unless told), `CHATIFY_SEED=n` replays one with its story,
//! `SIM_FIRST=n` begins elsewhere, `SIM_TRACE=n` shows more lines, `CHATIFY_HISTORY=file` keeps the replayed history.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::too_many_arguments,
    reason = "a test ends at the first thing that should not be, and shows how far a long run is"
)]

mod sim;

use std::collections::BTreeSet;
use std::time::Instant;

use sim::bugs::Bug;
use sim::run;

/// Worlds in one run of all tests.
const SEEDS: u64 = 20_000;
/// Worlds in which a planted bug must be caught at least once.
const BUG_SEEDS: u64 = 3_000;
/// Searches for each planted bug.
const SEARCHES: u64 = 5;

#[test]
fn the_guarantee_holds_in_every_world() {
    if let Some(seed) = run::number("CHATIFY_SEED") {
        let outcome = run::world(seed, None);
        println!("{}", run::tell(seed, None));
        assert!(outcome.holds(), "seed {seed} fails");
        return;
    }
    let count = run::number("SIM_SEEDS").unwrap_or(SEEDS);
    let began = Instant::now();
    let sum = match run::sweep(run::number("SIM_FIRST").unwrap_or(1), count, None) {
        Ok(sum) => sum,
        Err(seed) => panic!("{}", run::tell(seed, None)),
    };
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} worlds in {seconds:.1} s ({:.0} a second), {:.1} simulated hours, {} inputs",
        sum.worlds,
        sum.worlds as f64 / seconds,
        sum.tally.millis as f64 / 3_600_000.0,
        sum.tally.inputs,
    );
    for (fault, times) in sum
        .tally
        .faults
        .iter()
        .filter(|(fault, _)| !fault.is_empty())
    {
        println!("  {times:>9} {fault}");
    }
    let totals = sum.totals;
    println!(
        "{} sends, {} acknowledged, {} deliveries checked on {} connections, {} log entries; violations 0",
        totals.sends, totals.acked, totals.delivered, totals.connections, totals.entries,
    );
    assert!(
        totals.acked > count && totals.delivered > count,
        "the worlds were too quiet to show anything"
    );
}

#[test]
fn a_world_repeats_itself_from_its_seed() {
    for seed in [3, 77, 1_234] {
        assert_eq!(run::tell(seed, None), run::tell(seed, None));
    }
}

#[test]
fn every_planted_bug_is_caught() {
    if run::number("CHATIFY_SEED").is_some() {
        println!("one world is replayed: no search for planted bugs");
        return;
    }
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        // Five searches in different worlds: how many it takes, in the middle, and what gives it away.
        let mut needed: Vec<u64> = Vec::new();
        let mut signs = BTreeSet::new();
        for search in 0..SEARCHES {
            let first = 1_000_000 + search * 100_000;
            match run::sweep(first, BUG_SEEDS, Some(*bug)) {
                Err(seed) => {
                    needed.push(seed - first + 1);
                    signs.extend(run::signs(seed, Some(*bug)));
                }
                Ok(_) => missed.push(*bug),
            }
        }
        needed.sort_unstable();
        println!(
            "{:<20} caught {} of {SEARCHES}, median {:>4} worlds, by {}: {}",
            format!("{bug:?}"),
            needed.len(),
            needed.get(needed.len() / 2).copied().unwrap_or(0),
            Vec::from_iter(signs).join(", "),
            bug.story(),
        );
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

//! The scenarios, each a story from top to bottom: who connects, what is said, what is measured.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::Failure;
use crate::arguments::{Arguments, Fanout, Idle, Mix, Scenario, Storm, Talk};
use crate::crew::{Crew, Sum};
use crate::people::People;
use crate::report::Report;
use crate::target::Sample;

/// Carries out what was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let people = People::read(&arguments.people)?;
    match &arguments.scenario {
        Scenario::Idle(plan) => idle(arguments, people, plan),
        Scenario::Fanout(plan) => fanout(arguments, people, plan),
        Scenario::Mix(plan) => mix(arguments, people, plan),
        Scenario::Storm(plan) => storm(arguments, people, plan),
    }
}

fn first(people: &People, count: usize) -> Result<Vec<u32>, Failure> {
    if people.persons.len() < count {
        return Err(Failure(format!(
            "{count} connections need as many people, and the file (`--people`) has {}",
            people.persons.len()
        )));
    }
    Ok((0..count as u32).collect())
}

fn idle(arguments: &Arguments, people: People, plan: &Idle) -> Result<Report, Failure> {
    let who = first(&people, plan.connections)?;
    let crew = Crew::start(arguments, people)?;
    let before = arguments.pid.map(Sample::of).transpose()?;
    let seconds = crew.open(&who)?;
    let opened = arguments.pid.map(Sample::of).transpose()?;
    let hold = Duration::from_secs(plan.hold);
    crew.wait_until(crew.run.now() + hold.as_nanos() as u64, "hold");
    let after = arguments.pid.map(Sample::of).transpose()?;
    let mut report = Report::new("idle");
    let count = plan.connections as f64;
    report.row("connections", count, "");
    report.row("connected in", seconds, "s");
    report.row("authenticated connects", count / seconds, "1/s");
    if let (Some(before), Some(opened), Some(after)) = (before, opened, after) {
        let bytes = |before: u64, after: u64| after.saturating_sub(before) as f64 / count;
        report.row(
            "server: CPU a connect",
            (opened.cpu_millis - before.cpu_millis) as f64 * 1e3 / count,
            "µs",
        );
        report.row("server: RSS before", before.rss as f64 / 1024.0, "KiB");
        report.row("server: RSS after", after.rss as f64 / 1024.0, "KiB");
        report.row(
            "server: RSS a connection",
            bytes(before.rss, after.rss),
            "bytes",
        );
        report.row(
            "server: PSS a connection",
            bytes(before.pss, after.pss),
            "bytes",
        );
        report.row(
            "server: own memory a connection",
            bytes(before.anonymous, after.anonymous),
            "bytes",
        );
        report.row(
            "server: files a connection",
            bytes(before.files, after.files),
            "",
        );
        let held = (after.cpu_millis - opened.cpu_millis) as f64;
        report.row(
            "server: CPU while held",
            held / 10.0 / hold.as_secs_f64().max(1.0),
            "% of a core",
        );
    }
    close(crew, report)
}

fn fanout(arguments: &Arguments, people: People, plan: &Fanout) -> Result<Report, Failure> {
    let (room, mut who) = people
        .largest_room()
        .ok_or_else(|| Failure("the file (`--people`) has no rooms".into()))?;
    if who.len() < plan.members {
        return Err(Failure(format!(
            "no room of the file (`--people`) has {} members: the largest has {}",
            plan.members,
            who.len()
        )));
    }
    who.truncate(plan.members);
    let crew = Crew::start(arguments, people)?;
    crew.open(&who)?;
    let mut report = Report::new("fanout");
    report.row("members", plan.members as f64, "");
    talk(arguments, &crew, Some(room), &plan.talk, &mut report)?;
    close(crew, report)
}

fn mix(arguments: &Arguments, people: People, plan: &Mix) -> Result<Report, Failure> {
    let who = first(&people, plan.connections)?;
    let crew = Crew::start(arguments, people)?;
    crew.open(&who)?;
    let mut report = Report::new("mix");
    report.row("connections", plan.connections as f64, "");
    report.row("rooms of the file", crew.run.people.rooms.len() as f64, "");
    talk(arguments, &crew, None, &plan.talk, &mut report)?;
    close(crew, report)
}

/// Talks through warm-up and window, and measures the window.
fn talk(
    arguments: &Arguments,
    crew: &Crew,
    room: Option<u32>,
    plan: &Talk,
    report: &mut Report,
) -> Result<(), Failure> {
    let (warm_up, window) = (
        Duration::from_secs(plan.warm_up),
        Duration::from_secs(plan.seconds),
    );
    let from = crew.talk(room, plan.rate, usize::from(plan.bytes), warm_up + window)?;
    let start = from + warm_up.as_nanos() as u64;
    let end = start + window.as_nanos() as u64;
    crew.run.window.1.store(end, Relaxed);
    crew.run.window.0.store(start, Relaxed);
    let look = || -> Result<(Option<Sample>, u64, u64, u64), Failure> {
        let counts = &crew.run.counts;
        let server = arguments.pid.map(Sample::of).transpose()?;
        Ok((
            server,
            Sample::own_cpu_millis(),
            counts.delivered.load(Relaxed),
            counts.acked.load(Relaxed),
        ))
    };
    crew.wait_until(start, "warm up");
    let before = look()?;
    crew.wait_until(end, "talk");
    let after = look()?;
    let seconds = plan.seconds as f64;
    let delivered = (after.2 - before.2) as f64;
    report.row("messages asked for", plan.rate, "1/s");
    report.row(
        "messages acknowledged",
        (after.3 - before.3) as f64 / seconds,
        "1/s",
    );
    report.row("deliveries", delivered / seconds, "1/s");
    if let (Some(first), Some(last)) = (before.0, after.0) {
        let cpu = (last.cpu_millis - first.cpu_millis) as f64;
        report.row(
            "server: CPU a delivery",
            cpu * 1e3 / delivered.max(1.0),
            "µs",
        );
        report.row("server: CPU", cpu / 10.0 / seconds, "% of a core");
        report.row("server: RSS", last.rss as f64 / 1024.0, "KiB");
    }
    report.row(
        "generator: CPU",
        (after.1 - before.1) as f64 / 10.0 / seconds,
        "% of a core",
    );
    Ok(())
}

fn storm(arguments: &Arguments, people: People, plan: &Storm) -> Result<Report, Failure> {
    const KEEP_EVERY: usize = 100;
    let who = first(&people, plan.connections)?;
    let crew = Crew::start(arguments, people)?;
    crew.open(&who)?;
    let staying: usize = (0..crew.len())
        .map(|number| {
            who.iter()
                .skip(number)
                .step_by(crew.len())
                .count()
                .div_ceil(KEEP_EVERY)
        })
        .sum();
    crew.cut(KEEP_EVERY)?;
    crew.talk(None, f64::from(plan.messages), 128, Duration::from_secs(1))?;
    crew.wait_until(crew.run.now() + 1_020_000_000, "talk");
    crew.settle()?;
    let before = arguments.pid.map(Sample::of).transpose()?;
    let delivered_before = crew.run.counts.delivered.load(Relaxed);
    let started = crew.run.now();
    let ready = crew.reopen(who.len() as u64)?;
    crew.settle()?;
    let healed = (crew.run.now() - started) as f64 / 1e9;
    let after = arguments.pid.map(Sample::of).transpose()?;
    let mut report = Report::new("storm");
    let back = (who.len() - staying) as f64;
    report.row("people who come back", back, "");
    report.row(
        "messages while they were away",
        f64::from(plan.messages),
        "",
    );
    report.row("all are ready again after", ready, "s");
    report.row("nobody misses anything after", healed, "s");
    report.row("authenticated connects", back / ready, "1/s");
    report.row(
        "messages replayed",
        (crew.run.counts.delivered.load(Relaxed) - delivered_before) as f64,
        "",
    );
    if let (Some(before), Some(after)) = (before, after) {
        report.row(
            "server: CPU a connect",
            (after.cpu_millis - before.cpu_millis) as f64 * 1e3 / back,
            "µs",
        );
    }
    close(crew, report)
}

/// Waits for what is still under way, puts the verdict into the report, and ends the threads.
fn close(crew: Crew, mut report: Report) -> Result<Report, Failure> {
    let Sum { acked, outcome } = crew.settle()?;
    let counts = &crew.run.counts;
    if acked + counts.refused.load(Relaxed) > 0 {
        report.row("sends acknowledged in all", acked as f64, "");
        report.percentiles("delivery", &outcome.latency);
        report.percentiles("ack", &outcome.commit);
        report.percentiles("generator late", &outcome.late);
    }
    let failed = counts.attempts_failed.load(Relaxed);
    if failed > 0 {
        report.row("attempts to connect that failed", failed as f64, "");
    }
    report.verdict(
        outcome.faults,
        outcome.unanswered,
        counts.ended.load(Relaxed),
        outcome.refused,
    );
    crew.stop();
    Ok(report)
}

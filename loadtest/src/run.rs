//! A run, as a story from top to bottom: who connects, what is said, what is measured, and the verdict.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::arguments::Run;
use crate::cast::Cast;
use crate::crew::Crew;
use crate::order::{Counts, Order, Outcome, Setup};
use crate::process;
use crate::report::{Report, Series};
use crate::scenario::Scenario;
use crate::watch::{Samples, Watch};
use crate::words::{ACTIONS, Kind};

/// A little ahead, so that no worker starts late.
const AHEAD: u64 = 100_000_000;
const SECOND: u64 = 1_000_000_000;
/// Between two looks at the workers.
const LOOK: Duration = Duration::from_millis(20);
/// A longer run has longer slots.
const SLOTS_MAX: f64 = 600.0;

struct Story {
    scenario: Scenario,
    kind: Kind,
    total: u64,
    crew: Crew,
    watch: Watch,
    slot: u64,
    patience: Duration,
    report: Report,
}

/// A moment between two measurements.
struct Mark {
    servers: Samples,
    counts: Counts,
}

/// Carries out a run.
pub(crate) fn run(options: &Run) -> Result<Report, Failure> {
    let base = Instant::now();
    let scenario = Scenario::read(&options.scenario, &options.set)?;
    let cast = match options.kind {
        Kind::Chatify => Cast::read(&options.people, &scenario)?,
        _ => Cast::invented(&scenario),
    };
    if options.kind == Kind::Raw && cast.people.iter().any(|person| person.rooms.len() != 1) {
        return Err(Failure(
            "a raw WebSocket is one room: with `--kind raw` everybody must be in exactly one (`--set rooms=…`)".to_owned(),
        ));
    }
    let watch = Watch::of(
        options
            .pid
            .as_deref()
            .map_or(Ok(Vec::new()), process::parse)?,
    );
    let connecting = f64::from(scenario.people.connections) / scenario.people.connect_rate.max(1.0);
    let slot = ((connecting + scenario.seconds()) / SLOTS_MAX)
        .ceil()
        .max(1.0) as u64
        * SECOND;
    let setup = Setup {
        run: uuid::Uuid::new_v4().as_u128() as u32,
        kind: options.kind,
        targets: options.target.clone(),
        cast: Cast::default(),
        scenario: scenario.clone(),
        share: (0, 1),
        sources: options.sources,
        clock: 0,
        slot,
    };
    let crew = Crew::start(base, options.threads, &options.agents, &setup, &cast)?;
    let mut report = Report::new(&scenario, options.kind, &options.target);
    report.row("connections", cast.people.len() as f64, "");
    let sizes = cast.sizes();
    report.row("rooms", sizes.len() as f64, "");
    report.row(
        "members of the largest room",
        sizes.iter().max().copied().unwrap_or(0) as f64,
        "",
    );
    let mut story = Story {
        total: cast.people.len() as u64,
        kind: options.kind,
        scenario,
        crew,
        watch,
        slot,
        patience: Duration::from_secs(options.settle.into()),
        report,
    };
    story.tell()?;
    story.watch.hide();
    Ok(story.report)
}

impl Story {
    fn tell(&mut self) -> Result<(), Failure> {
        let before = self.mark()?;
        let connected = self.connect()?;
        let opened = self.mark()?;
        self.connecting(connected, &before, &opened);
        let from = self.crew.now() + AHEAD;
        let measured = from + nanos(self.scenario.time.warm_up);
        let mut until = measured + nanos(self.scenario.time.duration);
        // With a storm, what is missed is said while they are away; then silence, so that the end of it can be seen.
        let back = self
            .scenario
            .storm
            .as_ref()
            .map(|storm| measured + nanos(storm.after + storm.away));
        until = back.unwrap_or(until);
        let rate = self.scenario.talk.as_ref().map_or(0.0, |talk| talk.rate);
        if rate > 0.0 {
            self.crew.talk(from, measured, until, rate)?;
        }
        self.watch_until(measured, "warm-up")?;
        let start = self.mark()?;
        if let Some(storm) = self.scenario.storm.clone() {
            self.watch_until(measured + nanos(storm.after), "before the storm")?;
            let keep_every = (self.total as u32).checked_div(storm.keep).unwrap_or(0);
            self.crew.all(&Order::Cut { keep_every })?;
        }
        self.watch_until(until, "measured")?;
        let end = self.mark()?;
        let seconds = (until - measured) as f64 / 1e9;
        self.held(seconds, [&before, &start, &end]);
        if rate > 0.0 {
            self.talked(seconds, &start, &end);
        }
        let returned = self.crew.now();
        if self.scenario.storm.is_some() {
            self.crew.all(&Order::Connect { from: returned })?;
            self.wait_ready(returned)?;
        }
        self.crew.all(&Order::Hurry)?;
        let (faults, counts) = self.crew.settle(self.patience)?;
        if self.scenario.storm.is_some() {
            self.healed(returned, &end, &counts)?;
        }
        let outcome = self.crew.outcome()?;
        self.measured(&outcome, &counts);
        self.report.series = Series::of(&outcome.slots, &self.watch.glances, (self.slot, measured));
        self.report
            .verdict(faults, counts.pending, counts.ended, outcome.refused);
        Ok(())
    }

    fn mark(&mut self) -> Result<Mark, Failure> {
        Ok(Mark {
            servers: self.watch.samples()?,
            counts: self.crew.counts()?,
        })
    }

    fn connect(&mut self) -> Result<f64, Failure> {
        let from = self.crew.now() + AHEAD;
        self.crew.all(&Order::Connect { from })?;
        self.wait_ready(from)
    }

    /// Gives the seconds from `from` until the last was ready.
    fn wait_ready(&mut self, from: u64) -> Result<f64, Failure> {
        loop {
            let counts = self.crew.counts()?;
            if counts.ready + counts.failed >= self.total {
                if counts.failed > 0 {
                    self.watch.hide();
                    return Err(Failure(format!(
                        "{} of {} people could not connect: is it the right server and kind, and are the tokens of its store and of today?",
                        counts.failed, self.total
                    )));
                }
                return Ok(counts.last_ready.saturating_sub(from) as f64 / 1e9);
            }
            let left =
                (self.total - counts.ready) as f64 / self.scenario.people.connect_rate.max(1.0);
            self.look(&counts, "connect", left)?;
            std::thread::sleep(LOOK);
        }
    }

    fn watch_until(&mut self, at: u64, what: &str) -> Result<(), Failure> {
        loop {
            let now = self.crew.now();
            if now >= at {
                return Ok(());
            }
            let counts = self.crew.counts()?;
            self.look(&counts, what, (at - now) as f64 / 1e9)?;
            let next = (self.watch.glances.len() as u64 + 1) * self.slot;
            let until = next.min(at).min(now + SECOND / 4).max(now + 1_000_000);
            std::thread::sleep(Duration::from_nanos(until - now));
        }
    }

    /// The line on the terminal, and the slots that have ended.
    fn look(&mut self, counts: &Counts, what: &str, left: f64) -> Result<(), Failure> {
        self.watch.show(what, left, counts);
        let now = self.crew.now();
        while now >= (self.watch.glances.len() as u64 + 1) * self.slot {
            let at = (self.watch.glances.len() as u64 + 1) * self.slot;
            self.watch.glance(at, counts.ready)?;
        }
        Ok(())
    }

    fn connecting(&mut self, seconds: f64, before: &Mark, opened: &Mark) {
        let total = self.total as f64;
        self.report.row("connected in", seconds, "s");
        self.report
            .row("authenticated connects", total / seconds.max(1e-9), "1/s");
        for ((label, before), (_, after)) in before.servers.iter().zip(&opened.servers) {
            let cpu = (after.cpu_millis - before.cpu_millis) as f64;
            self.report
                .row(&format!("{label}: CPU a connect"), cpu * 1e3 / total, "µs");
        }
    }

    /// What the connections cost at the end of the measured time, and what the servers used in it.
    fn held(&mut self, seconds: f64, [before, start, end]: [&Mark; 3]) {
        let total = self.total as f64;
        for (index, (label, last)) in end.servers.iter().enumerate() {
            let (empty, first) = (before.servers[index].1, start.servers[index].1);
            let mut row = |name: &str, value: f64, unit| {
                self.report.row(&format!("{label}: {name}"), value, unit)
            };
            row("RSS before", empty.rss as f64 / 1024.0, "KiB");
            row("RSS", last.rss as f64 / 1024.0, "KiB");
            let grown = |before: u64, after: u64| (after as f64 - before as f64) / total;
            if self.scenario.talk.is_none() {
                row("RSS a connection", grown(empty.rss, last.rss), "bytes");
                row("PSS a connection", grown(empty.pss, last.pss), "bytes");
                row(
                    "own memory a connection",
                    grown(empty.anonymous, last.anonymous),
                    "bytes",
                );
                row("files a connection", grown(empty.files, last.files), "");
            }
            let used = (last.cpu_millis - first.cpu_millis) as f64;
            row("CPU", used / 10.0 / seconds, "% of a core");
        }
        let own = (end.counts.cpu_millis - start.counts.cpu_millis) as f64;
        self.report
            .row("generator: CPU", own / 10.0 / seconds, "% of a core");
        let sockets = process::socket_memory() as f64 / 1024.0;
        self.report
            .row("kernel: TCP memory of the machine", sockets, "KiB");
    }

    fn talked(&mut self, seconds: f64, start: &Mark, end: &Mark) {
        let delivered = (end.counts.delivered - start.counts.delivered) as f64;
        let acked = (end.counts.acked - start.counts.acked) as f64;
        let talk = self.scenario.talk.clone();
        let weights = talk
            .as_ref()
            .map_or([0.0; 5], |talk| talk.actions.weights());
        let asked = talk.map_or(0.0, |talk| talk.rate) * weights[0] / weights.iter().sum::<f64>();
        self.report.row("messages asked for", asked, "1/s");
        self.report
            .row("messages acknowledged", acked / seconds, "1/s");
        self.report.row("deliveries", delivered / seconds, "1/s");
        let bytes = (end.counts.bytes - start.counts.bytes) as f64;
        self.report.row(
            "received: bytes a delivery",
            bytes / delivered.max(1.0),
            "bytes",
        );
        for ((label, first), (_, last)) in start.servers.iter().zip(&end.servers) {
            let used = (last.cpu_millis - first.cpu_millis) as f64 * 1e3;
            self.report.row(
                &format!("{label}: CPU a delivery"),
                used / delivered.max(1.0),
                "µs",
            );
            self.report.row(
                &format!("{label}: CPU a message"),
                used / acked.max(1.0),
                "µs",
            );
        }
    }

    fn healed(&mut self, returned: u64, end: &Mark, counts: &Counts) -> Result<(), Failure> {
        let back = (self.total - end.counts.ready) as f64;
        let ready = counts.last_ready.saturating_sub(returned) as f64 / 1e9;
        let healed = counts
            .last_ready
            .max(counts.last_delivered)
            .saturating_sub(returned) as f64
            / 1e9;
        self.report.row("people who come back", back, "");
        self.report.row("all are ready again after", ready, "s");
        if self.kind.has_log() {
            self.report.row("nobody misses anything after", healed, "s");
            let replayed = counts.delivered - end.counts.delivered;
            self.report.row("messages replayed", replayed as f64, "");
        }
        self.report.row(
            "authenticated connects in the storm",
            back / ready.max(1e-9),
            "1/s",
        );
        for ((label, before), (_, after)) in end.servers.iter().zip(&self.watch.samples()?) {
            let used = (after.cpu_millis - before.cpu_millis) as f64 * 1e3;
            self.report.row(
                &format!("{label}: CPU a connect in the storm"),
                used / back.max(1.0),
                "µs",
            );
        }
        Ok(())
    }

    fn measured(&mut self, outcome: &Outcome, counts: &Counts) {
        let report = &mut self.report;
        report.percentiles("connect", &outcome.connect);
        report.percentiles("delivery", &outcome.delivery);
        report.percentiles("delivery to slow readers", &outcome.delivery_slow);
        report.percentiles("ack", &outcome.ack);
        for (action, name) in ACTIONS {
            if let Some(latencies) = outcome.actions.get(&action) {
                report.percentiles(name, latencies);
            }
        }
        report.percentiles("generator late", &outcome.late);
        report.curve("delivery", &outcome.delivery);
        report.curve("ack", &outcome.ack);
        report.row("sends acknowledged in all", counts.acked as f64, "");
        let weights = self
            .scenario
            .talk
            .as_ref()
            .map_or([0.0; 5], |talk| talk.actions.weights());
        let left_out = ACTIONS
            .iter()
            .zip(weights)
            .filter(|((action, _), weight)| *weight > 0.0 && !self.kind.knows(*action));
        for ((_, name), _) in left_out {
            report.notes.push(format!(
                "`{name}` was left out: servers of this kind do not know it"
            ));
        }
        if self.crew.clock_error > 0 {
            report.row(
                "clocks of the agents agree to",
                self.crew.clock_error as f64 / 1e3,
                "µs",
            );
        }
        let all = [
            ("attempts to connect that failed", counts.attempts_failed),
            ("slow readers cut off", counts.slow_ended),
            ("arrivals that nobody carried out", counts.skipped),
        ];
        for (name, count) in all.into_iter().filter(|(_, count)| *count > 0) {
            report.row(name, count as f64, "");
        }
    }
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

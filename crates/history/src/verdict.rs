//! What the checker found: how often each anomaly, the first examples of each, and how much was looked at.

use std::fmt;

/// A way in which the guarantee can break. The name of the rule stands in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// \[G1\] An acknowledged message is not in the log at its place.
    Lost,
    /// \[G2\] One message has two places.
    Doubled,
    /// \[G2\] A send was acknowledged with another body than it had.
    Swallowed,
    /// \[G3\] A place of the log is empty below its head.
    Hole,
    /// \[G3\] Two readers saw different things at one place.
    Diverged,
    /// \[G3\] Something was delivered or acknowledged at a place that the log does not have.
    Phantom,
    /// \[G4\] A connection's sends were stored in another order than it sent them.
    Reordered,
    /// \[G4\] A message that was sent after another one's acknowledgement stands before it.
    Inverted,
    /// \[G5\] A connection was given an entry without the one before it.
    Skipped,
    /// \[G5\] A connection was given an entry again, or an older one.
    Repeated,
    /// \[G5\] A connection was given an entry of a room that it was not told to hear.
    Unstarted,
    /// \[G5\] An acknowledged entry came later than the bound allows, or not at all in that time.
    Late,
    /// \[G6\] Everything was quiet and a member's connection still lacked entries.
    Incomplete,
    /// \[G7\] Somebody wrote who was no member at that place.
    WroteOutside,
    /// \[G7\] Somebody was given an entry at a place where they were no member.
    HeardOutside,
    /// \[G8\] Every attempt was answered "not stored", and it is stored; or one was refused for good after it was.
    Denied,
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Anomaly; 16] = [
        Anomaly::Lost,
        Anomaly::Doubled,
        Anomaly::Swallowed,
        Anomaly::Hole,
        Anomaly::Diverged,
        Anomaly::Phantom,
        Anomaly::Reordered,
        Anomaly::Inverted,
        Anomaly::Skipped,
        Anomaly::Repeated,
        Anomaly::Unstarted,
        Anomaly::Late,
        Anomaly::Incomplete,
        Anomaly::WroteOutside,
        Anomaly::HeardOutside,
        Anomaly::Denied,
    ];

    /// The rule of the guarantee that it breaks, and its name.
    pub fn name(self) -> (&'static str, &'static str) {
        match self {
            Anomaly::Lost => ("G1", "lost"),
            Anomaly::Doubled => ("G2", "doubled"),
            Anomaly::Swallowed => ("G2", "swallowed"),
            Anomaly::Hole => ("G3", "hole"),
            Anomaly::Diverged => ("G3", "diverged"),
            Anomaly::Phantom => ("G3", "phantom"),
            Anomaly::Reordered => ("G4", "reordered"),
            Anomaly::Inverted => ("G4", "inverted"),
            Anomaly::Skipped => ("G5", "skipped"),
            Anomaly::Repeated => ("G5", "repeated"),
            Anomaly::Unstarted => ("G5", "unstarted"),
            Anomaly::Late => ("G5", "late"),
            Anomaly::Incomplete => ("G6", "incomplete"),
            Anomaly::WroteOutside => ("G7", "wrote outside"),
            Anomaly::HeardOutside => ("G7", "heard outside"),
            Anomaly::Denied => ("G8", "denied"),
        }
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines.
    pub lines: u64,
    /// Attempts to send.
    pub sends: u64,
    /// Attempts that were acknowledged.
    pub acked: u64,
    /// Attempts that were refused.
    pub refused: u64,
    /// Attempts whose outcome was never known.
    pub unknown: u64,
    /// Connections.
    pub connections: u64,
    /// Entries given to connections.
    pub delivered: u64,
    /// Entries in the logs.
    pub entries: u64,
    /// The longest time from an acknowledgement to a delivery on a stream that was up, in milliseconds.
    pub latest_millis: u64,
}

impl Totals {
    /// Adds what another history had.
    pub fn add(&mut self, other: &Totals) {
        self.lines += other.lines;
        self.sends += other.sends;
        self.acked += other.acked;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.connections += other.connections;
        self.delivered += other.delivered;
        self.entries += other.entries;
        self.latest_millis = self.latest_millis.max(other.latest_millis);
    }
}

/// Examples kept of each anomaly: one is enough to look for the cause, three show whether it repeats.
const EXAMPLES_MAX: u64 = 3;

/// What the checker found. Shown, it is a report for people; empty of anomalies, it is one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    counts: [u64; Anomaly::ALL.len()],
    examples: Vec<(Anomaly, String)>,
    /// How much was looked at.
    pub totals: Totals,
}

impl Verdict {
    /// Whether the guarantee held.
    pub fn holds(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// How often one anomaly was seen.
    pub fn count(&self, anomaly: Anomaly) -> u64 {
        self.counts[anomaly as usize]
    }

    /// Every anomaly that was seen, and how often.
    pub fn seen(&self) -> impl Iterator<Item = (Anomaly, u64)> {
        Anomaly::ALL
            .into_iter()
            .map(|anomaly| (anomaly, self.count(anomaly)))
            .filter(|(_, count)| *count > 0)
    }

    /// The first examples.
    pub fn examples(&self) -> &[(Anomaly, String)] {
        &self.examples
    }

    /// Counts an anomaly; the text is made only while examples are still kept.
    pub(crate) fn note(&mut self, anomaly: Anomaly, example: impl FnOnce() -> String) {
        let count = &mut self.counts[anomaly as usize];
        *count += 1;
        if *count <= EXAMPLES_MAX {
            self.examples.push((anomaly, example()));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.totals;
        writeln!(
            f,
            "{}: {} sends ({} acknowledged, {} refused, {} unknown), {} deliveries on {} connections, {} log entries",
            if self.holds() {
                "the guarantee held"
            } else {
                "THE GUARANTEE BROKE"
            },
            t.sends,
            t.acked,
            t.refused,
            t.unknown,
            t.delivered,
            t.connections,
            t.entries,
        )?;
        for (anomaly, count) in self.seen() {
            let (rule, name) = anomaly.name();
            writeln!(f, "  {rule} {name}: {count}")?;
            for (_, example) in self.examples.iter().filter(|(of, _)| *of == anomaly) {
                writeln!(f, "     {example}")?;
            }
        }
        Ok(())
    }
}

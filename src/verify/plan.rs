//! The flags of `chatify verify`, and who goes which way.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use client::{Endpoint, Fault, Way};

/// What to prove, and where.
#[derive(Args)]
pub(crate) struct Plan {
    /// Public addresses: of the balancer, or of several nodes to go through each.
    #[arg(long = "url", required = true, num_args = 1.., value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Canary rooms; all canary people are in each.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=30))]
    pub(crate) rooms: u32,
    /// People who write (and read); at least one an address.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) writers: u32,
    /// People who only read; at least one an address.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) readers: u32,
    /// How long they talk.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// Messages a second over all rooms. More than one a second from one writer to one room meets the rate limits.
    #[arg(long, default_value_t = 6.0)]
    pub(crate) rate: f64,
    /// Seconds that the deployment is given to heal before what is missing counts as lost.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) patience: u64,
    /// Red, too, when an acknowledged message took longer than so many milliseconds to somebody who was connected.
    #[arg(long, value_name = "MILLIS")]
    pub(crate) within: Option<u64>,
    /// How canaries connect.
    #[arg(long, value_enum, default_value_t = Transport::Mix)]
    pub(crate) transport: Transport,
    /// People of this deployment, from `chatify seed`. Without it canaries are made: in the store that `store` names,
    /// or by signing up through the dev mailbox.
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: Option<PathBuf>,
    /// Write the history here, a line an event.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// What to break in mid-run; only in a cluster of `make cluster` on this machine.
    #[arg(long, value_enum)]
    pub(crate) faults: Option<FaultPlan>,
    /// Where `make cluster` wrote down what it started.
    #[arg(
        long,
        default_value = "target/cluster/endpoints.json",
        value_name = "FILE"
    )]
    pub(crate) endpoints: PathBuf,
    /// Tell it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How canaries connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Through each address by turns: WebSocket, polling, and the upgrade from one to the other.
    Mix,
    /// WebSockets alone.
    Websocket,
    /// Long-polling alone.
    Polling,
    /// Polling that upgrades, as the stock client does by itself.
    Upgrade,
}

/// What to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultPlan {
    /// Restarts one node, drawn at random.
    RestartOne,
}

impl Plan {
    /// # Errors
    /// When one is no public address of a server, or the rate is no rate.
    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>, Fault> {
        if !(self.rate > 0.0 && self.rate <= 10_000.0) {
            return Err(Fault(format!(
                "--rate {}: expected more than 0 and at most 10000 messages a second",
                self.rate
            )));
        }
        self.urls
            .iter()
            .map(|url| {
                url.parse()
                    .map_err(|fault| Fault(format!("--url: {fault}")))
            })
            .collect()
    }

    /// Writers, so that each address has one.
    pub(crate) fn writers(&self) -> usize {
        self.urls.len().max(self.writers as usize)
    }

    /// Writers and readers, so that each address has both.
    pub(crate) fn people(&self) -> usize {
        self.writers() + self.urls.len().max(self.readers as usize)
    }

    /// Which way somebody goes. Those of one address take turns, and readers begin with another way than writers.
    pub(crate) fn way(&self, person: usize) -> Way {
        let (writers, addresses) = (self.writers(), self.urls.len());
        let turn = match person.checked_sub(writers) {
            None => person / addresses,
            Some(reader) => reader / addresses + 1,
        };
        match self.transport {
            Transport::Websocket => Way::WebSocket,
            Transport::Polling => Way::Polling,
            Transport::Upgrade => Way::Upgrade,
            Transport::Mix => [Way::WebSocket, Way::Polling, Way::Upgrade][turn % 3],
        }
    }

    /// The addresses in the order in which somebody tries them.
    pub(crate) fn road(&self, person: usize, endpoints: &[Endpoint]) -> Vec<Endpoint> {
        let from = match person.checked_sub(self.writers()) {
            None => person,
            Some(reader) => reader,
        };
        let mut road = endpoints.to_vec();
        road.rotate_left(from % endpoints.len());
        road
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::collections::BTreeSet;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: Plan,
    }

    fn plan(line: &str) -> Plan {
        Line::parse_from(std::iter::once("verify").chain(line.split(' '))).plan
    }

    #[test]
    fn every_address_has_writers_and_readers_and_both_ways() {
        let plan = plan("--url http://a http://b --url http://c --writers 1 --readers 1");
        let endpoints = plan.endpoints().expect("addresses");
        let seen: BTreeSet<String> = (0..plan.people())
            .map(|person| {
                let first = plan.road(person, &endpoints).remove(0);
                let role = person < plan.writers();
                format!("{first} {role} {:?}", plan.way(person))
            })
            .collect();
        assert_eq!(seen.len(), 6, "{seen:?}");
        for url in ["http://a", "http://b", "http://c"] {
            for role in ["true WebSocket", "false Polling"] {
                assert!(seen.contains(&format!("{url} {role}")), "{seen:?}");
            }
        }
    }

    #[test]
    fn a_wrong_address_and_a_wrong_rate_are_named() {
        let wrong = |line: &str| plan(line).endpoints().expect_err("refused").0;
        assert!(wrong("--url chat.example").starts_with("--url: "));
        assert!(wrong("--url http://a --rate 0").starts_with("--rate 0"));
    }
}

//! The commands and their flags, each with its default.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::plan::Plan;
use crate::words::Kind;

/// Drives realtime servers with many people, measures, and checks what they receive.
///
/// The exit code of `run` is 0 when everything was received in order, 1 when it was not, and 2 when there is no result.
#[derive(Parser)]
#[command(name = "chatify-loadtest", version)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What there is to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a scenario against a server.
    Run(Run),
    /// Compare results of one scenario: ratios of medians, and what is noise.
    Compare(Compare),
    /// Work out what a number of people needs, from what one of everything costs.
    Plan(Plan),
    /// Carry out a part of runs for a coordinator (`run --agents`).
    Agent(Agent),
}

/// Flags of `run`.
#[derive(Args)]
pub(crate) struct Run {
    /// The scenario: a TOML file as those in `loadtest/scenarios`.
    pub(crate) scenario: PathBuf,
    /// The servers' public addresses, with commas: people are spread over them in turn.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_delimiter = ',')]
    pub(crate) target: Vec<String>,
    /// What the servers speak.
    #[arg(long, value_enum, default_value_t = Kind::Chatify)]
    pub(crate) kind: Kind,
    /// For chatify: the file that `chatify seed` wrote.
    #[arg(long, default_value = "people.jsonl")]
    pub(crate) people: PathBuf,
    /// Changes a key of the scenario: `rate=200`, `rooms=200x10,1x1000`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// The servers' processes, to sample their CPU, memory and files: `12,13` or `node=12,node=13,redis=14`.
    #[arg(long, value_name = "[LABEL=]PID,…")]
    pub(crate) pid: Option<String>,
    /// Threads of this generator.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), conflicts_with = "agents")]
    pub(crate) threads: u32,
    /// Agents that do the work instead of threads, with commas: `host:port` of each `agent --listen`.
    #[arg(long, value_delimiter = ',')]
    pub(crate) agents: Vec<String>,
    /// Source addresses towards servers on loopback, other ones of 127.0.0.0/8 in each run: each has some 28,000 ports.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=250))]
    pub(crate) sources: u8,
    /// Seconds without anything coming, after which what is missing is called lost.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(crate) settle: u16,
    /// Write the result as JSON too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a report with plots too, as one page without outer resources.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// Flags of `agent`.
#[derive(Args)]
pub(crate) struct Agent {
    /// Where coordinators come. They are not asked who they are: a private network only.
    #[arg(long, default_value = "127.0.0.1:7070")]
    pub(crate) listen: SocketAddr,
}

/// Flags of `compare`.
#[derive(Args)]
pub(crate) struct Compare {
    /// Two results of `run --json`: A and B.
    #[arg(num_args = 2, value_names = ["A", "B"], required_unless_present = "a", conflicts_with_all = ["a", "b"])]
    pub(crate) files: Vec<PathBuf>,
    /// Several results of A.
    #[arg(long, num_args = 1.., requires = "b")]
    pub(crate) a: Vec<PathBuf>,
    /// Several results of B.
    #[arg(long, num_args = 1.., requires = "a")]
    pub(crate) b: Vec<PathBuf>,
}

//! The scenarios and their flags, each with its default.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Drives a chatify server with many people and checks what they receive.
///
/// The people come from `chatify seed`. The exit code is 0 when everything was received in order, 1 when it was not.
#[derive(Parser)]
#[command(name = "chatify-loadtest", version)]
pub(crate) struct Arguments {
    /// The server's public address.
    #[arg(long, default_value = "127.0.0.1:8080", global = true)]
    pub(crate) target: SocketAddr,
    /// The file that `chatify seed` wrote.
    #[arg(long, default_value = "people.jsonl", global = true)]
    pub(crate) people: PathBuf,
    /// The server's process, to sample its memory, files and CPU.
    #[arg(long, global = true)]
    pub(crate) pid: Option<u32>,
    /// Threads of this generator.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), global = true)]
    pub(crate) agents: u32,
    /// Connections opened in a second; 0 opens as fast as the server takes them.
    #[arg(long, default_value_t = 2_000, global = true)]
    pub(crate) connect_rate: u32,
    /// Handshakes under way at once.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=20_000), global = true)]
    pub(crate) in_flight: u32,
    /// Source addresses, from 127.0.0.2 on: each has some 28,000 ports.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=250), global = true)]
    pub(crate) sources: u8,
    /// Write the result as JSON too.
    #[arg(long, global = true)]
    pub(crate) json: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

/// What there is to do.
#[derive(Subcommand)]
pub(crate) enum Scenario {
    /// Connect people, hold them, and say what each costs the server.
    Idle(Idle),
    /// One room: messages at a rate to all of its members.
    Fanout(Fanout),
    /// All rooms of all connected people: messages at one rate over all.
    Mix(Mix),
    /// Cut everybody, talk on meanwhile, and let all come back at once with their cursors.
    Storm(Storm),
}

/// Flags of `idle`.
#[derive(Args)]
pub(crate) struct Idle {
    /// How many people.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) connections: usize,
    /// How long they are held, in seconds.
    #[arg(long, default_value_t = 30)]
    pub(crate) hold: u64,
}

/// How much is said, and for how long.
#[derive(Args)]
pub(crate) struct Talk {
    /// Messages in a second, over all rooms.
    #[arg(long, default_value_t = 100.0)]
    pub(crate) rate: f64,
    /// Bytes of a message's text.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(48..=4_000))]
    pub(crate) bytes: u16,
    /// Seconds that count.
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    /// Seconds before, which do not.
    #[arg(long, default_value_t = 5)]
    pub(crate) warm_up: u64,
}

/// Flags of `fanout`.
#[derive(Args)]
pub(crate) struct Fanout {
    /// Members that are connected, of the room with the most.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) members: usize,
    /// The talk.
    #[command(flatten)]
    pub(crate) talk: Talk,
}

/// Flags of `mix`.
#[derive(Args)]
pub(crate) struct Mix {
    /// How many people.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) connections: usize,
    /// The talk.
    #[command(flatten)]
    pub(crate) talk: Talk,
}

/// Flags of `storm`.
#[derive(Args)]
pub(crate) struct Storm {
    /// How many people.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) connections: usize,
    /// Messages said while they are away, by one in a hundred who stays.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) messages: u32,
}

//! The commands and their flags. Settings are flags too, the same for every command; `service::config` reads those.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Flags that are no settings and may stand without a command.
pub(crate) const OWN: &[&str] = &["--help", "--version"];

/// A realtime chat backend. Without a command it serves everything in one process: sockets, API, sign-in, mail and the
/// web client, on an embedded database.
#[derive(Parser)]
#[command(
    name = "chatify",
    version,
    after_help = "Every setting is a flag, a variable CHATIFY_… and a key of the file given by --config, in this order:\n`chatify config --reference` lists them, `chatify config` shows those in force."
)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What there is to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve sockets and the API, as one of several nodes.
    Node,
    /// Serve sign-in and the keys of tokens, beside the nodes.
    Auth,
    /// Send the mails that auth asks for.
    Mailer,
    /// Show the settings in force and where each comes from.
    Config {
        /// How.
        #[command(flatten)]
        action: ConfigAction,
    },
    /// Ask the process that runs with these settings whether it is ready; fails when it is not.
    Health,
    /// Show the metrics.
    Metrics {
        /// All of them, as Markdown.
        #[arg(long)]
        reference: bool,
    },
    /// Write the API's documents (OpenAPI and AsyncAPI).
    Contract {
        /// Into this folder.
        #[arg(long)]
        out: PathBuf,
    },
    /// Fill an empty store with people and rooms, for load tests.
    Seed(SeedPlan),
    /// Copy the store into a file, while it is in use: an SQLite store as one, MongoDB as an archive.
    Backup {
        /// Where nothing is yet. Keep it as secret as the store.
        out: PathBuf,
    },
    /// Make the store from a backup, where there is none yet: with new epochs, and nobody signed in.
    Restore {
        /// The backup.
        from: PathBuf,
    },
    /// Write everything into an archive that any store can be filled from, or all about one person.
    Export(ExportPlan),
    /// Fill an empty store from an archive.
    Import(ImportPlan),
    /// Prove the guarantee on a deployment that runs: canaries talk through it, and their history is judged.
    Verify(crate::verify::Plan),
    /// Say what this deployment gets wrong by its settings, and how to mend it.
    Doctor(crate::doctor::Plan),
    /// Administrators.
    Admin {
        /// What about them.
        #[command(subcommand)]
        action: AdminAction,
    },
    /// Mail.
    Mail {
        /// What about it.
        #[command(subcommand)]
        action: MailAction,
    },
}

/// What to show of the settings.
#[derive(Args)]
pub(crate) struct ConfigAction {
    /// All settings with their meaning, as Markdown.
    #[arg(long)]
    pub(crate) reference: bool,
    /// Those in force (the default).
    #[arg(long)]
    pub(crate) print: bool,
}

/// What to export.
#[derive(Args)]
pub(crate) struct ExportPlan {
    /// Where nothing is yet. Keep it as secret as the store.
    pub(crate) out: PathBuf,
    /// Only what there is about this person (an id or an address), for them: a JSON object a line.
    #[arg(long)]
    pub(crate) person: Option<String>,
}

/// What to import.
#[derive(Args)]
pub(crate) struct ImportPlan {
    /// The archive.
    pub(crate) from: PathBuf,
    /// The deployment was stopped before the archive was written and goes on here: keep epochs, devices and signing
    /// keys. Never for an older archive: clients that have seen more than it holds would wait for ever.
    #[arg(long)]
    pub(crate) moved: bool,
    /// Only prove that the archive is whole; no store is touched.
    #[arg(long, conflicts_with = "moved")]
    pub(crate) check: bool,
}

/// What to seed.
#[derive(Args)]
pub(crate) struct SeedPlan {
    /// How many people.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) users: u32,
    /// How many rooms.
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=10_000_000), requires = "members", required_unless_present = "shape")]
    pub(crate) rooms: Option<u32>,
    /// Members of each room.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000), requires = "rooms")]
    pub(crate) members: Option<u32>,
    /// Instead of both, rooms of several sizes: `400x10,1x2000` is 400 rooms of 10 and one of 2,000.
    #[arg(long, value_delimiter = ',', value_parser = shape, conflicts_with_all = ["rooms", "members"])]
    pub(crate) shape: Vec<(u32, u32)>,
    /// Where to write a line a person: `{"userId","token","rooms":[…]}`. The tokens live for a day.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

impl SeedPlan {
    /// How many rooms of how many members, in order.
    pub(crate) fn sizes(&self) -> Vec<(u32, u32)> {
        match (self.rooms, self.members) {
            (Some(rooms), Some(members)) => vec![(rooms, members)],
            _ => self.shape.clone(),
        }
    }
}

/// `COUNTxMEMBERS`, within the bounds of `--rooms` and `--members`.
fn shape(text: &str) -> Result<(u32, u32), String> {
    let read = || {
        let (count, members) = text.split_once('x')?;
        Some((count.parse().ok()?, members.parse().ok()?))
    };
    match read() {
        Some((count @ 0..=10_000_000, members @ 1..=100_000)) => Ok((count, members)),
        _ => Err("it must look like `400x10`: rooms, and members of each".to_owned()),
    }
}

/// What to do about administrators.
#[derive(Subcommand)]
pub(crate) enum AdminAction {
    /// Make a token for `/v1/admin` with the `admin-key` of these settings.
    Token(TokenPlan),
}

/// Which token.
#[derive(Args)]
pub(crate) struct TokenPlan {
    /// For whom: the audit log calls them so.
    #[arg(long)]
    pub(crate) name: String,
    /// May drain nodes, too; else only look.
    #[arg(long)]
    pub(crate) operate: bool,
    /// How long it lives. It cannot be called back.
    #[arg(long, default_value_t = 8)]
    pub(crate) hours: u32,
}

/// What to do about mail.
#[derive(Subcommand)]
pub(crate) enum MailAction {
    /// Send a test mail and say what is wrong with the set-up, if anything is.
    Test {
        /// To whom.
        address: String,
    },
}

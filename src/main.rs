//! chatify: arguments → settings → the command. What is printed here is the answer of a tool; servers log.

mod admin;
mod arguments;
mod backup;
mod config;
mod contract;
mod doctor;
mod health;
mod mail;
mod seed;
mod serve;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use service::config::ConfigError;

use arguments::{AdminAction, Arguments, Command, ConfigAction, MailAction};

/// A third less memory an idle connection than with the system's allocator, and what a storm took is given back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Why a command failed.
enum Failure {
    /// The settings or arguments are wrong; nothing was done.
    Config(ConfigError),
    /// It was tried and did not work.
    Failed(String),
    /// What was checked is not as it should be; the answer says so.
    Red(String),
}

impl Failure {
    /// What went wrong, as one line.
    fn of(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

fn main() -> ExitCode {
    let (code, line) = match run(std::env::args().skip(1)) {
        // A reader that closed the pipe (`| head`) has seen enough.
        Ok(answer) => {
            return finish(
                std::io::stdout().write_all(answer.as_bytes()),
                ExitCode::SUCCESS,
            );
        }
        Err(Failure::Red(answer)) => {
            return finish(
                std::io::stdout().write_all(answer.as_bytes()),
                ExitCode::FAILURE,
            );
        }
        Err(Failure::Config(error)) => (ExitCode::from(2), error.to_string()),
        Err(Failure::Failed(error)) => (ExitCode::FAILURE, error),
    };
    finish(writeln!(std::io::stderr(), "{line}"), code)
}

fn finish(told: std::io::Result<()>, code: ExitCode) -> ExitCode {
    if told.is_ok() {
        code
    } else {
        ExitCode::FAILURE
    }
}

fn run(arguments: impl Iterator<Item = String>) -> Result<String, Failure> {
    let catalogue = config::catalogue();
    let (flags, rest) = catalogue.take_flags(arguments)?;
    // A mistyped setting is named with its nearest neighbour; flags of a command are the command's.
    if let Some(flag) = rest
        .first()
        .filter(|first| first.starts_with("--") && !arguments::OWN.contains(&first.as_str()))
    {
        return Err(catalogue.unknown_flag(flag).into());
    }
    let parsed = match Arguments::try_parse_from(std::iter::once("chatify".to_owned()).chain(rest))
    {
        Ok(parsed) => parsed,
        Err(told) if !told.use_stderr() => return Ok(told.to_string()),
        Err(wrong) => return Err(ConfigError::new(wrong.to_string().trim_end().to_owned()).into()),
    };
    let settings = || catalogue.load(flags, std::env::vars());
    match parsed.command {
        None => serve::embedded(&settings()?),
        Some(Command::Node) => serve::node(&settings()?),
        Some(Command::Auth) => serve::auth(&settings()?),
        Some(Command::Mailer) => serve::mailer(&settings()?),
        // Before anything is loaded: the reference helps whose settings do not load.
        Some(Command::Config {
            action: ConfigAction {
                reference: true, ..
            },
        }) => Ok(catalogue.reference()),
        Some(Command::Config { .. }) => Ok(settings()?.print()),
        Some(Command::Health) => health::ask(&settings()?),
        Some(Command::Metrics { .. }) => Ok(config::metrics_reference()),
        Some(Command::Contract { out }) => contract::write(&out),
        Some(Command::Seed(plan)) => seed::run(&settings()?, &plan),
        Some(Command::Backup { out }) => backup::backup(&settings()?, &out),
        Some(Command::Restore { from }) => backup::restore(&settings()?, &from),
        Some(Command::Export(plan)) => backup::export(&settings()?, &plan),
        Some(Command::Import(plan)) => backup::import(&settings()?, &plan),
        Some(Command::Doctor(plan)) => doctor::run(&settings()?, &plan),
        Some(Command::Verify(plan)) => verify::run(&settings()?, &plan),
        Some(Command::Admin {
            action: AdminAction::Token(plan),
        }) => admin::token(&settings()?, &plan),
        Some(Command::Mail {
            action: MailAction::Test { address },
        }) => mail::test(&settings()?, &address),
    }
}

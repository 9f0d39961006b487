//! The load generator that also checks: it plays scenarios with thousands of people against a realtime server, sends by
//! a schedule, measures from the intended time, and fails when anything was lost, doubled, reordered or left out.
//! What it prints is its answer; nothing else here prints.

mod arguments;
mod cast;
mod chance;
mod check;
mod client;
mod compare;
mod crew;
mod hear;
mod html;
mod incoming;
mod judge;
mod known;
mod latencies;
mod link;
mod metronome;
mod order;
mod plan;
mod process;
mod report;
mod run;
mod scenario;
mod talk;
mod target;
mod watch;
mod words;
mod worker;

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

/// Why there is no result; one line for the terminal.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn main() -> ExitCode {
    let (told, code) = match carry_out(&Arguments::parse().command) {
        Ok((text, is_good)) => {
            let code = if is_good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
            (std::io::stdout().write_all(text.as_bytes()), code)
        }
        Err(Failure(why)) => (
            writeln!(std::io::stderr(), "{}", why.trim_end()),
            ExitCode::from(2),
        ),
    };
    // A reader that closed the pipe (`| head`) has seen enough; the verdict is the exit code.
    if told.is_ok() {
        code
    } else {
        ExitCode::FAILURE
    }
}

/// Gives what is to be printed, and whether it is good.
fn carry_out(command: &Command) -> Result<(String, bool), Failure> {
    match command {
        Command::Run(options) => {
            let report = run::run(options)?;
            if let Some(path) = &options.json {
                write(path, "--json", &report.json()?)?;
            }
            if let Some(path) = &options.html {
                write(path, "--html", &html::page(&report)?)?;
            }
            Ok((report.table(), report.in_order))
        }
        Command::Compare(options) => match &options.files[..] {
            [a, b] => compare::compare(std::slice::from_ref(a), std::slice::from_ref(b)),
            _ => compare::compare(&options.a, &options.b),
        },
        Command::Plan(wish) => Ok((plan::plan(wish)?, true)),
        Command::Agent(options) => {
            let listener = TcpListener::bind(options.listen)
                .map_err(|error| Failure(format!("{} (`--listen`): {error}", options.listen)))?;
            let address = listener.local_addr()?;
            let mut err = std::io::stderr();
            // Whoever does not read what is told here misses nothing.
            let mut tell = |line: &str| drop(writeln!(err, "{line}"));
            tell(&format!("listening on {address}"));
            link::serve(&listener, tell)?;
            Ok((String::new(), true))
        }
    }
}

fn write(path: &Path, flag: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure(format!("{} (`{flag}`): {error}", path.display())))
}

//! The load generator that also checks: it speaks Socket.IO over WebSocket for thousands of seeded people, sends by a
//! schedule, measures from the intended time, and fails when anything was lost, doubled, reordered or left out.
//! What it prints is its answer; nothing else here prints.

mod agent;
mod arguments;
mod check;
mod client;
mod crew;
mod known;
mod people;
mod report;
mod scenario;
mod target;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;

/// Why a run gives no result; one line for the terminal.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn main() -> ExitCode {
    let (told, code) = match run(&Arguments::parse()) {
        Ok((table, true)) => (
            std::io::stdout().write_all(table.as_bytes()),
            ExitCode::SUCCESS,
        ),
        Ok((table, false)) => (
            std::io::stdout().write_all(table.as_bytes()),
            ExitCode::FAILURE,
        ),
        Err(Failure(why)) => (writeln!(std::io::stderr(), "{why}"), ExitCode::from(2)),
    };
    // A reader that closed the pipe (`| head`) has seen enough; the verdict is the exit code.
    if told.is_ok() {
        code
    } else {
        ExitCode::FAILURE
    }
}

/// Gives the table, and whether everything that was received is in order.
fn run(arguments: &Arguments) -> Result<(String, bool), Failure> {
    let report = scenario::run(arguments)?;
    if let Some(path) = &arguments.json {
        std::fs::write(path, report.json())
            .map_err(|error| Failure(format!("{} (`--json`): {error}", path.display())))?;
    }
    Ok((report.table(), report.is_clean()))
}

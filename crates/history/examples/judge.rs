//! Judges history files: `cargo run -p history --example judge -- FILE…`. Prints one verdict a file; fails unless the
//! guarantee held in all of them.

use std::fs::File;
use std::io::{BufReader, Write};
use std::process::ExitCode;

use history::{Bounds, check};

fn main() -> std::io::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        writeln!(out, "usage: judge FILE…")?;
        return Ok(ExitCode::from(2));
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let verdict = match check(BufReader::new(File::open(&file)?), Bounds::default()) {
            Ok(verdict) => verdict,
            Err(unreadable) => {
                writeln!(out, "{file}: {unreadable}")?;
                return Ok(ExitCode::from(2));
            }
        };
        if !verdict.holds() {
            code = ExitCode::FAILURE;
        }
        write!(out, "{verdict}")?;
    }
    Ok(code)
}

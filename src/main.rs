//! chatify: arguments → settings → the command. What is printed here is the answer of a tool; servers log.

mod config;

use std::io::Write;
use std::process::ExitCode;

use service::config::ConfigError;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(answer) => {
            // A reader that closed the pipe (`| head`) has seen enough.
            let written = std::io::stdout().write_all(answer.as_bytes());
            if written.is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            let lines = format!("{error}\n");
            let told = std::io::stderr().write_all(lines.as_bytes());
            if told.is_ok() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(arguments: impl Iterator<Item = String>) -> Result<String, ConfigError> {
    let catalogue = config::catalogue();
    let (flags, rest) = catalogue.take_flags(arguments)?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    if let Some(flag) = rest.iter().find(|argument| argument.starts_with("--"))
        && !matches!(rest.first(), Some(&"config" | &"metrics"))
    {
        return Err(catalogue.unknown_flag(flag));
    }
    match rest[..] {
        // Before anything is loaded: the reference helps whose settings do not load.
        ["config", "--reference"] => Ok(catalogue.reference()),
        ["metrics", "--reference"] => Ok(config::metrics_reference()),
        ["config"] | ["config", "--print"] => Ok(catalogue.load(flags, std::env::vars())?.print()),
        _ => Err(ConfigError::new(
            "usage: chatify [SETTINGS] config [--print | --reference], or chatify metrics --reference",
        )),
    }
}

//! `chatify-chaos`: a cluster of real processes under faults from a seed, for as long as you like. Prints each fault, a
//! table and the verdict; the exit code is the verdict. What it prints is its answer; nothing else here prints.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chaos::cluster::{Cluster, Failure, Plan};
use chaos::fault::Fault;
use chaos::otp::race;
use chaos::run::{Course, run};
use clap::Parser;

/// Faults in and between the processes of a cluster, stock clients that talk through them, and a verdict.
#[derive(Parser)]
#[command(name = "chatify-chaos")]
struct Arguments {
    /// How long faults are made; without it every kind comes once
    #[arg(long)]
    minutes: Option<u64>,
    /// Replays the faults of an earlier run
    #[arg(long)]
    seed: Option<u64>,
    /// Only these kinds; may be repeated
    #[arg(long, value_parser = fault)]
    only: Vec<Fault>,
    /// Clients
    #[arg(long, default_value_t = 60)]
    people: usize,
    /// Only this transport, `websocket` or `polling`; without it a third of the clients each, and the default that upgrades
    #[arg(long)]
    transport: Option<String>,
    /// Instead: so many codes by mail, each raced for, with a failover of Redis in between
    #[arg(long)]
    otp_races: Option<u64>,
    /// The top of the repository
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// The program to run; without it, it is built
    #[arg(long)]
    binary: Option<PathBuf>,
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::named(name).ok_or_else(|| {
        let names: Vec<String> = Fault::ALL.into_iter().map(Fault::name).collect();
        format!("known faults: {}", names.join(", "))
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failed) => {
            say(&format!("the run gives no result: {failed}"));
            ExitCode::from(2)
        }
    }
}

async fn serve(arguments: Arguments) -> Result<bool, Failure> {
    let seed = arguments
        .seed
        .unwrap_or_else(|| u64::from(std::process::id()));
    let plan = Plan {
        root: std::path::absolute(arguments.root)?,
        name: "chaos".to_owned(),
        binary: arguments.binary,
    };
    let mut course = Course {
        lasts: arguments
            .minutes
            .map(|minutes| Duration::from_secs(60 * minutes)),
        people: arguments.people,
        transport: arguments.transport,
        ..Course::new(seed)
    };
    if !arguments.only.is_empty() {
        course.deck = arguments.only;
    }
    let cluster = Cluster::start(plan.clone()).await?;
    let told = tokio::select! {
        told = tell(&cluster, &plan, &course, arguments.otp_races) => told,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(Failure("interrupted".to_owned()))
        }
    };
    cluster.down().await?;
    told
}

/// Runs what was asked for and prints it; gives whether it holds.
async fn tell(
    cluster: &Cluster,
    plan: &Plan,
    course: &Course,
    otp_races: Option<u64>,
) -> Result<bool, Failure> {
    if let Some(count) = otp_races {
        let races = race(cluster, &plan.root, (count, course.seed)).await?;
        say(&races.to_string());
        return Ok(races.holds());
    }
    let report = run(cluster, plan, course, &mut say).await?;
    say(&format!("\n{report}"));
    Ok(report.holds())
}

fn say(line: &str) {
    // A reader that closed the pipe has seen enough; the verdict is the exit code.
    drop(writeln!(std::io::stdout(), "{line}"));
}

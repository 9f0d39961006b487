//! A run: a cluster, a crew that talks through it, faults from a deck that is shuffled by the seed, a pause for recovery
//! after each, and the report at the end.

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::cluster::{Cluster, Failure, Plan};
use crate::crew::{Crew, MailOrders, Orders};
use crate::fault::Fault;
use crate::report::{Report, Strike};

/// How long things may take to recover: generous, since only "never" is a failure.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How a run is to be.
#[derive(Clone, Debug)]
pub struct Course {
    /// Everything that is drawn follows from it.
    pub seed: u64,
    /// Faults go on for so long; a deck that was begun is not finished. None deals the deck once.
    pub lasts: Option<Duration>,
    /// The faults of the deck; a kind may stand in it more than once.
    pub deck: Vec<Fault>,
    /// Clients.
    pub people: usize,
    /// Rooms.
    pub rooms: usize,
    /// Members of each room.
    pub members: usize,
    /// Between two messages of one member in one room.
    pub between: Duration,
    /// Only this transport; none for all of them.
    pub transport: Option<String>,
}

impl Course {
    /// Sixty people in six rooms, all faults.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            lasts: None,
            deck: Fault::ALL.to_vec(),
            people: 60,
            rooms: 6,
            members: 15,
            between: Duration::from_millis(2_500),
            transport: None,
        }
    }
}

/// Is told a line whenever something happens.
pub type Say<'a> = &'a mut (dyn FnMut(&str) + Send);

/// Runs it on a cluster that stands; `say` is told a line whenever something happens.
pub async fn run(
    cluster: &Cluster,
    plan: &Plan,
    course: &Course,
    say: Say<'_>,
) -> Result<Report, Failure> {
    let mut chance = Chance::new(course.seed);
    let history = cluster.folder().join("history.jsonl");
    let orders = Orders {
        url: cluster.url(),
        people: seed_people(cluster, course).await?,
        seed: course.seed,
        between_millis: course.between.as_millis() as u64,
        reconnect_millis: 20_000,
        history: history.clone(),
        patience_millis: PATIENCE.as_millis() as u64,
        transport: course.transport.clone(),
        mail: Some(MailOrders {
            sink: cluster.mails(),
            every_millis: 700,
            tag: format!("run-{}", course.seed),
        }),
    };
    let mut crew = Crew::start(&plan.root, &cluster.folder(), &orders).await?;
    say(&format!(
        "{} people talk, seed {}",
        course.people, course.seed
    ));
    let mut strikes = Vec::new();
    let struck = strike(
        cluster,
        &mut crew,
        (course, &mut chance),
        (&mut strikes, say),
    )
    .await;
    let ended = crew.finish(PATIENCE * 4).await;
    // Even when a fault could not be undone or the crew found no end, what was seen until then is judged.
    let failures = [struck.err(), ended.as_ref().err().cloned()];
    let failures = failures.into_iter().flatten().map(|failed| failed.0);
    let mut report = Report::of(&history, course.seed, strikes, ended.unwrap_or_default())?;
    report.failures.extend(failures);
    Ok(report)
}

async fn strike(
    cluster: &Cluster,
    crew: &mut Crew,
    (course, chance): (&Course, &mut Chance),
    (strikes, say): (&mut Vec<Strike>, Say<'_>),
) -> Result<(), Failure> {
    let until = course.lasts.map(|lasts| Instant::now() + lasts);
    if !crew.recovers(0, PATIENCE).await? {
        return Err(Failure(format!(
            "it is not well before any fault: {:?}",
            crew.status()
        )));
    }
    loop {
        for fault in chance.shuffled(course.deck.clone()) {
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(());
            }
            let from = crew.now();
            let what = fault
                .strike(cluster, chance)
                .await
                .map_err(|failed| Failure(format!("{}: {failed}", fault.name())))?;
            let mended = crew.now();
            let recovered = crew.recovers(mended, PATIENCE).await?.then(|| crew.now());
            let status = crew.status();
            say(&format!(
                "{:>6.1} s  {:<20} {what}; well after {}; {} acknowledged",
                from as f64 / 1_000.0,
                fault.name(),
                recovered.map_or("NEVER".to_owned(), |at| format!(
                    "{:.1} s",
                    (at - mended) as f64 / 1_000.0
                )),
                status.acked
            ));
            let stuck = recovered.is_none();
            strikes.push(Strike {
                fault,
                what,
                from,
                mended,
                recovered,
            });
            if stuck {
                say(&format!("it does not recover: {status:?}"));
                return Ok(());
            }
            sleep(chance.millis(500, 3_000)).await;
        }
        if until.is_none() {
            return Ok(());
        }
    }
}

/// People and rooms in bulk, by the product's own command.
async fn seed_people(
    cluster: &Cluster,
    course: &Course,
) -> Result<Vec<serde_json::Value>, Failure> {
    let file: PathBuf = cluster.folder().join("people.jsonl");
    let output = Command::new(cluster.binary())
        .arg("--config")
        .arg(cluster.settings("auth"))
        .args(["seed", "--users", &course.people.to_string()])
        .args([
            "--rooms",
            &course.rooms.to_string(),
            "--members",
            &course.members.to_string(),
        ])
        .arg("--out")
        .arg(&file)
        .output()
        .await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure(format!("people could not be seeded: {said}")));
    }
    let lines = std::fs::read_to_string(&file)?;
    lines
        .lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

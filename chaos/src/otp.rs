//! A code is used once, whatever Redis forgets: races of several verifies of each right code, a failover of Redis in the
//! middle, and one more verify of each at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::chance::Chance;
use crate::cluster::{Cluster, Failure};
use crate::fault::Fault;

/// Between two words of the racers: a thousand races take their time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What came of it. Shown, it is one line.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Races {
    /// Codes.
    pub races: u64,
    /// Verifies.
    pub tries: u64,
    /// Codes that let exactly one in.
    pub once: u64,
    /// Codes that let nobody in; right only where an answer was lost.
    pub never: u64,
    /// Of those, codes with a lost answer.
    pub never_unclear: u64,
    /// Codes that let more than one in: none is right.
    pub twice: u64,
    /// Answers that were lost.
    pub unclear: u64,
    /// Refusals by their codes.
    pub answers: BTreeMap<String, u64>,
}

impl Races {
    /// Whether each code was used once.
    pub fn holds(&self) -> bool {
        self.races > 0 && self.twice == 0 && self.never == self.never_unclear
    }
}

impl fmt::Display for Races {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            races, tries, once, ..
        } = self;
        write!(
            f,
            "{races} codes, {tries} verifies: used once {once}, twice {}, never {} ({} answers lost); refusals {:?}",
            self.twice, self.never, self.unclear, self.answers
        )
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Word {
    Half(serde::de::IgnoredAny),
    Done(Races),
    Failed(String),
}

/// Runs them. `root` is the top of the repository.
pub async fn race(
    cluster: &Cluster,
    root: &Path,
    (races, seed): (u64, u64),
) -> Result<Races, Failure> {
    let file = cluster.folder().join("otp.json");
    let orders = serde_json::json!({
        "url": cluster.url(), "sink": cluster.mails(), "races": races,
        "tag": format!("race-{seed}"), "patienceMillis": 60_000,
    });
    std::fs::write(&file, orders.to_string())?;
    let mut child = Command::new("node")
        .arg(root.join("tests/e2e/crew/otp.mjs"))
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Failure("the racers have no pipes".to_owned()));
    };
    let mut lines = BufReader::new(stdout).lines();
    loop {
        let line = timeout(PATIENCE, lines.next_line()).await??;
        let line = line.ok_or_else(|| Failure("the racers ended without a word".to_owned()))?;
        match serde_json::from_str(&line)? {
            Word::Half(_) => {
                let mut chance = Chance::new(seed);
                Fault::RedisMasterKilled
                    .strike(cluster, &mut chance)
                    .await?;
                stdin.write_all(b"go on\n").await?;
            }
            Word::Done(races) => return Ok(races),
            Word::Failed(why) => return Err(Failure(why)),
        }
    }
}

//! The load: stock Socket.IO clients in a process of Node.js (`tests/e2e/crew`), told to begin and to end, heard twice a
//! second. What they saw they write into a history file themselves.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::cluster::Failure;

/// What the crew is told once.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Orders {
    /// Where to connect.
    pub url: String,
    /// Lines of `chatify seed`.
    pub people: Vec<serde_json::Value>,
    /// From which they draw.
    pub seed: u64,
    /// Between two messages of one person in one room, on average.
    pub between_millis: u64,
    /// Between two losses of one person's network, on average.
    pub reconnect_millis: u64,
    /// Where the history goes.
    pub history: PathBuf,
    /// How long things may take to recover before that is a failure.
    pub patience_millis: u64,
    /// Only this transport (`websocket` or `polling`); none for a third each: WebSocket, polling, the default that upgrades.
    pub transport: Option<String>,
    /// People who ask for codes by mail; none for no mails.
    pub mail: Option<MailOrders>,
}

/// Who asks for codes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailOrders {
    /// Where the mails can be read.
    pub sink: String,
    /// Between two requests.
    pub every_millis: u64,
    /// Begins every address.
    pub tag: String,
}

/// How the crew is, by its own clock.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Milliseconds of the history's clock.
    pub at: u64,
    /// Clients whose connection stands.
    pub connected: u64,
    /// Clients.
    pub of: u64,
    /// Pairs of member and room that lack what another member had half a second ago.
    pub behind: u64,
    /// How long the oldest message waits for its acknowledgement.
    pub oldest_send_millis: u64,
    /// Messages acknowledged so far.
    pub acked: u64,
}

/// Of a hundred clients so many may be away for reasons of their own: they lose their network now and then.
const AWAY_PERCENT: u64 = 10;
/// A message that waits for longer says that things are not well yet.
const WELL_SEND_MILLIS: u64 = 1_500;

impl Status {
    /// Whether nothing shows that a fault is still felt.
    pub fn is_well(&self) -> bool {
        self.connected * 100 >= self.of * (100 - AWAY_PERCENT)
            && self.behind * 100 <= self.of * AWAY_PERCENT
            && self.oldest_send_millis < WELL_SEND_MILLIS
    }
}

/// What the crew says at its end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Rooms whose whole log was read back.
    pub rooms: u64,
    /// Messages that were refused for good: none is right.
    pub given_up: Vec<String>,
    /// Places where a client saw the order broken: none is right.
    pub breaks: Vec<String>,
    /// Times that a client was let in.
    pub readies: u64,
    /// Codes of refused connections.
    pub refusals: Vec<String>,
    /// What became of the mails.
    pub mails: Option<Mails>,
}

/// What became of the mails.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Mails {
    /// Requests that were answered 202.
    pub asked: u64,
    /// Addresses of those that got a mail.
    pub delivered: u64,
    /// Those that got none.
    pub missing: u64,
    /// Those that got more than one.
    pub doubled: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Word {
    Ready(serde::de::IgnoredAny),
    Status(Status),
    Done(Done),
    Failed(String),
}

/// A crew that talks. Its process ends with this value.
#[derive(Debug)]
pub struct Crew {
    child: Child,
    stdin: ChildStdin,
    status: watch::Receiver<(Status, Instant)>,
    end: tokio::sync::oneshot::Receiver<Result<Done, String>>,
}

impl Crew {
    /// Starts it in `root` and waits until everybody is let in. `folder` is for its orders.
    pub async fn start(root: &Path, folder: &Path, orders: &Orders) -> Result<Self, Failure> {
        let file = folder.join("crew.json");
        std::fs::write(&file, serde_json::to_vec(orders)?)?;
        let log = std::fs::File::create(folder.join("crew.log"))?;
        let mut child = Command::new("node")
            .arg(root.join("tests/e2e/crew/main.mjs"))
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure("the crew has no pipes".to_owned()));
        };
        let mut lines = BufReader::new(stdout).lines();
        let patience = Duration::from_millis(orders.patience_millis + 30_000);
        match timeout(patience, next(&mut lines)).await {
            Ok(Some(Word::Ready(_))) => {}
            other => {
                let said = std::fs::read_to_string(folder.join("crew.log")).unwrap_or_default();
                return Err(Failure(format!(
                    "the crew was not let in: {other:?}\n{said}"
                )));
            }
        }
        let (telling, status) = watch::channel((Status::default(), Instant::now()));
        let (ending, end) = tokio::sync::oneshot::channel();
        TaskTracker::new().spawn(async move {
            let ended = listen(lines, telling).await;
            drop(ending.send(ended));
        });
        Ok(Self {
            child,
            stdin,
            status,
            end,
        })
    }

    /// Now, on the history's clock.
    pub fn now(&self) -> u64 {
        let (status, at) = *self.status.borrow();
        status.at + at.elapsed().as_millis() as u64
    }

    /// How it was at the latest word.
    pub fn status(&self) -> Status {
        self.status.borrow().0
    }

    /// Waits until it is well, twice in a row and after `since` of its clock. False when the patience ended first.
    pub async fn recovers(&mut self, since: u64, patience: Duration) -> Result<bool, Failure> {
        let until = Instant::now() + patience;
        let mut well = 0;
        while well < 2 {
            let told = tokio::time::timeout_at(until, self.status.changed()).await;
            match told {
                Err(_) => return Ok(false),
                Ok(Err(_)) => return Err(Failure("the crew has ended by itself".to_owned())),
                Ok(Ok(())) => {
                    let now = self.status();
                    well = if now.at > since && now.is_well() {
                        well + 1
                    } else {
                        0
                    };
                }
            }
        }
        Ok(true)
    }

    /// Has it fall silent, wait for everything and write the end of the history.
    pub async fn finish(mut self, patience: Duration) -> Result<Done, Failure> {
        self.stdin.write_all(b"stop\n").await?;
        let done = timeout(patience, &mut self.end).await;
        let done = match done {
            Ok(Ok(done)) => done.map_err(Failure),
            Ok(Err(_)) => Err(Failure("the crew has ended without a word".to_owned())),
            Err(_) => Err(Failure(format!(
                "the crew did not come to an end within {patience:?}"
            ))),
        };
        self.child.wait().await?;
        done
    }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Word> {
    let line = lines.next_line().await.ok()??;
    serde_json::from_str(&line).ok()
}

async fn listen(
    mut lines: Lines<BufReader<ChildStdout>>,
    telling: watch::Sender<(Status, Instant)>,
) -> Result<Done, String> {
    loop {
        match next(&mut lines).await {
            Some(Word::Status(status)) => {
                telling.send_replace((status, Instant::now()));
            }
            Some(Word::Done(done)) => return Ok(done),
            Some(Word::Failed(why)) => return Err(why),
            Some(Word::Ready(_)) => {}
            None => return Err("it ended, or said what is no word of it; see crew.log".to_owned()),
        }
    }
}

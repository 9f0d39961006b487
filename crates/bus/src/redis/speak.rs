//! Publishing to one server: everything that waits goes with one write, and nobody waits for it. What the server does
//! not take is dropped and counted, since hints are repaired by whoever misses them.

use std::sync::Arc;

use protocol::envelope::Envelope;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::redis::fleet::{Command, Fleet, Station, Word};
use crate::redis::line::{PAUSE_MAX, PAUSE_MIN};
use crate::redis::map;

/// Envelopes of one write: with hints of 1 KB half a megabyte.
const BATCH_MAX: usize = 512;

/// Publishes what comes until the bus is hushed, and then what still waits.
pub(crate) async fn speak(
    fleet: Arc<Fleet>,
    station: Arc<Station>,
    mut queue: mpsc::Receiver<Word>,
) {
    let mut mouth = Mouth {
        fleet,
        station,
        connection: None,
        pause: PAUSE_MIN,
        again_at: Instant::now(),
    };
    let mut batch = Vec::new();
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            () = mouth.station.hushed.cancelled(), if open => {
                queue.close();
                open = false;
            }
            taken = queue.recv_many(&mut batch, BATCH_MAX) => {
                if taken == 0 {
                    return;
                }
                mouth.say(&mut batch).await;
                batch.clear();
            }
        }
    }
}

struct Mouth {
    fleet: Arc<Fleet>,
    station: Arc<Station>,
    connection: Option<MultiplexedConnection>,
    /// The pause after the next failure to connect, and until when the last one lasts.
    pause: std::time::Duration,
    again_at: Instant,
}

impl Mouth {
    async fn say(&mut self, batch: &mut Vec<Word>) {
        let command = self.fleet.command(Command::Publish);
        let mut pipeline = Pipeline::with_capacity(batch.len());
        for word in batch.iter() {
            // Envelopes are plain data: there is nothing in them that JSON cannot say.
            let body = serde_json::to_vec(&word.envelope).unwrap_or_default();
            let sealed = self.fleet.key.seal(&word.name, &body);
            if matches!(word.envelope, Envelope::Grown { .. }) {
                self.fleet.own.keep(&sealed);
            }
            pipeline.cmd(command).arg(word.name.as_bytes()).arg(sealed);
        }
        match self.send(&pipeline, batch.len()).await {
            Ok(answers) => self.settle(batch, &answers),
            Err(error) => {
                tracing::debug!(server = self.station.server, %error, dropped = batch.len(), "hints were not published");
                self.fleet.counters.publish_dropped.add(batch.len());
                self.fleet.doubt.notify_one();
            }
        }
    }

    async fn send(&mut self, pipeline: &Pipeline, count: usize) -> Result<Vec<Value>, RedisError> {
        let old = self.connection.take();
        let was_old = old.is_some();
        let mut connection = match old {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut answers = connection.send_packed_commands(pipeline, 0, count).await;
        // A connection that was closed while nothing was said shows it only now. Whoever hears it twice bears it.
        if was_old && answers.as_ref().is_err_and(|error| !error.is_timeout()) {
            connection = self.connect().await?;
            answers = connection.send_packed_commands(pipeline, 0, count).await;
        }
        let answers = answers?;
        self.connection = Some(connection);
        Ok(answers)
    }

    async fn connect(&mut self) -> Result<MultiplexedConnection, RedisError> {
        if Instant::now() < self.again_at {
            return Err(RedisError::from(std::io::Error::from(
                std::io::ErrorKind::NotConnected,
            )));
        }
        let connected = self.fleet.access.connect(&self.station.server, None).await;
        if connected.is_ok() {
            self.pause = PAUSE_MIN;
            self.fleet.counters.connections.add(1);
        } else {
            self.again_at = Instant::now() + self.pause;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
        connected
    }

    /// Looks at each answer: what belongs to another server goes there once.
    fn settle(&self, batch: &mut Vec<Word>, answers: &[Value]) {
        let mut failed = 0;
        for (word, answer) in batch.drain(..).zip(answers) {
            let Value::ServerError(error) = answer else {
                self.fleet.counters.published.add(1);
                continue;
            };
            let moved = (error.code() == "MOVED")
                .then(|| map::read_moved(error.details()?, &self.station.server))
                .flatten();
            match moved {
                Some((slot, server)) if !word.moved => {
                    self.fleet.moved(slot, &server);
                    self.fleet.route(Word {
                        moved: true,
                        ..word
                    });
                }
                _ => failed += 1,
            }
            self.fleet.doubt.notify_one();
        }
        if failed > 0 {
            self.fleet.counters.publish_dropped.add(failed);
            tracing::debug!(
                server = self.station.server,
                failed,
                "the server refused hints"
            );
        }
    }
}

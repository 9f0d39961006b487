//! The connection on which a server is asked: made in the background, looked after by a ping each second, made again
//! when it fails. Whoever asks never waits for a connection longer than they want to.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::watch;

use crate::redis::fleet::{Fleet, Station};

/// How often a quiet line is tried.
const PING_PERIOD: Duration = Duration::from_secs(1);
/// The pause after the first failure to connect; doubled up to [`PAUSE_MAX`].
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause between two tries.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Where the connection is, when there is one.
pub(crate) struct Line(watch::Receiver<Option<MultiplexedConnection>>);

/// The other end of a line.
pub(crate) type LineEnd = watch::Sender<Option<MultiplexedConnection>>;

pub(crate) fn new() -> (Line, LineEnd) {
    let (end, line) = watch::channel(None);
    (Line(line), end)
}

impl Line {
    /// The connection, if there is one.
    pub(crate) fn now(&self) -> Option<MultiplexedConnection> {
        self.0.borrow().clone()
    }

    /// The connection, as soon as there is one.
    pub(crate) async fn soon(&self) -> Option<MultiplexedConnection> {
        let mut line = self.0.clone();
        let found = line.wait_for(Option::is_some).await.ok()?;
        found.clone()
    }
}

/// Keeps a station's line until the station is over.
pub(crate) async fn keep(fleet: Arc<Fleet>, station: Arc<Station>, end: LineEnd) {
    let keeping = async {
        let mut pause = PAUSE_MIN;
        loop {
            let connected = fleet.access.connect(&station.server, None).await;
            fleet.tried(&station.server, &connected);
            match connected {
                Ok(connection) => {
                    pause = PAUSE_MIN;
                    fleet.counters.connections.add(1);
                    end.send_replace(Some(connection.clone()));
                    let error = until_it_fails(connection).await;
                    end.send_replace(None);
                    tracing::warn!(server = station.server, %error, "the line to Redis is lost");
                }
                Err(error) => {
                    tracing::debug!(server = station.server, %error, "Redis cannot be reached");
                }
            }
            fleet.doubt.notify_one();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    };
    tokio::select! {
        () = keeping => {}
        () = station.over.cancelled() => {}
    }
    end.send_replace(None);
}

async fn until_it_fails(mut connection: MultiplexedConnection) -> redis::RedisError {
    loop {
        tokio::time::sleep(PING_PERIOD).await;
        if let Err(error) = connection.send_packed_command(&redis::cmd("PING")).await {
            return error;
        }
    }
}

//! One connection through a proxy: two directions, each a reader and a writer with a short queue between them, so that a
//! delay does not narrow the line. Ends carry over: an end of one side's speech is an end to the other, a reset a reset.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::origin::Origins;
use super::weather::{Forecast, Lane, Weather};

/// Pieces under way in one direction, and the size of one: with a delay of a second that still is some MB/s.
const UNDER_WAY: usize = 256;
const PIECE_BYTES: usize = 16 * 1024;

struct Piece {
    due: Instant,
    bytes: Vec<u8>,
}

/// Who may connect, and from where this one did.
pub(super) struct Caller {
    pub(super) origins: Option<Origins>,
    pub(super) peer: SocketAddr,
}

/// What the four halves of a connection share.
struct Line {
    caller: Caller,
    /// The caller's name, once somebody wanted to know it.
    name: OnceLock<Option<String>>,
    forecast: watch::Receiver<Forecast>,
    /// Bytes that passed since the weather changed.
    passed: AtomicU64,
    /// Bytes were swallowed: what follows would be nonsense.
    torn: AtomicBool,
}

#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
}

impl Line {
    fn weather(&self) -> Weather {
        self.forecast.borrow().of(self.name())
    }

    fn name(&self) -> Option<&str> {
        self.name.get()?.as_deref()
    }

    /// Finds out who calls, as soon as the weather is not the same for all: a look is dear, and a server that is away is
    /// called often.
    async fn know_the_caller(&self) {
        let Some(origins) = self.caller.origins.clone() else {
            return;
        };
        if self.name.get().is_some() || self.forecast.borrow().of.is_empty() {
            return;
        }
        let peer = self.caller.peer;
        let looked = tokio::task::spawn_blocking(move || origins.name_of(peer)).await;
        // Twice known is known.
        drop(self.name.set(looked.unwrap_or(None)));
    }

    fn lane(&self, way: Way) -> Lane {
        let weather = self.weather();
        match way {
            Way::Up => weather.up,
            Way::Down => weather.down,
        }
    }

    /// Until nothing is frozen. The sender of the forecast outlives its connections; if not, the line just goes on.
    async fn thaw(&self) {
        let mut forecast = self.forecast.clone();
        let thawed = forecast.wait_for(|forecast| !forecast.of(self.name()).frozen);
        drop(thawed.await);
    }
}

/// Carries one connection until both directions have ended, one broke, or the weather says so.
pub(super) async fn carry(
    client: TcpStream,
    upstream: SocketAddr,
    caller: Caller,
    mut forecast: watch::Receiver<Forecast>,
) {
    let (cuts, changes) = {
        let now = forecast.borrow_and_update();
        (now.cuts, now.changes)
    };
    let line = Arc::new(Line {
        caller,
        name: OnceLock::new(),
        forecast: forecast.clone(),
        passed: AtomicU64::new(0),
        torn: AtomicBool::new(false),
    });
    line.know_the_caller().await;
    if line.weather().refuse {
        return reset(&client);
    }
    line.thaw().await;
    let Ok(server) = TcpStream::connect(upstream).await else {
        return reset(&client);
    };
    // Small frames in both directions: what a proxy holds back would look like a fault of the servers.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let both = async {
        tokio::try_join!(
            direction(&line, Way::Up, from_client, to_server),
            direction(&line, Way::Down, from_server, to_client)
        )
    };
    // Whatever breaks off here resets both sides: halves that did not end in peace do so when they are dropped. What is
    // under way goes on while somebody looks who calls: one slow look must not part everybody from the server.
    tokio::select! {
        _ = both => {}
        () = until_the_weather_ends_it(&line, forecast, (cuts, changes)) => {}
    }
}

async fn until_the_weather_ends_it(
    line: &Line,
    mut forecast: watch::Receiver<Forecast>,
    (cuts, mut changes): (u64, u64),
) {
    while forecast.changed().await.is_ok() {
        line.know_the_caller().await;
        let now = forecast.borrow_and_update().clone();
        let weather = now.of(line.name());
        let mended = line.torn.load(Relaxed) && !weather.up.blackhole && !weather.down.blackhole;
        if now.cuts != cuts || mended {
            return;
        }
        if now.changes != changes {
            changes = now.changes;
            line.passed.store(0, Relaxed);
        }
    }
}

/// A writing half that resets its connection unless it was ended in peace.
struct Half(Option<OwnedWriteHalf>);

impl Half {
    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Some(to) => to.write_all(bytes).await,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// The end of speech.
    async fn end(mut self) -> io::Result<()> {
        match self.0.take() {
            Some(mut to) => to.shutdown().await,
            None => Ok(()),
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if let Some(to) = self.0.take() {
            reset(to.as_ref());
            // Dropped, it would end its speech in peace before the socket is closed.
            to.forget();
        }
    }
}

/// One direction, from the first byte to the end of speech.
async fn direction(
    line: &Line,
    way: Way,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
) -> io::Result<()> {
    let (pieces, arriving) = mpsc::channel(UNDER_WAY);
    let to = Half(Some(to));
    tokio::try_join!(
        read(line, way, from, pieces),
        write(line, way, to, arriving)
    )
    .map(|_| ())
}

async fn read(
    line: &Line,
    way: Way,
    mut from: OwnedReadHalf,
    pieces: mpsc::Sender<Piece>,
) -> io::Result<()> {
    let chance = RandomState::new();
    let mut last = Instant::now();
    for number in 0_u64.. {
        line.thaw().await;
        let mut bytes = Vec::with_capacity(PIECE_BYTES);
        if from.read_buf(&mut bytes).await? == 0 {
            // No sender, no more pieces: the writer ends the speech after the last one.
            return Ok(());
        }
        let lane = line.lane(way);
        if lane.blackhole {
            line.torn.store(true, Relaxed);
            continue;
        }
        let jitter_nanos = u64::try_from(lane.jitter.as_nanos()).unwrap_or(u64::MAX);
        // Not from the seed: how the kernel cuts a stream into pieces is not repeatable either.
        let drawn = chance.hash_one(number).checked_rem(jitter_nanos);
        let jitter = Duration::from_nanos(drawn.unwrap_or(0));
        last = last.max(Instant::now() + lane.delay + jitter);
        let piece = Piece { due: last, bytes };
        if pieces.send(piece).await.is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
    Ok(())
}

async fn write(
    line: &Line,
    way: Way,
    mut half: Half,
    mut arriving: mpsc::Receiver<Piece>,
) -> io::Result<()> {
    while let Some(Piece { due, bytes }) = arriving.recv().await {
        sleep_until(due).await;
        line.thaw().await;
        if line.torn.load(Relaxed) && line.lane(way).blackhole {
            continue;
        }
        let length = bytes.len() as u64;
        let passed = line.passed.fetch_add(length, Relaxed);
        if let Some(cut_after) = line.weather().cut_after
            && passed + length > cut_after
        {
            let rest = usize::try_from(cut_after.saturating_sub(passed)).unwrap_or(0);
            half.say(&bytes[..rest]).await?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        half.say(&bytes).await?;
        if let Some(rate) = line.lane(way).bytes_per_second {
            sleep(Duration::from_secs(1).mul_f64(length as f64 / f64::from(rate.max(1)))).await;
        }
    }
    half.end().await
}

/// The other side gets a RST and not an end of speech. A socket that is gone already needs none.
fn reset(socket: &TcpStream) {
    drop(socket.set_zero_linger());
}

//! Listening to one server: one connection, every channel that the server owns and somebody here wants, and a beat to
//! oneself each second, so that a frozen server or a half-open connection is noticed.
//!
//! Confirmations are taken from the pushes, in the order in which the server sent them, and never from the answers of
//! requests: the `redis` crate takes a `sunsubscribe` that the server sends by itself for an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::rand;
use protocol::envelope::Envelope;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, PushInfo, PushKind, RedisError, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use crate::redis::fleet::{Command, Fleet, Station};
use crate::redis::line::{PAUSE_MAX, PAUSE_MIN};
use crate::redis::map;
use crate::redis::wanted::{Place, Work};
use crate::seal::{Kind, Name};

/// How often a connection says something to itself.
const BEAT_PERIOD: Duration = Duration::from_secs(1);
/// How long it may not hear itself before it counts as dead.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Channels of one write.
const BATCH_MAX: usize = 512;
/// How soon what a server refused is asked for again.
const AGAIN: Duration = Duration::from_millis(100);
/// Names that are tried for a beat that this server owns: a server of a thousandth of all slots still finds one.
const BEAT_TRIES: usize = 10_000;

/// Listens until the bus is hushed.
pub(crate) async fn listen(fleet: Arc<Fleet>, station: Arc<Station>) {
    let listening = async {
        let mut pause = PAUSE_MIN;
        for generation in 1.. {
            until_wanted(&fleet, &station).await;
            let place = Place {
                station: station.id,
                generation,
            };
            match Session::open(&fleet, &station, place).await {
                Ok((session, connection)) => {
                    pause = PAUSE_MIN;
                    fleet.counters.connections.add(1);
                    let why = tokio::select! {
                        why = session.run(connection) => why,
                        () = station.distrusted.notified() => "what is said does not come".to_owned(),
                    };
                    tracing::warn!(
                        server = station.server,
                        why,
                        "the subscriptions of a server are lost"
                    );
                }
                Err(error) => {
                    tracing::debug!(server = station.server, %error, "Redis cannot be reached");
                }
            }
            leave(&fleet, station.id);
            fleet.doubt.notify_one();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    };
    tokio::select! {
        () = listening => {}
        () = station.hushed.cancelled() => {}
    }
    // Whatever it was about when it was dropped.
    leave(&fleet, station.id);
}

/// A process that only asks (the limits of a sign-in) listens to nobody, and has no connection for it.
async fn until_wanted(fleet: &Fleet, station: &Station) {
    loop {
        let layout = fleet.layout();
        if fleet
            .wanted()
            .concerns(station.id, |name| layout.owner_id(name))
        {
            return;
        }
        station.poke.notified().await;
    }
}

fn leave(fleet: &Fleet, station: u32) {
    let lost = fleet.wanted().gone(station);
    fleet.count();
    // At the end nobody wants to know.
    if lost && !fleet.hushed.is_cancelled() {
        fleet.lost();
    }
}

/// One connection's life.
struct Session {
    fleet: Arc<Fleet>,
    station: Arc<Station>,
    ear: Arc<Ear>,
}

/// What the connection's own task does with pushes; it never waits.
struct Ear {
    fleet: Arc<Fleet>,
    station: Arc<Station>,
    place: Place,
    beat: Name,
    opened: Instant,
    /// When the last beat was heard, in milliseconds after `opened`.
    heard_ms: AtomicU64,
    broken: Notify,
    /// The server does not own the beat's slot any more.
    beat_ended: AtomicBool,
    /// The server has ended something that is wanted, and nobody was told yet: a failover ends hundreds at once.
    lost: AtomicBool,
}

impl Session {
    async fn open(
        fleet: &Arc<Fleet>,
        station: &Arc<Station>,
        place: Place,
    ) -> Result<(Self, MultiplexedConnection), RedisError> {
        let ear = Arc::new(Ear {
            fleet: Arc::clone(fleet),
            station: Arc::clone(station),
            place,
            beat: beat_of(fleet, station),
            opened: Instant::now(),
            heard_ms: AtomicU64::new(0),
            broken: Notify::new(),
            beat_ended: AtomicBool::new(false),
            lost: AtomicBool::new(false),
        });
        fleet.wanted().begin(place);
        let listening = Arc::clone(&ear);
        let on_push = Box::new(move |push| listening.on_push(push));
        let mut connection = fleet.access.connect(&station.server, Some(on_push)).await?;
        let mut pipeline = Pipeline::new();
        pipeline
            .cmd(fleet.command(Command::Subscribe))
            .arg(ear.beat.as_bytes());
        let answers = connection.send_packed_commands(&pipeline, 0, 1).await?;
        refused(&answers).map_or(Ok(()), |error| Err(RedisError::from(error)))?;
        ear.hear_beat();
        let session = Self {
            fleet: Arc::clone(fleet),
            station: Arc::clone(station),
            ear,
        };
        Ok((session, connection))
    }

    /// Keeps everything subscribed; returns why it cannot any more.
    async fn run(&self, mut connection: MultiplexedConnection) -> String {
        let mut beats = tokio::time::interval(BEAT_PERIOD);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut again = false;
        loop {
            let retry_at = Instant::now() + AGAIN;
            match self.work(&mut connection).await {
                Ok(refused) => again = refused || again,
                Err(error) => return error.to_string(),
            }
            tokio::select! {
                () = self.ear.broken.notified() => return "the connection was closed".to_owned(),
                () = self.station.poke.notified() => {}
                () = tokio::time::sleep_until(retry_at), if again => again = false,
                _ = beats.tick() => {
                    if let Err(why) = self.beat(&mut connection).await {
                        return why;
                    }
                }
            }
        }
    }

    /// Asks for all that is wanted here and not held. Says whether the server refused some of it.
    async fn work(&self, connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
        if self.ear.lost.swap(false, Ordering::Relaxed) {
            self.fleet.count();
            self.fleet.lost();
        }
        loop {
            let layout = self.fleet.layout();
            let place = self.ear.place;
            let work = self
                .fleet
                .wanted()
                .work(place, BATCH_MAX, |name| layout.owner_id(name));
            let count = work.subscribe.len() + work.unsubscribe.len();
            if count == 0 {
                return Ok(false);
            }
            let answers = self.ask(connection, &work, count).await;
            self.settled(&work);
            self.fleet.count();
            if let Some(error) = refused(&answers?) {
                self.on_refusal(&error);
                return Ok(true);
            }
        }
    }

    async fn ask(
        &self,
        connection: &mut MultiplexedConnection,
        work: &Work,
        count: usize,
    ) -> Result<Vec<Value>, RedisError> {
        let mut pipeline = Pipeline::with_capacity(count);
        // One command a channel: channels of several slots in one are refused.
        for name in &work.subscribe {
            pipeline
                .cmd(self.fleet.command(Command::Subscribe))
                .arg(name.as_bytes());
        }
        for name in &work.unsubscribe {
            pipeline
                .cmd(self.fleet.command(Command::Unsubscribe))
                .arg(name.as_bytes());
        }
        connection.send_packed_commands(&pipeline, 0, count).await
    }

    fn settled(&self, work: &Work) {
        let mut wanted = self.fleet.wanted();
        for topic in wanted.settled(self.ear.place, work) {
            self.fleet.teller.watched(topic);
        }
    }

    fn on_refusal(&self, error: &redis::ServerError) {
        tracing::debug!(server = self.station.server, %error, "a subscription was refused");
        if error.code() == "MOVED"
            && let Some(details) = error.details()
            && let Some((slot, server)) = map::read_moved(details, &self.station.server)
        {
            self.fleet.moved(slot, &server);
        }
        self.fleet.doubt.notify_one();
    }

    async fn beat(&self, connection: &mut MultiplexedConnection) -> Result<(), String> {
        if self.ear.beat_ended.load(Ordering::Relaxed) {
            return Err("the slot of its own beat has moved".to_owned());
        }
        if self.ear.silence() > SILENCE_MAX {
            return Err("it does not hear itself any more".to_owned());
        }
        let mut beat = redis::cmd(self.fleet.command(Command::Publish));
        beat.arg(self.ear.beat.as_bytes()).arg("");
        let answer = connection.send_packed_command(&beat).await;
        match answer.and_then(Value::extract_error) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn refused(answers: &[Value]) -> Option<redis::ServerError> {
    answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(error.clone()),
        _ => None,
    })
}

/// A random channel that this server owns.
fn beat_of(fleet: &Fleet, station: &Station) -> Name {
    let layout = fleet.layout();
    let mut seed = [0; 16];
    // Chance keeps the beats of two connections apart; were it out, the generation would still differ by the station.
    if rand::fill(&mut seed).is_err() {
        tracing::warn!("no random numbers; the beat's name is not random");
    }
    let mut names =
        (0..BEAT_TRIES as u64).map(|n| fleet.key.name(Kind::Beat, &[&seed, &n.to_be_bytes()]));
    names
        .find(|name| layout.owner_id(name) == Some(station.id))
        .unwrap_or_else(|| fleet.key.name(Kind::Beat, &[&seed]))
}

impl Ear {
    fn on_push(&self, push: PushInfo) {
        match (push.kind, &push.data[..]) {
            (
                PushKind::Message | PushKind::SMessage,
                [Value::BulkString(channel), Value::BulkString(body)],
            ) => {
                if channel == self.beat.as_bytes() {
                    self.hear_beat();
                } else {
                    self.hear(channel, body);
                }
            }
            (PushKind::Subscribe | PushKind::SSubscribe, [Value::BulkString(channel), ..]) => {
                if let Some(name) = Name::read(channel) {
                    let mut wanted = self.fleet.wanted();
                    // Read under the lock: whoever changes the owners looks at what is held afterwards.
                    let owner = self.fleet.layout().owner_id(&name);
                    if let Some(topic) = wanted.confirmed(name, self.place, owner) {
                        self.fleet.teller.watched(topic);
                    }
                }
            }
            (PushKind::Unsubscribe | PushKind::SUnsubscribe, [Value::BulkString(channel), ..]) => {
                self.on_end(channel);
            }
            (PushKind::Disconnection, _) => self.broken.notify_one(),
            _ => {}
        }
    }

    /// We asked for it, or the slot has moved, or the master has become a replica.
    fn on_end(&self, channel: &[u8]) {
        let Some(name) = Name::read(channel) else {
            return;
        };
        if name == self.beat {
            self.beat_ended.store(true, Ordering::Relaxed);
            self.fleet.doubt.notify_one();
            return;
        }
        let lost = self.fleet.wanted().ended(name, self.place);
        if lost {
            self.lost.store(true, Ordering::Relaxed);
            self.fleet.doubt.notify_one();
            self.station.poke.notify_one();
        }
    }

    fn hear(&self, channel: &[u8], sealed: &[u8]) {
        if self.fleet.own.is(sealed) {
            return;
        }
        let counters = &self.fleet.counters;
        let Some(body) = self.fleet.key.open(channel, sealed) else {
            counters.forged.add(1);
            return;
        };
        match serde_json::from_slice::<Envelope>(body) {
            Ok(envelope) => {
                counters.heard.add(1);
                counters.overflowed.add(self.fleet.teller.said(envelope));
            }
            Err(error) => {
                counters.unreadable.add(1);
                tracing::debug!(%error, "an envelope of another version");
            }
        }
    }

    fn hear_beat(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(now, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(heard)
    }
}

//! A line to the broker: one connection that is made again for as long as the queue lives. Nothing of a lost connection
//! is repaired: it is dropped whole, and the next one declares and subscribes from the beginning. That is why lapin's own
//! recovery is off: a call that fails at once is worth more here than one that may go on later.
//!
//! A dead connection is noticed by a missing answer (a cheap question every few seconds), by a missing heartbeat, or by a
//! missing confirmation, and its socket is shut by us: lapin's thread then ends even if its peer never says a word again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::{BasicQosOptions, ConfirmSelectOptions};
use lapin::{Channel, Connection, Event};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::dial::{Plug, dial};
use super::place::Place;
use super::topology::Names;
use crate::mail::QueueError;

/// How long a connection may take until all is declared. A broker that has just started takes seconds for its queues.
const OPEN_DEADLINE: Duration = Duration::from_secs(15);
/// How often a connection is asked whether it lives, and how long it may take to answer. Far above what a busy broker needs.
const PULSE_PERIOD: Duration = Duration::from_secs(5);
const PULSE_DEADLINE: Duration = Duration::from_secs(10);
/// Between attempts to connect: doubled from the first to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What a line is for. Two of them, since a broker that is short of memory stops reading from connections that publish,
/// and acknowledgements must not be stuck behind a publication.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Publishing,
    Consuming,
}

/// How a line stands.
#[derive(Clone)]
enum Stand {
    /// The first attempt is under way.
    Opening,
    Up(Arc<Session>),
    Down(String),
}

/// One line. Cheap to clone; clones are the same.
#[derive(Clone)]
pub(crate) struct Line(watch::Receiver<Stand>);

impl Line {
    /// A line that is kept by a task among these; it ends with them.
    pub(crate) fn keep(
        place: Place,
        names: Arc<Names>,
        role: Role,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (stand, watched) = watch::channel(Stand::Opening);
        tasks.spawn(keep(place, names, role, stand));
        Self(watched)
    }

    /// The connection. Waits for the outcome of the first attempt, bounded by its deadline, and for nothing else.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, QueueError> {
        let mut stand = self.0.clone();
        let stand = stand
            .wait_for(|stand| !matches!(stand, Stand::Opening))
            .await
            .map_err(|_| QueueError::Unavailable("closed".to_owned()))?
            .clone();
        match stand {
            Stand::Up(session) => Ok(session),
            Stand::Down(why) => Err(QueueError::Unavailable(why)),
            Stand::Opening => Err(QueueError::Unavailable("not connected yet".to_owned())),
        }
    }

    /// The connection as soon as there is one; `None` when the queue is closed.
    pub(crate) async fn up(&self) -> Option<Arc<Session>> {
        let mut stand = self.0.clone();
        let stand = stand.wait_for(|stand| match stand {
            Stand::Up(session) => !session.is_lost(),
            Stand::Opening | Stand::Down(_) => false,
        });
        match &*stand.await.ok()? {
            Stand::Up(session) => Some(Arc::clone(session)),
            Stand::Opening | Stand::Down(_) => None,
        }
    }

    /// Ends when the queue is closed.
    pub(crate) async fn closed(&self) {
        let mut stand = self.0.clone();
        while stand.changed().await.is_ok() {}
    }
}

async fn keep(place: Place, names: Arc<Names>, role: Role, stand: watch::Sender<Stand>) {
    let (broker, mut wait, mut said) = (place.shown(), FIRST_WAIT, String::new());
    loop {
        let why = match Session::open(&place, &names, role).await {
            Ok(session) => {
                info!(broker, ?role, "connected to RabbitMQ");
                stand.send_replace(Stand::Up(Arc::clone(&session)));
                (wait, said) = (FIRST_WAIT, String::new());
                session.tend().await
            }
            Err(why) => why,
        };
        // Once for each reason: a broker that is away for an hour is one line.
        if why == said {
            debug!(broker, ?role, why, "RabbitMQ is still away");
        } else {
            warn!(broker, ?role, why, "RabbitMQ is away; tried again");
            said.clone_from(&why);
        }
        stand.send_replace(Stand::Down(why));
        sleep(wait + jitter(wait)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Up to as much again, so that a cluster does not come back in one moment.
fn jitter(wait: Duration) -> Duration {
    let mut byte = [0];
    match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => wait * u32::from(byte[0]) / 256,
        Err(_) => wait,
    }
}

/// How a connection is.
#[derive(Clone, PartialEq, Eq)]
enum Health {
    Well,
    /// The broker is short of memory or disk and reads nothing from us.
    Blocked(String),
    Lost(String),
}

/// One connection, from its start to its loss.
pub(crate) struct Session {
    connection: Connection,
    /// Publications that are confirmed.
    pub(crate) confirmed: Channel,
    /// Publications that are not, and the pulse.
    pub(crate) plain: Channel,
    health: watch::Sender<Health>,
    plug: Plug,
}

impl Session {
    async fn open(place: &Place, names: &Names, role: Role) -> Result<Arc<Self>, String> {
        let plug = Plug::default();
        let opened = timeout(OPEN_DEADLINE, async {
            let connection = dial(place, role, plug.clone()).await?;
            let confirmed = connection.create_channel().await?;
            names.declare(&confirmed).await?;
            let confirms = ConfirmSelectOptions::default();
            confirmed.confirm_select(confirms).await?;
            let plain = connection.create_channel().await?;
            Ok::<_, lapin::Error>((connection, confirmed, plain))
        })
        .await;
        let failed = |why: String| {
            plug.pull();
            why
        };
        let (connection, confirmed, plain) = opened
            .map_err(|_| {
                failed(format!(
                    "no connection within {} s",
                    OPEN_DEADLINE.as_secs()
                ))
            })?
            .map_err(|error| failed(told(&error)))?;
        let session = Self {
            connection,
            confirmed,
            plain,
            health: watch::Sender::new(Health::Well),
            plug,
        };
        Ok(Arc::new(session))
    }

    /// A channel of one's own.
    pub(crate) async fn channel(&self) -> lapin::Result<Channel> {
        self.connection.create_channel().await
    }

    /// Gives the connection up. Whoever uses it hears of it at once.
    pub(crate) fn lose(&self, why: &str) {
        self.health.send_if_modified(|health| {
            let first = !matches!(health, Health::Lost(_));
            if first {
                *health = Health::Lost(why.to_owned());
            }
            first
        });
        self.plug.pull();
    }

    pub(crate) fn is_lost(&self) -> bool {
        matches!(*self.health.borrow(), Health::Lost(_))
    }

    /// Ends when the connection is lost, and says why.
    pub(crate) async fn lost(&self) -> String {
        self.until(|health| match health {
            Health::Lost(why) => Some(why.clone()),
            Health::Well | Health::Blocked(_) => None,
        })
        .await
    }

    /// Ends when nothing can be published any more, and says why.
    pub(crate) async fn trouble(&self) -> String {
        self.until(|health| match health {
            Health::Well => None,
            Health::Blocked(why) => Some(format!("the broker takes nothing: {why}")),
            Health::Lost(why) => Some(why.clone()),
        })
        .await
    }

    async fn until(&self, wanted: impl Fn(&Health) -> Option<String>) -> String {
        let mut health = self.health.subscribe();
        loop {
            if let Some(why) = wanted(&health.borrow_and_update()) {
                return why;
            }
            // The sender is part of `self`: it outlives this.
            if health.changed().await.is_err() {
                return "closed".to_owned();
            }
        }
    }

    /// Watches over the connection until it is lost, and says why.
    async fn tend(&self) -> String {
        let why = tokio::select! {
            why = self.lost() => why,
            why = self.listen() => why,
            why = self.feel_the_pulse() => why,
        };
        self.lose(&why);
        why
    }

    async fn listen(&self) -> String {
        let events = self.connection.events_listener();
        tokio::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Event::ConnectionBlocked(why) => {
                    warn!(why, "RabbitMQ takes nothing for now");
                    self.turn(Health::Blocked(why));
                }
                Event::ConnectionUnblocked => {
                    info!("RabbitMQ takes mail jobs again");
                    self.turn(Health::Well);
                }
                Event::Error(error) => return told(&error),
                _ => {}
            }
        }
        "the connection was closed".to_owned()
    }

    /// What was lost stays lost.
    fn turn(&self, now: Health) {
        self.health.send_if_modified(|health| {
            let alive = !matches!(health, Health::Lost(_));
            if alive {
                *health = now;
            }
            alive
        });
    }

    async fn feel_the_pulse(&self) -> String {
        loop {
            sleep(PULSE_PERIOD).await;
            if !self.connection.status().connected() {
                return "the connection ended".to_owned();
            }
            // A blocked broker does not read our question; its heartbeats say that it lives.
            let blocked = || matches!(*self.health.borrow(), Health::Blocked(_));
            if blocked() {
                continue;
            }
            // Any question that is answered: how much this channel, which consumes nothing, may be sent.
            let question = self.plain.basic_qos(1, BasicQosOptions::default());
            tokio::select! {
                _ = self.trouble() => {}
                answer = timeout(PULSE_DEADLINE, question) => match answer {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return told(&error),
                    Err(_) => return format!("no answer within {} s", PULSE_DEADLINE.as_secs()),
                },
            }
        }
    }
}

/// A driver's error in one line.
pub(crate) fn told(error: &lapin::Error) -> String {
    error.to_string().replace(['\r', '\n'], " ")
}

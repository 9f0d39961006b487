//! What the broker sends us: one subscription that is made again on the next connection, for as long as its owner asks.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::line::{Line, Session, told};
use super::topology::{Names, number, text};

/// How long a subscription may take.
const SUBSCRIBE_DEADLINE: Duration = Duration::from_secs(15);
/// Between two attempts on a connection that is up.
const PAUSE: Duration = Duration::from_millis(500);
/// Reports that wait in the broker for one slow reader; older ones are lost to it.
const REPORTS_MAX: i64 = 1_024;

/// What is subscribed to.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// The jobs, at most so many unsettled.
    Jobs(u16),
    /// The reports.
    Reports,
}

/// A subscription on one connection.
pub(crate) struct Open {
    pub(crate) session: Arc<Session>,
    pub(crate) channel: Channel,
    consumer: Consumer,
}

type Opening = Pin<Box<dyn Future<Output = Option<Open>> + Send>>;

enum State {
    /// Kept across calls, so that a caller who stops waiting does not begin it anew.
    Opening(Opening),
    Open(Box<Open>),
}

/// One subscription that comes back.
pub(crate) struct Feed {
    line: Line,
    names: Arc<Names>,
    source: Source,
    state: State,
}

impl Feed {
    pub(crate) fn new(line: Line, names: Arc<Names>, source: Source) -> Self {
        let state = State::Opening(opening(line.clone(), Arc::clone(&names), source));
        Self {
            line,
            names,
            source,
            state,
        }
    }

    /// The next message and where it came from; `None` when the queue is closed. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<(Delivery, &Open)> {
        let delivery = loop {
            match &mut self.state {
                State::Opening(opening) => self.state = State::Open(Box::new(opening.await?)),
                State::Open(open) => {
                    let why = tokio::select! {
                        next = open.consumer.next() => match next {
                            Some(Ok(delivery)) => break delivery,
                            Some(Err(error)) => told(&error),
                            // The queue was deleted, or its leader moved.
                            None => "the broker ended the subscription".to_owned(),
                        },
                        why = open.session.lost() => why,
                        () = self.line.closed() => return None,
                    };
                    debug!(why, "a subscription is made again");
                    let again = opening(self.line.clone(), Arc::clone(&self.names), self.source);
                    self.state = State::Opening(again);
                }
            }
        };
        match &self.state {
            State::Open(open) => Some((delivery, open)),
            State::Opening(_) => None,
        }
    }
}

/// Subscribes on the connection that is up, or on the next one.
fn opening(line: Line, names: Arc<Names>, source: Source) -> Opening {
    Box::pin(async move {
        let mut said = String::new();
        loop {
            let session = line.up().await?;
            let why = tokio::select! {
                why = session.lost() => why,
                opened = timeout(SUBSCRIBE_DEADLINE, subscribe(&session, &names, source)) => match opened {
                    Ok(Ok((channel, consumer))) => return Some(Open { session, channel, consumer }),
                    Ok(Err(error)) => told(&error),
                    Err(_) => "no answer in time".to_owned(),
                },
            };
            if why != said {
                warn!(why, "a subscription failed; tried again");
                said = why;
            }
            sleep(PAUSE).await;
        }
    })
}

async fn subscribe(
    session: &Session,
    names: &Names,
    source: Source,
) -> lapin::Result<(Channel, Consumer)> {
    let channel = session.channel().await?;
    // What this subscribes to may be gone since the connection was made.
    names.declare(&channel).await?;
    let (queue, no_ack) = match source {
        Source::Jobs(prefetch) => {
            channel
                .basic_qos(prefetch, BasicQosOptions::default())
                .await?;
            (names.jobs.as_str().into(), false)
        }
        Source::Reports => (own_queue(&channel, names).await?, true),
    };
    let options = BasicConsumeOptions {
        no_ack,
        ..BasicConsumeOptions::default()
    };
    let consumer = channel
        .basic_consume(queue, "".into(), options, FieldTable::default())
        .await?;
    Ok((channel, consumer))
}

/// A queue of this connection alone, gone with it: whoever listens again does not care for what was.
async fn own_queue(channel: &Channel, names: &Names) -> lapin::Result<lapin::types::ShortString> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), number(REPORTS_MAX));
    arguments.insert("x-overflow".into(), text("drop-head"));
    let own = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel.queue_declare("".into(), own, arguments).await?;
    let (name, exchange) = (queue.name().clone(), names.reports.as_str().into());
    let (options, nothing) = (QueueBindOptions::default(), FieldTable::default());
    channel
        .queue_bind(name.clone(), exchange, "".into(), options, nothing)
        .await?;
    Ok(name)
}

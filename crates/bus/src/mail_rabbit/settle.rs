//! How a delivery ends: acknowledged, given back, put aside for a while, or turned into a dead letter.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::dead;
use super::feed::Open;
use super::line::{Line, Session, told};
use super::publish;
use super::topology::{Names, number};
use crate::Future;
use crate::mail::{QueueError, Settle, Settlement};

/// How often a job was put aside for a while. What the broker counts begins again with each copy.
const TRIED: &str = "tried";
/// What the broker counts: deliveries of this copy that were not settled.
const DELIVERED: &str = "x-delivery-count";
/// How long handing over an acknowledgement may take. Nobody answers to one.
const ACK_DEADLINE: Duration = Duration::from_secs(5);
/// How long a job is held when it cannot be put aside: without this, a job that is to wait would be tried again at once,
/// and as often as the mail server allows.
const HOLD_MAX: Duration = Duration::from_secs(5);

/// How often a job was delivered before.
pub(crate) fn attempts(delivery: &Delivery) -> u32 {
    let header = |name: &str| {
        let headers = delivery.properties.headers().as_ref()?;
        headers.inner().get(name)?.as_long_long_int()
    };
    let count = |name| header(name).map_or(0, |count| u32::try_from(count).unwrap_or(0));
    count(TRIED).saturating_add(count(DELIVERED))
}

/// A delivery in our hands.
pub(crate) struct Held {
    delivery: Delivery,
    id: String,
    attempts: u32,
    names: Arc<Names>,
    publishing: Line,
    session: Arc<Session>,
    /// The channel closes with its last holder, and the broker then gives away what is unsettled on it.
    _channel: Channel,
    _permit: OwnedSemaphorePermit,
    settled: bool,
}

impl Held {
    pub(crate) fn new(
        delivery: Delivery,
        open: &Open,
        (names, publishing): (Arc<Names>, Line),
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let id = delivery.properties.message_id().as_ref();
        Self {
            id: id.map_or_else(String::new, ShortString::to_string),
            attempts: attempts(&delivery),
            names,
            publishing,
            session: Arc::clone(&open.session),
            _channel: open.channel.clone(),
            _permit: permit,
            settled: false,
            delivery,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.delivery.data
    }

    pub(crate) async fn end(mut self, settlement: Settlement) -> Result<(), QueueError> {
        if self.session.is_lost() || !self.delivery.acker.usable() {
            // The broker has given it away: a copy from us would be a second one.
            self.settled = true;
            let why = "the connection of this delivery is gone; it comes again";
            return Err(QueueError::Unavailable(why.to_owned()));
        }
        match settlement {
            Settlement::Ack => self.acknowledge().await,
            // What `Drop` does.
            Settlement::Retry(wait) if wait.is_zero() => Ok(()),
            Settlement::Retry(wait) => match self.put_aside(wait).await {
                Ok(()) => self.acknowledge().await,
                Err(error) => {
                    tokio::select! {
                        () = sleep(wait.min(HOLD_MAX)) => {}
                        _ = self.session.lost() => {}
                    }
                    Err(error)
                }
            },
            Settlement::Dead(why) => {
                let letter = dead::letter(&self.id, &why);
                if let Err(error) = dead::keep(&self.publishing, &self.names, letter).await {
                    // The job ends all the same: trying again what was refused for good helps nobody.
                    warn!(id = self.id, why, %error, "a dead letter could not be kept");
                }
                self.acknowledge().await
            }
        }
    }

    /// A copy that comes back after the wait. When we die before the original is acknowledged there are two.
    async fn put_aside(&self, wait: Duration) -> Result<(), QueueError> {
        let mut headers = FieldTable::default();
        headers.insert(TRIED.into(), number(i64::from(self.attempts) + 1));
        let properties = BasicProperties::default()
            .with_message_id(self.id.as_str().into())
            .with_headers(headers);
        let queue = self.names.wait(wait);
        publish::confirmed(&self.publishing, &queue, self.body(), properties).await
    }

    async fn acknowledge(&mut self) -> Result<(), QueueError> {
        let acknowledging = self.delivery.acker.ack(BasicAckOptions::default());
        let why = match timeout(ACK_DEADLINE, acknowledging).await {
            Ok(Ok(true)) => {
                self.settled = true;
                return Ok(());
            }
            Ok(Ok(false)) => "the connection of this delivery is gone; it comes again".to_owned(),
            Ok(Err(error)) => told(&error),
            Err(_) => "the broker reads too slowly".to_owned(),
        };
        self.settled = true;
        self.session.lose(&why);
        Err(QueueError::Unavailable(why))
    }
}

impl Settle for Held {
    fn settle(self: Box<Self>, settlement: Settlement) -> Future<'static, Result<(), QueueError>> {
        Box::pin(self.end(settlement))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let back = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        // The first poll hands the frame over; where that fails the channel is gone, and the job comes again with it.
        let told = self.delivery.acker.nack(back).now_or_never();
        if let Some(Err(error)) = told {
            tracing::debug!(id = self.id, %error, "a job could not be given back; it comes again");
        }
    }
}

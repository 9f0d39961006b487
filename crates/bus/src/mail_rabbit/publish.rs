//! Handing messages to the broker.

use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Confirmation};
use tokio::time::timeout;
use tracing::warn;

use super::line::{Line, told};
use crate::mail::QueueError;

/// How long a confirmation may take: a majority of the brokers has then written the message to disk. Beyond it the
/// connection is given up, since a dead one looks the same.
const CONFIRM_DEADLINE: Duration = Duration::from_secs(10);
/// How long it may take to hand over what nobody confirms.
const SEND_DEADLINE: Duration = Duration::from_secs(5);
/// Kept on disk.
const PERSISTENT: u8 = 2;

/// Puts a message into a queue and waits until the broker answers for it.
///
/// # Errors
/// `Full` when the queue refuses it; `Unavailable` when there is no connection, no queue or no answer, and at once when
/// the broker says that it takes nothing. The message may be queued all the same.
pub(crate) async fn confirmed(
    line: &Line,
    queue: &str,
    body: &[u8],
    properties: BasicProperties,
) -> Result<(), QueueError> {
    let session = line.session().await?;
    let properties = properties.with_delivery_mode(PERSISTENT);
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let sending = async {
        let publication = session
            .confirmed
            .basic_publish("".into(), queue.into(), options, body, properties)
            .await?;
        publication.await
    };
    let outcome = tokio::select! {
        biased;
        why = session.trouble() => return Err(QueueError::Unavailable(why)),
        outcome = timeout(CONFIRM_DEADLINE, sending) => outcome,
    };
    let why = match outcome {
        Ok(Ok(Confirmation::Ack(None))) => return Ok(()),
        Ok(Ok(Confirmation::Nack(_))) => return Err(QueueError::Full),
        // An unroutable message is confirmed as well, and is gone. The next connection declares the queue again.
        Ok(Ok(Confirmation::Ack(Some(_)))) => {
            warn!(queue, "this queue is gone from RabbitMQ; it is made again");
            format!("there is no queue {queue}")
        }
        Ok(Ok(Confirmation::NotRequested)) => "the broker confirms nothing".to_owned(),
        Ok(Err(error)) => told(&error),
        Err(_) => format!("no confirmation within {} s", CONFIRM_DEADLINE.as_secs()),
    };
    session.lose(&why);
    Err(QueueError::Unavailable(why))
}

/// Tells everybody who listens to an exchange, at most once.
///
/// # Errors
/// When there is no connection, or the broker takes nothing.
pub(crate) async fn told_to_all(
    line: &Line,
    exchange: &str,
    body: &[u8],
) -> Result<(), QueueError> {
    let session = line.session().await?;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sending =
        session
            .plain
            .basic_publish(exchange.into(), "".into(), options, body, properties);
    tokio::select! {
        biased;
        why = session.trouble() => Err(QueueError::Unavailable(why)),
        sent = timeout(SEND_DEADLINE, sending) => match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let why = told(&error);
                session.lose(&why);
                Err(QueueError::Unavailable(why))
            }
            Err(_) => Err(QueueError::Unavailable("the broker reads too slowly".to_owned())),
        },
    }
}

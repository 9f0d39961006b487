//! Dead letters: what is left of a job that could not be sent, for an operator to look at. At most once; the log of the
//! mailer has the same.

use std::time::Duration;

use lapin::options::BasicGetOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, message};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::line::{Line, told};
use super::publish;
use super::topology::{DEAD_MAX, Names};
use crate::mail::{DeadMail, QueueError};

/// How long it may take to look at all of them.
const LOOK_DEADLINE: Duration = Duration::from_secs(10);
/// What the broker notes when it moves a job here by itself.
const MOVED_BECAUSE: &str = "x-first-death-reason";

/// A letter as it lies in the queue.
#[derive(Serialize, Deserialize)]
pub(crate) struct Letter {
    id: String,
    why: String,
}

/// The letter of a job.
pub(crate) fn letter(id: &str, why: &str) -> Letter {
    Letter {
        id: id.to_owned(),
        why: why.to_owned(),
    }
}

/// Puts a letter with the others; beyond the bound the oldest goes.
pub(crate) async fn keep(line: &Line, names: &Names, letter: Letter) -> Result<(), QueueError> {
    let body = serde_json::to_vec(&letter)
        .map_err(|error| QueueError::Unavailable(format!("a letter: {error}")))?;
    let properties = BasicProperties::default().with_message_id(letter.id.into());
    publish::confirmed(line, &names.dead, &body, properties).await
}

/// The newest letters. They are taken and given back, in their order, by closing the channel: who looks at the same moment
/// may see fewer.
pub(crate) async fn look(
    line: &Line,
    names: &Names,
    limit: usize,
) -> Result<Vec<DeadMail>, QueueError> {
    let session = line.session().await?;
    let looking = async {
        let channel = session.channel().await?;
        let mut found = Vec::new();
        for _ in 0..DEAD_MAX {
            let queue = names.dead.as_str().into();
            match channel.basic_get(queue, BasicGetOptions::default()).await? {
                Some(got) => found.push(read(&got.delivery)),
                None => break,
            }
        }
        channel.close(200, "seen".into()).await?;
        Ok::<_, lapin::Error>(found)
    };
    let outcome = tokio::select! {
        why = session.lost() => return Err(QueueError::Unavailable(why)),
        outcome = timeout(LOOK_DEADLINE, looking) => outcome,
    };
    let mut found = outcome
        .map_err(|_| QueueError::Unavailable("the broker answers too slowly".to_owned()))?
        .map_err(|error| QueueError::Unavailable(told(&error)))?;
    found.reverse();
    found.truncate(limit);
    Ok(found)
}

/// A letter of ours, or a job that the broker moved here; that one is still sealed, and stays so.
fn read(delivery: &message::Delivery) -> DeadMail {
    let properties = &delivery.properties;
    let headers = properties.headers().as_ref();
    let moved = headers.and_then(|headers| headers.inner().get(MOVED_BECAUSE)?.as_long_string());
    let why = moved.map(|reason| match reason.as_bytes() {
        b"expired" => "no mailer took it before its time was over".to_owned(),
        b"delivery_limit" => "delivered again and again and never settled".to_owned(),
        reason => format!("moved by the broker: {}", String::from_utf8_lossy(reason)),
    });
    let letter = serde_json::from_slice::<Letter>(&delivery.data).ok();
    let id = properties.message_id().as_ref();
    match (why, letter) {
        (None, Some(letter)) => DeadMail {
            id: letter.id,
            why: letter.why,
        },
        (why, _) => DeadMail {
            id: id.map_or_else(String::new, ShortString::to_string),
            why: why.unwrap_or_else(|| "not a letter of ours".to_owned()),
        },
    }
}

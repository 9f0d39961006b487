//! Reads the logs of rooms from their first entry on, over REST, while they grow: what the history is held against.
//! It keeps up, so that no log is ever longer than what one read gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use history::Event;
use http::Method;
use protocol::ids::RoomId;
use protocol::message::Seq;
use protocol::room::Epoch;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::words::Entry;
use crate::{Endpoint, Fault, Http, Recorder};

/// Reads logs as one member of all of the rooms, from any server that answers.
pub struct Audit {
    servers: Vec<Http>,
    turn: usize,
    token: String,
    read: BTreeMap<RoomId, Seq>,
    recorder: Arc<Recorder>,
}

#[derive(Deserialize)]
struct SyncReply {
    rooms: BTreeMap<RoomId, RoomSync>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoomSync {
    events: Vec<StreamEvent>,
    epoch: Epoch,
    gap: bool,
    more: bool,
}

#[derive(Deserialize)]
struct StreamEvent {
    event: String,
    data: Box<RawValue>,
}

impl Audit {
    /// Nothing is read yet. `token` is of somebody who is in all rooms from their first entry on.
    pub fn new(
        endpoints: &[Endpoint],
        token: String,
        rooms: impl IntoIterator<Item = RoomId>,
        recorder: Arc<Recorder>,
    ) -> Audit {
        Audit {
            servers: endpoints.iter().cloned().map(Http::new).collect(),
            turn: 0,
            token,
            read: rooms.into_iter().map(|room| (room, 0)).collect(),
            recorder,
        }
    }

    /// How far each log was read.
    pub fn heads(&self) -> &BTreeMap<RoomId, Seq> {
        &self.read
    }

    /// Reads on until all logs are at their ends; each round asks another server first.
    ///
    /// # Errors
    /// When a server does not answer (the next round asks the next one), or a log cannot be read as a whole.
    pub async fn round(&mut self) -> Result<(), Fault> {
        self.turn += 1;
        loop {
            let asked = json!({ "rooms": self.read });
            let index = self.turn % self.servers.len();
            let asks = (Some(self.token.as_str()), Some(&asked));
            let reply = self.servers[index].call(Method::POST, "/v1/sync", asks);
            let reply: SyncReply = reply.await?.json()?;
            if !self.take(&reply)? {
                return Ok(());
            }
        }
    }

    /// Whether there is more.
    fn take(&mut self, reply: &SyncReply) -> Result<bool, Fault> {
        let mut more = false;
        for (room, read) in &mut self.read {
            let Some(its) = reply.rooms.get(room) else {
                return Err(Fault(format!("{room} is not shown to its member")));
            };
            if its.gap {
                return Err(Fault(format!(
                    "{room} grew by more than one read gives: fewer messages a second, please"
                )));
            }
            for StreamEvent { event, data } in &its.events {
                let entry: Entry = serde_json::from_str(data.get())
                    .map_err(|error| Fault::of("an entry that is not understood", error))?;
                *read = entry.seq;
                self.recorder.observe(Event::Log {
                    room: *room,
                    epoch: its.epoch,
                    seq: entry.seq,
                    content: entry.content(event, data),
                    passage: entry.passage(event),
                    committed: None,
                });
            }
            more |= its.more;
        }
        Ok(more)
    }
}

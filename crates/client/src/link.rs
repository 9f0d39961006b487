//! One Engine.IO session: packets in, packets out, heartbeats answered, and an end. Three ways to carry it.

use std::time::Duration;

use protocol::engineio::{self, Packet};
use protocol::frame::Frame;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{Endpoint, Fault, polling, websocket};

/// Messages that wait to be taken in; beyond it the wire is not read, and the server sees a slow client.
const INCOMING_MAX: usize = 1_024;
/// Frames that wait to be written; beyond it the sender waits.
const OUTGOING_MAX: usize = 256;

/// How an Engine.IO session is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A WebSocket from the first byte on.
    WebSocket,
    /// HTTP long-polling and nothing else: each request may reach another node.
    Polling,
    /// Long-polling first and a WebSocket as soon as it works: what the stock client does by itself.
    Upgrade,
}

/// The server's open packet.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Opened {
    pub(crate) sid: String,
    ping_interval: u64,
    ping_timeout: u64,
    pub(crate) max_payload: usize,
}

impl Opened {
    /// # Errors
    /// When the packet is another one.
    pub(crate) fn read(text: &str) -> Result<Opened, Fault> {
        let Ok(Packet::Open(json)) = engineio::decode(text) else {
            return Err(Fault("the first packet does not open a session".into()));
        };
        serde_json::from_str(json).map_err(|error| Fault::of("the open packet", error))
    }

    /// When nothing has come for this long, the server is gone: as in the stock client.
    pub(crate) fn silence_max(&self) -> Duration {
        Duration::from_millis(self.ping_interval + self.ping_timeout)
    }
}

/// A session that is open. Dropped, it ends without a word, as a network does.
pub struct Link {
    incoming: mpsc::Receiver<String>,
    outgoing: mpsc::Sender<Frame>,
    tasks: JoinSet<()>,
}

/// The inner ends of a link, for the tasks that carry it.
pub(crate) struct Ends {
    pub(crate) incoming: mpsc::Sender<String>,
    /// Our own answers to heartbeats take the same way as everything else.
    pub(crate) pongs: mpsc::Sender<Frame>,
}

impl Ends {
    /// Takes a packet in; `false` when the session is over.
    pub(crate) async fn take(&self, packet: &str) -> bool {
        match engineio::decode(packet) {
            Ok(Packet::Message(_)) => self.incoming.send(packet.to_owned()).await.is_ok(),
            Ok(Packet::Ping(_)) => self.pongs.send(Frame::packet("3")).await.is_ok(),
            Ok(Packet::Noop | Packet::Pong(_)) => true,
            _ => false,
        }
    }
}

impl Link {
    /// Opens a session.
    ///
    /// # Errors
    /// When the server is not reached, refuses, or speaks something else.
    pub async fn open(endpoint: &Endpoint, way: Way) -> Result<Link, Fault> {
        let (incoming_ends, incoming) = mpsc::channel(INCOMING_MAX);
        let (outgoing, to_write) = mpsc::channel(OUTGOING_MAX);
        let ends = Ends {
            incoming: incoming_ends,
            pongs: outgoing.clone(),
        };
        let mut tasks = JoinSet::new();
        match way {
            Way::WebSocket => websocket::open(endpoint, ends, to_write, &mut tasks).await?,
            Way::Polling | Way::Upgrade => {
                let upgrades = way == Way::Upgrade;
                polling::open((endpoint, upgrades), ends, to_write, &mut tasks).await?;
            }
        }
        Ok(Link {
            incoming,
            outgoing,
            tasks,
        })
    }

    /// The next message, its leading `4` included; `None` when the session has ended. May be dropped at any await.
    pub async fn next(&mut self) -> Option<String> {
        tokio::select! {
            biased;
            message = self.incoming.recv() => return message,
            // Whichever direction ended: what has come is still given, then the end.
            _ = self.tasks.join_next() => self.incoming.close(),
        }
        self.incoming.recv().await
    }

    /// Sends a frame; `false` when the session has ended.
    pub async fn send(&self, frame: Frame) -> bool {
        self.outgoing.send(frame).await.is_ok()
    }
}

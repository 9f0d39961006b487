//! One client as its shard keeps it. Small, because idle ones are the common case: everything that is only needed
//! while something happens is behind an `Option<Box>` that is empty otherwise.

use crate::{budget::Budget, close::CloseReason, http::refusal::EngineRefusal, outbox::Outbox};
use bytes::Bytes;
use http::HeaderName;
use protocol::websocket::Reader;
use std::{collections::BTreeSet, net::IpAddr, task::Waker};
use tokio::{net::TcpStream, sync::oneshot};

/// "Never" as a time in milliseconds.
pub(crate) const NEVER: u64 = u64::MAX;
/// The headers of the handshake that the configuration keeps.
pub(crate) type KeptHeaders = Vec<(HeaderName, String)>;

pub(crate) struct Connection {
    pub(crate) link: Link,
    pub(crate) reader: Reader,
    pub(crate) outbox: Option<Box<Outbox>>,
    pub(crate) waker: Option<Waker>,
    pub(crate) main: Standing,
    #[allow(
        clippy::box_collection,
        reason = "one word in every connection instead of three"
    )]
    pub(crate) others: Option<Box<Vec<Namespace>>>,
    /// A packet whose attachments have not all come.
    pub(crate) unfinished: Option<Box<Unfinished>>,
    pub(crate) acks: Option<Box<Acks>>,
    #[allow(
        clippy::box_collection,
        reason = "one word in every connection instead of three"
    )]
    pub(crate) headers: Option<Box<KeptHeaders>>,
    pub(crate) secret: [u8; 16],
    pub(crate) peer: IpAddr,
    pub(crate) endpoint: u8,
    pub(crate) phase: Phase,
    pub(crate) awaits_pong: bool,
    /// Already in the list of those to flush this turn.
    pub(crate) is_dirty: bool,
    /// The kernel takes no more; the reactor will say when it does.
    pub(crate) is_blocked: bool,
    pub(crate) budget: Budget,
    /// When a ping is due, or the pong, or the end of a farewell. Milliseconds of the shard's clock.
    pub(crate) beat_due: u64,
    /// When a namespace must have been accepted.
    pub(crate) connect_due: u64,
    /// The earliest look that the wheel has been asked for.
    pub(crate) armed: u64,
}

pub(crate) enum Link {
    WebSocket(TcpStream),
    Polling(Box<Polling>),
    Gone,
}

/// A session without a socket of its own.
#[derive(Default)]
pub(crate) struct Polling {
    /// The GET that waits for something to say.
    pub(crate) poll: Option<oneshot::Sender<Result<Bytes, EngineRefusal>>>,
    /// A POST is being read.
    pub(crate) is_posting: bool,
    /// The WebSocket that wants to take over.
    pub(crate) probe: Option<Probe>,
}

pub(crate) struct Probe {
    pub(crate) stream: TcpStream,
    pub(crate) reader: Reader,
    /// The "3probe" has been sent: polls are answered at once now, so that the client can change over.
    pub(crate) answered: bool,
    pub(crate) due: u64,
}

/// How a namespace stands to this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Never asked for, or refused.
    Absent,
    /// The application has not answered yet.
    Pending,
    Connected,
    /// It was connected; what the client still says there is late and not wrong.
    Left,
}

pub(crate) struct Namespace {
    pub(crate) name: Box<str>,
    pub(crate) standing: Standing,
}

pub(crate) struct Unfinished {
    pub(crate) packet: String,
    pub(crate) wanted: usize,
    pub(crate) attachments: Vec<Bytes>,
    pub(crate) bytes: usize,
}

#[derive(Default)]
pub(crate) struct Acks {
    pub(crate) last: u32,
    pub(crate) owed: BTreeSet<(u8, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// The application has been, or is about to be, told; what waits is being written.
    Closing(CloseReason),
    /// Our side is shut; reading on until the peer's is.
    Lingering,
}

impl Connection {
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(crate) fn standing(&self, namespace: u8) -> Standing {
        match (namespace, &self.others) {
            (0, _) => self.main,
            (number, Some(others)) => others
                .get(number as usize - 1)
                .map_or(Standing::Absent, |other| other.standing),
            _ => Standing::Absent,
        }
    }

    pub(crate) fn set_standing(&mut self, namespace: u8, standing: Standing) {
        match (namespace, &mut self.others) {
            (0, _) => self.main = standing,
            (number, Some(others)) => {
                if let Some(other) = others.get_mut(number as usize - 1) {
                    other.standing = standing;
                }
            }
            _ => {}
        }
    }

    pub(crate) fn namespace_name(&self, namespace: u8) -> &str {
        match (namespace, &self.others) {
            (0, _) | (_, None) => "/",
            (number, Some(others)) => others
                .get(number as usize - 1)
                .map_or("/", |other| &other.name),
        }
    }

    /// The number of a namespace that has been asked for before.
    pub(crate) fn namespace_number(&self, name: &str) -> Option<u8> {
        if name == "/" {
            return Some(0);
        }
        let others = self.others.as_ref()?;
        let place = others.iter().position(|other| *other.name == *name)?;
        u8::try_from(place + 1).ok()
    }

    /// As above, and makes room for a new one; `None` when there are `max` already.
    pub(crate) fn namespace_number_or_new(&mut self, name: &str, max: usize) -> Option<u8> {
        if let Some(number) = self.namespace_number(name) {
            return Some(number);
        }
        let others = self.others.get_or_insert_default();
        if others.len() >= max.min(254) {
            return None;
        }
        others.push(Namespace {
            name: name.into(),
            standing: Standing::Absent,
        });
        u8::try_from(others.len()).ok()
    }

    /// Numbers of all namespaces in this standing or the other.
    pub(crate) fn namespaces_in(&self, standings: &[Standing]) -> Vec<u8> {
        let count = self.others.as_ref().map_or(0, |others| others.len()) as u8;
        (0..=count)
            .filter(|number| standings.contains(&self.standing(*number)))
            .collect()
    }

    pub(crate) fn has_connected(&self) -> bool {
        self.main == Standing::Connected
            || self
                .others
                .as_ref()
                .is_some_and(|others| others.iter().any(|o| o.standing == Standing::Connected))
    }

    /// When the wheel must look at this connection next.
    pub(crate) fn next_due(&self) -> u64 {
        let probe_due = match &self.link {
            Link::Polling(polling) => polling.probe.as_ref().map_or(NEVER, |probe| probe.due),
            _ => NEVER,
        };
        self.beat_due.min(self.connect_due).min(probe_due)
    }
}

//! The shard's connections, as the application may use them: it says what is to be sent or ended, and the shard
//! does it at the end of the turn. Nothing in here calls the application back.

use super::{
    connection::{Acks, Link, NEVER, Standing},
    table::Table,
};
use crate::{
    application::SocketId,
    close::CloseReason,
    config::{Mode, ServerConfig},
    counters::{Counters, Tally},
    outbox::Outbox,
    ready::ReadyList,
    sid::random_secret,
    wheel::Wheel,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use protocol::{
    frame::Frame,
    socketio::{self, Packet},
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    sync::{Arc, atomic::AtomicUsize},
    time::Instant,
};

/// What became of something to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It waits in the outbox, in order, for the end of the turn.
    Queued,
    /// The socket has ended, or was not accepted yet.
    Gone,
    /// The outbox is over its bound: the connection is being cut.
    TooSlow,
    /// A volatile frame, and the client was not ready for it.
    Dropped,
}

/// The connections of one shard.
pub struct Sockets {
    pub(crate) table: Table,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) shard: u8,
    pub(crate) wheel: Wheel,
    pub(crate) ready: Arc<ReadyList>,
    /// Milliseconds since `started`, read once a turn.
    pub(crate) now: u64,
    pub(crate) started: Instant,
    pub(super) dirty: Vec<u32>,
    pub(crate) closing: Vec<u32>,
    /// Sockets whose end the application has not been told yet.
    pub(crate) farewells: Vec<(SocketId, CloseReason)>,
    #[allow(clippy::vec_box, reason = "the box moves into a connection as it is")]
    pub(super) spare: Vec<Box<Outbox>>,
    pub(crate) tally: Tally,
    pub(crate) counters: Arc<Counters>,
    /// Sessions of all shards.
    pub(crate) open_everywhere: Arc<AtomicUsize>,
}

impl Sockets {
    pub(crate) fn new(
        config: Arc<ServerConfig>,
        shard: u8,
        counters: Arc<Counters>,
        open_everywhere: Arc<AtomicUsize>,
    ) -> Sockets {
        Sockets {
            table: Table::default(),
            config,
            shard,
            wheel: Wheel::new(),
            ready: Arc::default(),
            now: 0,
            started: Instant::now(),
            dirty: Vec::new(),
            closing: Vec::new(),
            farewells: Vec::new(),
            spare: Vec::new(),
            tally: Tally::default(),
            counters,
            open_everywhere,
        }
    }

    /// Sessions on this shard, in every phase.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that wait for this client.
    pub fn outbox_bytes(&self, socket: SocketId) -> usize {
        self.table
            .of(socket)
            .and_then(|connection| connection.outbox.as_ref())
            .map_or(0, |outbox| outbox.bytes())
    }

    /// Whether the socket is accepted and open.
    pub fn is_connected(&self, socket: SocketId) -> bool {
        self.table.of(socket).is_some_and(|connection| {
            connection.is_open() && connection.standing(socket.namespace()) == Standing::Connected
        })
    }

    /// Sends one frame. The frame names its namespace itself: `Frame::event` is for the main one.
    pub fn send(&mut self, socket: SocketId, frame: Frame) -> Sent {
        if !self.is_connected(socket) {
            return Sent::Gone;
        }
        self.push(socket.index, &frame)
    }

    /// Sends one frame to many. Slow ones are cut, gone ones skipped; gives how many it was queued for.
    pub fn broadcast(&mut self, to: &[SocketId], frame: &Frame) -> usize {
        to.iter()
            .filter(|socket| {
                self.is_connected(**socket) && self.push(socket.index, frame) == Sent::Queued
            })
            .count()
    }

    /// As [`Sockets::broadcast`] to main namespaces by [`SocketId::slot`]. A slot must be forgotten at
    /// `on_disconnect`, or the frame goes to the next one who lives there.
    pub fn broadcast_slots(&mut self, slots: &[u32], frame: &Frame) -> usize {
        let sent = slots
            .iter()
            .filter(|slot| {
                let connected = self.table.get(**slot).is_some_and(|connection| {
                    connection.is_open() && connection.main == Standing::Connected
                });
                connected && self.push(**slot, frame) == Sent::Queued
            })
            .count();
        self.tally.frames_out += ((frame.parts().count() - 1) * sent) as u64;
        sent
    }

    /// Sends a frame that is worth nothing later: dropped when this client has not taken what went before.
    pub fn send_volatile(&mut self, socket: SocketId, frame: Frame) -> Sent {
        let Some(connection) = self.table.of(socket) else {
            return Sent::Gone;
        };
        let is_behind = match &connection.link {
            Link::Polling(polling) => polling.poll.is_none(),
            _ => connection.is_blocked,
        };
        if is_behind {
            self.tally.volatile_dropped += 1;
            return Sent::Dropped;
        }
        self.send(socket, frame)
    }

    /// Answers an event that carried an ack id.
    pub fn ack(&mut self, socket: SocketId, id: u64, payload: &impl Serialize) -> Sent {
        let frame = Frame::ack_in(self.namespace(socket), id, payload);
        self.send(socket, frame)
    }

    /// Sends an event in the socket's namespace, whichever it is.
    pub fn emit(&mut self, socket: SocketId, name: &str, payload: &impl Serialize) -> Sent {
        let frame = Frame::event_in(self.namespace(socket), None, name, payload);
        self.send(socket, frame)
    }

    /// Sends an event that wants an answer; its id comes back in `Application::on_ack`. `Err` when the socket is
    /// gone, slow, or owes too many answers already.
    pub fn request(
        &mut self,
        socket: SocketId,
        name: &str,
        payload: &impl Serialize,
    ) -> Result<u32, Sent> {
        let id = self.owe_ack(socket)?;
        let frame = Frame::event_in(self.namespace(socket), Some(u64::from(id)), name, payload);
        match self.send(socket, frame) {
            Sent::Queued => Ok(id),
            refused => Err(refused),
        }
    }

    /// The answer to this request is no longer awaited.
    pub fn forget_request(&mut self, socket: SocketId, id: u32) {
        if let Some(acks) = self.table.of_mut(socket).and_then(|c| c.acks.as_mut()) {
            acks.owed.remove(&(socket.namespace(), id));
        }
    }

    /// Sends an event of any number of arguments, given as JSON, with the attachments that placeholders in them
    /// name. At most `socketio::ATTACHMENTS_MAX`.
    pub fn emit_raw(
        &mut self,
        socket: SocketId,
        name: &str,
        args: &[&RawValue],
        attachments: &[Bytes],
    ) -> Sent {
        let text = socketio::encode(&Packet::Event {
            namespace: self.namespace(socket),
            ack: None,
            name: Cow::Borrowed(name),
            args: args.to_vec(),
            attachments: attachments.len(),
        });
        self.send_with(socket, &text, attachments)
    }

    /// As [`Sockets::emit_raw`] for the answer to an event.
    pub fn ack_raw(
        &mut self,
        socket: SocketId,
        id: u64,
        args: &[&RawValue],
        attachments: &[Bytes],
    ) -> Sent {
        let text = socketio::encode(&Packet::Ack {
            namespace: self.namespace(socket),
            id,
            args: args.to_vec(),
            attachments: attachments.len(),
        });
        self.send_with(socket, &text, attachments)
    }

    /// Sends a message on a path without Socket.IO.
    pub fn send_text(&mut self, socket: SocketId, text: &str) -> Sent {
        let Some(connection) = self.table.of(socket) else {
            return Sent::Gone;
        };
        let frame = match self.mode(connection.endpoint) {
            Mode::WebSocket => Frame::packet(text),
            Mode::SocketIo | Mode::EngineIo => Frame::message(text),
        };
        self.send(socket, frame)
    }

    /// As [`Sockets::send_text`] with bytes.
    pub fn send_binary(&mut self, socket: SocketId, bytes: &[u8]) -> Sent {
        self.send(socket, Frame::binary(bytes))
    }

    /// Accepts a namespace that `on_connect` asked for. `false` when the socket has gone meanwhile.
    pub fn accept(&mut self, socket: SocketId) -> bool {
        let Some(connection) = self.table.of_mut(socket).filter(|c| c.is_open()) else {
            return false;
        };
        if connection.standing(socket.namespace()) != Standing::Pending {
            return false;
        }
        connection.connect_due = NEVER;
        connection.set_standing(socket.namespace(), Standing::Connected);
        self.tally.sockets += 1;
        // Not the session's own name: that one is a secret, this one may be shown to others.
        let sid = URL_SAFE_NO_PAD.encode(random_secret());
        let namespace = self.namespace(socket);
        let separator = if namespace == "/" { "" } else { "," };
        let name = if namespace == "/" { "" } else { namespace };
        let frame = Frame::packet(&format!("40{name}{separator}{{\"sid\":\"{sid}\"}}"));
        self.push(socket.index, &frame) == Sent::Queued
    }

    /// Refuses a namespace that `on_connect` asked for. The session lives on, until `connect_timeout` when it has
    /// no other namespace; the official client does not come back by itself after this.
    pub fn refuse(
        &mut self,
        socket: SocketId,
        message: &str,
        data: Option<&impl Serialize>,
    ) -> Sent {
        #[derive(Serialize)]
        struct Refused<'a, D> {
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<D>,
        }
        let Some(connection) = self.table.of_mut(socket).filter(|c| c.is_open()) else {
            return Sent::Gone;
        };
        if connection.standing(socket.namespace()) != Standing::Pending {
            return Sent::Gone;
        }
        connection.set_standing(socket.namespace(), Standing::Absent);
        let Ok(body) = serde_json::value::to_raw_value(&Refused { message, data }) else {
            return Sent::Gone;
        };
        let text = socketio::encode(&Packet::ConnectError {
            namespace: self.namespace(socket),
            data: Some(&body),
        });
        self.push(socket.index, &Frame::message(&text))
    }

    /// Ends one namespace with Socket.IO's DISCONNECT: the official client does not come back by itself.
    /// `close_transport` ends the whole session behind it.
    pub fn disconnect(&mut self, socket: SocketId, close_transport: bool) {
        if !self.is_connected(socket) {
            return;
        }
        let text = socketio::encode(&Packet::Disconnect {
            namespace: self.namespace(socket),
        });
        self.push(socket.index, &Frame::message(&text));
        self.leave(socket, CloseReason::ServerLeft);
        if close_transport {
            self.begin_close(socket.index, CloseReason::ServerLeft);
        }
    }

    /// Ends the whole session by closing its transport: the official client comes back by itself.
    pub fn close(&mut self, socket: SocketId, reason: CloseReason) {
        if self.table.of(socket).is_some() {
            self.begin_close(socket.index, reason);
        }
    }

    /// Milliseconds since the shard started, read once a turn.
    pub fn now_ms(&self) -> u64 {
        self.now
    }

    /// This shard's number.
    pub fn shard(&self) -> u8 {
        self.shard
    }

    pub(crate) fn mode(&self, endpoint: u8) -> Mode {
        self.config.endpoints[endpoint as usize].mode
    }

    fn namespace(&self, socket: SocketId) -> &str {
        self.table.of(socket).map_or("/", |connection| {
            connection.namespace_name(socket.namespace())
        })
    }

    fn owe_ack(&mut self, socket: SocketId) -> Result<u32, Sent> {
        let max = self.config.limits.acks;
        let Some(connection) = self.table.of_mut(socket) else {
            return Err(Sent::Gone);
        };
        let acks = connection.acks.get_or_insert_with(Box::<Acks>::default);
        if acks.owed.len() >= max {
            return Err(Sent::TooSlow);
        }
        acks.last = acks.last.wrapping_add(1);
        acks.owed.insert((socket.namespace(), acks.last));
        Ok(acks.last)
    }

    fn send_with(&mut self, socket: SocketId, text: &str, attachments: &[Bytes]) -> Sent {
        let mut sent = self.send(socket, Frame::message(text));
        for attachment in attachments {
            if sent == Sent::Queued {
                sent = self.push(socket.index, &Frame::binary(attachment));
            }
        }
        sent
    }
}

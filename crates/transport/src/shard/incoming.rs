//! From readable sockets to whole messages: reads into the shard's one buffer, feeds the strict reader.

use super::{
    Core,
    connection::{Link, Phase},
};
use crate::{
    application::{Application, RawMessage, SocketId},
    close::CloseReason,
    config::Mode,
};
use protocol::{
    engineio,
    frame::Frame,
    websocket::{Bounds, Message, Violation, control_frame},
};
use std::{
    io::{ErrorKind, Read},
    task::{Context, Poll, Waker},
};
use tokio::{io::Interest, net::TcpStream};

/// Reads of one connection a turn; a flood must not keep the others waiting.
const READS_A_TURN: usize = 4;

/// What became of the probe's bytes.
enum Probed {
    Waits,
    Upgrade,
    Failed,
}

impl<A: Application> Core<A> {
    /// The reactor says that this connection can be read from or written to.
    pub(crate) fn on_ready(&mut self, index: u32, generation: u32) {
        if self.sockets.table.generation(index) != generation {
            return;
        }
        let Some(connection) = self.sockets.table.get(index) else {
            return;
        };
        if connection.is_blocked {
            self.sockets.flush(index);
            self.finish_close(index);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        for round in 0..=READS_A_TURN {
            let Some(connection) = self.sockets.table.get(index) else {
                break;
            };
            if self.sockets.table.generation(index) != generation {
                break;
            }
            let (stream, is_probe) = match &connection.link {
                Link::WebSocket(stream) => (stream, false),
                Link::Polling(polling) => match &polling.probe {
                    Some(probe) => (&probe.stream, true),
                    None => break,
                },
                Link::Gone => break,
            };
            let Some(waker) = &connection.waker else {
                break;
            };
            if round == READS_A_TURN {
                waker.wake_by_ref();
                break;
            }
            match (read_some(stream, waker, &mut scratch), is_probe) {
                (Poll::Pending, _) => break,
                (Poll::Ready(Ok(count)), false) if count > 0 => {
                    self.feed(index, &mut scratch[..count]);
                }
                (Poll::Ready(Ok(count)), true) if count > 0 => {
                    self.feed_probe(index, &mut scratch[..count]);
                }
                (_, true) => self.drop_probe(index),
                (_, false) => {
                    self.peer_is_gone(index);
                    break;
                }
            }
        }
        self.scratch = scratch;
    }

    fn peer_is_gone(&mut self, index: u32) {
        if self.sockets.table.get(index).is_some_and(|c| c.is_open()) {
            return self.sockets.begin_close(index, CloseReason::TransportError);
        }
        // The farewell is over: either it has been read, or nobody will read it. The application is told first.
        if self
            .sockets
            .table
            .get(index)
            .is_some_and(|c| c.phase == Phase::Lingering)
        {
            self.sockets.release(index);
        }
    }

    /// Bytes of an established WebSocket.
    pub(crate) fn feed(&mut self, index: u32, mut input: &mut [u8]) {
        let limits = &self.sockets.config.limits;
        let bounds = Bounds {
            message_bytes: limits.max_payload,
            fragments: limits.fragments,
        };
        let generation = self.sockets.table.generation(index);
        let Some(connection) = self.sockets.table.get_mut(index).filter(|c| c.is_open()) else {
            return;
        };
        let mut reader = std::mem::take(&mut connection.reader);
        loop {
            let message = match reader.next(&mut input, &bounds) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(violation) => {
                    return self.sockets.begin_close(index, reason_of(violation));
                }
            };
            self.on_message(index, message);
            let is_open = self.sockets.table.get(index).is_some_and(|c| c.is_open());
            if !is_open || self.sockets.table.generation(index) != generation {
                return;
            }
        }
        if let Some(connection) = self.sockets.table.get_mut(index) {
            connection.reader = reader;
        }
    }

    fn on_message(&mut self, index: u32, message: Message<'_>) {
        let Some(connection) = self.sockets.table.get_mut(index) else {
            return;
        };
        let mode = self.sockets.config.endpoints[connection.endpoint as usize].mode;
        match message {
            Message::Text(text) if mode == Mode::WebSocket => {
                if self.may_speak(index, text.len()) {
                    self.on_raw(index, RawMessage::Text(&text));
                }
            }
            Message::Text(text) => match engineio::decode(&text) {
                Ok(packet) => self.on_packet(index, packet),
                Err(_) => self.sockets.begin_close(index, CloseReason::BadPacket),
            },
            Message::Binary(bytes) => {
                if self.may_speak(index, bytes.len()) {
                    self.on_binary(index, &bytes);
                }
            }
            Message::Ping(body) => {
                if self.may_speak(index, body.len()) {
                    let pong = Frame::control(control_frame(10, &body));
                    self.sockets.push(index, &pong);
                }
            }
            Message::Pong => {
                if mode == Mode::WebSocket && self.may_speak(index, 0) {
                    self.on_pong(index);
                }
            }
            Message::Close(_) => self.sockets.begin_close(index, CloseReason::ClientClosed),
        }
    }

    /// Counts one message against the connection's rate; over it the connection is closed.
    pub(crate) fn may_speak(&mut self, index: u32, bytes: usize) -> bool {
        self.sockets.tally.frames_in += 1;
        self.sockets.tally.bytes_in += bytes as u64;
        let now = self.sockets.now;
        let Some(rate) = &self.sockets.config.limits.rate else {
            return true;
        };
        let Some(connection) = self.sockets.table.get_mut(index) else {
            return false;
        };
        if connection.budget.take(rate, now, bytes) {
            return true;
        }
        self.sockets.begin_close(index, CloseReason::RateLimited);
        false
    }

    pub(crate) fn on_pong(&mut self, index: u32) {
        let beat_due = self.sockets.next_beat();
        if let Some(connection) = self.sockets.table.get_mut(index)
            && connection.awaits_pong
        {
            connection.awaits_pong = false;
            connection.beat_due = beat_due;
            self.sockets.arm(index);
        }
    }

    pub(crate) fn on_raw(&mut self, index: u32, message: RawMessage<'_>) {
        let socket = SocketId::new(index, self.sockets.table.generation(index), 0);
        self.call(index, |app, sockets| {
            app.on_message(sockets, socket, message)
        });
    }

    /// Bytes of a WebSocket that has not taken over yet: a ping with "probe", then the upgrade packet.
    pub(crate) fn feed_probe(&mut self, index: u32, mut input: &mut [u8]) {
        let limits = &self.sockets.config.limits;
        let bounds = Bounds {
            message_bytes: limits.max_payload,
            fragments: limits.fragments,
        };
        let Some(probe) = self.polling(index).and_then(|p| p.probe.as_mut()) else {
            return;
        };
        let mut outcome = Probed::Waits;
        while let Probed::Waits = outcome {
            outcome = match probe.reader.next(&mut input, &bounds) {
                Ok(None) => break,
                Ok(Some(Message::Text(text))) if text == "2probe" && !probe.answered => {
                    probe.answered = true;
                    // The socket is new and its buffer empty: a short write here means that it is broken.
                    let pong = Frame::packet("3probe");
                    match probe.stream.try_write(pong.wire()) {
                        Ok(count) if count == pong.wire().len() => Probed::Waits,
                        _ => Probed::Failed,
                    }
                }
                Ok(Some(Message::Text(text))) if text == "5" && probe.answered => Probed::Upgrade,
                _ => Probed::Failed,
            };
        }
        let answered = probe.answered;
        match outcome {
            Probed::Waits if answered => self.release_poll(index),
            Probed::Waits => {}
            Probed::Failed => self.drop_probe(index),
            Probed::Upgrade => {
                self.take_over(index);
                self.go_on_closing(index);
                // The client may speak right behind the upgrade packet.
                self.feed(index, input);
            }
        }
    }

    /// A probe that fails leaves the session on long-polling.
    fn drop_probe(&mut self, index: u32) {
        if let Some(polling) = self.polling(index) {
            polling.probe = None;
        }
        self.go_on_closing(index);
    }

    /// A close has waited for the end of the change to WebSocket.
    fn go_on_closing(&mut self, index: u32) {
        let connection = self.sockets.table.get(index);
        if connection.is_some_and(|c| matches!(c.phase, Phase::Closing(_))) {
            self.sockets.closing.push(index);
        }
    }

    fn take_over(&mut self, index: u32) {
        self.release_poll(index);
        let Some(connection) = self.sockets.table.get_mut(index) else {
            return;
        };
        let Link::Polling(mut polling) = std::mem::replace(&mut connection.link, Link::Gone) else {
            return;
        };
        if let Some(probe) = polling.probe.take() {
            connection.reader = probe.reader;
            connection.link = Link::WebSocket(probe.stream);
            self.sockets.tally.upgrades += 1;
            self.sockets.flush(index);
        }
    }
}

fn reason_of(violation: Violation) -> CloseReason {
    match violation {
        Violation::Protocol(_) => CloseReason::BadFrame,
        Violation::Utf8 => CloseReason::BadText,
        Violation::TooBig => CloseReason::TooBig,
    }
}

/// One read. A short one tells that the socket is empty, which saves the second read that would say so: the
/// reactor is edge-triggered and rings again for whatever comes later. `Pending` has the waker registered.
fn read_some(stream: &TcpStream, waker: &Waker, buffer: &mut [u8]) -> Poll<std::io::Result<usize>> {
    let mut context = Context::from_waker(waker);
    loop {
        match stream.poll_read_ready(&mut context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {}
        }
        let mut taken = None;
        let result = stream.try_io(Interest::READABLE, || {
            let count = (&*socket2::SockRef::from(stream)).read(buffer)?;
            taken = Some(count);
            if count > 0 && count < buffer.len() {
                return Err(ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        match (taken, result) {
            (Some(count), _) => return Poll::Ready(Ok(count)),
            (None, Err(error)) if error.kind() == ErrorKind::WouldBlock => {}
            (None, Err(error)) => return Poll::Ready(Err(error)),
            (None, Ok(())) => {}
        }
    }
}

//! What HTTP requests ask of the shard that owns a session. The shard's own tasks call `perform`; a request that
//! reached another shard travels here through the bounded command queue. Either way the code is the same.

use super::{
    Core,
    connection::{Connection, KeptHeaders, Link, NEVER, Phase, Polling, Probe, Standing},
};
use crate::{
    application::{Application, SocketId},
    budget::{Budget, Rate},
    close::CloseReason,
    config::Mode,
    http::refusal::EngineRefusal,
    outbox::Outbox,
    sid::{Sid, random_secret},
};
use bytes::Bytes;
use protocol::{
    engineio::{self, Handshake},
    frame::Frame,
    websocket::{Reader, control_frame},
};
use std::net::IpAddr;
use tokio::{net::TcpStream, sync::oneshot};

/// Rate of a server that sets none: never empty.
const NO_RATE: Rate = Rate {
    frames: f32::MAX,
    bytes: f32::MAX,
    seconds_of_burst: 1.0,
};

pub(crate) type Reply<T> = oneshot::Sender<Result<T, EngineRefusal>>;

pub(crate) enum Command {
    /// A session begins with long-polling; the reply is the open packet.
    OpenPolling {
        visitor: Visitor,
        reply: Reply<Bytes>,
    },
    /// A session begins with a WebSocket.
    OpenSocket {
        visitor: Visitor,
        stream: TcpStream,
        leftover: Bytes,
    },
    /// Does the session exist, and may this begin? For a post: its body is read next.
    Admit {
        sid: Sid,
        verb: Verb,
        reply: Reply<()>,
    },
    /// A poll: answered when there is something to say.
    Poll { sid: Sid, reply: Reply<Bytes> },
    /// The body of an admitted post.
    Post {
        sid: Sid,
        body: Bytes,
        reply: Reply<()>,
    },
    /// The client of a poll or post went away before its end.
    Lost { sid: Sid, verb: Verb },
    /// The body of a post cannot be taken.
    Broken { sid: Sid, reason: CloseReason },
    /// A WebSocket wants to take a polling session over.
    Probe {
        sid: Sid,
        stream: Travelling,
        leftover: Bytes,
    },
    /// The server goes away.
    Drain { batch: usize, deadline_ms: u64 },
}

/// A socket on its way to its session: off its reactor when it changes threads.
pub(crate) enum Travelling {
    Here(TcpStream),
    Elsewhere(std::net::TcpStream),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Poll,
    Post,
    Upgrade,
}

/// Who opens a session.
pub(crate) struct Visitor {
    pub(crate) endpoint: u8,
    pub(crate) peer: IpAddr,
    #[allow(
        clippy::box_collection,
        reason = "it moves into the connection as it is"
    )]
    pub(crate) headers: Option<Box<KeptHeaders>>,
}

impl<A: Application> Core<A> {
    pub(crate) fn perform(&mut self, command: Command) {
        match command {
            Command::OpenPolling { visitor, reply } => {
                let link = Link::Polling(Box::default());
                let opened = self.open(visitor, link).map(|(index, packet)| {
                    self.begin_session(index);
                    Bytes::from(packet)
                });
                answer(reply, opened.ok_or(EngineRefusal::Overloaded));
            }
            Command::OpenSocket {
                visitor,
                stream,
                leftover,
            } => self.open_socket(visitor, stream, &leftover),
            Command::Admit { sid, verb, reply } => answer(reply, self.admit(sid, verb)),
            Command::Poll { sid, reply } => self.poll(sid, reply),
            Command::Post { sid, body, reply } => answer(reply, self.post(sid, &body)),
            Command::Lost { sid, verb } => self.lost(sid, verb),
            Command::Broken { sid, reason } => {
                if let Some(index) = self.find(sid) {
                    self.sockets.begin_close(index, reason);
                }
            }
            Command::Probe {
                sid,
                stream,
                leftover,
            } => self.probe(sid, stream, &leftover),
            Command::Drain { batch, deadline_ms } => self.begin_drain(batch, deadline_ms),
        }
    }

    /// The open session of this name. Looks at its timers first: a client that asks right after its time is up
    /// is told so, whether or not the wheel has come round.
    fn find(&mut self, sid: Sid) -> Option<u32> {
        self.find_any_phase(sid)?;
        self.look(sid.index);
        self.sockets
            .table
            .get(sid.index)
            .filter(|connection| connection.is_open())
            .map(|_| sid.index)
    }

    fn find_any_phase(&self, sid: Sid) -> Option<&Connection> {
        self.sockets
            .table
            .get(sid.index)
            .filter(|connection| connection.secret == sid.secret)
    }

    fn open(&mut self, visitor: Visitor, link: Link) -> Option<(u32, String)> {
        if self.draining.is_some() {
            return None;
        }
        // The application forgets a slot before it hears of the next life in it.
        self.say_farewells();
        let config = self.sockets.config.clone();
        let is_polling = matches!(link, Link::Polling(_));
        let secret = random_secret();
        let now = self.sockets.now;
        let is_socketio = self.sockets.mode(visitor.endpoint) == Mode::SocketIo;
        let ready = self.sockets.ready.clone();
        let beat_due = self.sockets.next_beat();
        let index = self.sockets.insert(|index, generation| Connection {
            waker: (!is_polling).then(|| ready.waker(index, generation)),
            link,
            reader: Reader::default(),
            outbox: None,
            main: Standing::Absent,
            others: None,
            unfinished: None,
            acks: None,
            headers: visitor.headers,
            secret,
            peer: visitor.peer,
            endpoint: visitor.endpoint,
            phase: Phase::Open,
            awaits_pong: false,
            is_dirty: false,
            is_blocked: false,
            budget: Budget::full(config.limits.rate.as_ref().unwrap_or(&NO_RATE), now),
            beat_due,
            connect_due: if is_socketio {
                now + config.connect_timeout.as_millis() as u64
            } else {
                NEVER
            },
            armed: NEVER,
        })?;
        let sid = Sid {
            secret,
            node: config.node,
            shard: self.sockets.shard,
            index,
        };
        let packet = Handshake {
            sid: &sid.text(),
            upgrades: if is_polling { &["websocket"] } else { &[] },
            ping_interval: config.ping_interval.as_millis() as u64,
            ping_timeout: config.ping_timeout.as_millis() as u64,
            max_payload: config.limits.max_payload,
        }
        .packet();
        Some((index, packet))
    }

    fn open_socket(&mut self, visitor: Visitor, stream: TcpStream, leftover: &[u8]) {
        let endpoint = visitor.endpoint;
        let Some((index, packet)) = self.open(visitor, Link::WebSocket(stream)) else {
            return;
        };
        if self.sockets.mode(endpoint) != Mode::WebSocket {
            self.sockets.push(index, &Frame::packet(&packet));
        }
        self.begin_session(index);
        self.feed(index, &mut leftover.to_vec());
        self.on_ready(index, self.sockets.table.generation(index));
    }

    /// Paths without Socket.IO have no CONNECT: the session itself is the socket.
    fn begin_session(&mut self, index: u32) {
        let Some(connection) = self.sockets.table.get_mut(index) else {
            return;
        };
        let endpoint = connection.endpoint;
        if self.sockets.mode(endpoint) == Mode::SocketIo {
            return;
        }
        if let Some(connection) = self.sockets.table.get_mut(index) {
            connection.main = Standing::Connected;
        }
        self.sockets.tally.sockets += 1;
        let socket = SocketId::new(index, self.sockets.table.generation(index), 0);
        self.call(index, |app, sockets| app.on_open(sockets, socket));
    }

    fn admit(&mut self, sid: Sid, verb: Verb) -> Result<(), EngineRefusal> {
        let index = self.find(sid).ok_or(EngineRefusal::UnknownSid)?;
        if verb == Verb::Upgrade {
            // An upgrade too many is told on the new WebSocket itself, as the reference does.
            return Ok(());
        }
        let polling = self.polling(index).ok_or(EngineRefusal::BadRequest)?;
        if verb == Verb::Post && std::mem::replace(&mut polling.is_posting, true) {
            self.sockets.begin_close(index, CloseReason::Overlap);
            return Err(EngineRefusal::BadRequest);
        }
        Ok(())
    }

    pub(crate) fn polling(&mut self, index: u32) -> Option<&mut Polling> {
        match &mut self.sockets.table.get_mut(index)?.link {
            Link::Polling(polling) => Some(polling),
            _ => None,
        }
    }

    fn poll(&mut self, sid: Sid, reply: Reply<Bytes>) {
        let Some(index) = self.find(sid) else {
            return self.last_poll(sid, reply);
        };
        let Some(polling) = self.polling(index) else {
            return answer(reply, Err(EngineRefusal::BadRequest));
        };
        if polling.poll.is_some() {
            self.sockets.begin_close(index, CloseReason::Overlap);
            return answer(reply, Err(EngineRefusal::BadRequest));
        }
        let is_changing_over = polling.probe.as_ref().is_some_and(|probe| probe.answered);
        polling.poll = Some(reply);
        let has_words = self
            .sockets
            .table
            .get(index)
            .is_some_and(|c| c.outbox.is_some());
        if has_words {
            self.sockets.flush(index);
        } else if is_changing_over {
            self.release_poll(index);
        }
    }

    /// A session that the server ended gives its last words to one more poll, and the close to the one after it.
    fn last_poll(&mut self, sid: Sid, reply: Reply<Bytes>) {
        let is_closing = self
            .find_any_phase(sid)
            .is_some_and(|connection| matches!(connection.link, Link::Polling(_)));
        if !is_closing {
            return answer(reply, Err(EngineRefusal::UnknownSid));
        }
        let outbox = self
            .sockets
            .table
            .get_mut(sid.index)
            .and_then(|c| c.outbox.take());
        match outbox {
            Some(mut outbox) => {
                self.sockets.tally.outbox_bytes -= outbox.bytes() as u64;
                answer(reply, Ok(Bytes::from(Outbox::take_payload(&mut outbox))));
            }
            None => {
                answer(reply, Ok(Bytes::from_static(b"1")));
                self.sockets.release(sid.index);
            }
        }
    }

    /// Ends a waiting poll with nothing to say, so that the client can change over.
    pub(crate) fn release_poll(&mut self, index: u32) {
        if let Some(poll) = self.polling(index).and_then(|polling| polling.poll.take()) {
            answer(poll, Ok(Bytes::from_static(b"6")));
        }
    }

    fn post(&mut self, sid: Sid, body: &[u8]) -> Result<(), EngineRefusal> {
        let index = self.find(sid).ok_or(EngineRefusal::UnknownSid)?;
        if let Some(polling) = self.polling(index) {
            polling.is_posting = false;
        }
        let Ok(payload) = std::str::from_utf8(body) else {
            self.sockets.begin_close(index, CloseReason::BadText);
            return Err(EngineRefusal::BadRequest);
        };
        let generation = self.sockets.table.generation(index);
        let packets_max = self.sockets.config.limits.payload_packets;
        for packet in engineio::decode_payload(payload, packets_max) {
            let is_same = self.sockets.table.generation(index) == generation;
            let is_open = self.sockets.table.get(index).is_some_and(|c| c.is_open());
            if !is_same || !is_open {
                break;
            }
            let Ok(packet) = packet else {
                self.sockets.begin_close(index, CloseReason::BadPacket);
                break;
            };
            self.on_packet(index, packet);
        }
        let was_fatal = self.sockets.table.get(index).is_some_and(|c| {
            matches!(
                c.phase,
                Phase::Closing(CloseReason::BadPacket | CloseReason::RateLimited)
            )
        });
        if was_fatal {
            return Err(EngineRefusal::BadRequest);
        }
        Ok(())
    }

    fn lost(&mut self, sid: Sid, verb: Verb) {
        let Some(index) = self.find(sid) else {
            return;
        };
        let Some(polling) = self.polling(index) else {
            return;
        };
        // The poll may have been answered while its client went away: then another one may wait by now.
        let is_lost = match verb {
            Verb::Poll => polling.poll.as_ref().is_some_and(|poll| poll.is_closed()),
            Verb::Post => polling.is_posting,
            Verb::Upgrade => false,
        };
        if is_lost {
            self.sockets.begin_close(index, CloseReason::TransportError);
        }
    }

    fn probe(&mut self, sid: Sid, stream: Travelling, leftover: &[u8]) {
        let stream = match stream {
            Travelling::Here(stream) => stream,
            Travelling::Elsewhere(stream) => match TcpStream::from_std(stream) {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a socket did not survive its way to its shard");
                    return;
                }
            },
        };
        let due = self.sockets.now + self.sockets.config.upgrade_timeout.as_millis() as u64;
        let index = self.find(sid);
        let polling = index.and_then(|index| self.polling(index));
        let (Some(index), Some(polling)) = (index, polling.filter(|p| p.probe.is_none())) else {
            // Best effort: whoever upgrades twice may find a closed door without a note on it.
            if let Err(error) = stream.try_write(&control_frame(8, b"")) {
                tracing::debug!(%error, "no close frame for an upgrade too many");
            }
            return;
        };
        polling.probe = Some(Probe {
            stream,
            reader: Reader::default(),
            answered: false,
            due,
        });
        let generation = self.sockets.table.generation(index);
        let waker = self.sockets.ready.waker(index, generation);
        if let Some(connection) = self.sockets.table.get_mut(index) {
            connection.waker = Some(waker);
        }
        self.sockets.arm(index);
        self.feed_probe(index, &mut leftover.to_vec());
        self.on_ready(index, generation);
    }
}

/// Whoever asked may be gone; then the answer is for nobody.
pub(crate) fn answer<T>(reply: Reply<T>, result: Result<T, EngineRefusal>) {
    drop(reply.send(result));
}

//! One connection: handshake, sign-in, heartbeats, and what it hears. Holds no buffer while nothing is half read.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ::client::wire::{self, Told};
use ::client::words::{self, Answer, Ready};
use protocol::engineio::{self, Packet as EnginePacket};
use protocol::frame::Frame;
use protocol::socketio::{self, Packet};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;

use crate::agent::Agent;
use crate::check::{Faults, Place};

/// Attempts before a client gives up, with a pause that doubles from the first one.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A handshake that takes longer is tried again.
const PATIENCE: Duration = Duration::from_secs(20);
/// The server's answer to an upgrade is shorter than this.
const HEAD_MAX: usize = 8 * 1024;

/// A person's device.
pub(crate) struct Client {
    /// Index of the person.
    pub(crate) person: u32,
    out: RefCell<Option<OwnedWriteHalf>>,
    unsent: RefCell<Vec<u8>>,
    places: RefCell<Vec<Place>>,
    ready: Cell<bool>,
    task: RefCell<Option<AbortHandle>>,
}

/// Why a connection ended.
enum Ended {
    /// The handshake or sign-in was refused, or never finished.
    Refused,
    /// The server closed it, or broke the protocol.
    ByServer,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Ended {
        Ended::ByServer
    }
}

impl Client {
    pub(crate) fn new(person: u32) -> Client {
        Client {
            person,
            out: RefCell::default(),
            unsent: RefCell::default(),
            places: RefCell::default(),
            ready: Cell::new(false),
            task: RefCell::default(),
        }
    }

    pub(crate) fn belongs_to(&self, task: AbortHandle) {
        self.task.replace(Some(task));
    }

    /// Whether its `session:ready` came and the connection lives.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.get()
    }

    /// Ends the connection without a word, as a network does; whether there was one.
    pub(crate) fn cut(&self) -> bool {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.out.take();
        self.unsent.take();
        self.ready.replace(false)
    }

    /// Writes, or keeps for [`Client::flush`] what the socket does not take; `false` then.
    pub(crate) fn write(&self, bytes: &[u8]) -> bool {
        let mut unsent = self.unsent.borrow_mut();
        if !unsent.is_empty() {
            unsent.extend_from_slice(bytes);
            return false;
        }
        let written = self.try_write(bytes);
        unsent.extend_from_slice(&bytes[written..]);
        written == bytes.len()
    }

    /// Whether nothing waits any more.
    pub(crate) fn flush(&self) -> bool {
        let mut unsent = self.unsent.borrow_mut();
        let written = self.try_write(&unsent);
        unsent.drain(..written);
        unsent.is_empty()
    }

    fn try_write(&self, bytes: &[u8]) -> usize {
        let out = self.out.borrow();
        match out.as_ref().map(|out| out.try_write(bytes)) {
            Some(Ok(written)) => written,
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => 0,
            // The reading side hears of the end and counts it; what was to be said stays without an answer.
            Some(Err(_)) | None => bytes.len(),
        }
    }

    /// An entry of a room's log.
    pub(crate) fn hear(&self, room: u32, seq: u64, faults: &mut Faults) {
        if let Some(place) = self
            .places
            .borrow_mut()
            .iter_mut()
            .find(|place| place.room == room)
        {
            place.hear(seq, faults);
        }
    }

    /// Entries that have not come, when each room's log reached to `heads` at least.
    pub(crate) fn lost(&self, heads: &[u64]) -> u64 {
        self.places
            .borrow()
            .iter()
            .map(|place| place.lost(heads[place.room as usize]))
            .sum()
    }
}

/// Connects, a few times if it must be, and listens until the connection ends. `place` is held until it is ready.
pub(crate) async fn live(agent: Rc<Agent>, client: Rc<Client>, place: OwnedSemaphorePermit) {
    let mut place = Some(place);
    let counts = &agent.run.counts;
    let mut pause = FIRST_PAUSE;
    for _ in 0..ATTEMPTS {
        let ended = attempt(&agent, &client, &mut place).await;
        client.out.take();
        if client.ready.replace(false) {
            counts.ready.fetch_sub(1, Relaxed);
            counts.ended.fetch_add(1, Relaxed);
            return;
        }
        counts.attempts_failed.fetch_add(1, Relaxed);
        if matches!(ended, Err(Ended::Refused)) {
            break;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    counts.failed.fetch_add(1, Relaxed);
}

async fn attempt(
    agent: &Rc<Agent>,
    client: &Rc<Client>,
    place: &mut Option<OwnedSemaphorePermit>,
) -> Result<(), Ended> {
    let mut input = match tokio::time::timeout(PATIENCE, open(agent, client)).await {
        Ok(opened) => opened?,
        Err(_) => return Err(Ended::ByServer),
    };
    let mut carry = Vec::new();
    loop {
        let count = if client.is_ready() {
            place.take();
            read(agent, &mut input).await?
        } else {
            match tokio::time::timeout(PATIENCE, read(agent, &mut input)).await {
                Ok(read) => read?,
                Err(_) => return Err(Ended::ByServer),
            }
        };
        if count == 0 {
            return Err(Ended::ByServer);
        }
        let now = agent.run.now();
        let scratch = agent.scratch.borrow();
        if carry.is_empty() {
            let mut rest = &scratch[..count];
            take_in(agent, client, &mut rest, now)?;
            carry.extend_from_slice(rest);
        } else {
            carry.extend_from_slice(&scratch[..count]);
            let mut rest = &carry[..];
            take_in(agent, client, &mut rest, now)?;
            carry = rest.to_vec();
        }
    }
}

/// The WebSocket is open: the answer to the upgrade was read to its end and not beyond, and our sign-in is on its way.
async fn open(agent: &Rc<Agent>, client: &Rc<Client>) -> Result<OwnedReadHalf, Ended> {
    let run = &agent.run;
    let socket = TcpSocket::new_v4()?;
    if run.target.ip().is_loopback() && run.target.is_ipv4() {
        let source = Ipv4Addr::new(
            127,
            0,
            0,
            2 + (client.person % u32::from(run.sources)) as u8,
        );
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((source, 0)))?;
    }
    let stream = socket.connect(run.target).await?;
    stream.set_nodelay(true)?;
    let (mut input, out) = stream.into_split();
    client.out.replace(Some(out));
    client.unsent.take();
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        run.target
    );
    client.write(request.as_bytes());
    let mut head = Vec::new();
    // Byte by byte it would be many reads: the server says nothing behind its open packet before we have signed in, so
    // what came with the head is that packet or its beginning, and is passed over below.
    let rest = loop {
        let count = read(agent, &mut input).await?;
        head.extend_from_slice(&agent.scratch.borrow()[..count]);
        if count == 0 || head.len() > HEAD_MAX {
            return Err(Ended::ByServer);
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break head.split_off(end + 4);
        }
    };
    if !head.starts_with(b"HTTP/1.1 101") {
        return Err(Ended::ByServer);
    }
    let mut opening = rest;
    loop {
        let mut bytes = &opening[..];
        match wire::take(&mut bytes) {
            Ok(Some(Told::Text(body))) if body.first() == Some(&b'0') && bytes.is_empty() => break,
            Ok(None) => {}
            _ => return Err(Ended::ByServer),
        }
        let count = read(agent, &mut input).await?;
        if count == 0 {
            return Err(Ended::ByServer);
        }
        opening.extend_from_slice(&agent.scratch.borrow()[..count]);
    }
    sign_in(agent, client);
    Ok(input)
}

/// The token, and the cursors of whatever was heard before.
fn sign_in(agent: &Agent, client: &Client) {
    let people = &agent.run.people;
    let places = client.places.borrow();
    let cursors = places
        .iter()
        .map(|place| (people.rooms[place.room as usize], place.last, None));
    let auth = words::sign_in(&people.persons[client.person as usize].token, cursors);
    let mut out = Vec::new();
    wire::push(&Frame::packet(&auth), &mut out);
    client.write(&out);
}

/// One read into the thread's buffer; whoever gets the count has the buffer until its next await.
async fn read(agent: &Agent, input: &mut OwnedReadHalf) -> io::Result<usize> {
    poll_fn(|context| {
        let scratch = &mut *agent.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(scratch);
        Pin::new(&mut *input)
            .poll_read(context, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    })
    .await
}

/// Takes whole frames off the front.
fn take_in(agent: &Agent, client: &Client, rest: &mut &[u8], now: u64) -> Result<(), Ended> {
    loop {
        match wire::take(rest) {
            Ok(None) => return Ok(()),
            Ok(Some(Told::Text(body))) => text(agent, client, body, now)?,
            Ok(Some(Told::Ping(body))) => {
                let mut out = Vec::new();
                wire::push_raw(0x8a, body, &mut out);
                client.write(&out);
            }
            Ok(Some(Told::Other)) => {}
            Ok(Some(Told::Close(_))) | Err(wire::Broken) => return Err(Ended::ByServer),
        }
    }
}

fn text(agent: &Agent, client: &Client, body: &[u8], now: u64) -> Result<(), Ended> {
    if body.starts_with(b"42") && client.is_ready() {
        return if agent.hear(client, body, now) {
            Ok(())
        } else {
            Err(Ended::ByServer)
        };
    }
    let text = std::str::from_utf8(body).map_err(|_| Ended::ByServer)?;
    match engineio::decode(text).map_err(|_| Ended::ByServer)? {
        EnginePacket::Ping(_) => {
            let mut out = Vec::new();
            wire::push(&Frame::packet("3"), &mut out);
            client.write(&out);
            Ok(())
        }
        EnginePacket::Message(message) => packet(agent, client, (body, message), now),
        EnginePacket::Close => Err(Ended::ByServer),
        _ => Ok(()),
    }
}

fn packet(
    agent: &Agent,
    client: &Client,
    (body, message): (&[u8], &str),
    now: u64,
) -> Result<(), Ended> {
    match socketio::decode(message).map_err(|_| Ended::ByServer)? {
        Packet::Ack { id, args, .. } => {
            let answer: Answer<'_> = args
                .first()
                .and_then(|raw| serde_json::from_str(raw.get()).ok())
                .ok_or(Ended::ByServer)?;
            let accepted = match (&answer.data, &answer.error) {
                (Some(data), _) if answer.ok => Ok(data.message.seq),
                (_, error) => Err(error.as_ref().map_or("", |error| error.code)),
            };
            agent.answered(id, accepted, now);
            Ok(())
        }
        // Only `session:ready` comes before we are ready.
        Packet::Event { .. } => match words::event(body) {
            Some((name, payload)) if name == "session:ready" => {
                let ready: Ready =
                    serde_json::from_str(payload.get()).map_err(|_| Ended::ByServer)?;
                let mut places = client.places.borrow_mut();
                for room in ready.rooms {
                    if let Some(number) = agent.run.people.room_number(room.id)
                        && !places.iter().any(|place| place.room == number)
                    {
                        places.push(Place::at(number, room.head_seq));
                    }
                }
                client.ready.set(true);
                agent.run.counts.ready.fetch_add(1, Relaxed);
                Ok(())
            }
            _ => Ok(()),
        },
        Packet::ConnectError { .. } => Err(Ended::Refused),
        Packet::Disconnect { .. } => Err(Ended::ByServer),
        Packet::Connect { .. } => Ok(()),
    }
}

//! One connection: handshake, sign-in, heartbeats, and what it hears. Holds no buffer while nothing is half read.

use std::cell::{Cell, Ref, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use ::client::wire;
use protocol::frame::Frame;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;

use crate::chance::Chance;
use crate::check::{Faults, Place};
use crate::incoming::take_in;
use crate::order::Setup;
use crate::words::Kind;
use crate::worker::Worker;

/// Attempts before a client gives up, with a pause that doubles from the first one.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A handshake that takes longer is tried again.
const PATIENCE: Duration = Duration::from_secs(20);
/// The server's answer to an upgrade is shorter than this.
const HEAD_MAX: usize = 8 * 1024;
/// What the official client waits before its first attempt to come back, and at most; each half more or less by chance.
const RETURN_PAUSE: Duration = Duration::from_secs(1);
const RETURN_PAUSE_MAX: Duration = Duration::from_secs(5);
/// A slow reader reads so many times a second.
const SLOW_READS: u32 = 10;
/// What the kernel holds for a slow reader: otherwise it would read fast for them.
const SLOW_KERNEL_BYTES: u32 = 4 * 1024;

/// A person's device.
pub(crate) struct Client {
    /// Index of the person in this worker's cast.
    pub(crate) index: u32,
    out: RefCell<Option<OwnedWriteHalf>>,
    unsent: RefCell<Vec<u8>>,
    places: RefCell<Vec<Place>>,
    ready: Cell<bool>,
    /// When the server cut it off, on the run's clock; while it is not back.
    lost_at: Cell<Option<u64>>,
    /// Connections that it has had: the next one goes to the next target.
    turn: Cell<u32>,
    task: RefCell<Option<AbortHandle>>,
}

/// Why a connection ended.
pub(crate) enum Ended {
    /// The sign-in was refused.
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
    pub(crate) fn new(index: u32) -> Client {
        Client {
            index,
            out: RefCell::default(),
            unsent: RefCell::default(),
            places: RefCell::default(),
            ready: Cell::new(false),
            lost_at: Cell::new(None),
            turn: Cell::new(0),
            task: RefCell::default(),
        }
    }

    pub(crate) fn belongs_to(&self, task: AbortHandle) {
        self.task.replace(Some(task));
    }

    /// Whether it is signed in and the connection lives.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.get()
    }

    /// Ends the connection without a word, as a network does; whether it was ready.
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

    /// Something of a room was heard: its place, and the message when it is one of ours.
    pub(crate) fn hear(
        &self,
        kind: Kind,
        (room, seq, said): (u32, Option<u64>, Option<u64>),
        faults: &mut Faults,
    ) {
        let mut places = self.places.borrow_mut();
        let Some(place) = places.iter_mut().find(|place| place.room == room) else {
            faults.strays += 1;
            return;
        };
        match (kind.has_log(), seq, said) {
            (true, Some(seq), _) => place.hear(seq, faults),
            (false, _, Some(said)) => place.hear_lane(said, seq, faults),
            _ => {}
        }
    }

    /// When it was cut off, if it was and has just come back.
    pub(crate) fn is_back(&self) -> Option<u64> {
        self.lost_at.take()
    }

    /// Where it stands in its rooms.
    pub(crate) fn places(&self) -> Ref<'_, Vec<Place>> {
        self.places.borrow()
    }

    /// The last entry heard of a room.
    pub(crate) fn last(&self, room: u32) -> u64 {
        let places = self.places.borrow();
        places
            .iter()
            .find(|place| place.room == room)
            .map_or(0, |place| place.last)
    }

    /// It is signed in, to these rooms.
    pub(crate) fn is_in(&self, kind: Kind, rooms: impl Iterator<Item = (u32, u64)>) {
        let mut places = self.places.borrow_mut();
        for (room, head) in rooms {
            match places.iter_mut().find(|place| place.room == room) {
                None => places.push(Place::at(room, head)),
                Some(place) if !kind.has_log() => place.start_over(),
                // Its cursor was sent, and what it missed is on its way.
                Some(_) => {}
            }
        }
        self.ready.set(true);
    }
}

/// Connects, a few times if it must be, and listens until the connection ends. `permit` is held until it is ready.
pub(crate) async fn live(worker: Rc<Worker>, client: Rc<Client>, permit: OwnedSemaphorePermit) {
    let is_slow = worker.setup.cast.people[client.index as usize].slow;
    let comes_back = worker.setup.scenario.people.come_back;
    let mut chance = Chance::new(worker.setup.scenario.seed, u64::from(client.index));
    let mut permit = Some(permit);
    let (mut pause, mut attempts) = (FIRST_PAUSE, 0);
    while attempts < ATTEMPTS {
        attempts += 1;
        let ended = attempt(&worker, &client, &mut permit).await;
        client.out.take();
        let was_ready = client.ready.replace(false);
        if was_ready {
            client.turn.set(client.turn.get() + 1);
            let counts = &mut *worker.counts.borrow_mut();
            counts.ready -= 1;
            if comes_back {
                counts.cut_off += 1;
                client.lost_at.set(Some(worker.now()));
                (pause, attempts) = (RETURN_PAUSE, 0);
            } else {
                worker.excuse(|person| person == client.index);
            }
            if !is_slow && !comes_back {
                counts.ended += 1;
                return;
            }
            // That is what becomes of slow readers; they come back as a client would.
            if !comes_back {
                counts.slow_ended += 1;
                (pause, attempts) = (FIRST_PAUSE, 0);
            }
        } else {
            worker.counts.borrow_mut().attempts_failed += 1;
            if matches!(ended, Err(Ended::Refused)) {
                break;
            }
        }
        if client.lost_at.get().is_some() {
            // Nobody gives up, and a balancer would not send them twice to one that takes nobody.
            attempts = 0;
            if !was_ready {
                client.turn.set(client.turn.get() + 1);
            }
            tokio::time::sleep(pause.mul_f64(0.5 + chance.share())).await;
            pause = (pause * 2).min(RETURN_PAUSE_MAX);
        } else {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
    worker.counts.borrow_mut().failed += 1;
}

async fn attempt(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<(), Ended> {
    let began = worker.now();
    let (mut input, mut carry) = match tokio::time::timeout(PATIENCE, open(worker, client)).await {
        Ok(opened) => opened?,
        Err(_) => return Err(Ended::ByServer),
    };
    let mut early = &carry[..];
    take_in(worker, client, &mut early, began)?;
    carry = early.to_vec();
    let pace = worker
        .setup
        .scenario
        .slow
        .as_ref()
        .map_or(0, |slow| slow.bytes_per_second / SLOW_READS);
    let pace =
        (worker.setup.cast.people[client.index as usize].slow).then_some(pace.max(16) as usize);
    loop {
        let mut most = usize::MAX;
        let count = if client.is_ready() {
            if permit.take().is_some() {
                let latency = worker.now().saturating_sub(began);
                worker
                    .ledger
                    .borrow_mut()
                    .outcome
                    .connect
                    .record_nanos(latency);
            }
            if let Some(pace) = pace.filter(|_| !worker.hurry.get()) {
                tokio::time::sleep(Duration::from_secs(1) / SLOW_READS).await;
                most = pace;
            }
            read(worker, &mut input, most).await?
        } else {
            match tokio::time::timeout(PATIENCE, read(worker, &mut input, most)).await {
                Ok(read) => read?,
                Err(_) => return Err(Ended::ByServer),
            }
        };
        if count == 0 {
            return Err(Ended::ByServer);
        }
        worker.counts.borrow_mut().bytes += count as u64;
        let now = worker.now();
        let scratch = worker.scratch.borrow();
        if carry.is_empty() {
            let mut rest = &scratch[..count];
            take_in(worker, client, &mut rest, now)?;
            carry.extend_from_slice(rest);
        } else {
            carry.extend_from_slice(&scratch[..count]);
            let mut rest = &carry[..];
            take_in(worker, client, &mut rest, now)?;
            carry = rest.to_vec();
        }
    }
}

/// Where a person comes from. Each run has addresses of its own: of those of the run before, the server may remember
/// connections for a minute, and lets nobody in who happens to be like one of them.
fn source(setup: &Setup, person: u32) -> Ipv4Addr {
    let [first, second, ..] = setup.run.to_be_bytes();
    Ipv4Addr::new(
        127,
        first,
        second,
        2 + (person % u32::from(setup.sources)) as u8,
    )
}

/// The WebSocket is open. What came behind the answer to the upgrade comes along.
async fn open(worker: &Rc<Worker>, client: &Rc<Client>) -> Result<(OwnedReadHalf, Vec<u8>), Ended> {
    let setup = &worker.setup;
    let person = &setup.cast.people[client.index as usize];
    let turn = person.number as usize + client.turn.get() as usize;
    let target = &worker.targets[turn % worker.targets.len()];
    let socket = match target.address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if target.address.ip().is_loopback() && target.address.is_ipv4() {
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((source(setup, person.number), 0)))?;
    }
    if person.slow {
        socket.set_recv_buffer_size(SLOW_KERNEL_BYTES)?;
    }
    let stream = socket.connect(target.address).await?;
    stream.set_nodelay(true)?;
    let (mut input, out) = stream.into_split();
    client.out.replace(Some(out));
    client.unsent.take();
    let room = person
        .rooms
        .first()
        .map(|room| &*setup.cast.rooms[*room as usize]);
    let (base, host) = (&target.base, &target.host);
    let path = setup.kind.path(room);
    client.write(
        format!("GET {base}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").as_bytes(),
    );
    let mut head = Vec::new();
    let rest = loop {
        let count = read(worker, &mut input, usize::MAX).await?;
        head.extend_from_slice(&worker.scratch.borrow()[..count]);
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
    if !setup.kind.is_socketio() {
        client.is_in(
            setup.kind,
            person.rooms.iter().take(1).map(|room| (*room, 0)),
        );
        worker.is_ready();
    }
    Ok((input, rest))
}

/// The token, and the cursors of whatever was heard before.
pub(crate) fn sign_in(worker: &Worker, client: &Client) {
    let setup = &worker.setup;
    let person = &setup.cast.people[client.index as usize];
    let packet = setup
        .kind
        .sign_in(person, &setup.cast.rooms, &client.places.borrow());
    let mut out = Vec::new();
    wire::push(&Frame::packet(&packet), &mut out);
    client.write(&out);
}

impl Worker {
    pub(crate) fn is_ready(&self) {
        let now = self.now();
        let counts = &mut *self.counts.borrow_mut();
        counts.ready += 1;
        counts.last_ready = now;
    }

    /// Whoever was cut off says first what was not answered: a repeat finds what was stored, and the order is kept.
    pub(crate) fn is_back(&self, client: &Client) {
        let Some(lost_at) = client.is_back() else {
            return;
        };
        let now = self.now();
        {
            let outcome = &mut self.ledger.borrow_mut().outcome;
            outcome.away.record_nanos(now.saturating_sub(lost_at));
            outcome.slot(self.slot(now)).returned += 1;
        }
        self.repeat(client);
    }
}

/// One read into the worker's buffer; whoever gets the count has the buffer until its next await.
async fn read(worker: &Worker, input: &mut OwnedReadHalf, most: usize) -> io::Result<usize> {
    poll_fn(|context| {
        let scratch = &mut *worker.scratch.borrow_mut();
        let most = most.min(scratch.len());
        let mut buffer = ReadBuf::new(&mut scratch[..most]);
        Pin::new(&mut *input)
            .poll_read(context, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    })
    .await
}

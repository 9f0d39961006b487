//! A device at work: it connects, takes in its rooms, sends its outbox, and comes back after any end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use history::{Event, digest};
use protocol::event::client::SendMessage;
use protocol::frame::Frame;
use protocol::ids::{ClientId, RoomId};
use protocol::message::Seq;
use protocol::room::Epoch;
use protocol::socketio::{self, Packet};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::member::{Identity, Road, Rooms, Standing};
use crate::outbox::{Answer as Answered, Ended, Outbox, Refused};
use crate::words::{self, Answer, DURABLE, ReadyRoom};
use crate::{Link, Recorder};

/// From the sign-in to `session:ready`; what takes longer is given up and tried again.
const READY_MAX: Duration = Duration::from_secs(20);

/// Why a session ended.
enum End {
    /// The way to the server, or the server.
    Lost,
    /// Somebody who was refused does not come again.
    Refused(String),
}

/// A message to be said, and where its answer goes.
pub(crate) struct Order {
    pub(crate) room: RoomId,
    pub(crate) text: String,
    pub(crate) answer: Answered,
}

/// The ends that the member holds.
type Lines = (
    mpsc::Receiver<Order>,
    watch::Sender<Standing>,
    watch::Sender<BTreeMap<RoomId, Seq>>,
);

/// A device at work.
pub(crate) struct Device {
    who: Identity,
    road: Road,
    rooms: Rooms,
    recorder: Arc<Recorder>,
    orders: mpsc::Receiver<Order>,
    standing: watch::Sender<Standing>,
    places: watch::Sender<BTreeMap<RoomId, Seq>>,
    epochs: BTreeMap<RoomId, Epoch>,
    outbox: Outbox,
    /// The connection in the history, once it was let in.
    conn: Option<u64>,
}

impl Device {
    /// Nothing is opened yet.
    pub(crate) fn new(
        (who, road): (Identity, Road),
        rooms: Rooms,
        recorder: Arc<Recorder>,
        (orders, standing, places): Lines,
    ) -> Device {
        Device {
            who,
            road,
            rooms,
            recorder,
            orders,
            standing,
            places,
            epochs: BTreeMap::new(),
            outbox: Outbox::default(),
            conn: None,
        }
    }

    /// Works until it is refused, and then only says no.
    pub(crate) async fn live(mut self) {
        let (mut choice, mut pause) = (0, self.road.tempo.pause_first);
        loop {
            let endpoint = &self.road.endpoints[choice % self.road.endpoints.len()];
            let mut end = End::Lost;
            if let Ok(link) = Link::open(endpoint, self.road.way).await {
                end = self.session(link).await;
            }
            let was_ready = self.over();
            if let End::Refused(code) = end {
                self.standing.send_replace(Standing::Refused(code.clone()));
                return self.refuse(&code).await;
            }
            if was_ready {
                pause = self.road.tempo.pause_first;
            } else {
                self.recorder.connect_failed();
                choice += 1;
            }
            // Spread as the stock client spreads it; any chance will do.
            let spread = 0.5 + (Uuid::new_v4().as_u128() % 1_000) as f64 / 1_000.0;
            tokio::time::sleep(pause.mul_f64(spread)).await;
            pause = (pause * 2).min(self.road.tempo.pause_max);
        }
    }

    /// The connection is over; whether it was one that was let in.
    fn over(&mut self) -> bool {
        for id in self.outbox.cut() {
            self.recorder.observe(Event::Info { id });
        }
        self.standing.send_replace(Standing::Connecting);
        match self.conn.take() {
            Some(conn) => {
                self.recorder.observe(Event::Disconnect { conn });
                true
            }
            None => false,
        }
    }

    /// Nothing will be sent any more.
    async fn refuse(mut self, code: &str) {
        self.outbox.refuse_all(code);
        while let Some(order) = self.orders.recv().await {
            drop(order.answer.send(Err(Refused(code.to_owned()))));
        }
    }

    async fn session(&mut self, mut link: Link) -> End {
        let places = self.places.borrow().clone();
        let cursors = places
            .iter()
            .map(|(room, seq)| (*room, *seq, self.epochs.get(room).copied()));
        let sign_in = words::sign_in(&self.who.token, cursors);
        if !link.send(Frame::packet(&sign_in)).await {
            return End::Lost;
        }
        let ready_by = Instant::now() + READY_MAX;
        loop {
            let is_ready = self.conn.is_some();
            let wakes = match (is_ready, self.outbox.wakes()) {
                (false, _) => Some(ready_by),
                (true, wakes) => wakes,
            };
            tokio::select! {
                message = link.next() => match message {
                    None => return End::Lost,
                    Some(message) => if let Err(end) = self.take(&message) {
                        return end;
                    },
                },
                Some(order) = self.orders.recv(), if is_ready => {
                    let key = ClientId(Uuid::new_v4());
                    self.outbox.push((order.room, key), order.text, order.answer);
                }
                () = sleep_until(wakes.unwrap_or(ready_by)), if wakes.is_some() => {
                    if !is_ready {
                        return End::Lost;
                    }
                }
            }
            if !self.speak(&link).await {
                return End::Lost;
            }
        }
    }

    /// Makes every attempt that is due; `false` when the session has ended.
    async fn speak(&mut self, link: &Link) -> bool {
        let Some(conn) = self.conn else {
            return true;
        };
        let now = Instant::now();
        for id in self.outbox.overdue(now) {
            self.recorder.observe(Event::Info { id });
        }
        let give_up = now + self.road.tempo.ack_max;
        while let Some(attempt) = self.outbox.next(self.recorder.fresh(), now, give_up) {
            self.recorder.observe(Event::Invoke {
                id: attempt.id,
                conn,
                user: self.who.user,
                room: attempt.room,
                key: attempt.key,
                body: digest(attempt.text.as_bytes()),
            });
            let send = SendMessage {
                room_id: attempt.room,
                client_id: attempt.key,
                text: attempt.text,
                reply_to: None,
                mentions: Vec::new(),
                meta: None,
            };
            let frame = Frame::event_in("/", Some(attempt.id), "message:send", &send);
            if !link.send(frame).await {
                return false;
            }
        }
        true
    }

    /// Takes a message of the server in. What a right server never says ends the session.
    fn take(&mut self, message: &str) -> Result<(), End> {
        let text = message.strip_prefix('4').ok_or(End::Lost)?;
        match socketio::decode(text).map_err(|_| End::Lost)? {
            Packet::Event { name, args, .. } => match args.first() {
                Some(payload) => self.heard(&name, payload).ok_or(End::Lost),
                None => Err(End::Lost),
            },
            Packet::Ack { id, args, .. } => {
                let answer = args.first().ok_or(End::Lost)?;
                self.answered(id, answer).ok_or(End::Lost)
            }
            Packet::ConnectError { data, .. } => Err(End::Refused(refusal_code(data))),
            // Our server says this to a revoked session, and to nobody else.
            Packet::Disconnect { .. } => Err(End::Refused("session_revoked".to_owned())),
            Packet::Connect { .. } => Ok(()),
        }
    }

    fn answered(&mut self, id: u64, answer: &RawValue) -> Option<()> {
        let answer: Answer<'_> = serde_json::from_str(answer.get()).ok()?;
        let (accepted, duplicate) = match (&answer.data, &answer.error) {
            (Some(data), _) if answer.ok => (Ok(data.message.seq), data.duplicate),
            (_, Some(error)) => {
                self.recorder.refused(error.code);
                let after = error.retry_after.map(Duration::from_millis);
                (Err((error.code, after)), false)
            }
            _ => return None,
        };
        let event = match (self.outbox.answered(id, accepted, Instant::now()), accepted) {
            (Some(Ended::Acked), Ok(seq)) => Event::Ok { id, seq, duplicate },
            (Some(Ended::Unknown), _) => Event::Info { id },
            (Some(ended), _) => Event::Fail {
                id,
                retry: ended == Ended::Later,
            },
            (None, _) => return Some(()),
        };
        self.recorder.observe(event);
        Some(())
    }

    fn heard(&mut self, name: &str, payload: &RawValue) -> Option<()> {
        if name == "session:ready" {
            return self.ready(&read(payload)?);
        }
        // Nothing else comes before it.
        let conn = self.conn?;
        match name {
            "room:added" => {
                let words::Added { room } = read(payload)?;
                self.begin(conn, &room);
            }
            "room:removed" => {
                let room = read::<words::Removed>(payload)?.room_id;
                if self.rooms.contains(&room) {
                    self.recorder.observe(Event::Stop { conn, room });
                }
            }
            "stream:gap" => {
                let gap: words::Gap = read(payload)?;
                if self.rooms.contains(&gap.room_id) {
                    self.gap(conn, &gap);
                }
            }
            name if DURABLE.contains(&name) => self.deliver(conn, name, payload)?,
            _ => {}
        }
        Some(())
    }

    fn ready(&mut self, ready: &words::Ready) -> Option<()> {
        let conn = self.recorder.fresh();
        self.conn = Some(conn);
        self.recorder.observe(Event::Connect {
            conn,
            user: self.who.user,
            session: ready.session_id,
        });
        for room in &ready.rooms {
            self.begin(conn, room);
        }
        self.standing.send_replace(Standing::Ready);
        Some(())
    }

    /// A room is heard from our cursor on, or from its head when we have none of this incarnation.
    fn begin(&mut self, conn: u64, room: &ReadyRoom) {
        if !self.rooms.contains(&room.id) {
            return;
        }
        let known = self.epochs.insert(room.id, room.epoch);
        let ours = self.places.borrow().get(&room.id).copied();
        let after = match ours {
            Some(seq) if known == Some(room.epoch) => seq,
            _ => room.head_seq,
        };
        self.places.send_modify(|places| {
            places.insert(room.id, after);
        });
        self.recorder.observe(Event::Start {
            conn,
            room: room.id,
            epoch: room.epoch,
            after,
        });
    }

    fn gap(&mut self, conn: u64, gap: &words::Gap) {
        let room = gap.room_id;
        let Some(epoch) = self.epochs.get(&room).copied() else {
            return;
        };
        self.recorder.gap();
        self.recorder.observe(Event::Stop { conn, room });
        self.places.send_modify(|places| {
            places.insert(room, gap.head_seq);
        });
        self.recorder.observe(Event::Start {
            conn,
            room,
            epoch,
            after: gap.head_seq,
        });
    }

    fn deliver(&mut self, conn: u64, name: &str, payload: &RawValue) -> Option<()> {
        let entry: words::Entry = read(payload)?;
        let (room, seq) = (entry.room_id, entry.seq);
        if !self.rooms.contains(&room) {
            return Some(());
        }
        self.recorder.observe(Event::Deliver {
            conn,
            room,
            seq,
            content: entry.content(name, payload),
        });
        // The highest seen, whatever was left out on the way: the checker has heard of that.
        self.places.send_modify(|places| {
            let place = places.entry(room).or_insert(seq);
            *place = seq.max(*place);
        });
        Some(())
    }
}

fn read<'a, T: Deserialize<'a>>(payload: &'a RawValue) -> Option<T> {
    serde_json::from_str(payload.get()).ok()
}

fn refusal_code(data: Option<&RawValue>) -> String {
    #[derive(Deserialize)]
    struct ConnectError {
        data: words::Problem,
    }
    let problem = data.and_then(read::<ConnectError>);
    problem.map_or_else(|| "refused".to_owned(), |error| error.data.code)
}

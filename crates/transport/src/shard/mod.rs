//! A shard: one thread that owns its connections for life. Invariants:
//! a connection lives and dies on its thread, and others reach it only through the shard's bounded mailboxes;
//! no await while the core is borrowed; nothing blocks; every queue has a bound and a named outcome when full.
//! One poll of the turn does everything that is there to do, and then writes once to each connection.

pub(crate) mod command;
pub(crate) mod connection;
mod drain;
mod incoming;
mod outgoing;
mod packets;
pub(crate) mod sockets;
mod table;

use crate::{application::Application, close::CloseReason};
use command::Command;
use connection::{Link, NEVER, Phase};
use drain::Draining;
use protocol::{frame::Frame, websocket::control_frame};
use sockets::Sockets;
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Sleep, sleep_until},
};

/// What one read takes at most; the buffer is the shard's, not the connection's.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Commands and mails taken from a queue at a time.
const BATCH: usize = 256;
/// Batches of one turn: whoever posts without end must not keep the shard from writing.
const BATCHES_A_TURN: usize = 256;

/// The application and its connections.
pub(crate) struct Core<A: Application> {
    pub(crate) app: A,
    pub(crate) sockets: Sockets,
    scratch: Vec<u8>,
    pub(crate) draining: Option<Draining>,
}

/// A shard as its own tasks see it.
pub(crate) struct Shard<A: Application> {
    pub(crate) core: RefCell<Core<A>>,
    /// HTTP connections being served; the drain waits for them.
    pub(crate) http_connections: Cell<usize>,
    /// Set to true when no new connection and request is to be taken.
    pub(crate) leaving: watch::Sender<bool>,
}

impl<A: Application> Core<A> {
    pub(crate) fn new(app: A, sockets: Sockets) -> Core<A> {
        Core {
            app,
            sockets,
            scratch: vec![0; SCRATCH_BYTES],
            draining: None,
        }
    }

    pub(crate) fn read_clock(&mut self) {
        self.sockets.now = self.sockets.started.elapsed().as_millis() as u64;
    }

    /// Calls the application about one connection. A panic ends that connection and no other.
    fn call(&mut self, index: u32, callback: impl FnOnce(&mut A, &mut Sockets)) {
        let Core { app, sockets, .. } = self;
        if catch_unwind(AssertUnwindSafe(|| callback(app, sockets))).is_err() {
            tracing::error!(
                shard = self.sockets.shard,
                slot = index,
                "the application panicked; closing the connection"
            );
            self.sockets.tally.panics += 1;
            self.sockets.begin_close(index, CloseReason::Failed);
        }
    }

    /// Calls the application about no connection in particular.
    fn call_all(&mut self, callback: impl FnOnce(&mut A, &mut Sockets)) {
        let Core { app, sockets, .. } = self;
        if catch_unwind(AssertUnwindSafe(|| callback(app, sockets))).is_err() {
            tracing::error!(shard = self.sockets.shard, "the application panicked");
            self.sockets.tally.panics += 1;
        }
    }

    /// Ends what is to be ended and writes what is to be written, until nothing of both is left.
    fn settle(&mut self) {
        while self.sockets.has_work() {
            self.say_farewells();
            for index in std::mem::take(&mut self.sockets.closing) {
                self.close_transport(index);
            }
            self.sockets.flush_dirty();
        }
    }

    /// Tells the application which sockets have ended.
    pub(crate) fn say_farewells(&mut self) {
        while !self.sockets.farewells.is_empty() {
            for (socket, reason) in std::mem::take(&mut self.sockets.farewells) {
                self.call(socket.index, |app, sockets| {
                    app.on_disconnect(sockets, socket, reason);
                });
            }
        }
    }

    /// The first step of a close: say goodbye where that is possible, let go at once where it is not.
    fn close_transport(&mut self, index: u32) {
        let Some(connection) = self.sockets.table.get_mut(index) else {
            return;
        };
        let Phase::Closing(reason) = connection.phase else {
            return;
        };
        if !reason.says_goodbye() && !matches!(connection.link, Link::Polling(_)) {
            return self.sockets.release(index);
        }
        match &mut connection.link {
            Link::WebSocket(_) => {
                self.sockets.push_close_frame(index, reason);
                self.sockets.flush(index);
                self.finish_close(index);
            }
            Link::Polling(polling) => {
                // The official client has stopped polling by now. Whoever drops its WebSocket in this moment is not heard
                // by it before its ping timeout: it is let change over first, and told there.
                if let Some(probe) = polling.probe.as_ref().filter(|probe| probe.answered)
                    && polling.poll.is_none()
                    && self.sockets.now < probe.due
                {
                    connection.beat_due = connection.beat_due.max(probe.due);
                    return;
                }
                polling.probe = None;
                let has_poll = polling.poll.is_some();
                let has_words = connection.outbox.is_some();
                // Words and the close never go in one payload: the official client acts on the close at once and on
                // packets a tick later, and would never hear them.
                if has_words && reason == CloseReason::ServerLeft {
                    // Given to the poll that waits, or to the next one; the close to the one after it.
                    return self.sockets.flush(index);
                }
                if has_words && has_poll && reason == CloseReason::Draining {
                    // The next poll finds another node, or is refused: no need to wait for it.
                    self.sockets.flush(index);
                    return self.sockets.release(index);
                }
                // Whoever has said goodbye is not told to close: the poll just ends, as the reference does it.
                let last = if reason == CloseReason::ClientClosed {
                    "6"
                } else {
                    "1"
                };
                self.sockets.push_last(index, Frame::packet(last));
                self.sockets.flush(index);
                self.sockets.release(index);
            }
            Link::Gone => self.sockets.release(index),
        }
    }

    /// Shuts our side once everything is written, and reads on until the peer's is shut: a reset would otherwise
    /// overtake the close frame.
    fn finish_close(&mut self, index: u32) {
        let Some(connection) = self.sockets.table.get_mut(index) else {
            return;
        };
        if connection.outbox.is_some() || !matches!(connection.phase, Phase::Closing(_)) {
            return;
        }
        let is_over = match (&connection.link, connection.phase) {
            (_, Phase::Closing(CloseReason::ClientClosed)) => true,
            (Link::WebSocket(stream), _) => socket2::SockRef::from(stream)
                .shutdown(std::net::Shutdown::Write)
                .is_err(),
            _ => true,
        };
        if is_over {
            return self.sockets.release(index);
        }
        connection.phase = Phase::Lingering;
        // What came meanwhile has rung no bell that was heard.
        if let Some(waker) = &connection.waker {
            waker.wake_by_ref();
        }
    }

    /// What is due for one connection.
    pub(crate) fn look(&mut self, index: u32) {
        let now = self.sockets.now;
        let timeout = self.sockets.config.ping_timeout.as_millis() as u64;
        let Some(connection) = self.sockets.table.get_mut(index) else {
            return;
        };
        if connection.armed <= now {
            connection.armed = NEVER;
        }
        if !connection.is_open() {
            if now >= connection.beat_due {
                return self.sockets.release(index);
            }
            return self.sockets.arm(index);
        }
        if now >= connection.connect_due {
            return self.sockets.begin_close(index, CloseReason::ConnectTimeout);
        }
        if let Link::Polling(polling) = &mut connection.link
            && polling.probe.as_ref().is_some_and(|probe| now >= probe.due)
        {
            polling.probe = None;
        }
        if now >= connection.beat_due && connection.awaits_pong {
            return self.sockets.begin_close(index, CloseReason::PingTimeout);
        }
        if now >= connection.beat_due {
            connection.awaits_pong = true;
            // Nominal, so that both ends count alike; but a shard that was held up must not make its clients pay.
            let is_late = now - connection.beat_due > timeout / 8;
            connection.beat_due = timeout + if is_late { now } else { connection.beat_due };
            let endpoint = connection.endpoint;
            let ping = match self.sockets.mode(endpoint) {
                crate::config::Mode::WebSocket => Frame::control(control_frame(9, b"")),
                _ => Frame::packet("2"),
            };
            self.sockets.push(index, &ping);
        }
        self.sockets.arm(index);
    }
}

/// The loop of a shard, as one future: each poll is a turn.
pub(crate) struct Turn<A: Application> {
    pub(crate) shard: Rc<Shard<A>>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) mails: mpsc::Receiver<A::Mail>,
    /// Kept here so that a turn allocates nothing.
    buffers: Buffers<A::Mail>,
    alarm: Pin<Box<Sleep>>,
    alarm_at: u64,
    /// When the application was last ticked, and when it is next.
    last_tick: u64,
    next_tick: u64,
}

struct Buffers<M> {
    commands: Vec<Command>,
    mails: Vec<M>,
    ready: Vec<(u32, u32)>,
    due: Vec<u32>,
}

impl<A: Application> Turn<A> {
    pub(crate) fn new(
        shard: Rc<Shard<A>>,
        commands: mpsc::Receiver<Command>,
        mails: mpsc::Receiver<A::Mail>,
    ) -> Turn<A> {
        let tick = shard.core.borrow().sockets.config.tick;
        Turn {
            shard,
            commands,
            mails,
            buffers: Buffers {
                commands: Vec::new(),
                mails: Vec::new(),
                ready: Vec::new(),
                due: Vec::new(),
            },
            alarm: Box::pin(sleep_until(Instant::now() + Duration::from_secs(3600))),
            alarm_at: NEVER,
            last_tick: 0,
            next_tick: tick.map_or(NEVER, |tick| tick.as_millis() as u64),
        }
    }

    /// Takes everything that is there, handles it, writes. `Ready` when a drain has come to its end.
    pub(crate) fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let shard = self.shard.clone();
        let mut core = shard.core.borrow_mut();
        core.sockets.ready.set_turn(context.waker());
        core.sockets.tally.turns += 1;
        core.read_clock();
        self.take_commands(&mut core, context);
        self.take_mails(&mut core, context);
        core.sockets.ready.take(&mut self.buffers.ready);
        for (index, generation) in self.buffers.ready.drain(..) {
            core.on_ready(index, generation);
        }
        self.run_timers(&mut core);
        core.call_all(|app, sockets| app.on_turn_end(sockets));
        core.settle();
        core.call_all(|app, sockets| app.on_written(sockets));
        let is_drained = core.drain_step(&shard);
        if is_drained {
            core.sockets.tally.publish(&core.sockets.counters);
            return Poll::Ready(());
        }
        self.set_alarm(&mut core, context);
        core.sockets.tally.publish(&core.sockets.counters);
        Poll::Pending
    }

    fn take_commands(&mut self, core: &mut Core<A>, context: &mut Context<'_>) {
        let commands = &mut self.buffers.commands;
        for _ in 0..BATCHES_A_TURN {
            // None: every sender is gone, and there is nothing to wait for.
            let Poll::Ready(1..) = self.commands.poll_recv_many(context, commands, BATCH) else {
                return;
            };
            for command in commands.drain(..) {
                core.perform(command);
            }
        }
        context.waker().wake_by_ref();
    }

    fn take_mails(&mut self, core: &mut Core<A>, context: &mut Context<'_>) {
        core.sockets.tally.mailbox_depth = self.mails.len() as u64;
        let mails = &mut self.buffers.mails;
        for _ in 0..BATCHES_A_TURN {
            let Poll::Ready(1..) = self.mails.poll_recv_many(context, mails, BATCH) else {
                return;
            };
            for mail in mails.drain(..) {
                core.call_all(|app, sockets| app.on_mail(sockets, mail));
            }
        }
        context.waker().wake_by_ref();
    }

    fn run_timers(&mut self, core: &mut Core<A>) {
        let now = core.sockets.now;
        core.sockets.wheel.advance(now, &mut self.buffers.due);
        for index in self.buffers.due.drain(..) {
            core.look(index);
        }
        if now >= self.next_tick {
            self.last_tick = now;
            core.call_all(|app, sockets| app.on_tick(sockets, Duration::from_millis(now)));
        }
    }

    /// As late as the application allows: a shard that has nothing to do sleeps.
    fn plan_tick(&mut self, core: &Core<A>) {
        let Some(tick) = core.sockets.config.tick else {
            return;
        };
        let wanted = core.sockets.now + core.app.tick_after().as_millis() as u64;
        self.next_tick = wanted.max(self.last_tick + (tick.as_millis() as u64).max(1));
    }

    /// One sleep a shard, moved only when the next due time has changed.
    fn set_alarm(&mut self, core: &mut Core<A>, context: &mut Context<'_>) {
        self.plan_tick(core);
        let due = core
            .sockets
            .wheel
            .next_due()
            .unwrap_or(NEVER)
            .min(self.next_tick)
            .min(core.draining.as_ref().map_or(NEVER, |d| d.next_step));
        if due != self.alarm_at {
            self.alarm_at = due;
            // A far off time instead of none: the sleep is made once and moved.
            let after = Duration::from_millis(due.min(core.sockets.now + 3_600_000));
            self.alarm
                .as_mut()
                .reset(Instant::from_std(core.sockets.started + after));
        }
        if self.alarm.as_mut().poll(context).is_ready() {
            self.alarm_at = 0;
            context.waker().wake_by_ref();
        }
    }
}

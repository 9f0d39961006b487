//! How things leave a shard: frames into outboxes, outboxes into sockets once a turn, sessions out of the table.

use super::{
    connection::{Connection, Link, NEVER, Phase, Standing},
    sockets::{Sent, Sockets},
};
use crate::{
    application::SocketId,
    close::CloseReason,
    outbox::{Outbox, SLICES_MAX},
};
use bytes::Bytes;
use protocol::{frame::Frame, websocket::control_frame};
use std::{
    io::{ErrorKind, IoSlice},
    sync::atomic::Ordering,
    task::Context,
};

/// Outboxes kept for the next connection that needs one: a turn rarely writes to more at once than this.
const SPARE_OUTBOXES: usize = 1024;

impl Sockets {
    /// Marks one namespace as left and remembers to tell the application.
    pub(crate) fn leave(&mut self, socket: SocketId, reason: CloseReason) {
        let timeout = self.config.connect_timeout.as_millis() as u64;
        let due = self.now + timeout;
        let Some(connection) = self.table.of_mut(socket) else {
            return;
        };
        let standing = connection.standing(socket.namespace());
        if !matches!(standing, Standing::Connected | Standing::Pending) {
            return;
        }
        connection.set_standing(socket.namespace(), Standing::Left);
        if standing == Standing::Connected {
            self.tally.sockets -= 1;
            // A session that has left every namespace is held no longer than one that never joined any.
            if !connection.has_connected() {
                connection.connect_due = due;
            }
        }
        self.farewells.push((socket, reason));
        self.arm(socket.index);
    }

    /// Ends a session: the application hears of it, what waits is written, the transport closed.
    pub(crate) fn begin_close(&mut self, index: u32, reason: CloseReason) {
        let linger = self.now + self.config.linger.as_millis() as u64;
        let Some(connection) = self.table.get_mut(index).filter(|c| c.is_open()) else {
            return;
        };
        connection.phase = Phase::Closing(reason);
        connection.unfinished = None;
        connection.reader = Default::default();
        connection.connect_due = NEVER;
        connection.beat_due = linger;
        self.closing.push(index);
        self.tally.closed[reason as usize] += 1;
        let generation = self.table.generation(index);
        let Some(connection) = self.table.get(index) else {
            return;
        };
        for namespace in connection.namespaces_in(&[Standing::Pending, Standing::Connected]) {
            let socket = SocketId::new(index, generation, namespace);
            self.leave(socket, reason);
        }
        if let Some(connection) = self.table.get_mut(index) {
            connection.connect_due = NEVER;
        }
        self.arm(index);
    }

    /// Puts a frame into an open connection's outbox.
    pub(crate) fn push(&mut self, index: u32, frame: &Frame) -> Sent {
        let limits = &self.config.limits;
        let (bytes_max, frames_max) = (limits.outbox_bytes, limits.outbox_frames);
        let Some(connection) = self.table.get_mut(index).filter(|c| c.is_open()) else {
            return Sent::Gone;
        };
        if let Some(outbox) = &connection.outbox {
            let is_over =
                outbox.bytes() + frame.wire().len() > bytes_max || outbox.frames() >= frames_max;
            // A burst within one turn says nothing about the client: it is slow when the kernel takes no more.
            if is_over && !outbox.is_empty() && !self.relieve(index, frame.wire().len()) {
                self.begin_close(index, CloseReason::TooSlow);
                return Sent::TooSlow;
            }
        }
        let Some(connection) = self.table.get_mut(index) else {
            return Sent::Gone;
        };
        connection
            .outbox
            .get_or_insert_with(|| self.spare.pop().unwrap_or_default())
            .push(frame.clone());
        self.tally.frames_out += 1;
        self.tally.outbox_bytes += frame.wire().len() as u64;
        if !connection.is_dirty && !connection.is_blocked {
            connection.is_dirty = true;
            self.dirty.push(index);
        }
        Sent::Queued
    }

    /// Writes early to make room for `wanted` bytes; whether there is room now.
    fn relieve(&mut self, index: u32, wanted: usize) -> bool {
        self.flush(index);
        let limits = &self.config.limits;
        self.table.get(index).is_some_and(|connection| {
            connection.is_open()
                && connection.outbox.as_ref().is_none_or(|outbox| {
                    outbox.bytes() + wanted <= limits.outbox_bytes
                        && outbox.frames() < limits.outbox_frames
                })
        })
    }

    /// Writes to every connection that has something new to say: one `writev` each.
    pub(crate) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            if let Some(connection) = self.table.get_mut(index) {
                connection.is_dirty = false;
                self.flush(index);
            }
        }
        // Keep the memory of the list; what `flush` added to it comes first.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.dirty.is_empty() || !self.closing.is_empty() || !self.farewells.is_empty()
    }

    /// Writes as much as the kernel takes; on polling, answers the poll that waits.
    pub(crate) fn flush(&mut self, index: u32) {
        let Some(connection) = self.table.get_mut(index) else {
            return;
        };
        let Some(outbox) = connection.outbox.as_mut() else {
            return;
        };
        let failed = match &mut connection.link {
            Link::WebSocket(stream) => {
                let (written, result) = write_out(stream, outbox, &mut self.tally.writes);
                self.tally.bytes_out += written;
                self.tally.outbox_bytes -= written;
                match result {
                    Ok(()) => {
                        connection.is_blocked = false;
                        false
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        connection.is_blocked = true;
                        let Some(waker) = &connection.waker else {
                            return;
                        };
                        let mut context = Context::from_waker(waker);
                        if stream.poll_write_ready(&mut context).is_ready() {
                            waker.wake_by_ref();
                        }
                        return;
                    }
                    Err(_) => true,
                }
            }
            Link::Polling(polling) => {
                let Some(poll) = polling.poll.take() else {
                    return;
                };
                self.tally.outbox_bytes -= outbox.bytes() as u64;
                let payload = outbox.take_payload();
                self.tally.bytes_out += payload.len() as u64;
                // A poll whose client has gone is told as lost by its own guard.
                poll.send(Ok(Bytes::from(payload))).is_err()
            }
            Link::Gone => false,
        };
        self.retire_outbox(index);
        if failed {
            self.begin_close(index, CloseReason::TransportError);
        }
    }

    /// An empty outbox costs nothing: its memory goes to the next one who has something to say.
    fn retire_outbox(&mut self, index: u32) {
        let outbox = self.table.get_mut(index).and_then(|c| c.outbox.take());
        let Some(mut outbox) = outbox else { return };
        self.tally.outbox_bytes -= outbox.bytes() as u64;
        if outbox.clear() && self.spare.len() < SPARE_OUTBOXES {
            self.spare.push(outbox);
        }
    }

    /// Appends the close frame behind what waits.
    pub(crate) fn push_close_frame(&mut self, index: u32, reason: CloseReason) {
        let body = reason.close_code().to_be_bytes();
        self.push_last(index, Frame::control(control_frame(8, &body)));
    }

    /// Puts a frame behind what waits, whatever the bounds and the phase say.
    pub(crate) fn push_last(&mut self, index: u32, frame: Frame) {
        let Some(connection) = self.table.get_mut(index) else {
            return;
        };
        self.tally.outbox_bytes += frame.wire().len() as u64;
        connection.outbox.get_or_insert_default().push(frame);
    }

    /// When a connection that has just been heard is pinged: an interval from now and up to a 256th of it later, so that
    /// many are due together and a shard of idle connections wakes for a hundred of them and not for each.
    pub(crate) fn next_beat(&self) -> u64 {
        let interval = self.config.ping_interval.as_millis() as u64;
        (self.now + interval).next_multiple_of((interval / 256).max(1))
    }

    /// Asks the wheel for the next look this connection needs.
    pub(crate) fn arm(&mut self, index: u32) {
        let Some(connection) = self.table.get_mut(index) else {
            return;
        };
        let due = connection.next_due();
        if due < connection.armed {
            connection.armed = due;
            self.wheel.arm(index, due);
        }
    }

    pub(crate) fn release(&mut self, index: u32) {
        self.retire_outbox(index);
        if self.table.remove(index).is_some() {
            self.tally.connections -= 1;
            self.open_everywhere.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes a session in; `None` when the shard is full.
    pub(crate) fn insert(&mut self, make: impl FnOnce(u32, u32) -> Connection) -> Option<u32> {
        let index = self.table.insert(make)?;
        self.tally.connections += 1;
        self.tally.handshakes += 1;
        self.open_everywhere.fetch_add(1, Ordering::Relaxed);
        self.arm(index);
        Some(index)
    }
}

/// Writes until the outbox is empty or the kernel full: `WouldBlock` then. Gives the bytes too.
fn write_out(
    stream: &tokio::net::TcpStream,
    outbox: &mut Outbox,
    writes: &mut u64,
) -> (u64, std::io::Result<()>) {
    let mut total = 0;
    while !outbox.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = outbox.slices(&mut slices);
        *writes += 1;
        let written = match &slices[..count] {
            [one] => stream.try_write(one),
            many => stream.try_write_vectored(many),
        };
        match written {
            Ok(count) => {
                outbox.written(count);
                total += count as u64;
            }
            Err(error) => return (total, Err(error)),
        }
    }
    (total, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerConfig;
    use std::{collections::BTreeSet, sync::Arc};

    #[test]
    fn pings_are_due_in_groups_never_early_and_at_most_a_256th_late() {
        let config = ServerConfig::new(([127, 0, 0, 1], 0).into());
        let interval = config.ping_interval.as_millis() as u64;
        let mut sockets = Sockets::new(Arc::new(config), 0, Arc::default(), Arc::default());
        let mut dues = BTreeSet::new();
        for now in 0..10_000 {
            sockets.now = now;
            let late = sockets.next_beat() - (now + interval);
            assert!(late < interval / 256, "{late} ms late");
            dues.insert(sockets.next_beat());
        }
        assert!(dues.len() < 110, "{} groups in ten seconds", dues.len());
    }
}

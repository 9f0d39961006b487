//! What this hub reads together ([`turns`](super::turns)): the rooms of those who connect, logs for gaps and for sockets
//! that lag, and where logs end. Reads begin when an input is done with, so that all that it asked for go together.

use std::collections::BTreeSet;

use protocol::ids::RoomId;

use super::Hub;
use super::turns::{Pace, Turns};
use crate::{ConnId, Effect, LogRead, Together};

/// People, and logs: an answer of a few hundred kilobytes, which a shard hands out within a turn or two.
const TOGETHER_MAX: usize = 256;
/// People of a cluster: as many as a deploy sends to a hub on one beat. They are handed out one by one.
const CROWD_MAX: usize = 512;
/// Heads, which are small: a sweep of all rooms is few reads. A store asks no more in one operation.
const HEADS_MAX: usize = 500;
/// Between reads of logs and of heads: they are of rooms that are late already, or that others will tell of.
const PAUSE_MILLIS: u64 = 100;

/// See the module.
#[derive(Debug)]
pub(crate) struct Reads {
    rooms: Turns<ConnId>,
    logs: Turns<LogRead>,
    heads: Turns<RoomId>,
    /// The rooms that wait in `heads`: one that is asked for often waits once.
    heads_wanted: BTreeSet<RoomId>,
}

impl Reads {
    /// Nothing is read yet. A node of a cluster asks a server, and pays for each read; one alone has the store beside it.
    pub(super) fn new(in_cluster: bool) -> Self {
        let rooms = if in_cluster {
            Turns::new(CROWD_MAX, Pace::Crowds)
        } else {
            Turns::new(TOGETHER_MAX, Pace::None)
        };
        Self {
            rooms,
            logs: Turns::new(TOGETHER_MAX, Pace::Apart(PAUSE_MILLIS)),
            heads: Turns::new(HEADS_MAX, Pace::Apart(PAUSE_MILLIS)),
            heads_wanted: BTreeSet::new(),
        }
    }

    /// When a read may begin that waits for a while.
    pub(super) fn deadline(&self) -> Option<u64> {
        let waits = [
            self.rooms.deadline(),
            self.logs.deadline(),
            self.heads.deadline(),
        ];
        waits.into_iter().flatten().min()
    }

    /// A home wants a page of its log; at most one at a time.
    pub(crate) fn log(&mut self, read: LogRead) {
        self.logs.wait(read, |_| true);
    }

    /// A home wants to know where its log ends.
    pub(crate) fn head(&mut self, room: RoomId) {
        if self.heads_wanted.insert(room) {
            self.heads.wait(room, |_| true);
        }
    }
}

impl Hub {
    /// A socket waits for its rooms.
    pub(super) fn wants_rooms(&mut self, conn: ConnId) {
        let sockets = &self.sockets;
        let is_here = |conn: &ConnId| sockets.get(*conn).is_some();
        self.reads.rooms.wait(conn, is_here);
    }

    /// Begins what may be read now.
    pub(super) fn begin_reads(&mut self, now: u64, out: &mut Vec<Effect>) {
        let (sockets, homes, reads) = (&self.sockets, &self.homes, &mut self.reads);
        let is_here = |conn: &ConnId| sockets.get(*conn).is_some();
        while let Some(conns) = reads.rooms.next(now, is_here) {
            let user = |conn| sockets.get(conn).map(|socket| (conn, socket.who.user));
            let of = conns.into_iter().filter_map(user).collect();
            out.push(Effect::LoadRooms { of });
        }
        while let Some(logs) = reads.logs.next(now, |read| homes.contains_key(&read.room)) {
            out.push(Effect::ReadLogs { logs });
        }
        while let Some(rooms) = reads.heads.next(now, |_| true) {
            for room in &rooms {
                reads.heads_wanted.remove(room);
            }
            out.push(Effect::Heads { rooms });
        }
    }

    pub(super) fn read_ended(&mut self, what: Together, well: bool) {
        match what {
            Together::Rooms => self.reads.rooms.done(well),
            Together::Logs => self.reads.logs.done(well),
            Together::Heads => self.reads.heads.done(well),
        }
    }

    /// Asks the store where the logs of all rooms with sockets end.
    pub(super) fn compare_heads(&mut self) {
        let listened = self.homes.iter().filter(|(_, home)| home.has_listeners());
        let mut rooms: Vec<RoomId> = listened.map(|(room, _)| *room).collect();
        rooms.sort_unstable();
        for room in rooms {
            self.reads.head(room);
        }
    }
}

//! The model store: keeps every promise of `store::Log` and nothing beyond them.
//!
//! An entry is first *placed* (its place and key are taken, nobody reads it) and later *committed* (reads show it, it
//! stays for good) or rolled back. So it behaves as a replica set under elections does; a store that commits at once
//! is the case in which no time lies between. What becomes of a question is decided by the world.

use std::collections::BTreeMap;

use chat::Opened;
use protocol::entry::{Ban, Change, Entry};
use protocol::ids::{ClientId, MessageId, RoomId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::{Epoch, Head, LeaveReason, Member, ReadMarker, Room, RoomSummary};

struct Place {
    entry: Entry,
    /// The write that placed it.
    write: u64,
    committed: bool,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// All of it has its place.
    All,
    /// A place, a key or the epoch stood against it; this many entries have their place nevertheless.
    Conflict(usize),
}

pub(crate) struct RoomLog {
    pub(crate) epoch: Epoch,
    pub(crate) room: Room,
    places: BTreeMap<Seq, Place>,
    keys: BTreeMap<(UserId, ClientId), Seq>,
    /// The last committed place.
    pub(crate) head: Seq,
    pub(crate) n: u64,
    pub(crate) deleted: bool,
    pub(crate) members: BTreeMap<UserId, Member>,
    bans: BTreeMap<UserId, Option<protocol::time::Timestamp>>,
    messages: BTreeMap<MessageId, Message>,
    last_message: Option<MessageId>,
    markers: BTreeMap<UserId, ReadMarker>,
    /// When each person came or went.
    passages: Vec<(u64, UserId, bool)>,
}

impl RoomLog {
    fn new(room: Room, epoch: Epoch) -> Self {
        Self {
            epoch,
            room,
            places: BTreeMap::new(),
            keys: BTreeMap::new(),
            head: 0,
            n: 0,
            deleted: false,
            members: BTreeMap::new(),
            bans: BTreeMap::new(),
            messages: BTreeMap::new(),
            last_message: None,
            markers: BTreeMap::new(),
            passages: Vec::new(),
        }
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            epoch: self.epoch,
            seq: self.head,
            n: self.n,
        }
    }

    fn reaches(&self, local: bool) -> Head {
        match self.places.last_key_value() {
            Some((seq, place)) if local => Head {
                epoch: self.epoch,
                seq: *seq,
                n: place.entry.n,
            },
            _ => self.head(),
        }
    }

    /// Whether a write ends with this place: in a store that keeps a batch as one thing, the next one may only follow there.
    pub(crate) fn ends_a_write(&self, seq: Seq) -> bool {
        let write = |seq| self.places.get(&seq).map(|place| place.write);
        write(seq) != write(seq + 1)
    }

    pub(crate) fn committed(&self) -> impl Iterator<Item = &Entry> {
        self.places
            .values()
            .filter(|place| place.committed)
            .map(|place| &place.entry)
    }

    fn apply(&mut self, entry: &Entry, now: u64) {
        self.head = self.head.max(entry.seq);
        self.n = self.n.max(entry.n);
        match &entry.change {
            Change::Said { message } => {
                self.last_message = Some(message.id);
                self.messages.insert(message.id, message.clone());
                self.mark_read(message.sender_id, entry.seq);
            }
            Change::Edited { message } | Change::Deleted { message } => {
                self.messages.insert(message.id, message.clone());
            }
            Change::Reacted {
                message,
                emoji,
                added,
                ..
            } => {
                if let Some(message) = self.messages.get_mut(message) {
                    message.set_reaction(emoji, entry.actor, *added);
                }
            }
            Change::Joined { member } => {
                self.bans.remove(&member.user_id);
                self.passages.push((now, member.user_id, true));
                self.members.insert(member.user_id, member.clone());
                // Nothing before the coming is unread.
                self.markers.insert(
                    member.user_id,
                    ReadMarker {
                        read_seq: entry.seq,
                        read_n: entry.n,
                    },
                );
            }
            Change::MemberChanged { member } => {
                self.members.insert(member.user_id, member.clone());
            }
            Change::Left {
                user,
                reason,
                until,
            } => {
                self.members.remove(user);
                self.passages.push((now, *user, false));
                if *reason == LeaveReason::Banned {
                    self.bans.insert(*user, *until);
                }
            }
            Change::Unbanned { user } => {
                self.bans.remove(user);
            }
            Change::RoomChanged { room } => self.room = room.clone(),
            Change::RoomDeleted => self.deleted = true,
        }
        self.room.member_count = self.members.len() as u32;
    }

    pub(crate) fn mark_read(&mut self, user: UserId, seq: Seq) -> ReadMarker {
        let seq = seq.min(self.head);
        let read_n = self.places.get(&seq).map_or(0, |place| place.entry.n);
        let marker = self.markers.entry(user).or_default();
        if seq > marker.read_seq {
            *marker = ReadMarker {
                read_seq: seq,
                read_n,
            };
        }
        *marker
    }

    /// Whether somebody was a member (or was none) at some moment since then.
    pub(crate) fn was(&self, user: UserId, inside: bool, since: u64) -> bool {
        let its = self.passages.iter().filter(|(_, whose, _)| *whose == user);
        let before = its
            .clone()
            .rev()
            .find(|(at, _, _)| *at <= since)
            .is_some_and(|(_, _, is)| *is);
        before == inside || its.clone().any(|(at, _, is)| *at >= since && *is == inside)
    }

    /// The room as a member sees it.
    pub(crate) fn summary(&self, user: UserId) -> Option<RoomSummary> {
        let member = self.members.get(&user).filter(|_| !self.deleted)?;
        let marker = self.markers.get(&user).copied().unwrap_or_default();
        Some(RoomSummary {
            room: self.room.clone(),
            role: member.role,
            epoch: self.epoch,
            head_seq: self.head,
            head_n: self.n,
            read_seq: marker.read_seq,
            read_n: marker.read_n,
            unread: self.n - marker.read_n,
            mentions: 0,
            peer_id: None,
            last_message: self
                .last_message
                .and_then(|id| self.messages.get(&id).cloned()),
        })
    }
}

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) rooms: BTreeMap<RoomId, RoomLog>,
    writes: u64,
}

impl Store {
    pub(crate) fn create(&mut self, room: Room, epoch: Epoch, first: Vec<Entry>) {
        let id = room.id;
        self.rooms.insert(id, RoomLog::new(room, epoch));
        let (write, placed) = self.place(id, epoch, &first, true);
        assert_eq!(placed, Placed::All, "a new room takes its first entries");
        self.commit(id, write, 0);
    }

    /// Takes places for a batch. `prefixes`: what came before a conflict keeps its place.
    pub(crate) fn place(
        &mut self,
        room: RoomId,
        epoch: Epoch,
        entries: &[Entry],
        prefixes: bool,
    ) -> (u64, Placed) {
        self.writes += 1;
        let write = self.writes;
        let Some(log) = self.rooms.get_mut(&room).filter(|log| log.epoch == epoch) else {
            return (write, Placed::Conflict(0));
        };
        let free = |entry: &Entry| {
            !log.places.contains_key(&entry.seq)
                && !log.keys.contains_key(&(entry.actor, entry.key))
        };
        let fits = entries.iter().take_while(|entry| free(entry)).count();
        let placed = if fits == entries.len() {
            Placed::All
        } else {
            Placed::Conflict(if prefixes { fits } else { 0 })
        };
        let taken = match placed {
            Placed::All => fits,
            Placed::Conflict(taken) => taken,
        };
        for entry in &entries[..taken] {
            log.keys.insert((entry.actor, entry.key), entry.seq);
            log.places.insert(
                entry.seq,
                Place {
                    entry: entry.clone(),
                    write,
                    committed: false,
                },
            );
        }
        (write, placed)
    }

    /// Commits a write and all earlier ones of the room, in order. `None` when the write is gone (rolled back).
    pub(crate) fn commit(&mut self, room: RoomId, write: u64, now: u64) -> Option<Vec<Entry>> {
        let log = self.rooms.get_mut(&room)?;
        if !log.places.values().any(|place| place.write == write) {
            return None;
        }
        let mut news = Vec::new();
        for place in log
            .places
            .values_mut()
            .filter(|place| !place.committed && place.write <= write)
        {
            place.committed = true;
            news.push(place.entry.clone());
        }
        for entry in &news {
            log.apply(entry, now);
        }
        Some(news)
    }

    /// An election: what was not committed is gone.
    pub(crate) fn roll_back(&mut self, room: RoomId) {
        if let Some(log) = self.rooms.get_mut(&room) {
            let keys = &mut log.keys;
            log.places.retain(|_, place| {
                if !place.committed {
                    keys.remove(&(place.entry.actor, place.entry.key));
                }
                place.committed
            });
        }
    }

    /// An operator puts a room back to an earlier place, as a new incarnation.
    pub(crate) fn restore(&mut self, room: RoomId, epoch: Epoch, keep: Seq) {
        let Some(old) = self.rooms.remove(&room) else {
            return;
        };
        let mut settings = old.room.clone();
        settings.member_count = 0;
        self.create(
            settings,
            epoch,
            old.committed()
                .filter(|entry| entry.seq <= keep)
                .cloned()
                .collect(),
        );
    }

    pub(crate) fn lookup(
        &self,
        room: RoomId,
        keys: &[(UserId, ClientId)],
        local: bool,
    ) -> Option<(Head, Vec<Option<Entry>>)> {
        let log = self.rooms.get(&room)?;
        let found = keys.iter().map(|key| {
            let place = log.places.get(log.keys.get(key)?)?;
            (place.committed || local).then(|| place.entry.clone())
        });
        Some((log.reaches(local), found.collect()))
    }

    pub(crate) fn open(&self, room: RoomId) -> Option<Opened> {
        let log = self.rooms.get(&room)?;
        Some(Opened {
            room: log.room.clone(),
            head: log.head(),
            deleted: log.deleted,
            members: log.members.values().cloned().collect(),
            bans: log
                .bans
                .iter()
                .map(|(user, until)| Ban {
                    user: *user,
                    until: *until,
                })
                .collect(),
        })
    }

    pub(crate) fn entries(
        &self,
        room: RoomId,
        after: Seq,
        limit: usize,
        local: bool,
    ) -> Option<(Head, Vec<Entry>)> {
        let log = self.rooms.get(&room)?;
        let entries = log.places.range(after + 1..).map(|(_, place)| place);
        let entries = entries
            .take_while(|place| place.committed || local)
            .take(limit);
        Some((
            log.reaches(local),
            entries.map(|place| place.entry.clone()).collect(),
        ))
    }

    pub(crate) fn messages(&self, room: RoomId, ids: &[MessageId]) -> Vec<Option<Message>> {
        let log = self.rooms.get(&room);
        ids.iter()
            .map(|id| log?.messages.get(id).cloned())
            .collect()
    }

    pub(crate) fn heads(&self, rooms: &[RoomId], local: bool) -> Vec<(RoomId, Head)> {
        rooms
            .iter()
            .filter_map(|room| Some((*room, self.rooms.get(room)?.reaches(local))))
            .collect()
    }

    pub(crate) fn rooms_of(&self, user: UserId) -> Vec<RoomSummary> {
        self.rooms
            .values()
            .filter_map(|log| log.summary(user))
            .collect()
    }
}

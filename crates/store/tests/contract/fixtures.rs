//! People, rooms and entries for the sentences of the contract.

use std::future::Future;
use std::sync::Arc;

use protocol::entry::{Change, Entry};
use protocol::event::client::History;
use protocol::ids::{ClientId, MessageId, RoomId, SessionId, UserId};
use protocol::message::{Message, Seq};
use protocol::room::{Epoch, Head, Member, Role, Room, RoomType};
use protocol::time::Timestamp;
use protocol::user::User;
use store::{Append, AppendError, NewRoom, NewSession, Store};
use uuid::Uuid;

pub(crate) type Handle = Arc<dyn Store>;

/// Another one each time, in growing order, also over processes.
#[allow(
    clippy::disallowed_methods,
    reason = "ids of tests are from the clock, so that those of two processes differ"
)]
pub(crate) fn fresh() -> Uuid {
    Uuid::now_v7()
}

pub(crate) fn user() -> UserId {
    UserId(fresh())
}

pub(crate) fn key() -> ClientId {
    ClientId(fresh())
}

/// So many milliseconds after the tests' noon.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp(1_767_182_400_000 + millis)
}

pub(crate) fn member(user: UserId) -> Member {
    Member {
        user_id: user,
        role: Role::Member,
        joined_at: at(0),
        muted_until: None,
    }
}

pub(crate) fn person(name: &str) -> User {
    User {
        id: user(),
        display_name: name.into(),
        avatar_url: None,
        created_at: at(0),
    }
}

pub(crate) fn session(user: UserId, millis: i64) -> NewSession {
    NewSession {
        id: SessionId(fresh()),
        user,
        device: Some("a phone".into()),
        at: at(millis),
        refresh_hash: [1; 32],
        refresh_expires: at(millis + 1_000_000),
    }
}

/// One who writes to a room and knows where its log ends.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) id: RoomId,
    pub(crate) head: Head,
}

impl Writer {
    pub(crate) fn new() -> Self {
        let id = RoomId(fresh());
        Self {
            id,
            head: Head {
                epoch: Epoch(u64::MAX - id.0.as_u64_pair().1),
                seq: 0,
                n: 0,
            },
        }
    }

    /// The next entry of the log.
    pub(crate) fn entry(&mut self, actor: UserId, change: Change) -> Entry {
        self.head.seq += 1;
        if let Change::Said { .. } = change {
            self.head.n += 1;
        }
        let Head { seq, n, .. } = self.head;
        Entry {
            seq,
            n,
            at: at(seq as i64),
            actor,
            key: key(),
            digest: u64::MAX - seq,
            change,
        }
    }

    pub(crate) fn joined(&mut self, user: UserId) -> Entry {
        self.entry(
            user,
            Change::Joined {
                member: member(user),
            },
        )
    }

    pub(crate) fn said(&mut self, actor: UserId, text: &str) -> Entry {
        self.said_to(actor, text, &[])
    }

    pub(crate) fn said_to(&mut self, actor: UserId, text: &str, mentions: &[UserId]) -> Entry {
        let message = Message {
            id: MessageId(fresh()),
            room_id: self.id,
            seq: self.head.seq + 1,
            n: self.head.n + 1,
            client_id: ClientId(Uuid::nil()),
            sender_id: actor,
            text: text.into(),
            reply_to: None,
            mentions: mentions.to_vec(),
            reactions: Vec::new(),
            version: 1,
            created_at: at(self.head.seq as i64 + 1),
            edited_at: None,
            deleted_at: None,
            meta: None,
        };
        let mut entry = self.entry(actor, Change::Said { message });
        let key = entry.key;
        said_mut(&mut entry).client_id = key;
        entry
    }

    pub(crate) fn batch(&self, entries: &[Entry]) -> Append {
        Append {
            room: self.id,
            epoch: self.head.epoch,
            entries: entries.into(),
        }
    }

    /// Appends what must be taken.
    pub(crate) async fn append(&self, store: &Handle, entries: &[Entry]) {
        assert_eq!(store.append(self.batch(entries)).await, Ok(()));
    }

    /// Says something and returns the message.
    pub(crate) async fn say(&mut self, store: &Handle, actor: UserId, text: &str) -> Message {
        let entry = self.said(actor, text);
        self.append(store, std::slice::from_ref(&entry)).await;
        said(&entry).clone()
    }

    pub(crate) async fn record(&mut self, store: &Handle, actor: UserId, change: Change) {
        let entry = self.entry(actor, change);
        self.append(store, &[entry]).await;
    }

    pub(crate) fn settings(&self, kind: RoomType, name: Option<&str>, creator: UserId) -> Room {
        Room {
            id: self.id,
            kind,
            name: name.map(str::to_owned),
            topic: None,
            created_by: creator,
            created_at: at(0),
            member_count: 0,
        }
    }

    pub(crate) fn new_room(
        &mut self,
        kind: RoomType,
        name: Option<&str>,
        members: &[UserId],
    ) -> NewRoom {
        let entries: Vec<_> = members.iter().map(|user| self.joined(*user)).collect();
        let mut room = self.settings(kind, name, members[0]);
        room.member_count = members.len() as u32;
        let mut pair = members.to_vec();
        pair.sort();
        let dm = (kind == RoomType::Dm).then(|| (pair[0], pair[1]));
        NewRoom {
            room,
            epoch: self.head.epoch,
            entries,
            dm,
        }
    }
}

/// A public room with these members.
pub(crate) async fn room_of(store: &Handle, members: &[UserId]) -> Writer {
    let mut writer = Writer::new();
    let new = writer.new_room(RoomType::Public, Some("a room"), members);
    assert_eq!(store.create_room(new).await, Ok(writer.id));
    writer
}

pub(crate) fn said(entry: &Entry) -> &Message {
    match &entry.change {
        Change::Said { message } => message,
        other => panic!("not a message: {other:?}"),
    }
}

pub(crate) fn said_mut(entry: &mut Entry) -> &mut Message {
    match &mut entry.change {
        Change::Said { message } => message,
        other => panic!("not a message: {other:?}"),
    }
}

pub(crate) fn newest(room: RoomId, limit: u32) -> History {
    History {
        room_id: room,
        before: None,
        after: None,
        around: None,
        limit,
    }
}

/// The whole log, read page by page.
pub(crate) async fn whole_log(store: &Handle, room: RoomId) -> Vec<Entry> {
    let mut log: Vec<Entry> = Vec::new();
    loop {
        let after: Seq = log.last().map_or(0, |entry| entry.seq);
        let page = store.entries(room, after, 100).await.unwrap();
        if page.entries.is_empty() {
            assert_eq!(page.head.seq, after);
            return log;
        }
        log.extend(page.entries);
    }
}

/// Asks the same of the store so many times at once and returns the answers by caller.
pub(crate) async fn at_once<T, F, W>(times: usize, store: &Handle, what: F) -> Vec<T>
where
    T: Send + 'static,
    W: Future<Output = T> + Send + 'static,
    F: Fn(Handle, usize) -> W,
{
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..times {
        let answer = what(Arc::clone(store), caller);
        callers.spawn(async move { (caller, answer.await) });
    }
    // A set gives its answers as they come.
    let mut answers = callers.join_all().await;
    answers.sort_by_key(|(caller, _)| *caller);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

pub(crate) fn conflict() -> Result<(), AppendError> {
    Err(AppendError::Conflict)
}

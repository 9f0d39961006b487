//! What other threads post to a shard, and the doors they post through.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chat::{Asked, Input, Moved, Outcome, PersonCommand, Told, home_of};
use protocol::entry::Draft;
use protocol::frame::Frame;
use protocol::ids::{RoomId, SessionId, UserId};
use protocol::problem::{Code, Problem};
use protocol::room::ReadMarker;
use protocol::user::{Presence, PresenceStatus};
use tokio::sync::oneshot;
use tracing::warn;
use transport::{MailboxFull, ShardHandle};

use crate::cluster::Line;
use crate::ports::{BoxFuture, Hubs};
use crate::trail::{self, Trail, Wanted};

/// Tries to post what must not be dropped, and the pause between them: a mailbox that is full for 5 s has other worries.
const POST_TRIES: u32 = 500;
const POST_PAUSE: Duration = Duration::from_millis(10);

/// What reaches a shard from outside its thread.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Something happened.
    Input(Box<Input>),
    /// A REST call wants a change of a room whose home this shard is.
    Call {
        /// The room.
        room: RoomId,
        /// The change.
        draft: Draft,
        /// Who waits.
        reply: oneshot::Sender<Result<Outcome, Problem>>,
    },
    /// A REST call wants to know how somebody is whose home this shard is.
    Look {
        /// Who.
        user: UserId,
        /// Who waits.
        reply: oneshot::Sender<Presence>,
    },
    /// An administrator wants to know which way an entry went.
    Trail {
        /// Which.
        wanted: Wanted,
        /// Who waits.
        reply: oneshot::Sender<Option<Trail>>,
    },
    /// The answer to a socket's question was worked out elsewhere.
    Answer {
        /// Who asked.
        asked: Asked,
        /// The ack.
        frame: Frame,
    },
}

impl Mail {
    /// Something happened.
    pub(crate) fn input(input: Input) -> Self {
        Self::Input(Box::new(input))
    }
}

/// The doors of all shards of this node. Cheap to clone.
#[derive(Clone, Default)]
pub struct Doors {
    /// Empty until the shards run.
    open: Arc<OnceLock<Open>>,
}

struct Open {
    shards: Box<[ShardHandle<Mail>]>,
    /// The other nodes, if there are any.
    line: Option<Arc<Line>>,
}

impl Doors {
    /// The shards run: what is posted reaches them from now on. Only the first call counts.
    pub(crate) fn open(&self, shards: &[ShardHandle<Mail>], line: Option<Arc<Line>>) {
        self.open.get_or_init(|| Open {
            shards: shards.into(),
            line,
        });
    }

    fn line(&self) -> Option<&Line> {
        self.open.get()?.line.as_deref()
    }

    /// The door of the shard that a room or a person has its home on; `None` before the shards run.
    fn home(&self, key: u128) -> Option<&ShardHandle<Mail>> {
        let shards = &self.open.get()?.shards;
        shards.get(usize::from(home_of(key, shards.len() as u8).0))
    }

    /// What all shards of this node know of an entry's way; `None` when it is none of the last that they saw.
    pub(crate) async fn trail(&self, wanted: Wanted) -> Option<Trail> {
        let shards = self.open.get().map(|open| &open.shards);
        let mut asked = Vec::new();
        for shard in shards.into_iter().flatten() {
            let (reply, trail) = oneshot::channel();
            // A shard that is too busy to be asked is left out: the others still tell a part of it.
            if shard.post(Mail::Trail { wanted, reply }).is_ok() {
                asked.push(trail);
            }
        }
        let mut found = Vec::new();
        for trail in asked {
            found.extend(trail.await.ok().flatten());
        }
        trail::merged(found)
    }

    /// News that is worth a warning when it cannot be posted, and nothing more: clients find it at their next connect.
    fn post(shard: Option<&ShardHandle<Mail>>, input: Input) {
        let Some(shard) = shard else { return };
        if shard.post(Mail::input(input)).is_err() {
            warn!(shard = shard.number(), "mailbox full; news was dropped");
        }
    }
}

/// Posts to every shard, and waits for a mailbox that is full: for the few words that must not be dropped. `false` when
/// a shard stayed full, or has ended, and was given up.
pub(crate) async fn post_all(shards: &[ShardHandle<Mail>], input: impl Fn() -> Input) -> bool {
    let mut taken_by = 0;
    for shard in shards {
        let mut mail = Mail::input(input());
        for _ in 0..POST_TRIES {
            match shard.post(mail) {
                Ok(()) => {
                    taken_by += 1;
                    break;
                }
                Err(MailboxFull(back)) => mail = back,
            }
            tokio::time::sleep(POST_PAUSE).await;
        }
    }
    taken_by == shards.len()
}

impl Hubs for Doors {
    fn submit(&self, room: RoomId, draft: Draft) -> BoxFuture<'_, Result<Outcome, Problem>> {
        let (reply, outcome) = oneshot::channel();
        let posted = self
            .home(room.as_u128())
            .is_some_and(|home| home.post(Mail::Call { room, draft, reply }).is_ok());
        Box::pin(async move {
            if !posted {
                return Err(Problem::new(Code::Overloaded).retry_after(1_000));
            }
            // The shard ended with the draft under way: it may be in the log.
            outcome
                .await
                .unwrap_or_else(|_| Err(Code::OutcomeUnknown.into()))
        })
    }

    fn tell(&self, user: UserId, told: Told) {
        if let Some(line) = self.line() {
            line.tell(user, told.clone());
        }
        Self::post(
            self.home(user.as_u128()),
            Input::Person {
                user,
                command: PersonCommand::Tell(told),
            },
        );
    }

    fn read_moved(
        &self,
        room: RoomId,
        user: UserId,
        (marker, mentions): (ReadMarker, u64),
        head_n: u64,
    ) {
        let moved = Moved {
            room,
            user,
            marker,
            mentions,
            head_n,
        };
        Self::post(
            self.home(room.as_u128()),
            Input::ReadMoved { asked: None, moved },
        );
    }

    fn presence(&self, users: Vec<UserId>) -> BoxFuture<'_, Vec<Presence>> {
        let asked: Vec<_> = users
            .into_iter()
            .map(|user| {
                let (reply, presence) = oneshot::channel();
                let home = self.home(user.as_u128());
                let posted = home.is_some_and(|home| home.post(Mail::Look { user, reply }).is_ok());
                (user, posted.then_some(presence))
            })
            .collect();
        Box::pin(async move {
            let mut found = Vec::with_capacity(asked.len());
            for (user_id, presence) in asked {
                let unknown = Presence {
                    user_id,
                    status: PresenceStatus::Unknown,
                    text: None,
                };
                found.push(match presence {
                    Some(presence) => presence.await.unwrap_or(unknown),
                    None => unknown,
                });
            }
            found
        })
    }

    fn revoked(&self, sessions: Vec<SessionId>, reason: &'static str) {
        if let Some(line) = self.line() {
            line.revoked(sessions.clone(), reason);
        }
        let sessions: Arc<[SessionId]> = sessions.into();
        let shards = self.open.get().map(|open| &open.shards);
        for shard in shards.into_iter().flatten() {
            Self::post(
                Some(shard),
                Input::Revoked {
                    sessions: sessions.clone(),
                    reason,
                },
            );
        }
    }
}

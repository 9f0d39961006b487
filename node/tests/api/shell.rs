//! One hub and what it needs of a node to serve REST calls: its questions to the store, its answers to the calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use chat::{
    AppendFailed, Effect, Hub, HubId, Input, Now, Outcome, PAGE_ENTRIES, Setup, StoreAnswer,
    StoreQuestion, Together, Told,
};
use node::ports::{BoxFuture, Hubs};
use protocol::entry::Draft;
use protocol::ids::{RoomId, SessionId, UserId};
use protocol::problem::{Code, Problem};
use protocol::room::ReadMarker;
use protocol::time::Timestamp;
use protocol::user::{Presence, PresenceStatus};
use store::{Append, AppendError, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

type Waiting = oneshot::Sender<Result<Outcome, Problem>>;

/// A hub on a thread of its own.
pub(crate) struct OneHub {
    calls: mpsc::Sender<(RoomId, Draft, Waiting)>,
    /// Who was told what.
    pub(crate) told: Mutex<Vec<(UserId, Told)>>,
    /// Which markers moved.
    pub(crate) moved: Mutex<Vec<(RoomId, UserId, ReadMarker)>>,
    /// Which sessions were cut.
    pub(crate) cut: Mutex<Vec<SessionId>>,
    /// Who is online.
    pub(crate) online: Mutex<Vec<UserId>>,
}

impl OneHub {
    pub(crate) fn start(store: Arc<dyn Store>, limits: bool) -> Arc<Self> {
        let (calls, inbox) = mpsc::channel(1_024);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(run(store, limits, inbox));
        });
        Arc::new(Self {
            calls,
            told: Mutex::default(),
            moved: Mutex::default(),
            cut: Mutex::default(),
            online: Mutex::default(),
        })
    }
}

impl Hubs for OneHub {
    fn submit(&self, room: RoomId, draft: Draft) -> BoxFuture<'_, Result<Outcome, Problem>> {
        Box::pin(async move {
            let (answer, waiting) = oneshot::channel();
            self.calls
                .send((room, draft, answer))
                .await
                .map_err(|_| Problem::new(Code::Draining))?;
            waiting
                .await
                .map_err(|_| Problem::new(Code::OutcomeUnknown))?
        })
    }

    fn tell(&self, user: UserId, told: Told) {
        self.told.lock().unwrap().push((user, told));
    }

    fn read_moved(&self, room: RoomId, user: UserId, marker: (ReadMarker, u64), _head_n: u64) {
        self.moved.lock().unwrap().push((room, user, marker.0));
    }

    fn presence(&self, users: Vec<UserId>) -> BoxFuture<'_, Vec<Presence>> {
        let online = self.online.lock().unwrap().clone();
        let of = move |user| {
            let status = if online.contains(&user) {
                PresenceStatus::Online
            } else {
                PresenceStatus::Offline
            };
            Presence {
                user_id: user,
                status,
                text: None,
            }
        };
        Box::pin(async move { users.into_iter().map(of).collect() })
    }

    fn revoked(&self, sessions: Vec<SessionId>, _reason: &'static str) {
        self.cut.lock().unwrap().extend(sessions);
    }
}

async fn run(
    store: Arc<dyn Store>,
    limits: bool,
    mut inbox: mpsc::Receiver<(RoomId, Draft, Waiting)>,
) {
    let setup = Setup {
        hub: HubId(0),
        hubs: 1,
        node: "one".into(),
        cluster: None,
        limits,
        seed: [7; 4],
    };
    let mut hub = Hub::new(setup);
    let mut waiting: BTreeMap<u64, Waiting> = BTreeMap::new();
    let mut next = 0;
    while let Some((room, draft, answer)) = inbox.recv().await {
        next += 1;
        waiting.insert(next, answer);
        let at = draft.at;
        let mut inputs = VecDeque::from([Input::Call {
            call: next,
            room,
            draft,
        }]);
        while let Some(input) = inputs.pop_front() {
            let mut effects = Vec::new();
            hub.handle(
                Now {
                    mono: next,
                    micros: next * 1_000,
                    wall: at,
                },
                input,
                &mut effects,
            );
            for effect in effects {
                match effect {
                    Effect::Ask {
                        room,
                        ticket,
                        question,
                    } => {
                        let answer = ask(&*store, room, question).await;
                        inputs.push_back(Input::Store {
                            room,
                            ticket,
                            answer,
                        });
                    }
                    Effect::ReadLogs { logs } => {
                        for read in logs {
                            let page = store.entries(read.room, read.after, PAGE_ENTRIES).await;
                            let page = page.map(|page| (page.head, page.entries));
                            inputs.push_back(Input::Store {
                                room: read.room,
                                ticket: read.ticket,
                                answer: StoreAnswer::Entries(
                                    page.map_err(|error| error.to_string()),
                                ),
                            });
                        }
                        let (what, well) = (Together::Logs, true);
                        inputs.push_back(Input::ReadEnded { what, well });
                    }
                    Effect::ToHome { room, command } => {
                        inputs.push_back(Input::Home { room, command })
                    }
                    Effect::Answer { call, result } => {
                        // The caller may have gone away; nobody waits then.
                        if let Some(answer) = waiting.remove(&call) {
                            drop(answer.send(result));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

async fn ask(store: &dyn Store, room: RoomId, question: StoreQuestion) -> StoreAnswer {
    let said = |error: StoreError| error.to_string();
    match question {
        StoreQuestion::Open => StoreAnswer::Opened(match store.open_room(room).await {
            Ok(found) => Ok(Some(Box::new(chat::Opened {
                room: found.room,
                head: found.head,
                deleted: found.deleted,
                members: found.members,
                bans: found.bans,
            }))),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(said(error)),
        }),
        StoreQuestion::Append { epoch, entries } => {
            let done = store
                .append(Append {
                    room,
                    epoch,
                    entries,
                })
                .await;
            StoreAnswer::Appended(done.map_err(|error| match error {
                AppendError::Conflict => AppendFailed::Conflict,
                AppendError::Unavailable(_) => AppendFailed::Unavailable,
                AppendError::Unknown(_) => AppendFailed::Unknown,
            }))
        }
        StoreQuestion::Lookup { keys } => {
            let found = store.lookup(room, keys).await.map_err(said);
            StoreAnswer::LookedUp(found.map(|(head, found)| {
                (
                    head,
                    found
                        .into_iter()
                        .map(|found| found.map(|found| found.entry))
                        .collect(),
                )
            }))
        }
        StoreQuestion::Messages { ids } => {
            StoreAnswer::Messages(store.messages(room, ids).await.map_err(said))
        }
    }
}

/// The wall clock of a test: a day in 2026.
pub(crate) const TODAY: Timestamp = Timestamp(1_790_000_000_000);

//! The only place where decisions of the domain become I/O.

use chat::{
    AppendFailed, Close, Effect, Gap, Input, Notice, Now, Opened, StoreAnswer, StoreQuestion,
    home_of,
};
use protocol::event::ServerEvent;
use protocol::frame::Frame;
use protocol::ids::{RoomId, UserId};
use protocol::problem::Problem;
use protocol::room::RoomSummary;
use store::{AppendError, Store, StoreError};
use tracing::{error, warn};
use transport::{CloseReason, MailboxFull, ShardHandle, Sockets};

use super::{Mail, Shard, socket};

/// When a client that is told to go should come back: the reference client spreads its reconnect over 0.5–1.5 s.
pub(super) const RECONNECT_MILLIS: u64 = 1_000;
/// Tries of a read that nobody asks for again, and the first pause between them, which doubles: 6 s in all.
const LOAD_TRIES: u32 = 6;
const LOAD_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
/// How long to wait before an answer of the store is posted again to a full mailbox.
const REPOST_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

impl Shard {
    pub(super) fn perform(&mut self, sockets: &mut Sockets, now: Now, effect: Effect) {
        let hubs = self.doors.len() as u8;
        match effect {
            Effect::Accept { conn } => {
                sockets.accept(socket(conn));
            }
            Effect::Send { conn, frame } | Effect::Ack { conn, frame } => {
                sockets.send(socket(conn), frame);
            }
            Effect::Deliver { slot, frame, marks } => {
                let count = sockets.broadcast_slots(self.hub.sockets_in(slot), &frame);
                let deliveries = count * marks.len();
                self.shared.metrics.deliveries.increment(deliveries as u64);
                for mark in marks {
                    self.timing.delivered(mark, count);
                }
            }
            Effect::Pass { slot, frame } => {
                for index in self.hub.sockets_in(slot) {
                    if let Some(conn) = self.hub.socket_at(*index) {
                        sockets.send_volatile(socket(conn), frame.clone());
                    }
                }
            }
            Effect::Close { conn, why } => match why {
                Close::ComeBack(_) => sockets.close(socket(conn), CloseReason::ServerLeft),
                Close::StayAway(_) => sockets.disconnect(socket(conn), true),
                Close::Refused(code) => {
                    self.shared
                        .metrics
                        .refused_connects
                        .with(code.as_str())
                        .increment(1);
                    sockets.refuse(socket(conn), code.title(), Some(&Problem::new(code)));
                }
            },
            Effect::ToHome { room, command } => {
                self.post(
                    home_of(room.as_u128(), hubs).0,
                    Input::Home { room, command },
                );
            }
            Effect::ToPerson { user, command } => {
                self.post(
                    home_of(user.as_u128(), hubs).0,
                    Input::Person { user, command },
                );
            }
            Effect::ToHub { hub, notice } => {
                if let Notice::Outcome { result, .. } = &notice {
                    self.settled(result);
                }
                self.post(hub.0, Input::Notice(notice));
            }
            Effect::Answer { call, result } => {
                self.settled(&result);
                if let Some(reply) = self.calls.remove(&call)
                    && reply.send(result).is_err()
                {
                    tracing::debug!("a caller did not wait for its answer");
                }
            }
            Effect::Look { call, presence } => {
                if let Some(reply) = self.looks.remove(&call)
                    && reply.send(presence).is_err()
                {
                    tracing::debug!("a caller did not wait for its answer");
                }
            }
            Effect::Ask {
                room,
                ticket,
                question,
            } => {
                self.asked(now, (room, ticket), &question);
                self.ask(room, ticket, question);
            }
            Effect::LoadRooms { of } => self.load_rooms(of),
            Effect::ReadLogs { logs } => self.read_logs(logs),
            Effect::Heads { rooms } => self.read_heads(rooms),
            Effect::LoadRoom { user, room } => {
                let store = self.shared.ports.store.clone();
                self.spawn(async move {
                    let summary = room_for(store.as_ref(), user, room).await;
                    Input::RoomLoaded {
                        user,
                        room,
                        summary,
                    }
                });
            }
            Effect::Gap(Gap::Found) => self.shared.metrics.gaps_found.increment(1),
            Effect::Gap(Gap::Repaired { millis }) => {
                let took = std::time::Duration::from_millis(millis);
                self.shared.metrics.gap_repair.record(took);
            }
            Effect::Diverged { room, seq } => {
                self.shared.metrics.diverged.increment(1);
                error!(%room, seq, "two bodies were seen for one place of a log");
            }
            Effect::Standings { users } => {
                let line = self.shared.line.clone();
                self.spawn(async move {
                    let found = match line {
                        Some(line) => line.standings(users.clone()).await,
                        None => None,
                    };
                    Input::StandingsRead { users, found }
                });
            }
            Effect::Publish(hint) => {
                if let Some(line) = self.shared.line.clone() {
                    self.published(now, &hint);
                    line.perform(Effect::Publish(hint));
                }
            }
            Effect::Hand(_)
            | Effect::SendBack(_)
            | Effect::NotWritten
            | Effect::PublishPassing { .. }
            | Effect::PublishTold { .. }
            | Effect::Watch { .. }
            | Effect::Unwatch { .. }
            | Effect::WatchPeople { .. }
            | Effect::UnwatchPeople { .. }
            | Effect::Standing { .. } => {
                // By itself a node has nobody to tell.
                if let Some(line) = &self.shared.line {
                    line.perform(effect);
                }
            }
        }
    }

    fn ask(&mut self, room: RoomId, ticket: u64, question: StoreQuestion) {
        let store = self.shared.ports.store.clone();
        let metrics = &self.shared.metrics;
        if let StoreQuestion::Append { .. } = &question {
            metrics.append_tries.increment(1);
        }
        self.spawn(async move {
            let answer = match question {
                StoreQuestion::Open => StoreAnswer::Opened(match store.open_room(room).await {
                    Ok(opened) => Ok(Some(Box::new(picture(opened)))),
                    Err(StoreError::NotFound) => Ok(None),
                    Err(error) => Err(error.to_string()),
                }),
                StoreQuestion::Append { epoch, entries } => {
                    let appended = store
                        .append(store::Append {
                            room,
                            epoch,
                            entries,
                        })
                        .await;
                    StoreAnswer::Appended(appended.map_err(|error| match error {
                        AppendError::Conflict => AppendFailed::Conflict,
                        AppendError::Unavailable(why) => {
                            warn!(%room, why, "append refused");
                            AppendFailed::Unavailable
                        }
                        AppendError::Unknown(why) => {
                            warn!(%room, why, "append with unknown outcome");
                            AppendFailed::Unknown
                        }
                    }))
                }
                StoreQuestion::Lookup { keys } => {
                    let found = store.lookup(room, keys).await;
                    StoreAnswer::LookedUp(found.map_err(|error| error.to_string()).map(
                        |(head, found)| {
                            (
                                head,
                                found
                                    .into_iter()
                                    .map(|found| found.map(|found| found.entry))
                                    .collect(),
                            )
                        },
                    ))
                }
                StoreQuestion::Messages { ids } => StoreAnswer::Messages(
                    store
                        .messages(room, ids)
                        .await
                        .map_err(|error| error.to_string()),
                ),
            };
            Input::Store {
                room,
                ticket,
                answer,
            }
        });
    }

    /// Runs a question to the store on this thread (the store has its own threads) and brings the answer back as mail.
    fn spawn(&self, question: impl Future<Output = Input> + 'static) {
        self.spawn_all(async move { [question.await] });
    }

    /// The same for a question with many answers, which are brought back in order.
    pub(super) fn spawn_all(
        &self,
        question: impl Future<Output = impl IntoIterator<Item = Input>> + 'static,
    ) {
        let door = self.doors[usize::from(self.me)].clone();
        tokio::task::spawn_local(async move {
            for input in question.await {
                deliver(&door, input).await;
            }
        });
    }

    /// Tells every socket that this node stops; the transport closes them next, at its pace.
    pub(super) fn say_goodbye(&mut self, sockets: &mut Sockets) {
        let event = ServerEvent::ServerDraining {
            reconnect_in_ms: RECONNECT_MILLIS,
        };
        let frame = Frame::event(event.name(), &event);
        for conn in self.hub.all_sockets() {
            sockets.send(socket(conn), frame.clone());
        }
    }
}

/// A room for somebody who was just added to it. Nobody asks again for them, so that a store that is away for a moment
/// is tried again; when it stays away, they find the room when they connect again.
async fn room_for(store: &dyn Store, user: UserId, room: RoomId) -> Option<Box<RoomSummary>> {
    for tries in 0..LOAD_TRIES {
        match store.room_for(user, room).await {
            Ok(summary) => return Some(Box::new(summary)),
            Err(StoreError::NotFound) => return None,
            Err(error) => warn!(%error, "a room could not be read for somebody who was added"),
        }
        tokio::time::sleep(LOAD_PAUSE * 2u32.pow(tries)).await;
    }
    None
}

/// An answer must not be lost: whoever asked would wait for ever.
async fn deliver(door: &ShardHandle<Mail>, input: Input) {
    let mut mail = Mail::input(input);
    while let Err(MailboxFull(back)) = door.post(mail) {
        mail = back;
        tokio::time::sleep(REPOST_PAUSE).await;
    }
}

fn picture(opened: store::Opened) -> Opened {
    let store::Opened {
        room,
        head,
        deleted,
        members,
        bans,
    } = opened;
    Opened {
        room,
        head,
        deleted,
        members,
        bans,
    }
}

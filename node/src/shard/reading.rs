//! What a socket reads: history, what it missed, read markers, who is there. Answered from the store on the backend
//! runtime, so that a long page never holds up the shard.

use std::sync::Arc;

use chat::{Asked, Input, Moved, granted, refused};
use protocol::event::ClientEvent;
use protocol::event::client::{MarkRead, Subscribe, WatchPresence};
use protocol::ids::UserId;
use protocol::problem::{Code, Problem};
use transport::{MailboxFull, Sockets};

use super::{Mail, Shard};
use crate::ports::Ports;
use crate::reads::{self, HistoryReply, ROOM_PRESENCE_MAX, SubscribeReply, of_read};

/// What becomes of a read.
enum Read {
    /// It is answered.
    Answer(protocol::frame::Frame),
    /// It is answered, and the hub goes on from there.
    AnswerThen(Option<protocol::frame::Frame>, Box<Input>),
}

impl Shard {
    pub(super) fn read(&mut self, sockets: &mut Sockets, asked: Asked, said: ClientEvent) {
        let Some(who) = self.hub.who(asked.conn) else {
            return;
        };
        let Ok(permit) = self.shared.reads.clone().try_acquire_owned() else {
            let problem = Problem::new(Code::Overloaded).retry_after(1_000);
            return self.refuse(sockets, asked, &problem);
        };
        let door = self.doors[usize::from(self.me)].clone();
        let ports = self.shared.ports.clone();
        self.shared.backend.spawn(async move {
            let _until_answered = permit;
            let read = match answer(&ports, asked, who.user, said).await {
                Ok(read) => read,
                Err(problem) => match asked.ack {
                    Some(ack) => Read::Answer(refused(ack, &problem)),
                    None => return,
                },
            };
            let (frame, input) = match read {
                Read::Answer(frame) => (Some(frame), None),
                Read::AnswerThen(frame, input) => (frame, Some(input)),
            };
            let answer = frame.map(|frame| Mail::Answer { asked, frame });
            for mail in answer.into_iter().chain(input.map(Mail::Input)) {
                if let Err(MailboxFull(_)) = door.post(mail) {
                    // The client's ack times out and it asks again.
                    tracing::warn!("mailbox full; the answer to a read was dropped");
                }
            }
        });
    }
}

async fn answer(
    ports: &Arc<Ports>,
    asked: Asked,
    user: UserId,
    said: ClientEvent,
) -> Result<Read, Problem> {
    let store = ports.store.as_ref();
    let ack = asked.ack.unwrap_or_default();
    Ok(match said {
        ClientEvent::Sync(sync) => {
            Read::Answer(granted(ack, &reads::sync(store, user, sync).await?))
        }
        ClientEvent::History(query) => {
            let side = reads::history(store, user, query.clone()).await?;
            Read::Answer(granted(ack, &HistoryReply::of(&query, side)))
        }
        ClientEvent::Subscribe(subscribe) => self::subscribe(ports, asked, user, subscribe).await?,
        ClientEvent::Read(MarkRead { room_id, seq }) => {
            let (marker, mentions) = store.mark_read(room_id, user, seq).await.map_err(of_read)?;
            let heads = store.heads(vec![room_id]).await.map_err(of_read)?;
            let head_n = heads.first().map_or(marker.read_n, |(_, head)| head.n);
            let moved = Moved {
                room: room_id,
                user,
                marker,
                mentions,
                head_n,
            };
            Read::AnswerThen(
                None,
                Box::new(Input::ReadMoved {
                    asked: Some(asked),
                    moved,
                }),
            )
        }
        ClientEvent::PresenceWatch(whom) => {
            let visible = match &whom {
                WatchPresence::Users { user_ids } => store
                    .acquaintances(user, user_ids.clone())
                    .await
                    .map_err(of_read)?,
                WatchPresence::Room { room_id } => {
                    let members = store.members(*room_id, None, ROOM_PRESENCE_MAX);
                    let members = reads::as_member(store, *room_id, user, members).await?;
                    members.into_iter().map(|member| member.user_id).collect()
                }
            };
            Read::AnswerThen(
                None,
                Box::new(Input::PresenceWatch {
                    asked,
                    whom,
                    visible,
                }),
            )
        }
        _ => return Err(Code::UnknownEvent.into()),
    })
}

async fn subscribe(
    ports: &Ports,
    asked: Asked,
    user: UserId,
    subscribe: Subscribe,
) -> Result<Read, Problem> {
    let store = ports.store.as_ref();
    let Subscribe { room_id, after } = subscribe;
    let (events, gap) = match after {
        None => (Vec::new(), false),
        Some(cursor) => {
            let rooms = [(room_id, cursor)].into();
            let mut missed =
                reads::sync(store, user, protocol::event::client::Sync { rooms }).await?;
            let missed = missed.rooms.remove(&room_id).ok_or(Code::RoomNotFound)?;
            (missed.events, missed.gap)
        }
    };
    // Read after the events, so that its head is not below them and membership was seen last.
    let summary = store.room_for(user, room_id).await.map_err(of_read)?;
    // The stream goes on where the events of this answer end.
    let replayed = events.len() as u64;
    let from = match after {
        Some(cursor) if !gap => cursor.seq() + replayed,
        _ => summary.head_seq,
    };
    let reply = SubscribeReply {
        head_seq: summary.head_seq,
        room: summary.clone(),
        events,
        gap,
    };
    let frame = asked.ack.map(|ack| granted(ack, &reply));
    Ok(Read::AnswerThen(
        frame,
        Box::new(Input::Subscribe {
            conn: asked.conn,
            summary: Box::new(summary),
            after: from,
        }),
    ))
}

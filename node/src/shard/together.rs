//! Reads for many in one operation of the store. Each is answered to everybody whom it was for, and then said to be over,
//! whatever became of it: a hub begins no other in its place before.

use std::sync::Arc;

use chat::{ConnId, Input, LogRead, PAGE_ENTRIES, StoreAnswer, Together};
use protocol::ids::{RoomId, UserId};
use protocol::message::Seq;
use protocol::problem::{Code, Problem};
use protocol::room::RoomSummary;
use store::{Page, StoreError};
use tracing::warn;

use super::perform::RECONNECT_MILLIS;
use super::{Shard, Shared};

impl Shard {
    pub(super) fn load_rooms(&self, of: Vec<(ConnId, UserId)>) {
        let shared = Arc::clone(&self.shared);
        self.spawn_all(async move {
            let (conns, users): (Vec<_>, Vec<_>) = of.into_iter().unzip();
            let read = async |users| rooms_of_each(&shared, users).await;
            let lists = shared.rooms_gathered.ask(users, read).await;
            let lists = lists.unwrap_or_else(|| gone(conns.len()));
            let well = lists.iter().any(Result::is_ok);
            let answer = |(conn, list): (ConnId, Result<_, StoreError>)| {
                let rooms = list.map_err(|error| {
                    warn!(%error, "rooms of a user could not be read");
                    Problem::new(Code::Unavailable).retry_after(RECONNECT_MILLIS)
                });
                Input::RoomsLoaded { conn, rooms }
            };
            let what = Together::Rooms;
            let answers = conns.into_iter().zip(lists).map(answer);
            answers.chain([Input::ReadEnded { what, well }])
        });
    }

    pub(super) fn read_logs(&self, logs: Vec<LogRead>) {
        let shared = Arc::clone(&self.shared);
        shared.metrics.gap_reads.increment(logs.len() as u64);
        self.spawn_all(async move {
            let of = logs.iter().map(|read| (read.room, read.after)).collect();
            let read = async |of| pages(&shared, of).await;
            let pages = shared.logs_gathered.ask(of, read).await;
            let pages = pages.unwrap_or_else(|| gone(logs.len()));
            let well = pages.iter().any(Result::is_ok);
            let answer = |(read, page): (LogRead, Result<Page, StoreError>)| {
                let page = page.map_err(|error| error.to_string());
                Input::Store {
                    room: read.room,
                    ticket: read.ticket,
                    answer: StoreAnswer::Entries(page.map(|page| (page.head, page.entries))),
                }
            };
            let what = Together::Logs;
            let answers = logs.into_iter().zip(pages).map(answer);
            answers.chain([Input::ReadEnded { what, well }])
        });
    }

    pub(super) fn read_heads(&self, rooms: Vec<RoomId>) {
        let shared = Arc::clone(&self.shared);
        self.spawn_all(async move {
            count(&shared, "heads", rooms.len());
            let heads = shared.ports.store.heads(rooms).await;
            let well = heads.is_ok();
            let heads = heads.map_or_else(
                |error| {
                    warn!(%error, "heads could not be compared; the next round tries again");
                    None
                },
                |heads| Some(Input::Heads { heads }),
            );
            let what = Together::Heads;
            heads.into_iter().chain([Input::ReadEnded { what, well }])
        });
    }
}

/// The shard that asked for all has ended.
fn gone<T>(many: usize) -> Vec<Result<T, StoreError>> {
    let gone = || {
        Err(StoreError::Unavailable(
            "the shard that read is gone".into(),
        ))
    };
    std::iter::repeat_with(gone).take(many).collect()
}

fn count(shared: &Shared, what: &'static str, many: usize) {
    shared.metrics.reads.with(what).increment(1);
    shared.metrics.reads_for.with(what).increment(many as u64);
}

/// The rooms of each; one whose rooms cannot be understood harms no other.
async fn rooms_of_each(
    shared: &Shared,
    users: Vec<UserId>,
) -> Vec<Result<Vec<RoomSummary>, StoreError>> {
    let store = &shared.ports.store;
    count(shared, "rooms", users.len());
    match store.rooms_of_each(users.clone()).await {
        Ok(lists) => lists.into_iter().map(Ok).collect(),
        Err(StoreError::Corrupt(_)) if users.len() > 1 => {
            let mut lists = Vec::with_capacity(users.len());
            for user in users {
                shared.metrics.reads.with("rooms").increment(1);
                lists.push(store.rooms_of(user).await);
            }
            lists
        }
        Err(error) => users.iter().map(|_| Err(error.clone())).collect(),
    }
}

/// The page of each; what is not read with the others is read alone.
async fn pages(shared: &Shared, of: Vec<(RoomId, Seq)>) -> Vec<Result<Page, StoreError>> {
    let store = &shared.ports.store;
    count(shared, "logs", of.len());
    let pages = match store.pages(of.clone(), PAGE_ENTRIES).await {
        Ok(pages) => pages,
        Err(StoreError::Corrupt(_)) => vec![None; of.len()],
        Err(error) => return of.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut whole = Vec::with_capacity(of.len());
    for ((room, after), page) in of.into_iter().zip(pages) {
        whole.push(match page {
            Some(page) => Ok(page),
            None => {
                shared.metrics.reads.with("logs").increment(1);
                store.entries(room, after, PAGE_ENTRIES).await
            }
        });
    }
    whole
}

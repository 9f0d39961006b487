//! Windows of a room's messages against a plain list.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protocol::entry::Change;
use protocol::event::client::History;
use protocol::ids::RoomId;
use protocol::message::{Message, Seq};
use store::{Side, StoreError};

use crate::fixtures::*;

#[derive(Clone, Debug)]
enum Step {
    Say,
    Edit(usize),
    Delete(usize),
    React(usize),
    /// An entry that is about no message.
    Other,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Say),
        1 => any::<usize>().prop_map(Step::Edit),
        1 => any::<usize>().prop_map(Step::Delete),
        2 => any::<usize>().prop_map(Step::React),
        3 => Just(Step::Other),
    ];
    prop::collection::vec(step, 0..60)
}

/// What a list of all messages gives for a window.
fn expected(messages: &[Message], query: &History) -> Side {
    let limit = query.limit as usize;
    let upto = |seq: Seq| {
        messages
            .iter()
            .take_while(|message| message.seq <= seq)
            .count()
    };
    let (first, last) = match query {
        History {
            before: Some(before),
            ..
        } => {
            let last = upto(before.saturating_sub(1));
            (last.saturating_sub(limit), last)
        }
        History {
            after: Some(after), ..
        } => (upto(*after), messages.len().min(upto(*after) + limit)),
        History {
            around: Some(around),
            ..
        } => {
            let last = messages.len().min((upto(*around) + limit / 2).max(limit));
            (last.saturating_sub(limit), last)
        }
        _ => (messages.len().saturating_sub(limit), messages.len()),
    };
    Side {
        messages: messages[first..last].to_vec(),
        more_before: first > 0,
        more_after: last < messages.len(),
    }
}

pub(crate) async fn every_window_is_what_a_list_would_give(store: Handle) {
    let runtime = tokio::runtime::Handle::current();
    let cases = tokio::task::spawn_blocking(move || {
        // The answers of a store are no function of a file beside the test.
        let config = Config {
            cases: 60,
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(config).run(&steps(), |steps| runtime.block_on(one_room(&store, steps)))
    });
    cases.await.unwrap().unwrap();
}

async fn one_room(store: &Handle, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let ada = user();
    let mut room = room_of(store, &[ada]).await;
    let mut list: Vec<Message> = Vec::new();
    let mut entries = Vec::new();
    for step in steps {
        let chosen = |nth: usize| {
            if list.is_empty() {
                None
            } else {
                Some(nth % list.len())
            }
        };
        let change = match step {
            Step::Say => None,
            Step::Edit(nth) => chosen(nth).map(|nth| {
                list[nth].text.push('!');
                list[nth].version += 1;
                Change::Edited {
                    message: list[nth].clone(),
                }
            }),
            Step::Delete(nth) => chosen(nth).map(|nth| {
                list[nth] = list[nth].clone().deleted(at(1));
                Change::Deleted {
                    message: list[nth].clone(),
                }
            }),
            Step::React(nth) => chosen(nth).map(|nth| {
                let by = user();
                let reaction = protocol::message::Reaction {
                    emoji: by.to_string(),
                    count: 1,
                    user_ids: vec![by],
                };
                list[nth].reactions.push(reaction);
                entries.push(room.entry(
                    by,
                    Change::Reacted {
                        message: list[nth].id,
                        emoji: by.to_string(),
                        added: true,
                        count: 1,
                    },
                ));
                Change::Unbanned { user: ada }
            }),
            Step::Other => Some(Change::Unbanned { user: ada }),
        };
        match change {
            Some(change) => entries.push(room.entry(ada, change)),
            None => {
                let entry = room.said(ada, "a text");
                list.push(said(&entry).clone());
                entries.push(entry);
            }
        }
    }
    for batch in entries.chunks(7) {
        room.append(store, batch).await;
    }

    let end = room.head.seq;
    for seq in [0, 1, 2, end / 3, end / 2, end - 1, end, end + 1, u64::MAX] {
        for limit in [0, 1, 2, 7, 100] {
            let none = History {
                room_id: room.id,
                before: None,
                after: None,
                around: None,
                limit,
            };
            for query in [
                History {
                    before: Some(seq),
                    ..none.clone()
                },
                History {
                    after: Some(seq),
                    ..none.clone()
                },
                History {
                    around: Some(seq),
                    ..none.clone()
                },
                none,
            ] {
                let read = store.history(query.clone()).await.unwrap();
                prop_assert_eq!(read, expected(&list, &query), "{:?}", query);
            }
        }
    }
    Ok(())
}

pub(crate) async fn a_window_of_an_unknown_room_is_not_found(store: Handle) {
    assert_eq!(
        store.history(newest(RoomId(fresh()), 9)).await,
        Err(StoreError::NotFound)
    );
}

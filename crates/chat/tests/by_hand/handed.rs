//! A room that two nodes write: one of them writes it for both, and the log answers.

use std::sync::Arc;

use chat::{AppendFailed, Effect, HomeCommand, HubId, Input, Notice, StoreAnswer, StoreQuestion};
use protocol::entry::{Change, Draft, Entry};
use protocol::envelope::{HandOver, SentBack};
use protocol::ids::{MessageId, NodeId};
use protocol::limits::SEND_BURST;
use protocol::problem::Code;
use protocol::room::{Head, LeaveReason, Role};
use uuid::Uuid;

use crate::alone::{ANN, Alone, BEN, asked, at, batch, draft, entry, is_answered, member};

/// This node is 1 in all of these stories.
const ME: NodeId = NodeId(1);

fn says(hub: &mut Alone, draft: &Draft) -> Vec<Effect> {
    hub.tell(Input::Call {
        call: draft.key.0.as_u128() as u64,
        room: hub.room,
        draft: draft.clone(),
    })
}

/// The one hand-over among the effects.
fn handed(effects: &[Effect]) -> HandOver {
    let mut all = effects.iter().filter_map(|effect| match effect {
        Effect::Hand(over) => Some(over.as_ref().clone()),
        _ => None,
    });
    let over = all.next().unwrap();
    assert!(all.next().is_none(), "one hand-over at a time");
    over
}

fn answers(effects: &[Effect]) -> Vec<(u64, Result<bool, Code>)> {
    let answer = |effect: &Effect| match effect {
        Effect::Answer { call, result } => {
            let result = result.as_ref();
            let result = result.map(|outcome| outcome.duplicate);
            Some((*call, result.map_err(|problem| problem.code)))
        }
        _ => None,
    };
    effects.iter().filter_map(answer).collect()
}

/// A node with a socket in its room, whose log ends at 2. It has just lost place 2 to Ben on another node, and what it had
/// wanted to put there is at place 3 now. `other` is the other node.
fn after_a_lost_place(other: NodeId) -> Alone {
    let mut hub = Alone::with_limits(true, true);
    hub.tell(Input::Peers {
        alive: Some(Arc::from([ME, other])),
    });
    let room = hub.room;
    for effect in hub.connect(0, 1, 1) {
        if let Effect::ToHome { command, .. } = effect {
            hub.tell(Input::Home { room, command });
        }
    }
    hub.notice(Notice::Joined { room, position: 1 });
    let opening = says(&mut hub, &draft(ANN, 1));
    let members = vec![member(ANN, Role::Member), member(BEN, Role::Member)];
    let appending = hub.answer(&opening, hub.opened(1, members));
    let winner = entry(&hub, 2, &draft(BEN, 2));
    hub.hears(vec![winner]);
    let conflict = StoreAnswer::Appended(Err(AppendFailed::Conflict));
    let next = hub.answer(&appending, conflict);
    let first = draft(ANN, 1);
    if next.iter().any(|effect| matches!(effect, Effect::Hand(_))) {
        let mine = entry(&hub, 3, &first);
        assert_eq!(answers(&hub.hears(vec![mine])), [(1, Ok(false))]);
    } else {
        let done = hub.answer(&next, StoreAnswer::Appended(Ok(())));
        assert_eq!(answers(&done), [(1, Ok(false))]);
    }
    hub
}

/// The same, where the other node is the writer of the room; and what it was handed next.
fn handing() -> (Alone, HandOver) {
    let writer = (2..100).map(NodeId).find_map(|other| {
        let mut hub = after_a_lost_place(other);
        let effects = says(&mut hub, &draft(ANN, 10));
        let over = effects.iter().find_map(|effect| match effect {
            Effect::Hand(over) => Some(over.as_ref().clone()),
            _ => None,
        });
        over.map(|over| (hub, over))
    });
    writer.unwrap()
}

#[test]
fn of_two_nodes_that_contend_one_hands_its_drafts_to_the_other() {
    let others = (2..100).map(NodeId);
    let handing = others.filter(|other| {
        let mut hub = after_a_lost_place(*other);
        let effects = says(&mut hub, &draft(ANN, 10));
        let handed = effects.iter().find_map(|effect| match effect {
            Effect::Hand(over) => Some(over),
            _ => None,
        });
        if let Some(over) = handed {
            assert_eq!((over.to, over.from, over.room), (*other, ME, hub.room));
            assert_eq!(over.drafts, [draft(ANN, 10)]);
        } else {
            assert_eq!(batch(&effects)[0].seq, 4, "this node is the writer");
        }
        handed.is_some()
    });
    assert!((1..98).contains(&handing.count()));
}

#[test]
fn what_is_heard_of_the_log_answers_what_was_handed_over() {
    let (mut hub, over) = handing();
    assert_eq!(answers(&says(&mut hub, &draft(BEN, 11))), [], "it waits");
    let entries = vec![
        entry(&hub, 4, &draft(BEN, 99)),
        entry(&hub, 5, &over.drafts[0]),
    ];
    let effects = hub.hears(entries);
    assert_eq!(answers(&effects), [(10, Ok(false))]);
    let next = handed(&effects);
    assert_eq!(next.drafts, [draft(BEN, 11)], "and the next ones follow");
    assert!(next.number > over.number);
    let again = says(&mut hub, &draft(ANN, 10));
    assert_eq!(answers(&again), [(10, Ok(true))], "a repeat asks nobody");
}

#[test]
fn an_entry_of_an_earlier_try_and_one_with_another_text_are_told_apart() {
    let (mut hub, over) = handing();
    let mut earlier = entry(&hub, 4, &over.drafts[0]);
    if let Change::Said { message } = &mut earlier.change {
        message.id = MessageId(Uuid::from_u128(6));
    }
    assert_eq!(answers(&hub.hears(vec![earlier])), [(10, Ok(true))]);
    let (mut hub, over) = handing();
    let mut another = entry(&hub, 4, &over.drafts[0]);
    another.digest += 1;
    let conflict = Err(Code::ClientIdConflict);
    assert_eq!(answers(&hub.hears(vec![another])), [(10, conflict)]);
}

#[test]
fn a_writer_that_says_nothing_is_done_without() {
    let (mut hub, over) = handing();
    let handed_at = hub.mono;
    let effects = hub.wait();
    assert!((300..=2_000).contains(&(hub.mono - handed_at)));
    let silent = |effect: &Effect| matches!(effect, Effect::NotWritten);
    assert!(effects.iter().any(silent));
    let entries = batch(&effects);
    assert_eq!((entries[0].seq, entries[0].key), (4, over.drafts[0].key));
    let stored = hub.answer(&effects, StoreAnswer::Appended(Ok(())));
    assert_eq!(answers(&stored), [(10, Ok(false))]);
    let next = says(&mut hub, &draft(ANN, 12));
    assert_eq!(batch(&next)[0].seq, 5, "it is not asked again at once");
}

#[test]
fn what_is_sent_back_is_written_here_at_once() {
    let (mut hub, over) = handing();
    let back = SentBack {
        to: ME,
        number: over.number,
        room: hub.room,
        actor: ANN,
        key: over.drafts[0].key,
    };
    let old = SentBack {
        number: over.number - 1,
        ..back
    };
    assert!(
        hub.tell(Input::SentBack(old)).is_empty(),
        "of an earlier one"
    );
    let effects = hub.tell(Input::SentBack(back));
    assert_eq!(batch(&effects)[0].seq, 4);
}

#[test]
fn what_may_be_written_elsewhere_is_never_called_not_stored() {
    let (mut hub, over) = handing();
    let removed = Entry {
        change: Change::Left {
            user: ANN,
            reason: LeaveReason::Removed,
            until: None,
        },
        ..entry(&hub, 4, &draft(BEN, 99))
    };
    hub.hears(vec![removed]);
    let effects = hub.wait();
    let (_, StoreQuestion::Lookup { keys }) = asked(&effects) else {
        panic!("a refusal looks first");
    };
    assert_eq!(keys, [(ANN, over.drafts[0].key)]);
    let found = StoreAnswer::LookedUp(Ok((at(4), vec![None])));
    let refused = hub.answer(&effects, found);
    assert_eq!(answers(&refused), [(10, Err(Code::OutcomeUnknown))]);
}

#[test]
fn a_node_without_the_rooms_hints_writes_by_itself() {
    let (mut hub, over) = handing();
    let mine = entry(&hub, 4, &over.drafts[0]);
    hub.hears(vec![mine]);
    let room = hub.room;
    let home = HubId(0);
    hub.tell(Input::Home {
        room,
        command: HomeCommand::Part { hub: home },
    });
    let parted = says(&mut hub, &draft(ANN, 12));
    assert_eq!(batch(&parted)[0].seq, 5);
}

fn hand_over(hub: &Alone, number: u64, drafts: Vec<Draft>) -> Input {
    Input::Handed(Box::new(HandOver {
        to: ME,
        from: NodeId(2),
        number,
        room: hub.room,
        drafts,
    }))
}

/// The room's log ends at 1, and what another node has handed over is on its way to place 2.
fn writing() -> (Alone, Vec<Effect>) {
    let mut hub = Alone::with_limits(true, true);
    let over = hand_over(&hub, 7, vec![draft(ANN, 1), draft(BEN, 2)]);
    let opening = hub.tell(over);
    let members = vec![member(ANN, Role::Member)];
    let appending = hub.answer(&opening, hub.opened(1, members));
    assert_eq!(batch(&appending)[0].key, draft(ANN, 1).key);
    (hub, appending)
}

fn sent_back(effects: &[Effect]) -> Vec<SentBack> {
    let back = |effect: &Effect| match effect {
        Effect::SendBack(back) => Some(*back),
        _ => None,
    };
    effects.iter().filter_map(back).collect()
}

#[test]
fn who_writes_for_another_node_says_it_by_the_entry_alone_and_sends_the_rest_back() {
    let (mut hub, appending) = writing();
    let written = hub.answer(&appending, StoreAnswer::Appended(Ok(())));
    let hinted = written
        .iter()
        .any(|effect| matches!(effect, Effect::Publish(hint) if hint.entries.len() == 1));
    assert!(hinted && sent_back(&written).is_empty() && !is_answered(&written));
    // Ben is no member: looked up, and refused.
    let head = Head { n: 1, ..at(2) };
    let found = StoreAnswer::LookedUp(Ok((head, vec![None])));
    let back = sent_back(&hub.answer(&written, found));
    assert_eq!(back.len(), 1);
    assert_eq!((back[0].to, back[0].number), (NodeId(2), 7));
    assert_eq!((back[0].actor, back[0].key), (BEN, draft(BEN, 2).key));
}

#[test]
fn a_hand_over_is_taken_in_once_and_never_after_a_later_one() {
    let mut hub = Alone::with_limits(true, true);
    let over = hand_over(&hub, 7, vec![draft(ANN, 1)]);
    let opening = hub.tell(over);
    let members = vec![member(ANN, Role::Member)];
    let appending = hub.answer(&opening, hub.opened(1, members));
    hub.answer(&appending, StoreAnswer::Appended(Ok(())));
    for number in [7, 6] {
        let over = hand_over(&hub, number, vec![draft(ANN, 3)]);
        assert!(hub.tell(over).is_empty());
    }
    let next = hub.tell(hand_over(&hub, 8, vec![draft(ANN, 3)]));
    assert_eq!(batch(&next)[0].seq, 3);
}

#[test]
fn what_another_node_has_handed_over_goes_to_no_third() {
    let (mut hub, over) = handing();
    let mine = entry(&hub, 4, &over.drafts[0]);
    hub.hears(vec![mine]);
    let effects = hub.tell(hand_over(&hub, 7, vec![draft(BEN, 20)]));
    assert_eq!(batch(&effects)[0].key, draft(BEN, 20).key);
}

/// How many messages of Ann's, one after the other, are taken in before she is too fast. `took` makes the log of one.
fn until_too_fast(hub: &mut Alone, took: impl Fn(&mut Alone, Draft, Vec<Effect>)) -> usize {
    for (count, n) in (50..100_u128).enumerate() {
        let draft = draft(ANN, n);
        let effects = says(hub, &draft);
        if answers(&effects) == [(n as u64, Err(Code::RateLimited))] {
            return count;
        }
        took(hub, draft, effects);
    }
    panic!("she has no pace");
}

#[test]
fn what_is_handed_over_costs_its_sender_once_here_and_once_there() {
    let (mut hub, over) = handing();
    let mine = entry(&hub, 4, &over.drafts[0]);
    hub.hears(vec![mine]);
    let more = until_too_fast(&mut hub, |hub, draft, effects| {
        assert_eq!(handed(&effects).drafts, std::slice::from_ref(&draft));
        let at = 5 + draft.key.0.as_u128() as u64 - 50;
        let written = entry(hub, at, &draft);
        hub.hears(vec![written]);
    });
    assert_eq!(2 + more, SEND_BURST as usize);

    let mut hub = Alone::with_limits(true, true);
    let over = hand_over(&hub, 7, (1..=8).map(|n| draft(ANN, n)).collect());
    let opening = hub.tell(over);
    let members = vec![member(ANN, Role::Member)];
    let mut effects = hub.answer(&opening, hub.opened(1, members));
    while effects
        .iter()
        .any(|effect| matches!(effect, Effect::Ask { .. }))
    {
        effects = hub.answer(&effects, StoreAnswer::Appended(Ok(())));
    }
    let more = until_too_fast(&mut hub, |hub, _, effects| {
        hub.answer(&effects, StoreAnswer::Appended(Ok(())));
    });
    assert_eq!(8 + more, SEND_BURST as usize);
}

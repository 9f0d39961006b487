//! Two nodes that claim one place of a log: whoever lost it, and hears to what, asks the store nothing.

use chat::{AppendFailed, Effect, Input, Notice, StoreAnswer, StoreQuestion};
use protocol::entry::{Change, Entry, Hint};
use protocol::room::{LeaveReason, Role};

use crate::alone::{ANN, Alone, BEN, asked, at, batch, draft, entry, is_answered, member, say};

/// A hub with one socket in its room, of which it is the home; the log ends at 1. What Ann says is on its way to place 2.
fn writing() -> (Alone, Vec<Effect>) {
    let mut hub = Alone::new(true);
    let room = hub.room;
    for effect in hub.connect(0, 1, 1) {
        if let Effect::ToHome { command, .. } = effect {
            hub.tell(Input::Home { room, command });
        }
    }
    hub.notice(Notice::Joined { room, position: 1 });
    let opening = hub.call(ANN, say());
    let members = vec![member(ANN, Role::Member), member(BEN, Role::Member)];
    let appending = hub.answer(&opening, hub.opened(1, members));
    assert_eq!(batch(&appending)[0].seq, 2);
    (hub, appending)
}

fn conflict() -> StoreAnswer {
    StoreAnswer::Appended(Err(AppendFailed::Conflict))
}

fn asks(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Ask { .. }))
}

#[test]
fn who_heard_the_winner_goes_behind_it_at_once() {
    let (mut hub, appending) = writing();
    let entries = vec![
        entry(&hub, 2, &draft(BEN, 1)),
        entry(&hub, 3, &draft(BEN, 2)),
    ];
    assert!(!asks(&hub.hears(entries)));
    let again = hub.answer(&appending, conflict());
    assert_eq!(batch(&again)[0].seq, 4);
    let stored = hub.answer(&again, StoreAnswer::Appended(Ok(())));
    assert!(is_answered(&stored));
}

#[test]
fn who_hears_the_winner_after_the_refusal_goes_behind_it_then() {
    let (mut hub, appending) = writing();
    assert!(!asks(&hub.answer(&appending, conflict())));
    let entries = vec![entry(&hub, 2, &draft(BEN, 1))];
    let again = hub.hears(entries);
    assert_eq!(batch(&again)[0].seq, 3);
}

#[test]
fn who_hears_nothing_asks_after_a_moment() {
    let (mut hub, appending) = writing();
    let refused = hub.mono;
    assert!(!asks(&hub.answer(&appending, conflict())));
    let effects = hub.wait();
    assert!(matches!(asked(&effects).1, StoreQuestion::Lookup { .. }));
    assert!(hub.mono <= refused + 30);
}

#[test]
fn who_hears_their_own_words_does_not_say_them_again() {
    let (mut hub, appending) = writing();
    let mine = batch(&appending)[0].clone();
    let entries = vec![entry(&hub, 2, &draft(BEN, 1)), Entry { seq: 3, ..mine }];
    hub.hears(entries);
    let effects = hub.answer(&appending, conflict());
    assert!(matches!(asked(&effects).1, StoreQuestion::Lookup { .. }));
}

#[test]
fn what_was_heard_is_obeyed() {
    let (mut hub, appending) = writing();
    let gone = Change::Left {
        user: ANN,
        reason: LeaveReason::Removed,
        until: None,
    };
    let removed = Entry {
        change: gone,
        ..entry(&hub, 2, &draft(BEN, 1))
    };
    hub.hears(vec![removed]);
    let effects = hub.answer(&appending, conflict());
    // A refusal looks first whether the message is stored already.
    assert!(matches!(asked(&effects).1, StoreQuestion::Lookup { .. }));
    let refused = hub.answer(&effects, StoreAnswer::LookedUp(Ok((at(2), vec![None]))));
    assert!(is_answered(&refused) && !asks(&refused));
}

#[test]
fn without_hints_the_store_is_asked_at_once() {
    let mut hub = Alone::new(true);
    let opening = hub.call(ANN, say());
    let appending = hub.answer(&opening, hub.opened(1, vec![member(ANN, Role::Member)]));
    let effects = hub.answer(&appending, conflict());
    assert!(matches!(asked(&effects).1, StoreQuestion::Lookup { .. }));
}

/// A message of this node's is in the log at 2, committed at 1,020 ms.
fn committed() -> Alone {
    let mut hub = Alone::new(true);
    hub.mono = 1_020;
    let opening = hub.call(ANN, say());
    let members = vec![member(ANN, Role::Member), member(BEN, Role::Member)];
    let appending = hub.answer(&opening, hub.opened(1, members));
    hub.answer(&appending, StoreAnswer::Appended(Ok(())));
    hub
}

/// When heads are said, in the next three seconds.
fn said_again(hub: &mut Alone) -> Vec<u64> {
    let (mut said, until) = (Vec::new(), hub.mono + 3_000);
    while let Some(at) = hub.hub.next_deadline().filter(|at| *at < until) {
        hub.mono = at.max(hub.mono + 1);
        let effects = hub.tell(Input::Tick);
        let heads = effects.iter().filter(|effect| match effect {
            Effect::Publish(hint) => hint.entries.is_empty(),
            _ => false,
        });
        said.extend(heads.map(|_| hub.mono));
    }
    said
}

/// Found by looking at system calls: each message cost a second waking of everybody, 250 ms later, and of who had been
/// answered already.
#[test]
fn a_head_is_said_again_on_the_beat_by_who_wrote_last() {
    assert_eq!(said_again(&mut committed()), [1_250, 2_000, 3_000]);
    let mut hub = committed();
    let theirs = entry(&hub, 3, &draft(BEN, 9));
    hub.hears(vec![theirs]);
    assert_eq!(said_again(&mut hub).len(), 0, "the other node says it now");
    let mut hub = committed();
    hub.hears(vec![]);
    assert_eq!(
        said_again(&mut hub).len(),
        3,
        "of old news nobody says more"
    );
}

/// Seed 13640: a node that had not heard all before its own message left it to another one that knew of less.
#[test]
fn a_node_that_wrote_beyond_what_it_has_heard_leaves_it_only_to_who_knows_of_that() {
    for (theirs, said) in [(3, 3), (5, 0)] {
        let mut hub = Alone::new(true);
        let first = entry(&hub, 1, &draft(BEN, 7));
        hub.hears(vec![first]);
        let opening = hub.call(ANN, say());
        let members = vec![member(ANN, Role::Member), member(BEN, Role::Member)];
        let appending = hub.answer(&opening, hub.opened(3, members));
        assert_eq!(batch(&appending)[0].seq, 4);
        hub.answer(&appending, StoreAnswer::Appended(Ok(())));
        let hint = Hint {
            room: hub.room,
            head: at(theirs),
            entries: Vec::new(),
        };
        hub.tell(Input::Hint(Box::new(hint)));
        assert_eq!(said_again(&mut hub).len(), said, "of {theirs}");
    }
}

//! What the simulation has found: the seed is the world in which it was first seen.

use std::collections::VecDeque;

use chat::{
    AppendFailed, ConnId, Effect, HomeCommand, HubId, Input, Notice, StoreAnswer, StoreQuestion,
    Together, Told, Who,
};
use protocol::entry::Intent;
use protocol::ids::SessionId;
use protocol::problem::{Code, Problem};
use protocol::room::{Member, Role};
use uuid::Uuid;

use crate::alone::*;
/// Seed 82: the turns that were kept for it stayed, later they had a hole, and the hub looped on it for ever.
#[test]
fn a_socket_that_leaves_while_it_lags_leaves_nothing_behind() {
    let mut hub = Alone::new(false);
    let room = hub.room;
    hub.connect(0, 5, 5);
    hub.notice(Notice::Joined { room, position: 5 });
    hub.connect(1, 2, 5);
    hub.live(6);
    hub.disconnect(1);
    hub.live(7);
    hub.connect(2, 5, 7);
    let brought_up = hub.live(8);
    let page = Notice::Page {
        room,
        conn: ConnId {
            index: 2,
            generation: 1,
        },
        turns: (6..=8).map(turn).collect(),
    };
    let paged = hub.notice(page);
    assert!(sent_to(&brought_up, 2).is_empty());
    assert_eq!(sent_to(&paged, 2), [6, 7, 8]);
}

/// By thought, from seed 82: between the two joinings the home sends the hub nothing.
#[test]
fn what_lies_between_two_joinings_of_a_hub_is_caught_up() {
    let mut hub = Alone::new(false);
    let room = hub.room;
    hub.connect(0, 5, 5);
    // It is gone, and another one there, before the home's answer to the first joining arrives.
    hub.disconnect(0);
    hub.connect(1, 5, 5);
    hub.notice(Notice::Joined { room, position: 5 });
    let again = hub.notice(Notice::Joined { room, position: 7 });
    assert!(again.iter().any(|effect| matches!(
        effect,
        Effect::ToHome {
            command: HomeCommand::CatchUp { after: 5, .. },
            ..
        }
    )));
}

/// Seed 1044: a prefix of the batch may have been stored by the try that met the conflict.
#[test]
fn a_draft_whose_batch_met_a_conflict_is_not_called_failed() {
    let mut hub = Alone::new(true);
    let effects = hub.call(ANN, say());
    let effects = hub.answer(&effects, hub.opened(1, vec![member(ANN, Role::Member)]));
    assert_eq!(batch(&effects)[0].seq, 2);
    let conflict = StoreAnswer::Appended(Err(AppendFailed::Conflict));
    let effects = hub.answer(&effects, conflict);
    hub.answer(&effects, StoreAnswer::LookedUp(Ok((at(1), vec![None]))));
    let effects = hub.wait();
    assert_eq!(batch(&effects)[0].seq, 2);
    let unavailable = StoreAnswer::Appended(Err(AppendFailed::Unavailable));
    let effects = hub.answer(&effects, unavailable);
    assert!(!is_answered(&effects), "{effects:?}");
    let effects = hub.wait();
    assert_eq!(
        batch(&effects)[0].seq,
        2,
        "the same batch, until it is clear"
    );
}

/// Seed 107: only the node of the call told them, and once.
#[test]
fn who_is_added_is_told_on_every_node_and_more_than_once() {
    let mut hub = Alone::new(true);
    let room = hub.room;
    let effects = hub.call(BEN, Intent::Add { user: ANN });
    let effects = hub.answer(&effects, hub.opened(1, vec![member(BEN, Role::Owner)]));
    let effects = hub.answer(&effects, StoreAnswer::Appended(Ok(())));
    let said = |effects: &[Effect]| {
        let says = |effect: &&Effect| match effect {
            Effect::PublishTold { user, told } => (*user, told) == (ANN, &Told::AddedTo { room }),
            _ => false,
        };
        effects.iter().filter(says).count()
    };
    assert_eq!(said(&effects), 1);
    assert_eq!(said(&hub.wait()), 3);
}

/// By thought: what everybody saw was shown as failed to the one who wrote it.
#[test]
fn a_repeat_of_a_stored_message_is_a_duplicate_though_its_sender_is_muted_now() {
    let mut hub = Alone::new(true);
    let muted = Member {
        muted_until: Some(FAR),
        ..member(ANN, Role::Member)
    };
    // First stored through another home, whose answer was lost.
    let mut other = Alone::new(true);
    let effects = other.call(ANN, say());
    let effects = other.answer(&effects, other.opened(1, vec![member(ANN, Role::Member)]));
    let stored = batch(&effects)[0].clone();

    let effects = hub.call(ANN, say());
    let effects = hub.answer(&effects, hub.opened(3, vec![muted.clone()]));
    assert!(!is_answered(&effects));
    let effects = hub.answer(
        &effects,
        StoreAnswer::LookedUp(Ok((at(3), vec![Some(stored)]))),
    );
    let Some(Effect::Answer {
        result: Ok(outcome),
        ..
    }) = effects.last()
    else {
        panic!("{effects:?}")
    };
    assert!(outcome.duplicate);

    // And one that was never stored is refused.
    let effects = hub.call(ANN, say());
    let effects = hub.answer(&effects, StoreAnswer::LookedUp(Ok((at(3), vec![None]))));
    assert!(matches!(
        effects.last(),
        Some(Effect::Answer { result: Err(_), .. })
    ));
}

/// Found by the simulation (seed 6875 of 29 November 2026): a look at the store took five seconds. Meanwhile another node stored
/// the message, its sender saw it and sent it here once more; what the store had not had five seconds ago was refused.
#[test]
fn what_was_looked_for_before_a_repeat_came_is_looked_for_again() {
    let mut hub = Alone::new(true);
    let muted = || Member {
        muted_until: Some(FAR),
        ..member(ANN, Role::Member)
    };
    let nothing = || StoreAnswer::LookedUp(Ok((at(3), vec![None])));
    let opening = hub.call(ANN, say());
    let seeking = hub.answer(&opening, hub.opened(3, vec![muted()]));
    // The repeat waits with the first one.
    assert!(hub.call(ANN, say()).is_empty());
    let again = hub.answer(&seeking, nothing());
    assert!(!is_answered(&again));
    assert!(matches!(asked(&again).1, StoreQuestion::Lookup { .. }));
    // The first one was told, and the repeat is one of its own.
    hub.mono += 5_000;
    assert!(is_answered(&hub.tell(Input::Tick)));
    assert!(!is_answered(&hub.call(ANN, say())));
    let again = hub.answer(&again, nothing());
    assert!(!is_answered(&again));
    assert!(
        is_answered(&hub.answer(&again, nothing())),
        "asked since then"
    );
}

/// By thought: a home that had not heard of the removal yet said that all was well.
#[test]
fn an_old_picture_does_not_say_that_it_is_so_already() {
    let mut hub = Alone::new(true);
    let effects = hub.call(ANN, Intent::Join);
    let both = vec![member(BEN, Role::Owner), member(ANN, Role::Member)];
    let effects = hub.answer(&effects, hub.opened(2, both));
    let effects = hub.answer(&effects, StoreAnswer::LookedUp(Ok((at(3), vec![None]))));
    assert!(matches!(asked(&effects).1, StoreQuestion::Open));
    let effects = hub.answer(&effects, hub.opened(3, vec![member(BEN, Role::Owner)]));
    assert_eq!(batch(&effects)[0].seq, 4, "she joins");
}

/// One hub, to which people come and which is answered by hand.
struct Storm {
    alone: Alone,
    /// Reads that were not answered yet, and all for whom one was begun.
    reads: VecDeque<Vec<u32>>,
    begun: Vec<u32>,
    /// How many reads were begun.
    asked: usize,
    accepted: Vec<u32>,
    sent_away: Vec<u32>,
}

impl Storm {
    fn new() -> Self {
        Self {
            alone: Alone::new(true),
            reads: VecDeque::new(),
            begun: Vec::new(),
            asked: 0,
            accepted: Vec::new(),
            sent_away: Vec::new(),
        }
    }

    fn conn(index: u32) -> ConnId {
        ConnId {
            index,
            generation: 1,
        }
    }

    fn tell(&mut self, input: Input) {
        for effect in self.alone.tell(input) {
            match effect {
                Effect::LoadRooms { of } => {
                    let of: Vec<u32> = of.iter().map(|(conn, _)| conn.index).collect();
                    self.begun.extend(&of);
                    self.asked += 1;
                    self.reads.push_back(of);
                }
                Effect::Accept { conn } => self.accepted.push(conn.index),
                Effect::Close { conn, .. } => self.sent_away.push(conn.index),
                _ => {}
            }
        }
    }

    fn comes(&mut self, index: u32) {
        let conn = Self::conn(index);
        let who = Who {
            user: ANN,
            session: SessionId(Uuid::from_u128(9)),
            expires: FAR,
        };
        let (cursors, admitted) = (Vec::new(), true);
        self.tell(Input::Connected { conn, who, cursors });
        self.tell(Input::Notice(Notice::Admitted { conn, admitted }));
    }

    /// The store answers the oldest read, or fails.
    fn answers(&mut self, well: bool) {
        for index in self.reads.pop_front().unwrap() {
            let rooms = if well {
                Ok(vec![self.alone.summary(0)])
            } else {
                Err(Problem::new(Code::Unavailable))
            };
            let conn = Self::conn(index);
            self.tell(Input::RoomsLoaded { conn, rooms });
        }
        let what = Together::Rooms;
        self.tell(Input::ReadEnded { what, well });
    }

    /// The store answers whatever it is asked, until nobody waits any more. Returns how often it was asked.
    fn calms_down(&mut self) -> usize {
        let (mut reads, until) = (0, self.alone.mono + 1_000);
        loop {
            while !self.reads.is_empty() {
                self.answers(true);
                reads += 1;
            }
            match self.alone.hub.next_deadline() {
                Some(at) if at < until => self.alone.mono = at,
                _ => return reads,
            }
            self.tell(Input::Tick);
        }
    }
}

/// Found by restarting real nodes under 20,000 connections: all came back at once, the store was asked once for each,
/// and answered none in time.
#[test]
fn many_who_come_at_once_are_read_for_together_in_turn_but_for_those_who_left() {
    let mut storm = Storm::new();
    (0..2_000).for_each(|index| storm.comes(index));
    assert!(storm.reads.len() <= 4, "the store is asked for all at once");
    storm.alone.disconnect(0);
    storm.alone.disconnect(1_900);
    let reads = storm.calms_down();
    let all = (0..2_000).filter(|index| *index != 1_900);
    assert_eq!(storm.begun, all.clone().collect::<Vec<_>>());
    let here = all.filter(|index| *index != 0);
    assert_eq!(storm.accepted, here.collect::<Vec<_>>());
    assert!(reads <= 20, "{reads} reads, 1 % of those who came");
}

/// By thought: who comes alone must not wait until others gather.
#[test]
fn who_comes_to_a_hub_at_rest_is_read_for_at_once() {
    let mut storm = Storm::new();
    for index in 0..100 {
        storm.comes(index);
        assert_eq!(storm.reads, [[index]]);
        storm.answers(true);
        storm.alone.mono += 100;
    }
    assert_eq!(storm.accepted.len(), 100);
}

/// Found by counting: a store that answers at once was asked for two or three of a crowd at a time.
#[test]
fn a_crowd_is_read_for_together_even_by_a_store_that_answers_at_once() {
    let mut storm = Storm::new();
    for index in 0..1_000 {
        storm.comes(index);
        while !storm.reads.is_empty() {
            storm.answers(true);
        }
        storm.alone.mono += 1;
        storm.tell(Input::Tick);
    }
    let (asked, waited) = (storm.begun.len(), storm.alone.mono);
    storm.calms_down();
    assert_eq!(storm.accepted, (0..1_000).collect::<Vec<_>>());
    assert!(
        asked >= 700,
        "nobody waits for the end of the crowd: {asked}"
    );
    assert!(storm.alone.mono - waited < 300);
    assert!(storm.asked <= 8, "{} reads", storm.asked);
}

/// By thought: a read for many that fails must send each of them away, and keep nobody else waiting.
#[test]
fn a_read_that_fails_sends_away_whom_it_was_for_and_no_others() {
    let mut storm = Storm::new();
    (0..1_000).for_each(|index| storm.comes(index));
    storm.answers(true);
    let failed = storm.reads[0].clone();
    assert!(failed.len() > 100);
    storm.answers(false);
    assert_eq!(storm.sent_away, failed);
    storm.calms_down();
    assert_eq!(storm.accepted.len() + failed.len(), 1_000);
}

/// Found by counting: a restarted node asked for the heads of its rooms one by one as the bus confirmed each.
#[test]
fn heads_that_are_asked_for_one_by_one_are_read_together() {
    let mut alone = Alone::new(true);
    let (room, hub, known) = (alone.room, HubId(0), at(0));
    let command = HomeCommand::Join { hub, known };
    alone.tell(Input::Home { room, command });
    let heads = |effects: Vec<Effect>| {
        effects
            .into_iter()
            .filter(|effect| matches!(effect, Effect::Heads { .. }))
            .count()
    };
    let mut reads = 0;
    for _ in 0..50 {
        reads += heads(alone.tell(Input::Watched { room }));
    }
    assert_eq!(reads, 1, "the others wait");
    let (what, well) = (Together::Heads, false);
    alone.tell(Input::ReadEnded { what, well });
    alone.mono = alone.hub.next_deadline().unwrap();
    assert_eq!(heads(alone.tell(Input::Tick)), 1, "also after a failure");
    alone.tell(Input::ReadEnded { what, well });
    alone.mono += 1_000;
    assert_eq!(heads(alone.tell(Input::Tick)), 0, "and once");
}

/// Found in a cluster whose store answered in seconds: the repeats of clients that waited held up everybody else, since each
/// was looked up in the store by itself, one after the other.
#[test]
fn a_repeat_of_what_is_under_way_or_was_just_acknowledged_asks_the_store_nothing() {
    let duplicates = |effects: &[Effect]| -> Vec<bool> {
        let answer = |effect: &Effect| match effect {
            Effect::Answer { result, .. } => Some(result.as_ref().unwrap().duplicate),
            _ => None,
        };
        effects.iter().filter_map(answer).collect()
    };
    let asks = |effects: &[Effect]| {
        let ask = |effect: &Effect| matches!(effect, Effect::Ask { .. });
        effects.iter().any(ask)
    };
    let mut hub = Alone::new(true);
    let opening = hub.call(ANN, say());
    assert!(hub.call(ANN, say()).is_empty(), "it waits with the first");
    let appending = hub.answer(&opening, hub.opened(1, vec![member(ANN, Role::Member)]));
    assert_eq!(batch(&appending).len(), 1);
    assert!(hub.call(ANN, say()).is_empty(), "in flight, too");
    let acked = hub.answer(&appending, StoreAnswer::Appended(Ok(())));
    assert!(!asks(&acked), "{acked:?}");
    let mut told = duplicates(&acked);
    told.sort_unstable();
    assert_eq!(told, [false, true, true]);
    let again = hub.call(ANN, say());
    assert_eq!(duplicates(&again), [true]);
    assert!(!asks(&again), "{again:?}");
}

/// Whoever repeats what nobody can tell of yet is told when it is clear, and not before.
#[test]
fn a_repeat_of_what_was_told_unknown_is_answered_by_its_own_look() {
    let mut hub = Alone::new(true);
    let effects = hub.call(ANN, say());
    let appending = hub.answer(&effects, hub.opened(1, vec![member(ANN, Role::Member)]));
    hub.mono += 5_000;
    assert!(is_answered(&hub.tell(Input::Tick)), "it is not known yet");
    assert!(!is_answered(&hub.call(ANN, say())));
    let effects = hub.answer(&appending, StoreAnswer::Appended(Ok(())));
    assert!(!is_answered(&effects));
    assert_eq!(batch(&effects).len(), 1, "the repeat is tried by itself");
}

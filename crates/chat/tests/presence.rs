//! One person's home among other nodes, told everything by hand: what it concludes and what it says.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that should not be"
)]

use chat::{ConnId, Effect, Hub, HubId, Input, Notice, Now, PersonCommand, Setup};
use protocol::envelope::{Standing, slice_of};
use protocol::event::client::WatchPresence;
use protocol::ids::{NodeId, SessionId, UserId};
use protocol::time::Timestamp;
use protocol::user::PresenceStatus::{self, Away, Dnd, Offline, Online, Unknown};
use uuid::Uuid;

const ME: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);
const THIRD: NodeId = NodeId(3);
const ANN: UserId = UserId(Uuid::from_u128(7));
const ASKER: ConnId = ConnId {
    index: 3,
    generation: 1,
};
const WALL: i64 = 1_000_000;

struct Home {
    hub: Hub,
    mono: u64,
}

impl Home {
    /// Knows which nodes are alive.
    fn among(alive: &[NodeId]) -> Self {
        let mut home = Self::without_roster();
        let alive = Some(alive.into());
        home.tell(Input::Peers { alive });
        home
    }

    fn without_roster() -> Self {
        let setup = Setup {
            hub: HubId(0),
            hubs: 1,
            node: "n".to_owned(),
            cluster: Some(ME),
            limits: false,
            seed: [1, 2, 3, 4],
        };
        Self {
            hub: Hub::new(setup),
            mono: 0,
        }
    }

    fn tell(&mut self, input: Input) -> Vec<Effect> {
        let now = Now {
            mono: self.mono,
            micros: self.mono * 1_000,
            wall: Timestamp(WALL + self.mono as i64),
        };
        let mut effects = Vec::new();
        self.hub.handle(now, input, &mut effects);
        effects
    }

    fn person(&mut self, command: PersonCommand) -> Vec<Effect> {
        self.tell(Input::Person { user: ANN, command })
    }

    fn wait(&mut self, millis: u64) -> Vec<Effect> {
        let end = self.mono + millis;
        let mut effects = Vec::new();
        while let Some(at) = self.hub.next_deadline().filter(|at| *at <= end) {
            self.mono = at.max(self.mono);
            effects.extend(self.tell(Input::Tick));
        }
        self.mono = end;
        effects
    }

    fn watch(&mut self) -> Vec<Effect> {
        self.person(PersonCommand::Watch {
            hub: HubId(0),
            asker: ASKER,
        })
    }

    fn arrive(&mut self) -> Vec<Effect> {
        let conn = ConnId {
            index: 0,
            generation: 1,
        };
        self.person(PersonCommand::Arrive {
            hub: HubId(0),
            conn,
        })
    }

    fn stands(&mut self, node: NodeId, standing: Option<Standing>) -> Vec<Effect> {
        self.person(PersonCommand::Stands { node, standing })
    }

    fn read(&mut self, found: Option<Vec<(NodeId, Standing)>>) -> Vec<Effect> {
        self.tell(Input::StandingsRead {
            users: vec![ANN],
            found: found.map(|found| vec![found]),
        })
    }
}

fn as_(status: PresenceStatus, said_at: i64) -> Standing {
    Standing {
        status,
        text: None,
        said_at,
    }
}

/// What watchers were told, in order.
fn shown(effects: &[Effect]) -> Vec<PresenceStatus> {
    let shown = effects.iter().filter_map(|effect| match effect {
        Effect::ToHub {
            notice: Notice::Presence { presence, .. },
            ..
        } => Some(presence.status),
        _ => None,
    });
    shown.collect()
}

/// What the other nodes were told, and whether it was said before.
fn said(effects: &[Effect]) -> Vec<(Option<Standing>, bool)> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::Standing {
            standing, again, ..
        } => Some((standing.clone(), *again)),
        _ => None,
    });
    said.collect()
}

fn asks(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Standings { .. }))
}

#[test]
fn offline_is_said_only_after_a_reading() {
    let mut home = Home::among(&[ME, OTHER]);
    let watched = home.watch();
    assert!(shown(&watched).is_empty());
    assert!(
        watched.iter().any(
            |effect| matches!(effect, Effect::WatchPeople { slice } if *slice == slice_of(ANN))
        )
    );
    assert!(asks(&home.wait(20)));
    // To whoever watches, and to who has asked.
    assert_eq!(shown(&home.read(Some(Vec::new()))), [Offline, Offline]);
}

#[test]
fn nobody_who_can_be_asked_is_known_to_nobody() {
    let mut home = Home::without_roster();
    assert_eq!(shown(&home.watch()), [Unknown]);
    // Whoever is connected here is known all the same.
    assert_eq!(shown(&home.arrive()), [Online]);
    // And a roster that comes is asked at once.
    let alive = Some([ME].into());
    home.tell(Input::Peers { alive });
    assert!(asks(&home.wait(20)));
}

#[test]
fn a_roster_that_goes_away_takes_what_was_known_with_it() {
    let mut home = Home::among(&[ME, OTHER]);
    home.watch();
    home.wait(20);
    let found = vec![(OTHER, as_(Online, 0))];
    assert_eq!(shown(&home.read(Some(found.clone()))), [Online, Online]);
    assert_eq!(shown(&home.tell(Input::Peers { alive: None })), [Unknown]);
    let alive = Some([ME, OTHER].into());
    assert!(shown(&home.tell(Input::Peers { alive })).is_empty());
    assert!(asks(&home.wait(20)));
    assert_eq!(shown(&home.read(Some(found))), [Online]);
}

#[test]
fn readings_that_fail_are_doubted_before_they_are_believed() {
    let mut home = Home::among(&[ME, OTHER]);
    home.watch();
    home.wait(20);
    home.read(Some(vec![(OTHER, as_(Online, 0))]));
    home.tell(Input::BusLost);
    assert!(asks(&home.wait(20)));
    assert!(shown(&home.read(None)).is_empty());
    // Asked again, with growing pauses, until what is known is too old.
    let mut shown_at = None;
    for _ in 0..10 {
        let asked = home.wait(4_000);
        assert!(asks(&asked));
        if shown(&home.read(None)) == [Unknown] {
            shown_at = Some(home.mono);
            break;
        }
    }
    assert!(shown_at.is_some_and(|at| (5_000..12_000).contains(&at)));
}

#[test]
fn a_dead_node_takes_its_people_with_it_and_a_new_one_is_believed_at_once() {
    let mut home = Home::among(&[ME, OTHER]);
    home.watch();
    home.wait(20);
    home.read(Some(vec![(OTHER, as_(Online, 0))]));
    let alive = Some([ME].into());
    assert_eq!(shown(&home.tell(Input::Peers { alive })), [Offline]);
    // It is in no list yet.
    assert_eq!(shown(&home.stands(THIRD, Some(as_(Online, 0)))), [Online]);
    // And never comes to be in one.
    assert_eq!(shown(&home.wait(5_000)), [Offline]);
}

#[test]
fn a_word_is_said_three_times() {
    let mut home = Home::among(&[ME, OTHER]);
    let here = Some(as_(Online, 0));
    assert_eq!(said(&home.arrive()), [(here.clone(), false)]);
    assert_eq!(
        said(&home.wait(10_000)),
        [(here.clone(), true), (here, true)]
    );
    home.person(PersonCommand::Depart { hub: HubId(0) });
    // Only after the linger, and again.
    assert!(said(&home.wait(4_999)).is_empty());
    assert_eq!(
        said(&home.wait(10_000)),
        [(None, false), (None, true), (None, true)]
    );
}

#[test]
fn the_latest_word_counts_and_outlives_the_node_that_was_told() {
    let mut home = Home::among(&[ME, OTHER]);
    home.arrive();
    home.watch();
    let adopted = home.stands(OTHER, Some(as_(Away, 900)));
    assert_eq!(shown(&adopted), [Away]);
    assert_eq!(said(&adopted), [(Some(as_(Away, 900)), false)]);
    assert!(shown(&home.stands(OTHER, None)).is_empty());
    // What is said here is later than what was known, whatever the clocks say.
    home.stands(OTHER, Some(as_(Away, WALL + 60_000)));
    let set = home.person(PersonCommand::Set {
        status: Dnd,
        text: None,
    });
    assert_eq!(shown(&set), [Dnd]);
    assert_eq!(said(&set), [(Some(as_(Dnd, WALL + 60_001)), false)]);
    // Of two words of one moment the same one counts everywhere.
    assert!(shown(&home.stands(OTHER, Some(as_(Away, WALL + 60_001)))).is_empty());
}

#[test]
fn a_reading_does_not_overwrite_what_was_said_meanwhile() {
    let mut home = Home::among(&[ME, OTHER]);
    home.watch();
    home.wait(20);
    assert_eq!(shown(&home.stands(OTHER, Some(as_(Online, 0)))), [Online]);
    // The roster was read before it was told; the asker is answered with what is true.
    assert_eq!(shown(&home.read(Some(Vec::new()))), [Online]);
    assert!(asks(&home.wait(20)));
}

#[test]
fn what_comes_back_to_its_sender_says_nothing() {
    let mut home = Home::among(&[ME, OTHER]);
    home.watch();
    home.wait(20);
    home.read(Some(Vec::new()));
    assert!(home.stands(ME, Some(as_(Online, 0))).is_empty());
}

#[test]
fn a_slice_is_let_go_when_nobody_of_it_matters_any_more() {
    let mut home = Home::among(&[ME]);
    home.watch();
    home.wait(20);
    home.read(Some(Vec::new()));
    home.person(PersonCommand::Unwatch { hub: HubId(0) });
    let effects = home.wait(60_000);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::UnwatchPeople { .. }))
    );
    assert_eq!(home.hub.next_deadline(), None);
}

/// Seed 126: an answer that was still gathered held what was told before it.
#[test]
fn the_answer_to_a_watcher_is_not_older_than_what_it_was_told() {
    let mut home = Home::among(&[ME, OTHER]);
    let ben = UserId(Uuid::from_u128(8));
    let conn = connected(&mut home, ben);
    home.arrive();
    let asked = chat::Asked { conn, ack: Some(1) };
    let (known, unknown) = (ANN, UserId(Uuid::from_u128(9)));
    let whom = WatchPresence::Users {
        user_ids: vec![known, unknown],
    };
    let visible = vec![known, unknown];
    let watched = home.tell(Input::PresenceWatch {
        asked,
        whom,
        visible,
    });
    let answered = pass_on(&mut home, watched);
    assert!(answered.is_empty(), "nobody knows the other one yet");
    let set = home.person(PersonCommand::Set {
        status: Away,
        text: None,
    });
    assert!(pass_on(&mut home, set).is_empty());
    home.wait(20);
    let read = home.tell(Input::StandingsRead {
        users: vec![unknown],
        found: Some(vec![Vec::new()]),
    });
    let answer = pass_on(&mut home, read).join("");
    assert!(
        answer.contains("away") && !answer.contains("online"),
        "{answer}"
    );
    assert!(
        home.wait(1_000)
            .iter()
            .all(|effect| !matches!(effect, Effect::Send { .. }))
    );
}

/// A live socket of somebody without rooms.
fn connected(home: &mut Home, user: UserId) -> ConnId {
    let who = chat::Who {
        user,
        session: SessionId(Uuid::from_u128(1)),
        expires: Timestamp(4_000_000_000_000),
    };
    let connected = home.tell(Input::Connected {
        conn: ASKER,
        who,
        cursors: Vec::new(),
    });
    pass_on(home, connected);
    home.tell(Input::RoomsLoaded {
        conn: ASKER,
        rooms: Ok(Vec::new()),
    });
    ASKER
}

/// Carries what a hub says to itself; returns the acks.
fn pass_on(home: &mut Home, effects: Vec<Effect>) -> Vec<String> {
    let mut acks = Vec::new();
    let mut effects = std::collections::VecDeque::from(effects);
    while let Some(effect) = effects.pop_front() {
        let input = match effect {
            Effect::ToPerson { user, command } => Input::Person { user, command },
            Effect::ToHub { notice, .. } => Input::Notice(notice),
            Effect::Ack { frame, .. } => {
                acks.push(frame.text().to_owned());
                continue;
            }
            _ => continue,
        };
        effects.extend(home.tell(input));
    }
    acks
}

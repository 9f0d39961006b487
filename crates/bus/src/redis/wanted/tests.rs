//! Everything wanted is held and told, in whatever order things happen.

use proptest::prelude::*;
use protocol::ids::RoomId;
use uuid::Uuid;

use super::*;
use crate::seal::ClusterKey;

fn channel(n: u128) -> (Name, Topic) {
    let topic = Topic::Room(RoomId(Uuid::from_u128(n)));
    let key = ClusterKey::new("0123456789abcdef0123456789abcdef").unwrap();
    (key.channel(topic), topic)
}

fn place(station: u32, generation: u64) -> Place {
    Place {
        station,
        generation,
    }
}

/// A channel that was wanted and confirmed, and is not wanted any more; its end was not asked for.
fn left() -> (Wanted, Name, Topic) {
    let mut wanted = Wanted::default();
    let (name, topic) = channel(1);
    wanted.watch(name, topic);
    wanted.begin(place(1, 1));
    assert_eq!(wanted.confirmed(name, place(1, 1), Some(1)), Some(topic));
    wanted.unwatch(name);
    (wanted, name, topic)
}

#[test]
fn what_a_dead_connection_says_is_ignored() {
    let mut wanted = Wanted::default();
    let (name, topic) = channel(1);
    wanted.watch(name, topic);
    wanted.begin(place(1, 1));
    assert!(!wanted.gone(1));
    wanted.begin(place(1, 2));
    assert_eq!(wanted.confirmed(name, place(1, 1), Some(1)), None);
    assert_eq!(wanted.counts(), (1, 1));
    assert_eq!(wanted.confirmed(name, place(1, 2), Some(1)), Some(topic));
    assert!(!wanted.ended(name, place(1, 1)));
    assert!(wanted.gone(1));
    assert_eq!(wanted.counts(), (1, 1));
}

#[test]
fn what_is_wanted_again_before_its_end_was_asked_for_is_held() {
    let (mut wanted, name, topic) = left();
    assert_eq!(wanted.watch(name, topic), Some(topic));
    assert_eq!(wanted.counts(), (1, 0));
    wanted.unwatch(name);
    let work = wanted.work(place(1, 1), 9, |_| Some(1));
    assert_eq!(work.unsubscribe, [name]);
    // Now it is too late: it will be ended, and then held anew.
    assert_eq!(wanted.watch(name, topic), None);
    assert!(!wanted.ended(name, place(1, 1)));
    wanted.settled(place(1, 1), &work);
    assert_eq!(wanted.work(place(1, 1), 9, |_| Some(1)).subscribe, [name]);
}

/// Found by a loaded machine: what was left and wanted again between its confirmation and the end of that question
/// was never confirmed.
#[test]
fn what_is_wanted_again_while_its_confirmation_is_being_settled_is_told_at_once() {
    let mut wanted = Wanted::default();
    let (name, topic) = channel(1);
    wanted.watch(name, topic);
    wanted.begin(place(1, 1));
    let work = wanted.work(place(1, 1), 9, |_| Some(1));
    assert_eq!(wanted.confirmed(name, place(1, 1), Some(1)), Some(topic));
    wanted.unwatch(name);
    assert_eq!(wanted.watch(name, topic), Some(topic));
    assert_eq!(wanted.settled(place(1, 1), &work), []);
    let again = wanted.work(place(1, 1), 9, |_| Some(1));
    assert_eq!(again, Work::default());
}

/// By thought: nobody has asked for that end, so what was said meanwhile may be lost.
#[test]
fn what_the_server_ends_while_its_confirmation_is_being_settled_counts_as_lost() {
    let mut wanted = Wanted::default();
    let (name, topic) = channel(1);
    wanted.watch(name, topic);
    wanted.begin(place(1, 1));
    let work = wanted.work(place(1, 1), 9, |_| Some(1));
    assert_eq!(wanted.confirmed(name, place(1, 1), Some(1)), Some(topic));
    assert!(wanted.ended(name, place(1, 1)));
    assert_eq!(wanted.settled(place(1, 1), &work), []);
    assert_eq!(wanted.work(place(1, 1), 9, |_| Some(1)), work);
}

#[test]
fn what_is_wanted_again_and_was_not_ended_after_all_is_told() {
    let (mut wanted, name, topic) = left();
    let work = wanted.work(place(1, 1), 9, |_| Some(1));
    assert_eq!(wanted.watch(name, topic), None);
    assert_eq!(wanted.settled(place(1, 1), &work), [topic]);
}

#[test]
fn what_is_wanted_again_after_its_slot_has_moved_is_asked_for_where_it_went() {
    let (mut wanted, name, topic) = left();
    wanted.begin(place(2, 1));
    assert!(!wanted.remap(|_| Some(2)));
    assert_eq!(wanted.watch(name, topic), None);
    // A word that was under way when the slot moved.
    assert_eq!(wanted.confirmed(name, place(1, 1), Some(2)), None);
    assert_eq!(wanted.work(place(2, 1), 9, |_| Some(2)).subscribe, [name]);
}

/// Wishes, servers and connections, in any order, and what whoever wants a channel was told.
struct Play {
    wanted: Wanted,
    /// By station: the generation of its connection, and what was asked on it and neither answered nor settled.
    generations: [u64; 4],
    asked: [Option<Work>; 4],
    moved: u32,
    model: BTreeSet<Name>,
    told: BTreeSet<Topic>,
}

impl Play {
    fn new() -> Self {
        let mut wanted = Wanted::default();
        (1..4).for_each(|station| wanted.begin(place(station, 1)));
        Self {
            wanted,
            generations: [1; 4],
            asked: [const { None }; 4],
            moved: 0,
            model: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    fn at(&self, station: u32) -> Place {
        place(station, self.generations[station as usize])
    }

    fn owner(&self) -> impl Fn(&Name) -> Option<u32> + use<> {
        let moved = self.moved;
        move |name: &Name| Some(1 + (name.number() as u32 + moved) % 3)
    }

    fn asks(&mut self, station: u32) {
        if self.asked[station as usize].is_none() {
            let work = self.wanted.work(self.at(station), 3, self.owner());
            self.asked[station as usize] = Some(work);
        }
    }

    fn answers(&mut self, station: u32) {
        let Some(work) = self.asked[station as usize].clone() else {
            return;
        };
        let (at, owner) = (self.at(station), self.owner());
        for name in &work.subscribe {
            let news = self.wanted.confirmed(*name, at, owner(name));
            self.told.extend(news);
        }
        for name in &work.unsubscribe {
            self.wanted.ended(*name, at);
        }
    }

    fn settles(&mut self, station: u32) {
        if let Some(work) = self.asked[station as usize].take() {
            let news = self.wanted.settled(self.at(station), &work);
            self.told.extend(news);
        }
    }

    fn watches(&mut self, n: u128) {
        let (name, topic) = channel(n);
        if self.model.insert(name) {
            self.told.remove(&topic);
        }
        self.told.extend(self.wanted.watch(name, topic));
    }

    fn unwatches(&mut self, n: u128) {
        let (name, topic) = channel(n);
        self.wanted.unwatch(name);
        self.model.remove(&name);
        self.told.remove(&topic);
    }

    fn breaks(&mut self, station: u32) {
        self.wanted.gone(station);
        self.asked[station as usize] = None;
        self.generations[station as usize] += 1;
        self.wanted.begin(self.at(station));
    }

    fn moves(&mut self, far: bool) {
        self.moved += u32::from(far);
        self.wanted.remap(self.owner());
    }

    /// Whoever was told of a channel that is not held any more must be told again.
    fn forgets(&mut self) {
        let channels = self.wanted.channels.values();
        for channel in channels.filter(|channel| channel.held.is_none()) {
            self.told.remove(&channel.topic);
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_everything_wanted_is_held_by_its_owner_and_told_in_the_end(
        steps in proptest::collection::vec((0u8..20, 0u128..4, 1u32..4, any::<bool>()), 0..120),
    ) {
        let mut play = Play::new();
        for (step, n, station, flag) in steps {
            match step {
                0..=4 => play.watches(n),
                5..=8 => play.unwatches(n),
                9..=12 => play.asks(station),
                13..=14 => play.answers(station),
                15..=18 => play.settles(station),
                // What starts everything anew is rare, so that what went wrong before it is seen.
                _ => match n {
                    0 => { play.wanted.ended(channel(n).0, play.at(station)); }
                    1 => play.breaks(station),
                    2 => play.moves(flag),
                    _ => {}
                },
            }
            play.forgets();
            let unconfirmed = play.wanted.channels.values().filter(|c| c.is_unconfirmed()).count();
            prop_assert_eq!(play.wanted.counts(), (play.model.len(), unconfirmed));
        }
        for _ in 0..20 {
            for station in 1..4 {
                play.asks(station);
                play.answers(station);
                play.settles(station);
            }
        }
        prop_assert_eq!(play.wanted.counts(), (play.model.len(), 0));
        prop_assert_eq!(play.wanted.channels.len(), play.model.len());
        let owner = play.owner();
        for (name, channel) in &play.wanted.channels {
            prop_assert_eq!(channel.held.unwrap().station, owner(name).unwrap());
            prop_assert_eq!(channel.held, Some(play.at(channel.held.unwrap().station)));
            prop_assert!(play.told.contains(&channel.topic));
        }
    }
}

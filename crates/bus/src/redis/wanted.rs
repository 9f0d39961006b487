//! Which channels are wanted, and which are held where: the one truth of all subscriptions. Pure.
//!
//! It works by level and not by event: whatever happened, what is wanted and not held stays to be done until a server
//! confirms it, and what is held and not wanted until a server has ended it. What a connection of the past says is ignored.

use std::collections::{BTreeSet, HashMap};

use protocol::envelope::Topic;

use crate::seal::Name;

/// One connection to one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The server's number; never used again.
    pub(crate) station: u32,
    /// Which of the connections to it.
    pub(crate) generation: u64,
}

/// What one connection has to ask its server for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) subscribe: Vec<Name>,
    pub(crate) unsubscribe: Vec<Name>,
}

#[derive(Default)]
pub(crate) struct Wanted {
    channels: HashMap<Name, Channel>,
    /// Exactly those that are wanted and not held, or held and not wanted.
    todo: BTreeSet<Name>,
    /// Station → generation of the connection that is alive.
    live: HashMap<u32, u64>,
    wanted: usize,
    unconfirmed: usize,
}

struct Channel {
    topic: Topic,
    wanted: bool,
    /// The connection on which a server has confirmed it.
    held: Option<Place>,
    /// The connection on which it is being asked for, or asked to end.
    busy: Option<Place>,
}

impl Channel {
    fn is_unconfirmed(&self) -> bool {
        self.wanted && self.held.is_none()
    }
}

impl Wanted {
    /// A channel is wanted. Says whether it is held already, so that nobody will confirm it again.
    pub(crate) fn watch(&mut self, name: Name, topic: Topic) -> bool {
        let fresh = Channel {
            topic,
            wanted: false,
            held: None,
            busy: None,
        };
        self.channels.entry(name).or_insert(fresh);
        let mut held_again = false;
        self.change(name, |channel| {
            // While its end is being asked for it will be held anew.
            held_again = !channel.wanted && channel.held.is_some() && channel.busy.is_none();
            channel.wanted = true;
        });
        held_again
    }

    /// A channel is not wanted any more.
    pub(crate) fn unwatch(&mut self, name: Name) {
        self.change(name, |channel| channel.wanted = false);
    }

    /// A connection is made.
    pub(crate) fn begin(&mut self, place: Place) {
        self.live.insert(place.station, place.generation);
    }

    /// The connection to a server is gone, and all that was held or asked for there. Says whether anything that is wanted
    /// was held.
    pub(crate) fn gone(&mut self, station: u32) -> bool {
        self.live.remove(&station);
        let there = move |place: Option<Place>| place.is_some_and(|at| at.station == station);
        self.let_go(
            |_, channel| there(channel.held),
            |channel| {
                if there(channel.busy) {
                    channel.busy = None;
                }
            },
        )
    }

    /// The owners may have changed: what is held by another server than its owner is not held. Says whether anything was.
    pub(crate) fn remap(&mut self, owner: impl Fn(&Name) -> Option<u32>) -> bool {
        let strayed = |name: &Name, channel: &Channel| {
            let held = channel.held.map(|place| place.station);
            held.is_some() && held != owner(name)
        };
        self.let_go(strayed, |_| ())
    }

    /// What this connection has to do now, at most so many channels. They count as busy until [`Wanted::settled`].
    pub(crate) fn work(
        &mut self,
        place: Place,
        most: usize,
        owner: impl Fn(&Name) -> Option<u32>,
    ) -> Work {
        let mut work = Work::default();
        for name in &self.todo {
            if work.subscribe.len() + work.unsubscribe.len() >= most {
                break;
            }
            let Some(channel) = self.channels.get_mut(name).filter(|c| c.busy.is_none()) else {
                continue;
            };
            let list = if channel.wanted && owner(name) == Some(place.station) {
                &mut work.subscribe
            } else if !channel.wanted && channel.held == Some(place) {
                &mut work.unsubscribe
            } else {
                continue;
            };
            list.push(*name);
            channel.busy = Some(place);
        }
        work
    }

    /// The server has answered everything, or nothing more will come: what is still to be done may be asked again.
    pub(crate) fn settled(&mut self, place: Place, work: &Work) {
        for name in work.subscribe.iter().chain(&work.unsubscribe) {
            self.change(*name, |channel| {
                if channel.busy == Some(place) {
                    channel.busy = None;
                }
            });
        }
    }

    /// A server has confirmed a channel. Returns its topic when that is news and it is wanted. What another server owns by
    /// now is not held: it is asked for there.
    pub(crate) fn confirmed(
        &mut self,
        name: Name,
        place: Place,
        owner: Option<u32>,
    ) -> Option<Topic> {
        if !self.is_live(place) || owner != Some(place.station) {
            return None;
        }
        let mut news = None;
        self.change(name, |channel| {
            if channel.held != Some(place) {
                channel.held = Some(place);
                news = channel.wanted.then_some(channel.topic);
            }
        });
        news
    }

    /// A server has ended a channel, by its own will or ours. Says whether something may have been lost.
    pub(crate) fn ended(&mut self, name: Name, place: Place) -> bool {
        let mut lost = false;
        self.change(name, |channel| {
            if channel.held == Some(place) {
                channel.held = None;
                lost = channel.wanted && channel.busy.is_none();
            }
        });
        lost
    }

    /// How many channels are wanted, and how many of them are not confirmed.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.wanted, self.unconfirmed)
    }

    /// Whether this server has a channel to hold.
    pub(crate) fn concerns(&self, station: u32, owner: impl Fn(&Name) -> Option<u32>) -> bool {
        self.todo.iter().any(|name| owner(name) == Some(station))
    }

    fn is_live(&self, place: Place) -> bool {
        self.live.get(&place.station) == Some(&place.generation)
    }

    fn let_go(
        &mut self,
        which: impl Fn(&Name, &Channel) -> bool,
        also: impl Fn(&mut Channel),
    ) -> bool {
        let mut lost = false;
        let names: Vec<Name> = self.channels.keys().copied().collect();
        for name in names {
            self.change(name, |channel| {
                if which(&name, channel) {
                    channel.held = None;
                    lost |= channel.wanted;
                }
                also(channel);
            });
        }
        lost
    }

    /// Changes a channel and keeps the books.
    fn change(&mut self, name: Name, change: impl FnOnce(&mut Channel)) {
        let Some(channel) = self.channels.get_mut(&name) else {
            return;
        };
        self.wanted -= usize::from(channel.wanted);
        self.unconfirmed -= usize::from(channel.is_unconfirmed());
        change(channel);
        self.wanted += usize::from(channel.wanted);
        self.unconfirmed += usize::from(channel.is_unconfirmed());
        if channel.wanted == channel.held.is_some() {
            self.todo.remove(&name);
            if !channel.wanted && channel.busy.is_none() {
                self.channels.remove(&name);
            }
        } else {
            self.todo.insert(name);
        }
    }
}

#[cfg(test)]
mod tests {
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
        let mut wanted = Wanted::default();
        let (name, topic) = channel(1);
        wanted.watch(name, topic);
        wanted.begin(place(1, 1));
        wanted.confirmed(name, place(1, 1), Some(1));
        wanted.unwatch(name);
        assert!(wanted.watch(name, topic));
        assert_eq!(wanted.counts(), (1, 0));
        wanted.unwatch(name);
        let work = wanted.work(place(1, 1), 9, |_| Some(1));
        assert_eq!(work.unsubscribe, [name]);
        // Now it is too late: it will be ended, and then held anew.
        assert!(!wanted.watch(name, topic));
        assert!(!wanted.ended(name, place(1, 1)));
        wanted.settled(place(1, 1), &work);
        assert_eq!(wanted.work(place(1, 1), 9, |_| Some(1)).subscribe, [name]);
    }

    #[test]
    fn what_is_wanted_again_after_its_slot_has_moved_is_asked_for_where_it_went() {
        let mut wanted = Wanted::default();
        let (name, topic) = channel(1);
        wanted.watch(name, topic);
        wanted.begin(place(1, 1));
        wanted.begin(place(2, 1));
        wanted.confirmed(name, place(1, 1), Some(1));
        wanted.unwatch(name);
        assert!(!wanted.remap(|_| Some(2)));
        assert!(!wanted.watch(name, topic));
        // A word that was under way when the slot moved.
        assert_eq!(wanted.confirmed(name, place(1, 1), Some(2)), None);
        assert_eq!(wanted.work(place(2, 1), 9, |_| Some(2)).subscribe, [name]);
    }

    /// A server that confirms what it is asked, except what it loses.
    fn perform(wanted: &mut Wanted, at: Place, owner: impl Fn(&Name) -> Option<u32>, answer: bool) {
        let work = wanted.work(at, 3, &owner);
        if answer {
            for name in &work.subscribe {
                wanted.confirmed(*name, at, owner(name));
            }
            for name in &work.unsubscribe {
                wanted.ended(*name, at);
            }
        }
        wanted.settled(at, &work);
    }

    proptest! {
        #[test]
        fn whatever_happens_everything_wanted_is_held_by_its_owner_in_the_end(
            steps in proptest::collection::vec((0u8..8, 0u128..12, 1u32..4, any::<bool>()), 0..120),
        ) {
            let mut wanted = Wanted::default();
            let mut generations = [0u64, 1, 1, 1];
            let mut moved = 0u32;
            for station in 1..4 { wanted.begin(place(station, 1)); }
            let mut model = BTreeSet::new();
            let owner_at = |moved: u32| move |name: &Name| Some(1 + (name.number() as u32 + moved) % 3);
            for (step, n, station, flag) in steps {
                let (name, topic) = channel(n);
                let at = place(station, generations[station as usize]);
                match step {
                    0 | 1 => { wanted.watch(name, topic); model.insert(name); }
                    2 => { wanted.unwatch(name); model.remove(&name); }
                    3 | 4 => perform(&mut wanted, at, owner_at(moved), flag),
                    5 => { wanted.ended(name, at); }
                    6 => {
                        wanted.gone(station);
                        generations[station as usize] += 1;
                        wanted.begin(place(station, at.generation + 1));
                    }
                    _ => { moved += u32::from(flag); wanted.remap(owner_at(moved)); }
                }
                let unconfirmed = wanted.channels.values().filter(|c| c.is_unconfirmed()).count();
                prop_assert_eq!(wanted.counts(), (model.len(), unconfirmed));
            }
            for _ in 0..20 {
                for station in 1..4 {
                    let at = place(station, generations[station as usize]);
                    perform(&mut wanted, at, owner_at(moved), true);
                }
            }
            prop_assert_eq!(wanted.counts(), (model.len(), 0));
            prop_assert_eq!(wanted.channels.len(), model.len());
            for (name, channel) in &wanted.channels {
                let held = channel.held.unwrap();
                prop_assert_eq!(Some(held.station), owner_at(moved)(name));
                prop_assert_eq!(held.generation, generations[held.station as usize]);
            }
        }
    }
}

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// What its server is being asked.
    busy: Option<Busy>,
    /// Whoever wants it was not told yet that it is held.
    untold: bool,
}

/// A question that its server has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Busy {
    on: Place,
    /// It is asked to end the channel: what is held will not be.
    ends: bool,
}

impl Channel {
    fn is_unconfirmed(&self) -> bool {
        self.wanted && self.held.is_none()
    }

    fn ends(&self) -> bool {
        self.busy.is_some_and(|busy| busy.ends)
    }
}

impl Wanted {
    /// A channel is wanted. Returns its topic when it is held already: nobody will confirm it again.
    pub(crate) fn watch(&mut self, name: Name, topic: Topic) -> Option<Topic> {
        let fresh = Channel {
            topic,
            wanted: false,
            held: None,
            busy: None,
            untold: false,
        };
        self.channels.entry(name).or_insert(fresh);
        self.change(name, |channel| {
            channel.untold |= !channel.wanted;
            channel.wanted = true;
        })
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
                if there(channel.busy.map(|busy| busy.on)) {
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
            let (list, ends) = if channel.wanted && owner(name) == Some(place.station) {
                (&mut work.subscribe, false)
            } else if !channel.wanted && channel.held == Some(place) {
                (&mut work.unsubscribe, true)
            } else {
                continue;
            };
            list.push(*name);
            channel.busy = Some(Busy { on: place, ends });
        }
        work
    }

    /// The server has answered everything, or nothing more will come: what is still to be done may be asked again. Returns
    /// the topics that are held although their end was asked for, and are wanted again.
    pub(crate) fn settled(&mut self, place: Place, work: &Work) -> Vec<Topic> {
        let names = work.subscribe.iter().chain(&work.unsubscribe);
        let told = names.filter_map(|name| {
            self.change(*name, |channel| {
                if channel.busy.is_some_and(|busy| busy.on == place) {
                    channel.busy = None;
                }
            })
        });
        told.collect()
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
        self.change(name, |channel| {
            if channel.held != Some(place) {
                channel.held = Some(place);
                channel.untold = true;
            }
        })
    }

    /// A server has ended a channel, by its own will or ours. Says whether something may have been lost.
    pub(crate) fn ended(&mut self, name: Name, place: Place) -> bool {
        let mut lost = false;
        self.change(name, |channel| {
            if channel.held == Some(place) {
                channel.held = None;
                lost = channel.wanted && !channel.ends();
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

    /// Changes a channel and keeps the books. Returns its topic when whoever wants it is to be told now that it is held.
    fn change(&mut self, name: Name, change: impl FnOnce(&mut Channel)) -> Option<Topic> {
        let channel = self.channels.get_mut(&name)?;
        self.wanted -= usize::from(channel.wanted);
        self.unconfirmed -= usize::from(channel.is_unconfirmed());
        change(channel);
        self.wanted += usize::from(channel.wanted);
        self.unconfirmed += usize::from(channel.is_unconfirmed());
        let holds = channel.wanted && channel.held.is_some() && !channel.ends();
        let news = (holds && channel.untold).then_some(channel.topic);
        channel.untold &= !holds;
        if channel.wanted == channel.held.is_some() {
            self.todo.remove(&name);
            if !channel.wanted && channel.busy.is_none() {
                self.channels.remove(&name);
            }
        } else {
            self.todo.insert(name);
        }
        news
    }
}

#[cfg(test)]
mod tests;

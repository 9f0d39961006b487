//! Whether this node hears itself on the bus: a word each second on topics of its own, by the very way that hints take.
//!
//! A subscription that is dead and does not say so costs every message its repair latency, and nothing else would show
//! it. So a node that has not heard itself for [`SILENCE_MAX`] distrusts what carries its topics: the bus makes it anew,
//! says `Lost` and `Watched`, and heads are compared, within 5 s of the loss. Readiness is another question, since a balancer
//! that takes out every node helps nobody: it fails only where this node alone is deaf (decision 13). There are several
//! topics, as the bus deals topics to servers, and each server's connection may die by itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::envelope::{Envelope, Topic};
use protocol::ids::RoomId;
use service::readiness::Check;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};
use uuid::Uuid;

use super::line::Line;

/// How often a node says something to itself.
const PERIOD: Duration = Duration::from_secs(1);
/// Topics: with three servers all of them are covered in 88 of 100 nodes, with one or two in nearly all.
const TOPICS: usize = 8;
/// How long a confirmed topic may stay silent before what carries it is made anew: less than 5 s, so that a loss is healed
/// within that; more than two beats, so that one that is late does no harm.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// The pause between two healings while the bus confirms nothing: longer than the subscriptions of a large node take.
const HEAL_PAUSE: Duration = Duration::from_secs(10);
/// A silence that healing has not ended by then is told to the balancer, if other nodes are better off.
const UNREADY_AFTER: Duration = Duration::from_secs(8);

/// What a node knows of its own voice.
pub(super) struct Canary {
    began: Instant,
    songs: Vec<Song>,
    stalled: AtomicBool,
    /// Another node hears itself, and the roster answers this one.
    others_hear: AtomicBool,
    /// Held for a moment by the one task that judges.
    check: Mutex<Option<Check>>,
}

/// One topic; times are microseconds after `began`.
struct Song {
    room: RoomId,
    /// When the newest word that came back was said.
    heard: AtomicU64,
    /// Since when it can be expected to be heard: the topic was confirmed, or healed.
    since: AtomicU64,
    confirmed: AtomicBool,
}

impl Canary {
    pub(super) fn new(check: Option<Check>) -> Self {
        if let Some(check) = &check {
            check.pass();
        }
        let song = || Song {
            room: RoomId(Uuid::new_v4()),
            heard: AtomicU64::new(0),
            since: AtomicU64::new(0),
            confirmed: AtomicBool::new(false),
        };
        Self {
            began: Instant::now(),
            songs: std::iter::repeat_with(song).take(TOPICS).collect(),
            stalled: AtomicBool::new(false),
            others_hear: AtomicBool::new(false),
            check: Mutex::new(check),
        }
    }

    /// Whether a room is none, but one of its topics.
    pub(super) fn owns(&self, room: RoomId) -> bool {
        self.song(room).is_some()
    }

    /// The bus has confirmed a topic, anew perhaps.
    pub(super) fn watched(&self, room: RoomId) {
        if let Some(song) = self.song(room) {
            song.since.fetch_max(self.now(), Relaxed);
            song.confirmed.store(true, Relaxed);
        }
    }

    /// A word came back; how long it took. `None` when it is not one of ours.
    pub(super) fn heard(&self, room: RoomId, sent: u64) -> Option<Duration> {
        let took = self.now().checked_sub(sent)?;
        self.song(room)?.heard.fetch_max(sent.max(1), Relaxed);
        Some(Duration::from_micros(took))
    }

    /// Whether this node does not hear itself.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Relaxed)
    }

    /// The roster was asked: whether it answered and some other node hears itself.
    pub(super) fn judge(&self, others_hear: bool) {
        self.others_hear.store(others_hear, Relaxed);
    }

    fn song(&self, room: RoomId) -> Option<&Song> {
        self.songs.iter().find(|song| song.room == room)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn topics(&self) -> impl Iterator<Item = Topic> {
        self.songs.iter().map(|song| Topic::Room(song.room))
    }

    /// The topics to be healed now.
    fn silent(&self, now: u64) -> Vec<Topic> {
        let mut silent = Vec::new();
        for song in &self.songs {
            let confirmed = song.confirmed.load(Relaxed);
            let patience = if confirmed { SILENCE_MAX } else { HEAL_PAUSE };
            if song.silence(now) >= patience {
                // Whatever comes of it takes its time, too.
                song.since.fetch_max(now, Relaxed);
                song.confirmed.store(false, Relaxed);
                silent.push(Topic::Room(song.room));
            }
        }
        silent
    }

    /// How long the topic that was heard least has been silent.
    fn longest(&self, now: u64) -> Duration {
        let heard = self.songs.iter().map(|song| song.heard.load(Relaxed)).min();
        Duration::from_micros(now.saturating_sub(heard.unwrap_or(now)))
    }

    /// Whether a balancer does better elsewhere.
    fn is_deaf_alone(&self, silence: Duration) -> bool {
        silence >= UNREADY_AFTER && self.others_hear.load(Relaxed)
    }

    fn show(&self, line: &Line, silence: Duration) {
        let stalled = silence >= SILENCE_MAX;
        if self.stalled.swap(stalled, Relaxed) != stalled {
            if stalled {
                warn!("this node does not hear itself on the bus: news of other nodes is late");
            } else {
                info!("this node hears itself on the bus again");
            }
        }
        let gauge = if stalled { 1.0 } else { 0.0 };
        line.metrics.canary_stalled.set(gauge);
        let check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(check) = &*check {
            if self.is_deaf_alone(silence) {
                check.fail("this node does not hear the bus, and other nodes do");
            } else {
                check.pass();
            }
        }
    }
}

impl Song {
    fn silence(&self, now: u64) -> Duration {
        let last = self.heard.load(Relaxed).max(self.since.load(Relaxed));
        Duration::from_micros(now.saturating_sub(last))
    }
}

/// Sings until it is dropped.
pub(super) async fn sing(line: Arc<Line>) {
    let canary = &line.canary;
    for topic in canary.topics() {
        line.bus.watch(topic);
    }
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        let now = canary.now();
        let silent = canary.silent(now);
        if !silent.is_empty() {
            warn!(
                topics = silent.len(),
                "what this node says to itself on the bus does not come; it is subscribed anew"
            );
            line.metrics.canary_heals.increment(1);
            line.bus.distrust(&silent);
        }
        canary.show(&line, canary.longest(now));
        for song in &canary.songs {
            let room = song.room;
            line.bus.publish(Envelope::Canary { room, sent: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(seconds: u64) -> u64 {
        seconds * 1_000_000
    }

    #[test]
    fn a_confirmed_topic_that_stays_silent_is_healed_once_and_then_waited_for() {
        let canary = Canary::new(None);
        for song in &canary.songs {
            canary.watched(song.room);
            song.heard.store(micros(10), Relaxed);
        }
        assert!(canary.silent(micros(12)).is_empty());
        canary.songs[1].heard.store(micros(13), Relaxed);
        assert_eq!(canary.silent(micros(13)).len(), TOPICS - 1);
        assert!(
            canary.silent(micros(14)).is_empty(),
            "it was only just healed"
        );
        // Nothing was confirmed since: the bus is away, and is not pushed.
        assert_eq!(canary.silent(micros(17)).len(), 1);
        assert_eq!(canary.silent(micros(23)).len(), TOPICS - 1);
    }

    #[test]
    fn a_word_of_another_process_is_not_ours() {
        let canary = Canary::new(None);
        assert_eq!(canary.heard(RoomId(Uuid::nil()), 0), None);
        assert_eq!(canary.heard(canary.songs[0].room, u64::MAX), None);
        assert!(canary.heard(canary.songs[0].room, 0).is_some());
        assert!(canary.owns(canary.songs[0].room));
    }

    /// Redis away for all, or its pub/sub broken for all, must not take every node out of the balancer.
    #[test]
    fn only_a_node_that_is_deaf_alone_is_not_ready() {
        let canary = Canary::new(None);
        assert!(
            !canary.is_deaf_alone(UNREADY_AFTER),
            "nobody is known to hear"
        );
        canary.judge(true);
        assert!(!canary.is_deaf_alone(SILENCE_MAX), "it may be healed yet");
        assert!(canary.is_deaf_alone(UNREADY_AFTER));
        canary.judge(false);
        assert!(
            !canary.is_deaf_alone(UNREADY_AFTER),
            "the roster is away, or all are deaf"
        );
    }
}

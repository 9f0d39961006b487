//! News between nodes: at most once, in no order that anybody may rely on. A lost envelope costs latency and never a
//! message, since the store is the truth and every room's log is dense.

use protocol::envelope::{Envelope, Topic};

use crate::Future;
pub use crate::hearing::Events;

/// Envelopes that a node's listener may be behind; beyond it they are dropped and [`BusEvent::Lost`] says so.
pub const EVENTS_MAX: usize = 16_384;

/// What a node hears.
#[derive(Clone, Debug, PartialEq)]
pub enum BusEvent {
    /// Another process, or this one, has said something on a topic that this process watches. May be its own word, but
    /// mostly not when it said that a log has grown: it knows that, and would be woken for each message.
    Said(Envelope),
    /// The bus has confirmed a topic: what is published from now on arrives, as long as nothing is lost. Said again
    /// after each time that the subscription had to be made anew (a reconnect, a failover, a moved slot); then
    /// something may have been lost before it, and the topic's head must be compared *now*: a comparison at the time
    /// of [`BusEvent::Lost`] came too early for what was published since. May overtake envelopes that came before it.
    Watched(Topic),
    /// Envelopes of any topic may have been lost: heads must be compared. Said when the loss is noticed, which may be
    /// long before the topics are watched again. Overtakes everything that waits.
    Lost,
}

/// The bus of one process.
pub trait Bus: Send + Sync + 'static {
    /// Hands an envelope over for everybody who watches its topic. Never blocks and never fails: what a full queue or a
    /// server that is away does not take is dropped and counted. Envelopes of one process on one topic are sent in
    /// the order of the calls, unless the topic moves to another server at that moment.
    fn publish(&self, envelope: Envelope);

    /// A topic's envelopes are wanted from now on. Confirmed by [`BusEvent::Watched`]; asked for again until it is.
    /// Watching what is watched changes nothing.
    fn watch(&self, topic: Topic);

    /// A topic's envelopes are not wanted any more. A few may still come.
    fn unwatch(&self, topic: Topic);

    /// What this process hears. There is one listener; the second call panics.
    fn events(&self) -> Events;

    /// What is said on these topics does not come, although they are confirmed: whatever carries them to this process is
    /// given up and made anew, with [`BusEvent::Lost`] and then [`BusEvent::Watched`] as after any loss. Never waits.
    fn distrust(&self, topics: &[Topic]);

    /// Whether everything that is watched is confirmed now. Cheap; feeds readiness and metrics.
    fn healthy(&self) -> bool;

    /// Sends what waits, within a second, and ends the connections.
    fn close(&self) -> Future<'_, ()>;
}

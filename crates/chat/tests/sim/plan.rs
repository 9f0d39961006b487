//! What a seed's world looks like and which faults it knows. Each fault is in some worlds and not in others: a bug that
//! needs calm in one corner and a storm in another is found sooner than with everything at once.

use super::bugs::Bug;
use super::rng::Rng;

/// How long clients keep talking, at most.
const TALK_MILLIS_MAX: u64 = 8_000;

/// Chances are in permille, times in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) hubs: u8,
    pub(crate) rooms: usize,
    pub(crate) users: usize,
    /// Devices of a user.
    pub(crate) devices: usize,
    pub(crate) talk_millis: u64,
    /// How long the faults go on after the clients have fallen silent: a lost tail has nothing behind it.
    pub(crate) silence_millis: u64,
    /// The pause between two things that a client does, at most.
    pub(crate) pause_millis: u64,
    pub(crate) limits: bool,
    /// A failed batch may leave a prefix, as `insertMany` does; else it is all or nothing.
    pub(crate) prefixes: bool,
    /// Wall clocks of nodes differ by up to this.
    pub(crate) skew_millis: u64,

    /// How long something takes from hub to hub, at most.
    pub(crate) hub_delay: u64,

    pub(crate) hint_lost: u64,
    pub(crate) hint_doubled: u64,
    pub(crate) hint_delay: u64,
    pub(crate) bus_outage: u64,
    /// Of the hints of a node for a room one in a second arrives, and all others are lost.
    pub(crate) hints_barely_arrive: bool,

    pub(crate) append_unavailable: u64,
    pub(crate) append_never: u64,
    pub(crate) append_unknown: u64,
    pub(crate) append_lands_late: u64,
    pub(crate) append_rolled_back: u64,
    pub(crate) read_fails: u64,
    pub(crate) read_short: u64,
    pub(crate) store_slow: u64,

    /// The roster is away, forgets, or fails a reading.
    pub(crate) roster_outage: u64,
    pub(crate) roster_forgets: u64,
    pub(crate) roster_fails: u64,
    /// When somebody leaves for good, if anybody does.
    pub(crate) left_at: Option<u64>,

    pub(crate) node_dies: u64,
    pub(crate) wire_cut: u64,
    pub(crate) wire_slow: u64,
    pub(crate) zombie: u64,
    pub(crate) restored: u64,
    pub(crate) revoked: u64,

    /// The pause between two changes by authority (joining, leaving, removing, banning, muting, settings), at most; 0: none.
    pub(crate) authority: u64,
    /// Edits, deletions, reactions.
    pub(crate) changes: u64,
    /// The same name for another text, and the same name of another user.
    pub(crate) reused_names: u64,
    pub(crate) room_deleted: bool,
    pub(crate) unsubscribes: u64,

    /// The longest that an acknowledged entry may take to a stream that is up; only in worlds where the store answers.
    pub(crate) delivery_bound: Option<u64>,
    pub(crate) bug: Option<Bug>,
}

impl Plan {
    pub(crate) fn of(rng: &mut Rng) -> Self {
        let mut plan = Self {
            nodes: 1 + rng.index(3),
            hubs: 1 + rng.below(2) as u8,
            rooms: 1 + rng.index(3),
            users: 2 + rng.index(3),
            devices: 1 + rng.index(2),
            talk_millis: rng.between(1_000, TALK_MILLIS_MAX),
            silence_millis: if rng.chance(200) { 2_000 } else { 0 },
            pause_millis: rng.between(100, 1_500),
            limits: rng.chance(200),
            prefixes: rng.chance(600),
            skew_millis: if rng.chance(300) { 3_600_000 } else { 0 },
            hub_delay: if rng.chance(300) { 40 } else { 3 },
            read_short: rng.below(300),
            hint_delay: rng.between(1, 40),
            authority: if rng.chance(500) {
                rng.between(40, 900)
            } else {
                0
            },
            changes: some(rng, 500, 200),
            reused_names: some(rng, 300, 120),
            room_deleted: rng.chance(60),
            unsubscribes: some(rng, 300, 60),
            ..Self::default()
        };
        plan.left_at = rng
            .chance(400)
            .then(|| rng.between(plan.talk_millis / 2, plan.talk_millis));
        if rng.chance(500) {
            plan.roster_outage = some(rng, 400, 6);
            plan.roster_forgets = some(rng, 300, 6);
            plan.roster_fails = some(rng, 400, 400);
        }
        match rng.below(6) {
            0 => plan.hints_lost_only(rng),
            1 => plan.announcements_only(),
            _ => plan.storm(rng),
        }
        plan
    }

    /// Whether the word that somebody was added may never reach their sockets on other nodes: it travels at most once
    /// each time it is said, and no sweep looks for it.
    pub(crate) fn may_lose_words(&self) -> bool {
        self.nodes > 1 && self.hint_lost + self.bus_outage + self.node_dies + self.restored > 0
    }

    /// Hints may all be lost and nothing else goes wrong: the sweep bounds every delivery.
    fn hints_lost_only(&mut self, rng: &mut Rng) {
        self.nodes = 2 + rng.index(2);
        self.hint_lost = [300, 900, 1_000][rng.index(3)];
        self.hint_doubled = some(rng, 500, 300);
        self.hint_delay = rng.between(1, 500);
        self.bus_outage = some(rng, 500, 5);
        self.delivery_bound = Some(super::SWEEP_MILLIS + super::SLACK_MILLIS);
        self.silence_millis = super::SWEEP_MILLIS + 1_000;
    }

    /// Almost all hints are lost and their publishers live: the announcements bound every delivery.
    fn announcements_only(&mut self) {
        self.nodes = self.nodes.max(2);
        self.hints_barely_arrive = true;
        self.delivery_bound = Some(super::ANNOUNCED_MILLIS + super::SLACK_MILLIS);
        self.silence_millis = super::ANNOUNCED_MILLIS + 1_000;
    }

    fn storm(&mut self, rng: &mut Rng) {
        self.hint_lost = some(rng, 500, 600);
        self.hint_doubled = some(rng, 500, 300);
        self.hint_delay = if rng.chance(500) {
            rng.between(1, 800)
        } else {
            5
        };
        self.bus_outage = some(rng, 400, 8);
        self.append_unavailable = some(rng, 400, 150);
        self.append_never = some(rng, 400, 150);
        self.append_unknown = some(rng, 500, 200);
        self.append_lands_late = some(rng, 400, 150);
        self.append_rolled_back = some(rng, 400, 150);
        self.read_fails = some(rng, 400, 200);
        self.store_slow = some(rng, 300, 60);
        self.node_dies = some(rng, 500, 12);
        self.wire_cut = some(rng, 600, 60);
        self.wire_slow = some(rng, 300, 80);
        self.zombie = some(rng, 400, 400);
        self.restored = some(rng, 80, 4);
        self.revoked = some(rng, 100, 10);
    }
}

/// In `worlds` permille of all worlds a chance of up to `most`, else none.
fn some(rng: &mut Rng, worlds: u64, most: u64) -> u64 {
    if rng.chance(worlds) {
        1 + rng.below(most)
    } else {
        0
    }
}

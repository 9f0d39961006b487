//! What the network between two processes is like at a moment: plain values, chosen by whoever injects faults.

use std::time::Duration;

/// One direction of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// How long every byte travels at least.
    pub delay: Duration,
    /// Up to so much longer, drawn anew for each piece; bytes still arrive in their order, as TCP has it.
    pub jitter: Duration,
    /// Bytes that pass in a second; none means all.
    pub bytes_per_second: Option<u32>,
    /// What is sent vanishes. A line that lost bytes can never speak again: it is cut when its lane opens.
    pub blackhole: bool,
}

/// Both directions of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// From whoever connected.
    pub up: Lane,
    /// To whoever connected.
    pub down: Lane,
    /// Nothing moves and nothing is lost: it goes on where it stopped.
    pub frozen: bool,
    /// New connections are reset.
    pub refuse: bool,
    /// Each connection is reset after so many more bytes, both directions counted together.
    pub cut_after: Option<u64>,
}

impl Weather {
    /// Slow both ways.
    pub fn delayed(delay: Duration, jitter: Duration) -> Self {
        let lane = Lane {
            delay,
            jitter,
            ..Lane::default()
        };
        Self {
            up: lane,
            down: lane,
            ..Self::default()
        }
    }

    /// Narrow both ways.
    pub fn throttled(bytes_per_second: u32) -> Self {
        let lane = Lane {
            bytes_per_second: Some(bytes_per_second),
            ..Lane::default()
        };
        Self {
            up: lane,
            down: lane,
            ..Self::default()
        }
    }

    /// What is sent in these directions vanishes, and nobody is told.
    pub fn blackhole(up: bool, down: bool) -> Self {
        let lane = |blackhole| Lane {
            blackhole,
            ..Lane::default()
        };
        Self {
            up: lane(up),
            down: lane(down),
            ..Self::default()
        }
    }

    /// Everything stands still.
    pub fn frozen() -> Self {
        Self {
            frozen: true,
            ..Self::default()
        }
    }

    /// Nobody gets in.
    pub fn refused() -> Self {
        Self {
            refuse: true,
            ..Self::default()
        }
    }

    /// Connections break in the middle of what they say.
    pub fn cut_after(bytes: u64) -> Self {
        Self {
            cut_after: Some(bytes),
            ..Self::default()
        }
    }
}

/// The weather of everybody who connects through one proxy, and of some of them by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Forecast {
    pub(super) all: Weather,
    pub(super) of: Vec<(String, Weather)>,
    /// Grows with each change: byte counts of [`Weather::cut_after`] begin anew.
    pub(super) changes: u64,
    /// Grows with each cut: connections that began under an older number are reset.
    pub(super) cuts: u64,
}

impl Forecast {
    pub(super) fn of(&self, client: Option<&str>) -> Weather {
        let own = client.and_then(|client| self.of.iter().find(|(name, _)| name == client));
        own.map_or(self.all, |(_, weather)| *weather)
    }
}

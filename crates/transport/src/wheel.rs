//! The one timer wheel of a shard. Pure: it never reads a clock.
//! An entry is four bytes and says "look at this connection now"; whether something is due is the connection's to
//! know, so entries are never removed and a stale one costs one look.

/// Milliseconds a slot.
const TICK_MS: u64 = 5;
/// 4096 × 5 ms = 20.48 s; what lies further off comes round again.
const SLOTS: usize = 4096;
const WORDS: usize = SLOTS / 64;

pub(crate) struct Wheel {
    slots: Vec<Vec<u32>>,
    /// One bit a slot that is not empty, so that an idle shard sleeps until there is something to do.
    occupied: [u64; WORDS],
    /// The tick up to which, it included, all slots have been given out.
    tick: u64,
}

impl Wheel {
    pub(crate) fn new() -> Wheel {
        Wheel {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; WORDS],
            tick: 0,
        }
    }

    /// Asks for a look at `entry` at `due` (milliseconds) or a little later; earlier when it is over 20 s off.
    pub(crate) fn arm(&mut self, entry: u32, due: u64) {
        let tick = due
            .div_ceil(TICK_MS)
            .clamp(self.tick + 1, self.tick + SLOTS as u64 - 1);
        let slot = (tick % SLOTS as u64) as usize;
        self.slots[slot].push(entry);
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// Moves every entry that is due at `now` to `out`.
    pub(crate) fn advance(&mut self, now: u64, out: &mut Vec<u32>) {
        let target = now / TICK_MS;
        // A process that was stopped for long still needs one round only.
        let first = (self.tick + 1).max(target.saturating_sub(SLOTS as u64 - 1));
        for tick in first..=target {
            let slot = (tick % SLOTS as u64) as usize;
            if self.occupied[slot / 64] & (1 << (slot % 64)) != 0 {
                out.append(&mut self.slots[slot]);
                self.occupied[slot / 64] &= !(1 << (slot % 64));
                // Bursts of connects must not leave their capacity behind in every slot they pass.
                if self.slots[slot].capacity() > 256 {
                    self.slots[slot] = Vec::new();
                }
            }
        }
        self.tick = self.tick.max(target);
    }

    /// When the next entry is due, in milliseconds.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let start = self.tick + 1;
        let mut distance = 0;
        while distance < SLOTS as u64 {
            let slot = ((start + distance) % SLOTS as u64) as usize;
            let word = self.occupied[slot / 64] >> (slot % 64);
            if word != 0 {
                let due = start + distance + u64::from(word.trailing_zeros());
                return Some(due * TICK_MS);
            }
            distance += 64 - (slot % 64) as u64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_wheel_has_nothing_due() {
        assert_eq!(Wheel::new().next_due(), None);
    }

    #[test]
    fn an_entry_far_off_comes_round_early_and_never_late() {
        let mut wheel = Wheel::new();
        wheel.arm(7, 60_000);
        let due = wheel.next_due().unwrap();
        assert!(due <= 20_480);
        let mut out = Vec::new();
        wheel.advance(due, &mut out);
        assert_eq!(out, [7]);
    }

    proptest! {
        #[test]
        fn every_entry_comes_once_at_its_tick(
            dues in prop::collection::vec(1u64..20_000, 1..60),
            start in 0u64..100_000,
            steps in prop::collection::vec(1u64..3_000, 40..41),
        ) {
            let mut wheel = Wheel::new();
            let mut out = Vec::new();
            wheel.advance(start, &mut out);
            for (entry, due) in dues.iter().enumerate() { wheel.arm(entry as u32, start + due); }
            let mut seen = vec![None; dues.len()];
            let (mut now, mut before) = (start, start);
            for step in steps.iter().chain([&20_000]) {
                now += step;
                let next = wheel.next_due();
                wheel.advance(now, &mut out);
                prop_assert_eq!(out.is_empty(), next.is_none_or(|due| due > now / TICK_MS * TICK_MS));
                for entry in out.drain(..) {
                    let due = start + dues[entry as usize];
                    prop_assert!(seen[entry as usize].replace(now).is_none());
                    prop_assert!(due <= now && due.div_ceil(TICK_MS) * TICK_MS + TICK_MS > before, "{due} in {before}..{now}");
                }
                before = now;
            }
            prop_assert!(seen.iter().all(Option::is_some));
        }
    }
}

//! How much one client may say: two token buckets in sixteen bytes. Pure: `now` is an argument.

/// Rates of one connection. A burst of `seconds_of_burst` seconds' worth is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Messages a second, heartbeats included.
    pub frames: f32,
    /// Bytes of messages a second.
    pub bytes: f32,
    /// Size of both buckets in seconds of their rate.
    pub seconds_of_burst: f32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    frames: f32,
    bytes: f32,
    /// Milliseconds; wraps after 49 days, which at worst refills a bucket once.
    filled_at: u32,
}

impl Budget {
    pub(crate) fn full(rate: &Rate, now: u64) -> Budget {
        Budget {
            frames: rate.frames * rate.seconds_of_burst,
            bytes: rate.bytes * rate.seconds_of_burst,
            filled_at: now as u32,
        }
    }

    /// Takes one frame of `bytes`; `false` when that is over the rate.
    pub(crate) fn take(&mut self, rate: &Rate, now: u64, bytes: usize) -> bool {
        let elapsed = (now as u32).wrapping_sub(self.filled_at) as f32 / 1000.0;
        self.filled_at = now as u32;
        self.frames =
            (self.frames + elapsed * rate.frames).min(rate.frames * rate.seconds_of_burst);
        self.bytes = (self.bytes + elapsed * rate.bytes).min(rate.bytes * rate.seconds_of_burst);
        if self.frames < 1.0 || self.bytes < bytes as f32 {
            return false;
        }
        self.frames -= 1.0;
        self.bytes -= bytes as f32;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        frames: 10.0,
        bytes: 1000.0,
        seconds_of_burst: 2.0,
    };

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut budget = Budget::full(&RATE, 0);
        assert_eq!((0..30).filter(|_| budget.take(&RATE, 0, 1)).count(), 20);
        assert_eq!((0..30).filter(|_| budget.take(&RATE, 1000, 1)).count(), 10);
    }

    #[test]
    fn bytes_have_their_own_bucket() {
        let mut budget = Budget::full(&RATE, 0);
        assert!(budget.take(&RATE, 0, 1900));
        assert!(!budget.take(&RATE, 0, 200));
        assert!(budget.take(&RATE, 200, 200));
    }
}

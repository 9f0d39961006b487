//! Reading together: whoever waits is read for in one operation. Pure.
//!
//! The sibling of the append lane's batches. Who comes while the store is idle is read for at once and alone; while it
//! is busy they gather, so that its load grows with time and not with how many come back at once. Those are read for
//! first who came first, and nobody is who has left. What fails is asked for in halves: a store that could not read for
//! so many in time may be able to for fewer.

use std::collections::VecDeque;

/// For so many at most in one read: an answer that is a few hundred kilobytes, and that a shard hands out within a turn
/// or two.
pub(super) const TOGETHER_MAX: usize = 256;
/// Reads under way at once: one that is slow must not keep all others waiting, and more would leave fewer to gather.
const READS_MAX: usize = 2;
/// Those who left are cleared away when so many wait, and whenever twice as many as after the last clearing.
const WAITING_MIN: usize = 1_024;

/// See the module. `T` is who or what is read for.
#[derive(Debug)]
pub(super) struct Turns<T> {
    reading: usize,
    most: usize,
    waiting: VecDeque<T>,
    clear_at: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            reading: 0,
            most: TOGETHER_MAX,
            waiting: VecDeque::new(),
            clear_at: WAITING_MIN,
        }
    }
}

impl<T> Turns<T> {
    /// One more is to be read for; [`Turns::next`] says when.
    pub(super) fn wait(&mut self, one: T, is_wanted: impl Fn(&T) -> bool) {
        if self.waiting.len() >= self.clear_at {
            self.waiting.retain(is_wanted);
            self.clear_at = (2 * self.waiting.len()).max(WAITING_MIN);
        }
        self.waiting.push_back(one);
    }

    /// For whom a read begins now, if one may and somebody waits. It must be [`Turns::done`] once, whatever becomes of
    /// them.
    pub(super) fn next(&mut self, is_wanted: impl Fn(&T) -> bool) -> Option<Vec<T>> {
        if self.reading >= READS_MAX {
            return None;
        }
        let mut together = Vec::new();
        while together.len() < self.most
            && let Some(one) = self.waiting.pop_front()
        {
            if is_wanted(&one) {
                together.push(one);
            }
        }
        if together.is_empty() {
            return None;
        }
        self.reading += 1;
        Some(together)
    }

    /// A read has ended, and whether it was answered.
    pub(super) fn done(&mut self, well: bool) {
        self.reading = self.reading.saturating_sub(1);
        self.most = if well {
            (2 * self.most).min(TOGETHER_MAX)
        } else {
            (self.most / 2).max(1)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(_: &u32) -> bool {
        true
    }

    /// So many wait, of whom the first `READS_MAX` are read for alone.
    fn busy(count: u32) -> Turns<u32> {
        let mut turns = Turns::default();
        for one in 0..count {
            turns.wait(one, all);
            let alone = turns.next(all);
            assert_eq!(alone, (one < READS_MAX as u32).then_some(vec![one]));
        }
        turns
    }

    #[test]
    fn who_comes_to_an_idle_store_is_read_for_at_once_and_alone() {
        let mut turns = Turns::default();
        for one in 0..100 {
            turns.wait(one, all);
            assert_eq!(turns.next(all), Some(vec![one]));
            turns.done(true);
        }
    }

    #[test]
    fn who_waits_is_read_for_together_in_the_order_of_their_coming() {
        let mut turns = busy(100);
        turns.done(true);
        let rest: Vec<u32> = (READS_MAX as u32..100).collect();
        assert_eq!(turns.next(all), Some(rest));
        assert_eq!(turns.next(all), None, "nobody waits");
    }

    #[test]
    fn no_read_is_for_more_than_its_bound() {
        let mut turns = busy(1_000);
        let mut seen = READS_MAX;
        for under_way in 0..READS_MAX {
            turns.done(true);
            let together = turns.next(all).unwrap();
            assert_eq!(together.len(), TOGETHER_MAX, "{under_way}");
            seen += together.len();
        }
        assert_eq!(turns.next(all), None, "all places are taken");
        while seen < 1_000 {
            turns.done(true);
            seen += turns.next(all).unwrap().len();
        }
        assert_eq!(turns.next(all), None);
    }

    #[test]
    fn who_left_is_not_read_for() {
        let mut turns = busy(100);
        turns.done(true);
        assert_eq!(turns.next(|one| *one >= 99), Some(vec![99]));
        let mut turns = busy(100);
        turns.done(true);
        assert_eq!(turns.next(|_| false), None);
        turns.wait(100, all);
        assert!(turns.next(all).is_some(), "no place was taken for nobody");
    }

    #[test]
    fn what_fails_is_asked_for_in_halves_until_it_succeeds() {
        let mut turns = busy(10_000);
        let mut sizes = Vec::new();
        for well in [false, false, false, true, true, true, true] {
            turns.done(well);
            sizes.push(turns.next(all).unwrap().len());
        }
        assert_eq!(sizes, [128, 64, 32, 64, 128, 256, 256]);
        for _ in 0..20 {
            turns.done(false);
            turns.next(all);
        }
        turns.done(false);
        assert_eq!(turns.next(all).map(|together| together.len()), Some(1));
    }

    #[test]
    fn those_who_left_take_no_memory_for_long() {
        let mut turns = busy(READS_MAX as u32);
        for one in 0..100_000 {
            turns.wait(one, |waiting| waiting + 10 > one);
            assert!(turns.waiting.len() <= WAITING_MIN);
        }
    }
}

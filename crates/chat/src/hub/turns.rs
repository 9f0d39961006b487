//! Reading together: whoever waits is read for in one operation. Pure.
//!
//! The sibling of the append lane's batches. Who comes while nothing is read is read for at once and alone; while
//! something is they gather, so that the store's load grows with time and not with how many come back at once. Another
//! read begins beside one only when as many wait as go into one, or when that one is slow: it must not keep all others
//! waiting. Those are read for first who came first, and nobody is who has left. What fails is asked for in halves: a
//! store that could not read for so many in time may be able to for fewer.

use std::collections::VecDeque;

/// Reads under way at once.
const READS_MAX: usize = 4;
/// A read without an answer after this is slow: others begin beside it.
const SLOW_MILLIS: u64 = 250;
/// So long after a read's beginning it is calm, and the next who comes is no part of a crowd.
const CALM_MILLIS: u64 = 100;
/// When nobody has come for so long, a crowd is there; for longer, up to the second, the longer it has been coming.
const GAP_MILLIS: [u64; 2] = [10, 50];
/// A crowd that goes on coming is read for on this beat. All hubs of a node share it, so that what they ask for can go
/// together.
const BEAT_MILLIS: u64 = 300;
/// Those who left are cleared away when so many wait, and whenever twice as many as after the last clearing.
const WAITING_MIN: usize = 1_024;

/// When a read for a few begins, as far as no other one is under way. One for as many as go into one begins at once.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// At once.
    None,
    /// So many milliseconds after the last one began.
    Apart(u64),
    /// At once in a calm; in a crowd when all have come, as far as that can be told, and on a beat in one that goes on
    /// coming. A store that answers fast would be asked for a few at a time otherwise.
    Crowds,
}

/// See the module. `T` is who or what is read for.
#[derive(Debug)]
pub(super) struct Turns<T> {
    pace: Pace,
    /// For so many at most in one read.
    bound: usize,
    /// The same while the store cannot read for so many.
    most: usize,
    reading: usize,
    /// When the last one began.
    began: Option<u64>,
    /// When the first one of this crowd did.
    crowd_began: u64,
    waiting: VecDeque<T>,
    /// How many waited when it was last looked, and since when the first and the last of them do.
    seen: usize,
    first_came: u64,
    last_came: u64,
    clear_at: usize,
}

impl<T> Turns<T> {
    /// Reads for so many at most.
    pub(super) fn new(bound: usize, pace: Pace) -> Self {
        Self {
            pace,
            bound,
            most: bound,
            reading: 0,
            began: None,
            crowd_began: 0,
            waiting: VecDeque::new(),
            seen: 0,
            first_came: 0,
            last_came: 0,
            clear_at: WAITING_MIN,
        }
    }

    /// One more is to be read for; [`Turns::next`] says when, and must be asked before time goes on.
    pub(super) fn wait(&mut self, one: T, is_wanted: impl Fn(&T) -> bool) {
        if self.waiting.len() >= self.clear_at {
            self.waiting.retain(is_wanted);
            self.clear_at = (2 * self.waiting.len()).max(WAITING_MIN);
            self.seen = self.seen.min(self.waiting.len());
        }
        self.waiting.push_back(one);
    }

    /// For whom a read begins now, if one may and somebody waits. It must be [`Turns::done`] once, whatever becomes of
    /// them.
    pub(super) fn next(&mut self, now: u64, is_wanted: impl Fn(&T) -> bool) -> Option<Vec<T>> {
        self.look(now);
        let full = self.waiting.len() >= self.most;
        if self.reading >= READS_MAX || !full && self.not_before().is_some_and(|at| now < at) {
            return None;
        }
        let calm = self.is_calm();
        let mut together = Vec::new();
        while together.len() < self.most
            && let Some(one) = self.waiting.pop_front()
        {
            if is_wanted(&one) {
                together.push(one);
            }
        }
        self.seen = self.waiting.len();
        self.first_came = now;
        if together.is_empty() {
            return None;
        }
        self.reading += 1;
        if calm {
            self.crowd_began = now;
        }
        self.began = Some(now);
        Some(together)
    }

    /// Whether who came first of those who wait is no part of the crowd before.
    fn is_calm(&self) -> bool {
        self.began
            .is_none_or(|began| self.first_came >= began + CALM_MILLIS)
    }

    /// When a crowd is there, or as much of it as is read for at once.
    fn crowd_is_there(&self) -> u64 {
        let [least, most] = GAP_MILLIS;
        let gap = (least + self.last_came.saturating_sub(self.crowd_began) / 8).min(most);
        (self.last_came + gap).min((self.first_came / BEAT_MILLIS + 1) * BEAT_MILLIS)
    }

    fn look(&mut self, now: u64) {
        if self.waiting.len() > self.seen {
            self.last_came = now;
            if self.seen == 0 {
                self.first_came = now;
            }
            self.seen = self.waiting.len();
        }
    }

    /// When [`Turns::next`] may give those who wait, if nothing else happens until then.
    pub(super) fn deadline(&self) -> Option<u64> {
        let waits = !self.waiting.is_empty() && self.reading < READS_MAX;
        self.not_before().filter(|_| waits)
    }

    /// When a read for a few may begin.
    fn not_before(&self) -> Option<u64> {
        let began = self.began?;
        let paced = match self.pace {
            Pace::None => began,
            Pace::Apart(pause) => began + pause,
            Pace::Crowds if self.is_calm() => began,
            Pace::Crowds => self.crowd_is_there(),
        };
        let slow = if self.reading > 0 { SLOW_MILLIS } else { 0 };
        Some(paced.max(began + slow))
    }

    /// A read has ended, and whether it was answered.
    pub(super) fn done(&mut self, well: bool) {
        self.reading = self.reading.saturating_sub(1);
        self.most = if well {
            (2 * self.most).min(self.bound)
        } else {
            (self.most / 2).max(1)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: usize = 256;

    fn turns(pace: Pace) -> Turns<u32> {
        Turns::new(BOUND, pace)
    }

    fn all(_: &u32) -> bool {
        true
    }

    /// One is read for since 0, and so many wait.
    fn busy(count: u32) -> Turns<u32> {
        let mut turns = turns(Pace::None);
        turns.wait(u32::MAX, all);
        assert_eq!(turns.next(0, all), Some(vec![u32::MAX]));
        (0..count).for_each(|one| turns.wait(one, all));
        turns
    }

    #[test]
    fn who_comes_while_nothing_is_read_is_read_for_at_once_and_alone() {
        let mut turns = turns(Pace::None);
        for one in 0..100 {
            turns.wait(one, all);
            assert_eq!(turns.next(0, all), Some(vec![one]));
            turns.done(true);
        }
    }

    #[test]
    fn who_waits_is_read_for_together_in_the_order_of_their_coming() {
        let mut turns = busy(100);
        assert_eq!(turns.next(1, all), None, "they gather");
        turns.done(true);
        assert_eq!(turns.next(1, all), Some((0..100).collect()));
        assert_eq!(turns.next(1, all), None, "nobody waits");
    }

    #[test]
    fn a_slow_read_does_not_keep_the_others_waiting() {
        let mut turns = busy(1);
        for one in 0..3 {
            let at = turns.deadline().unwrap();
            assert_eq!(turns.next(at - 1, all), None);
            assert_eq!(turns.next(at, all), Some(vec![one]));
            turns.wait(one + 1, all);
        }
        assert_eq!(turns.deadline(), None, "all places are taken");
        assert_eq!(turns.next(u64::MAX, all), None);
        turns.done(true);
        assert!(turns.deadline().is_some());
    }

    #[test]
    fn no_read_is_for_more_than_its_bound_and_full_ones_go_at_once() {
        let mut turns = busy(2_000);
        for _ in 1..READS_MAX {
            assert_eq!(turns.next(0, all).unwrap().len(), BOUND);
        }
        assert_eq!(turns.next(0, all), None, "all places are taken");
        turns.done(true);
        assert_eq!(turns.next(0, all).unwrap().len(), BOUND);
    }

    #[test]
    fn what_is_in_no_hurry_gathers_for_a_while() {
        let mut turns = turns(Pace::Apart(100));
        turns.wait(0, all);
        assert_eq!(turns.next(7, all), Some(vec![0]), "the first does not");
        turns.done(true);
        turns.wait(1, all);
        turns.wait(2, all);
        assert_eq!(turns.next(106, all), None);
        assert_eq!(turns.deadline(), Some(107));
        assert_eq!(turns.next(107, all), Some(vec![1, 2]));
    }

    /// When a crowd begins to come.
    const BEGAN: u64 = 1_000;

    /// So many come, one each so many milliseconds. Returns when reads began, and for how many.
    fn crowd(count: u32, apart: u64) -> Vec<(u64, usize)> {
        let (mut turns, mut begun) = (turns(Pace::Crowds), Vec::new());
        for since in 0..u64::from(count) * apart + 1_000 {
            if since % apart == 0 && since / apart < u64::from(count) {
                turns.wait(0, all);
            }
            while let Some(together) = turns.next(BEGAN + since, all) {
                begun.push((since, together.len()));
                turns.done(true);
            }
        }
        begun
    }

    #[test]
    fn a_crowd_is_few_reads_and_the_first_of_it_does_not_wait() {
        // Ten in ten milliseconds: the first, and the others when nobody has come for a moment.
        assert_eq!(crowd(10, 1), [(0, 1), (9 + GAP_MILLIS[0] + 1, 9)]);
        // A thousand within two seconds: nobody waits for longer than a beat, and all hubs' beats are one.
        let begun = crowd(1_000, 2);
        assert_eq!(begun.iter().map(|(_, count)| count).sum::<usize>(), 1_000);
        assert!(begun.len() as u64 <= 3 + 2_000 / BEAT_MILLIS, "{begun:?}");
        let beats = begun.iter().skip(1).rev().skip(1);
        assert!(
            beats
                .clone()
                .all(|(at, _)| (at + BEGAN).is_multiple_of(BEAT_MILLIS)),
            "{begun:?}"
        );
        assert!(beats.clone().count() >= 5);
    }

    #[test]
    fn who_comes_in_a_calm_is_read_for_at_once() {
        assert!(
            crowd(50, CALM_MILLIS)
                .iter()
                .all(|(at, _)| at % CALM_MILLIS == 0)
        );
        assert_eq!(crowd(50, CALM_MILLIS).len(), 50);
    }

    #[test]
    fn in_a_crowd_as_many_as_go_into_one_read_are_read_for_at_once() {
        let mut turns = turns(Pace::Crowds);
        turns.wait(0, all);
        assert_eq!(turns.next(0, all), Some(vec![0]));
        turns.done(true);
        (0..2 * BOUND as u32 + 1).for_each(|one| turns.wait(one, all));
        assert_eq!(turns.next(1, all).unwrap().len(), BOUND);
        assert_eq!(turns.next(1, all).unwrap().len(), BOUND);
        assert_eq!(turns.next(1, all), None, "one is left, and others may come");
    }

    #[test]
    fn who_left_is_not_read_for() {
        let mut turns = busy(100);
        turns.done(true);
        assert_eq!(turns.next(0, |one| *one >= 99), Some(vec![99]));
        let mut turns = busy(100);
        turns.done(true);
        assert_eq!(turns.next(0, |_| false), None);
        turns.wait(100, all);
        assert!(
            turns.next(0, all).is_some(),
            "no place was taken for nobody"
        );
    }

    #[test]
    fn what_fails_is_asked_for_in_halves_until_it_succeeds() {
        let mut turns = busy(10_000);
        let mut sizes = Vec::new();
        for well in [false, false, false, true, true, true, true] {
            turns.done(well);
            sizes.push(turns.next(0, all).unwrap().len());
        }
        assert_eq!(sizes, [128, 64, 32, 64, 128, 256, 256]);
        for _ in 0..20 {
            turns.done(false);
        }
        assert_eq!(turns.next(0, all).map(|together| together.len()), Some(1));
    }

    #[test]
    fn those_who_left_take_no_memory_for_long() {
        let mut turns = busy(0);
        for one in 0..100_000 {
            turns.wait(one, |waiting| waiting + 10 > one);
            assert!(turns.waiting.len() <= WAITING_MIN);
        }
    }
}

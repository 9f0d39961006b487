//! The workers as the story uses them: give an order to all, wait for what is to come, put together what they saw.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::cast::Cast;
use crate::check::Faults;
use crate::link::Link;
use crate::order::{Counts, Order, Outcome, Reply, Said, Setup, Talk};

/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// Questions about an agent's clock; the fastest answer counts.
const CLOCK_QUESTIONS: u32 = 32;

/// All workers.
pub(crate) struct Crew {
    base: Instant,
    links: Vec<Link>,
    /// Share of the writers of each.
    writers: Vec<f64>,
    /// How far an agent's clock may be off at most, nanoseconds.
    pub(crate) clock_error: u64,
}

impl Crew {
    /// Starts `threads` threads, or connects to `agents`, and gives each its part of `setup`.
    pub(crate) fn start(
        base: Instant,
        threads: u32,
        agents: &[String],
        setup: &Setup,
        cast: &Cast,
    ) -> Result<Crew, Failure> {
        let links: Result<Vec<Link>, Failure> = if agents.is_empty() {
            (0..threads).map(|_| Link::local(base)).collect()
        } else {
            agents.iter().map(|address| Link::remote(address)).collect()
        };
        let mut crew = Crew {
            base,
            links: links?,
            writers: Vec::new(),
            clock_error: 0,
        };
        let of = crew.links.len();
        let all = cast.writers().max(1) as f64;
        let clocks: Vec<i64> = (0..of)
            .map(|index| crew.clock(index))
            .collect::<Result<_, _>>()?;
        for (index, clock) in clocks.into_iter().enumerate() {
            let cast = cast.part(index, of);
            crew.writers.push(cast.writers() as f64 / all);
            crew.links[index].order(Order::Prepare(Box::new(Setup {
                cast,
                share: (index as u32, of as u32),
                clock,
                ..setup.clone()
            })))?;
        }
        crew.replies()?;
        Ok(crew)
    }

    /// What must be added to a worker's clock; the half of the fastest way there and back is its error.
    fn clock(&mut self, index: usize) -> Result<i64, Failure> {
        let link = &mut self.links[index];
        if !link.is_remote() {
            return Ok(0);
        }
        let (mut best, mut offset) = (u64::MAX, 0);
        for _ in 0..CLOCK_QUESTIONS {
            let asked = self.base.elapsed().as_nanos() as u64;
            link.order(Order::Clock)?;
            let Reply::Clock(theirs) = link.reply()? else {
                return Err(Failure("an agent does not say its clock".to_owned()));
            };
            let way = self.base.elapsed().as_nanos() as u64 - asked;
            if way < best {
                (best, offset) = (way, (asked + way / 2) as i64 - theirs as i64);
            }
        }
        self.clock_error = self.clock_error.max(best / 2);
        Ok(offset)
    }

    /// Nanoseconds of the run's clock.
    pub(crate) fn now(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }

    fn replies(&mut self) -> Result<Vec<Reply>, Failure> {
        self.links.iter_mut().map(Link::reply).collect()
    }

    /// One order to all.
    pub(crate) fn all(&mut self, order: &Order) -> Result<Vec<Reply>, Failure> {
        self.links
            .iter_mut()
            .try_for_each(|link| link.order(order.clone()))?;
        self.replies()
    }

    /// Lets all talk, at `rate` actions a second together.
    pub(crate) fn talk(
        &mut self,
        from: u64,
        measured: u64,
        until: u64,
        rate: f64,
    ) -> Result<(), Failure> {
        for (link, share) in self.links.iter_mut().zip(&self.writers) {
            let rate = rate * share;
            link.order(Order::Talk(Talk {
                from,
                measured,
                until,
                rate,
            }))?;
        }
        self.replies().map(drop)
    }

    /// How far all are together.
    pub(crate) fn counts(&mut self) -> Result<Counts, Failure> {
        let mut sum = Counts::default();
        for reply in self.all(&Order::Count)? {
            if let Reply::Counts(counts) = reply {
                sum.add(&counts);
            }
        }
        Ok(sum)
    }

    /// Waits until all is answered and delivered, or nothing has come for `patience`; what is missing then is lost.
    pub(crate) fn settle(&mut self, patience: Duration) -> Result<(Faults, Counts), Failure> {
        let mut before = self.counts()?;
        let (mut since, mut judged) = (Instant::now(), None);
        loop {
            std::thread::sleep(LOOK);
            let now = self.counts()?;
            let came = |counts: &Counts| {
                (
                    counts.delivered,
                    counts.acked,
                    counts.refused,
                    counts.answered,
                    counts.ready,
                )
            };
            if came(&now) != came(&before) {
                (before, since, judged) = (now, Instant::now(), None);
                continue;
            }
            // A look at everything is not cheap: once when it grows quiet, and once at the end.
            let is_over = since.elapsed() >= patience;
            if now.pending == 0 && judged.is_none() || is_over {
                let faults = self.judge()?;
                if faults.lost == 0 && now.pending == 0 || is_over {
                    return Ok((faults, now));
                }
                judged = Some(());
            }
        }
    }

    fn judge(&mut self) -> Result<Faults, Failure> {
        let mut said = Said::default();
        for reply in self.all(&Order::Said)? {
            if let Reply::Said(theirs) = reply {
                said.add(theirs);
            }
        }
        said.put_in_order();
        let mut faults = said.faults;
        for reply in self.all(&Order::Judge(Arc::new(said)))? {
            if let Reply::Faults(theirs) = reply {
                faults.add(theirs);
            }
        }
        Ok(faults)
    }

    /// What all measured together.
    pub(crate) fn outcome(&mut self) -> Result<Outcome, Failure> {
        let mut sum = Outcome::new();
        for reply in self.all(&Order::Outcome)? {
            if let Reply::Outcome(theirs) = reply {
                sum.add(*theirs);
            }
        }
        Ok(sum)
    }
}

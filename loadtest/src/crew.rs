//! The threads as the scenarios use them: give an order to all, wait for what is to come, put together what they saw.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{mpsc, oneshot};

use crate::Failure;
use crate::agent::{Acked, Agent, Counts, Order, Outcome, Pace, Run, Talk};
use crate::arguments::Arguments;
use crate::people::People;

/// When nothing has come for this long, what is missing is called lost.
const SETTLE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// All threads.
pub(crate) struct Crew {
    /// What they share.
    pub(crate) run: Arc<Run>,
    orders: Vec<mpsc::Sender<Order>>,
    threads: Vec<JoinHandle<()>>,
    pace: Pace,
}

impl Crew {
    /// Starts the threads.
    pub(crate) fn start(arguments: &Arguments, people: People) -> Result<Crew, Failure> {
        let target: SocketAddr = arguments.target;
        let run = Arc::new(Run {
            id: uuid::Uuid::new_v4().as_u128() as u32,
            start: Instant::now(),
            people,
            target,
            sources: arguments.sources,
            window: (AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)),
            counts: Counts::default(),
        });
        let agents = u64::from(arguments.agents);
        let per_agent = f64::from(arguments.connect_rate) / agents as f64;
        let between = if per_agent > 0.0 {
            Duration::from_secs_f64(1.0 / per_agent)
        } else {
            Duration::ZERO
        };
        let in_flight = (arguments.in_flight / arguments.agents).max(1) as usize;
        let mut crew = Crew {
            run,
            orders: Vec::new(),
            threads: Vec::new(),
            pace: Pace { between, in_flight },
        };
        for number in 0..agents {
            let (sender, receiver) = mpsc::channel(8);
            let run = crew.run.clone();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            crew.orders.push(sender);
            crew.threads.push(
                std::thread::Builder::new()
                    .name(format!("agent {number}"))
                    .spawn(move || {
                        let agent = Rc::new(Agent::new(run, (number, agents)));
                        tokio::task::LocalSet::new().block_on(&runtime, agent.work(receiver));
                    })?,
            );
        }
        Ok(crew)
    }

    /// How many threads.
    pub(crate) fn len(&self) -> usize {
        self.orders.len()
    }

    fn order(&self, order: impl Fn(usize) -> Order) -> Result<(), Failure> {
        for (number, orders) in self.orders.iter().enumerate() {
            orders
                .blocking_send(order(number))
                .map_err(|_| Failure("a thread of the generator ended".into()))?;
        }
        Ok(())
    }

    /// Connects these people; gives the seconds that it took until the last was ready.
    pub(crate) fn open(&self, people: &[u32]) -> Result<f64, Failure> {
        let started = Instant::now();
        self.order(|number| {
            let mine = people
                .iter()
                .copied()
                .skip(number)
                .step_by(self.len())
                .collect();
            Order::Open(mine, self.pace)
        })?;
        self.wait_ready(people.len() as u64, started)
    }

    /// Cuts all but each so-manieth.
    pub(crate) fn cut(&self, keep_every: usize) -> Result<(), Failure> {
        self.order(|_| Order::Cut { keep_every })
    }

    /// Lets those that were cut come back; gives the seconds until all of `total` were ready.
    pub(crate) fn reopen(&self, total: u64) -> Result<f64, Failure> {
        let started = Instant::now();
        self.order(|_| Order::Reopen(self.pace))?;
        self.wait_ready(total, started)
    }

    fn wait_ready(&self, total: u64, started: Instant) -> Result<f64, Failure> {
        let counts = &self.run.counts;
        let bar = progress(total, "connect");
        loop {
            let (ready, failed) = (counts.ready.load(Relaxed), counts.failed.load(Relaxed));
            bar.set_position(ready);
            if ready + failed >= total {
                bar.finish_and_clear();
                if failed > 0 {
                    return Err(Failure(format!(
                        "{failed} of {total} people could not connect: is it the right server, and are the tokens of its store and of today?"
                    )));
                }
                return Ok(started.elapsed().as_secs_f64());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets all threads talk, at `rate` messages a second together, from now on for `seconds`.
    pub(crate) fn talk(
        &self,
        room: Option<u32>,
        rate: f64,
        bytes: usize,
        seconds: Duration,
    ) -> Result<u64, Failure> {
        // A little ahead, so that no thread starts late.
        let from = self.run.now() + 20_000_000;
        let each = self.len() as f64 * 1e9 / rate;
        self.order(|number| {
            Order::Talk(Talk {
                room,
                between: each,
                bytes,
                from: from + (number as f64 * 1e9 / rate) as u64,
                until: from + seconds.as_nanos() as u64,
            })
        })?;
        Ok(from)
    }

    /// Sleeps until this time of the run's clock, with a bar.
    pub(crate) fn wait_until(&self, at: u64, what: &'static str) {
        let total = at.saturating_sub(self.run.now()) / 1_000_000;
        let bar = progress(total, what);
        let started = Instant::now();
        while self.run.now() < at {
            let left = Duration::from_nanos(at - self.run.now());
            std::thread::sleep(left.min(LOOK));
            bar.set_position(started.elapsed().as_millis() as u64);
        }
        bar.finish_and_clear();
    }

    /// Waits until all is answered and delivered, or nothing has come for 10 s; what is missing then is lost.
    pub(crate) fn settle(&self) -> Result<Sum, Failure> {
        let counts = &self.run.counts;
        let came =
            || [&counts.delivered, &counts.acked, &counts.refused].map(|count| count.load(Relaxed));
        let (mut before, mut since) = (came(), Instant::now());
        loop {
            let sum = self.sum()?;
            let now = came();
            if now != before {
                (before, since) = (now, Instant::now());
            }
            let is_whole = sum.outcome.unanswered == 0 && sum.outcome.faults.lost == 0;
            if is_whole || since.elapsed() >= SETTLE {
                return Ok(sum);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn sum(&self) -> Result<Sum, Failure> {
        let gone = |_| Failure("a thread of the generator ended".into());
        let mut acked: Vec<Acked> = Vec::new();
        for orders in &self.orders {
            let (reply, answer) = oneshot::channel();
            orders
                .blocking_send(Order::Acked(reply))
                .map_err(|_| Failure("a thread of the generator ended".into()))?;
            acked.extend(answer.blocking_recv().map_err(gone)?);
        }
        let mut heads = vec![0; self.run.people.rooms.len()];
        for one in &acked {
            let head = &mut heads[one.room as usize];
            *head = one.seq.max(*head);
        }
        let heads = Arc::new(heads);
        let mut sum: Option<Outcome> = None;
        for orders in &self.orders {
            let (reply, answer) = oneshot::channel();
            orders
                .blocking_send(Order::Outcome(heads.clone(), reply))
                .map_err(|_| Failure("a thread of the generator ended".into()))?;
            let outcome = answer.blocking_recv().map_err(gone)?;
            match &mut sum {
                None => sum = Some(outcome),
                Some(sum) => join(sum, outcome)?,
            }
        }
        let mut outcome = sum.ok_or_else(|| Failure("no thread".into()))?;
        compare(&acked, &mut outcome);
        Ok(Sum {
            acked: acked.len() as u64,
            outcome,
        })
    }

    /// Ends the threads and their connections.
    pub(crate) fn stop(self) {
        drop(self.orders);
        for thread in self.threads {
            // Whatever it panicked about has been printed by the panic itself.
            drop(thread.join());
        }
    }
}

/// What all threads saw together.
pub(crate) struct Sum {
    /// Acknowledged sends.
    pub(crate) acked: u64,
    /// The rest.
    pub(crate) outcome: Outcome,
}

fn join(sum: &mut Outcome, other: Outcome) -> Result<(), Failure> {
    sum.latency.add(other.latency)?;
    sum.commit.add(other.commit)?;
    sum.late.add(other.late)?;
    sum.faults.add(other.faults);
    sum.unanswered += other.unanswered;
    for (code, count) in other.refused {
        *sum.refused.entry(code).or_insert(0) += count;
    }
    for (place, number) in other.seen {
        // Two receivers that heard different messages at one place.
        if sum
            .seen
            .insert(place, number)
            .is_some_and(|before| before != number)
        {
            sum.faults.reordered += 1;
        }
    }
    Ok(())
}

/// What was acknowledged at a place must be what was received there, and no message stands at two places.
fn compare(acked: &[Acked], outcome: &mut Outcome) {
    let mut places: HashMap<u64, (u32, u64)> = HashMap::new();
    for (place, number) in &outcome.seen {
        if places.insert(*number, *place).is_some() {
            outcome.faults.doubled += 1;
        }
    }
    let mut taken: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    for one in acked {
        if taken.insert((one.room, one.seq), one.number).is_some() {
            outcome.faults.doubled += 1;
        }
        let seen = outcome.seen.get(&(one.room, one.seq));
        if seen.is_some_and(|number| *number != one.number) {
            outcome.faults.lost += 1;
        }
    }
}

/// A bar on the terminal; nothing when there is none.
fn progress(total: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what);
    match ProgressStyle::with_template("{msg:8} {wide_bar} {human_pos}/{human_len} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::histogram;
    use crate::check::Faults;

    fn outcome(seen: &[((u32, u64), u64)]) -> Outcome {
        Outcome {
            latency: histogram(),
            commit: histogram(),
            late: histogram(),
            faults: Faults::default(),
            seen: seen.iter().copied().collect(),
            unanswered: 0,
            refused: BTreeMap::new(),
        }
    }

    #[test]
    fn another_message_at_an_acknowledged_place_is_a_loss() {
        let acked = [Acked {
            room: 0,
            seq: 5,
            number: 1,
        }];
        let mut right = outcome(&[((0, 5), 1)]);
        compare(&acked, &mut right);
        assert!(right.faults.is_none());
        let mut wrong = outcome(&[((0, 5), 2)]);
        compare(&acked, &mut wrong);
        assert_eq!(wrong.faults.lost, 1);
    }

    #[test]
    fn a_message_at_two_places_is_doubled() {
        let mut twice = outcome(&[((0, 5), 1), ((0, 6), 1)]);
        compare(&[], &mut twice);
        assert_eq!(twice.faults.doubled, 1);
    }

    #[test]
    fn two_sends_acknowledged_at_one_place_are_doubled() {
        let acked = [
            Acked {
                room: 0,
                seq: 5,
                number: 1,
            },
            Acked {
                room: 0,
                seq: 5,
                number: 2,
            },
        ];
        let mut sum = outcome(&[]);
        compare(&acked, &mut sum);
        assert_eq!(sum.faults.doubled, 1);
    }
}

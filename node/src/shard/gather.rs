//! What several shards of a node ask a server at the same moment goes in one read.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// Fewer are nobody's crowd, and are read for at once.
const CROWD_MIN: usize = 8;
/// So long the first shard waits for the others, whose hubs read for crowds on the same beat.
const MOMENT: Duration = Duration::from_millis(5);
/// So many are read for together, whoever asked.
const TOGETHER_MAX: usize = 1_024;

/// Gathers questions of one kind, of all shards.
#[derive(Debug)]
pub(crate) struct Gather<Q, A> {
    joins: bool,
    waiting: Mutex<Vec<Waiting<Q, A>>>,
}

#[derive(Debug)]
struct Waiting<Q, A> {
    asked: Vec<Q>,
    answer: oneshot::Sender<Vec<A>>,
}

impl<Q, A> Gather<Q, A> {
    /// Nobody asks yet. A store of the node's own has no use for it (`joins`): its shards read side by side.
    pub(crate) fn new(joins: bool) -> Self {
        let waiting = Mutex::default();
        Self { joins, waiting }
    }

    /// The answer to each question, in their order; `read` must give as many as it is asked for. Nothing when the shard that
    /// asked for all is gone.
    pub(super) async fn ask(
        &self,
        asked: Vec<Q>,
        read: impl AsyncFnOnce(Vec<Q>) -> Vec<A>,
    ) -> Option<Vec<A>> {
        if !self.joins || asked.len() < CROWD_MIN {
            return Some(read(asked).await);
        }
        let (answer, answered) = oneshot::channel();
        match self.join(Waiting { asked, answer }) {
            Place::Follows => {}
            Place::Leads(lead) => {
                tokio::time::sleep(MOMENT).await;
                read_for(lead.everybody(), read).await;
            }
            Place::None(alone) => read_for(vec![alone], read).await,
        }
        answered.await.ok()
    }

    fn join(&self, one: Waiting<Q, A>) -> Place<'_, Q, A> {
        let mut waiting = self.lock();
        let many: usize = waiting.iter().map(|one| one.asked.len()).sum();
        if many + one.asked.len() > TOGETHER_MAX {
            return Place::None(one);
        }
        waiting.push(one);
        if waiting.len() == 1 {
            Place::Leads(Lead {
                of: self,
                asks: false,
            })
        } else {
            Place::Follows
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting<Q, A>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks in the name of whom.
enum Place<'a, Q, A> {
    /// For all who come within a moment.
    Leads(Lead<'a, Q, A>),
    /// Somebody else does.
    Follows,
    /// Too many are there already: for nobody else.
    None(Waiting<Q, A>),
}

/// Who asks for all. When its shard ends before it could, those who wait are let go, and the next one leads.
struct Lead<'a, Q, A> {
    of: &'a Gather<Q, A>,
    asks: bool,
}

impl<Q, A> Lead<'_, Q, A> {
    fn everybody(mut self) -> Vec<Waiting<Q, A>> {
        self.asks = true;
        std::mem::take(&mut *self.of.lock())
    }
}

impl<Q, A> Drop for Lead<'_, Q, A> {
    fn drop(&mut self) {
        if !self.asks {
            self.of.lock().clear();
        }
    }
}

async fn read_for<Q, A>(waiting: Vec<Waiting<Q, A>>, read: impl AsyncFnOnce(Vec<Q>) -> Vec<A>) {
    let (mut all, mut whose) = (Vec::new(), Vec::with_capacity(waiting.len()));
    for mut one in waiting {
        whose.push((one.asked.len(), one.answer));
        all.append(&mut one.asked);
    }
    let mut answers = read(all).await.into_iter();
    for (many, answer) in whose {
        // Who does not listen any more is a shard that ends.
        drop(answer.send(answers.by_ref().take(many).collect()));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Reads for each of these at once. Returns what each was answered, and how many each read was for.
    async fn all_at_once(sizes: &[usize]) -> (Vec<Vec<usize>>, Vec<usize>) {
        let (gather, reads) = (Gather::<usize, usize>::new(true), RefCell::new(Vec::new()));
        let asks = sizes.iter().enumerate().map(|(at, size)| {
            gather.ask(
                (0..*size).map(|n| at * 1_000 + n).collect(),
                async |all: Vec<usize>| {
                    reads.borrow_mut().push(all.len());
                    tokio::time::sleep(MOMENT).await;
                    all
                },
            )
        });
        let answers = futures_util::future::join_all(asks).await;
        let answers = answers.into_iter().flatten().collect();
        (answers, reads.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn crowds_of_one_moment_are_one_read_and_each_has_its_own_answers() {
        let (answers, reads) = all_at_once(&[8, 100, 20]).await;
        assert_eq!(reads, [128]);
        for (at, (answer, size)) in answers.iter().zip([8, 100, 20]).enumerate() {
            assert_eq!(
                *answer,
                (0..size).map(|n| at * 1_000 + n).collect::<Vec<_>>()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_wait_for_nobody() {
        let (answers, reads) = all_at_once(&[1, 7, 50]).await;
        assert_eq!((answers.len(), reads), (3, vec![1, 7, 50]));
    }

    #[tokio::test(start_paused = true)]
    async fn no_read_is_for_more_than_the_bound() {
        let (answers, reads) = all_at_once(&[512, 512, 512]).await;
        assert_eq!(answers.iter().map(Vec::len).sum::<usize>(), 1_536);
        assert_eq!(reads.iter().max(), Some(&TOGETHER_MAX));
        assert_eq!(reads.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_crowd_is_read_for_while_one_is_read() {
        let gather = Gather::<usize, usize>::new(true);
        let slow = gather.ask(vec![0; 10], async |all: Vec<usize>| {
            tokio::time::sleep(100 * MOMENT).await;
            all
        });
        let quick = async {
            tokio::time::sleep(10 * MOMENT).await;
            let begun = tokio::time::Instant::now();
            let answer = gather.ask(vec![1; 10], async |all: Vec<usize>| all).await;
            (answer, begun.elapsed())
        };
        let (slow, (quick, took)) = tokio::join!(slow, quick);
        assert_eq!((slow, quick), (Some(vec![0; 10]), Some(vec![1; 10])));
        assert!(took < 2 * MOMENT, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_ends_lets_the_others_go_and_the_next_one_leads() {
        let gather = Gather::<usize, usize>::new(true);
        let read = async |all: Vec<usize>| all;
        let leads = gather.ask(vec![0; 10], read);
        let follows = gather.ask(vec![1; 10], read);
        let ends = tokio::time::timeout(MOMENT / 2, leads);
        let (ended, let_go) = tokio::join!(ends, follows);
        assert!(ended.is_err());
        assert_eq!(let_go, None);
        assert_eq!(gather.ask(vec![2; 10], read).await, Some(vec![2; 10]));
    }
}

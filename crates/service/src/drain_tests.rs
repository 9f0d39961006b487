//! Tests of the orderly end, on a paused clock.

use super::*;

const PATIENCE: Patience = Patience {
    grace: Duration::from_secs(5),
    deadline: Duration::from_secs(20),
};

#[tokio::test(start_paused = true)]
async fn a_process_turns_unready_at_once_and_accepts_until_the_grace_is_over() {
    let drain = Drain::new();
    let accepting = drain.spawn("accept", {
        let leaving = drain.leaving();
        async move {
            leaving.await;
            Instant::now()
        }
    });
    let before = Instant::now();
    drain.leave("a test");
    assert_eq!(drain.phase(), Phase::Leaving);
    assert!(!drain.leaving_token().is_cancelled());
    assert!(drain.stop(PATIENCE).await.is_clean());
    assert_eq!(accepting.await.expect("ended") - before, PATIENCE.grace);
    assert_eq!(drain.phase(), Phase::Stopped);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_it_and_names_what_was_left() {
    let drain = Drain::new();
    drain.spawn("stuck upload", std::future::pending::<()>());
    drain.spawn("stuck upload", std::future::pending::<()>());
    let shard = drain.guard("shard");
    drain.leave("a test");
    let farewell = drain.stop(PATIENCE).await;
    assert_eq!(farewell.left, [("shard", 1), ("stuck upload", 2)]);
    assert_eq!(farewell.to_string(), "left: 1 shard, 2 stuck upload");
    drop(shard);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_guard_lets_the_process_go() {
    let drain = Drain::new();
    let shard = drain.guard("shard");
    let stopping = drain.spawn_stop();
    drain.leave("a test");
    drain.leaving().await;
    assert!(!stopping.is_finished());
    drop(shard);
    assert!(stopping.await.expect("stopped").is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_does_not_hold_the_process() {
    let drain = Drain::new();
    let broken = drain.spawn("broken", async { panic!("on purpose") });
    assert!(broken.await.is_err());
    drain.leave("a test");
    assert!(drain.stop(PATIENCE).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn background_work_runs_to_the_last_and_is_not_waited_for() {
    let drain = Drain::new();
    let (alive, mut ended) = watch::channel(());
    drain.spawn_background("admin", async move {
        std::future::pending::<()>().await;
        drop(alive);
    });
    drain.leave("a test");
    assert!(drain.stop(PATIENCE).await.is_clean());
    assert!(ended.changed().await.is_err(), "dropped after the stop");
}

#[tokio::test(start_paused = true)]
async fn leaving_twice_is_leaving_once() {
    let drain = Drain::new();
    drain.leave("first");
    drain.leave("second");
    assert!(drain.stop(PATIENCE).await.is_clean());
    drain.leave("third");
    assert_eq!(drain.phase(), Phase::Stopped);
}

impl Drain {
    /// Stops without being tracked by itself.
    fn spawn_stop(&self) -> JoinHandle<Farewell> {
        let drain = self.clone();
        #[allow(
            clippy::disallowed_methods,
            reason = "a tracked task would wait for itself"
        )]
        tokio::spawn(async move { drain.stop(PATIENCE).await })
    }
}

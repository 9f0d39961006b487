//! Waking at a time to some 60 µs. The runtime's own timers count in whole milliseconds and round up: at a median of
//! two milliseconds half of what is measured would be ours.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use tokio::sync::mpsc;

/// A thread that sleeps for somebody else. It ends with its owner.
pub(crate) struct Metronome {
    wanted: SyncSender<Instant>,
    ticks: mpsc::Receiver<()>,
}

impl Metronome {
    /// Starts the thread; `None` when the system has no more.
    pub(crate) fn start() -> Option<Metronome> {
        let (wanted, times) = sync_channel::<Instant>(1);
        let (ring, ticks) = mpsc::channel(1);
        let sleeper = move || {
            while let Ok(at) = times.recv() {
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                if ring.blocking_send(()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("metronome".to_owned())
            .spawn(sleeper)
            .ok()?;
        Some(Metronome { wanted, ticks })
    }

    /// Sleeps until `at`. Not cancel-safe: the tick of a wait that was given up would end the next one.
    pub(crate) async fn until(&mut self, at: Instant) {
        // One wish at a time: there is always room for it, and the thread lives as long as we do.
        if self.wanted.try_send(at).is_ok() {
            self.ticks.recv().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nobody_is_woken_before_the_time() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut metronome = Metronome::start().unwrap();
            for millis in [3, 0, 2] {
                let at = Instant::now() + Duration::from_millis(millis);
                metronome.until(at).await;
                assert!(Instant::now() >= at);
            }
        });
    }
}

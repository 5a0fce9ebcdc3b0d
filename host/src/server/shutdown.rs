//! The drain: tell every task that the host stops, and know when the last one has ended.
//!
//! By ownership alone: dropping the one [`Drain`] tells, dropping the last [`Guard`] is the end. A task that holds a
//! guard is waited for; there is no count to keep and no task to register.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Held by the one who stops the host.
#[derive(Debug)]
pub struct Drain {
    tell: watch::Sender<()>,
    last_guard: mpsc::Receiver<Infallible>,
}

/// Held by everything that is to be told and waited for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard {
    told: watch::Receiver<()>,
    _alive: mpsc::Sender<Infallible>,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every guard was dropped.
    All,
    /// The grace period was over before.
    GraceOver,
}

/// A drain and its first guard.
#[must_use]
pub fn drain() -> (Drain, Guard) {
    let (tell, told) = watch::channel(());
    let (alive, last_guard) = mpsc::channel(1);
    (Drain { tell, last_guard }, Guard { told, _alive: alive })
}

impl Drain {
    /// Tell all guards, and wait until they are dropped, at most for `grace`.
    pub async fn finish(self, grace: Duration) -> Drained {
        let Self { tell, mut last_guard } = self;
        drop(tell);
        match timeout(grace, last_guard.recv()).await {
            Ok(_) => Drained::All,
            Err(_) => Drained::GraceOver,
        }
    }
}

impl Guard {
    /// Completes when the host drains; at once when it already does. Owns what it needs, so it can be pinned beside the
    /// guard, and does not count as a guard itself.
    pub fn told(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut told = self.told.clone();
        async move { while told.changed().await.is_ok() {} }
    }

    /// Whether the host drains.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.told.has_changed().is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tells_all_and_waits_for_the_last() {
        let (drain, guard) = drain();
        assert!(!guard.is_draining());
        let tasks: Vec<_> = (0..3)
            .map(|seconds| {
                let guard = guard.clone();
                tokio::spawn(async move {
                    guard.told().await;
                    assert!(guard.is_draining());
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                })
            })
            .collect();
        drop(guard);
        let begin = tokio::time::Instant::now();
        assert_eq!(drain.finish(Duration::from_secs(10)).await, Drained::All);
        assert_eq!(begin.elapsed().as_secs(), 2);
        for task in tasks {
            task.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_stays_is_not_waited_for_longer_than_the_grace() {
        let (drain, guard) = drain();
        let begin = tokio::time::Instant::now();
        assert_eq!(drain.finish(Duration::from_secs(10)).await, Drained::GraceOver);
        assert_eq!(begin.elapsed().as_secs(), 10);
        guard.told().await;
    }

    #[tokio::test]
    async fn without_a_guard_there_is_nothing_to_wait_for() {
        let (drain, guard) = drain();
        let told = guard.told();
        drop(guard);
        assert_eq!(drain.finish(Duration::MAX).await, Drained::All);
        told.await;
    }
}

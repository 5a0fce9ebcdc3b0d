//! The turns of one connection's guest on the worker threads.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::yield_now;

use super::Share;
use super::purse::nanos;

/// A guest that occupies a thread for longer than this without a pause is busy.
const BUSY: Duration = Duration::from_micros(250);
/// For so long a guest that was busy is taken to be busy.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The turns of one connection's guest. A turn ends when the connection waits for something, or at an epoch tick.
#[derive(Debug)]
pub struct Turns {
    share: Arc<Share>,
    /// On the clock of [`super::Workers`].
    busy_until: AtomicU64,
    /// Held by one that waited, to the end of its turn.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Turns {
    /// The turns of a new connection.
    pub fn new(share: &Arc<Share>) -> Arc<Self> {
        Arc::new(Turns { share: share.clone(), busy_until: AtomicU64::new(0), place: Mutex::new(None) })
    }

    /// Whether the guest's next call has to [`wait`](Turns::wait) first: it was busy lately, or the share is used up.
    pub fn must_wait(&self, now: Instant) -> bool {
        self.busy_until.load(Ordering::Relaxed) > self.share.workers.clock(now) || self.share.is_used_up(now)
    }

    /// Wait for a turn, behind those of the same deployment that came earlier.
    pub async fn wait(&self) {
        if self.lock().is_some() {
            return;
        }
        let place = self.share.place().await;
        self.share.settle().await;
        let_others_run().await;
        *self.lock() = place;
    }

    /// The end of a turn in the middle of a call: wait for the next.
    pub async fn next(&self) {
        drop(self.lock().take());
        self.wait().await;
    }

    /// The guest occupied a thread from `began` to `now`, and the connection pauses.
    pub fn ran(&self, began: Instant, now: Instant) {
        let ran = now.saturating_duration_since(began);
        self.share.charge(now, ran);
        if ran > BUSY {
            let until = self.share.workers.clock(now) + nanos(REMEMBERED);
            self.busy_until.store(until, Ordering::Relaxed);
        }
        drop(self.lock().take());
    }

    /// Wait if need be, then do `work` and charge it.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        if self.must_wait(Instant::now()) {
            self.wait().await;
        }
        let mut work = pin!(work);
        poll_fn(|context| {
            let began = Instant::now();
            let polled = work.as_mut().poll(context);
            self.ran(began, Instant::now());
            polled
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everybody else who is ready runs first. tokio's worker looks after its sockets when it has run all that was ready, and
/// only then wakes who yielded, to run before what it found there: that is run by yielding once more.
async fn let_others_run() {
    yield_now().await;
    yield_now().await;
}

//! The turns of one instance on the worker threads.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::yield_now;

use super::Share;
use super::purse::{Cap, Nanos, RECOVERY, nanos};

/// A guest whose turns take longer than this on average is busy.
const BUSY: Nanos = 500_000;
/// What one turn is of the average.
const PART: u64 = 16;
/// A turn counts as no longer than this: one or two that a loaded machine interrupted make nobody busy.
const LONGEST: Nanos = PART * BUSY / 2;
/// For so long after one was busy, new connections of the deployment are taken to be busy.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The turns of one instance, or of a connection that has none. A turn ends when its task waits for something, or at an
/// epoch tick.
#[derive(Debug)]
pub struct Turns {
    share: Arc<Share>,
    /// None: the instance may occupy a whole worker thread.
    cap: Option<Cap>,
    /// How long turns take, in nanoseconds.
    mean: AtomicU64,
    /// Held by one that waited, to the end of its turn.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Turns {
    /// The turns of a new connection. It is taken to be as busy as others of its deployment were lately: one that traps
    /// has no second event.
    pub fn new(share: &Arc<Share>) -> Arc<Self> {
        let is_busy = share.busy_until.load(Ordering::Relaxed) > share.workers.clock(Instant::now());
        let mean = AtomicU64::new(if is_busy { 2 * BUSY } else { 0 });
        Arc::new(Turns { share: share.clone(), cap: None, mean, place: Mutex::new(None) })
    }

    /// The turns of an instance that serves several connections: it may occupy this part of one worker thread.
    pub fn capped(share: &Arc<Share>, percent: u64) -> Arc<Self> {
        let cap = Cap::new(percent);
        Arc::new(Turns { share: share.clone(), cap, mean: AtomicU64::new(0), place: Mutex::new(None) })
    }

    /// Whether the guest's next call has to [`wait`](Turns::wait) first: it is busy, or the share is used up.
    pub fn must_wait(&self, now: Instant) -> bool {
        self.mean.load(Ordering::Relaxed) > BUSY || self.cap_debt(now).is_some() || self.share.is_used_up(now)
    }

    fn cap_debt(&self, now: Instant) -> Option<Duration> {
        let debt = self.cap.as_ref()?.owes(self.share.workers.clock(now))?;
        Some(Duration::from_nanos(debt + RECOVERY))
    }

    /// Wait for a turn, behind those of the same deployment that came earlier.
    pub async fn wait(&self) {
        if self.lock().is_some() {
            return;
        }
        self.settle_cap().await;
        let place = self.share.place().await;
        self.share.settle().await;
        let_others_run().await;
        *self.lock() = place;
    }

    /// Wait until the instance's part of a worker thread has paid for what it executed.
    async fn settle_cap(&self) {
        let began = Instant::now();
        let Some((cap, mut debt)) = self.cap.as_ref().zip(self.cap_debt(began)) else { return };
        loop {
            tokio::time::sleep(debt).await;
            match self.cap_debt(Instant::now()) {
                Some(more) => debt = more,
                None => break,
            }
        }
        let value = format_args!("an instance waited for {}ms", began.elapsed().as_millis());
        let allowed = format_args!("{}% of a worker thread", cap.percent());
        self.share.hits.report("limits.instance_share", None, value, allowed);
    }

    /// The end of a turn in the middle of a call: wait for the next.
    pub async fn next(&self) {
        drop(self.lock().take());
        self.wait().await;
    }

    /// The guest occupied a thread from `began` to `now`, and its task pauses.
    pub fn ran(&self, began: Instant, now: Instant) {
        let ran = now.saturating_duration_since(began);
        self.share.charge(now, ran);
        if let Some(cap) = &self.cap {
            cap.charge(self.share.workers.clock(now), nanos(ran));
        }
        // Only one task does this.
        let mean = mean(self.mean.load(Ordering::Relaxed), nanos(ran));
        self.mean.store(mean, Ordering::Relaxed);
        if mean > BUSY {
            let until = self.share.workers.clock(now) + nanos(REMEMBERED);
            self.share.busy_until.store(until, Ordering::Relaxed);
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

/// The mean with one more turn.
fn mean(mean: Nanos, ran: Nanos) -> Nanos {
    mean - mean / PART + ran.min(LONGEST) / PART
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Nanos = 1_000_000;

    #[test]
    fn a_guest_is_busy_when_its_turns_are_long() {
        let after = |turns: &[Nanos]| turns.iter().copied().fold(0, mean);
        assert!(after(&[8 * MILLISECOND; 3]) > BUSY);
        assert!(after(&[MILLISECOND; 100]) > BUSY);
        assert!(after(&[20_000; 1000]) <= BUSY);
        // What the machine interrupted now and then is not.
        let interrupted = [[20_000; 100].as_slice(), &[30 * MILLISECOND; 1]].concat().repeat(5);
        assert!(after(&interrupted) <= BUSY);
        // Some short events between the long ones hide nothing.
        let hidden = [[20_000; 5].as_slice(), &[8 * MILLISECOND]].concat().repeat(20);
        assert!(after(&hidden) > BUSY);
    }
}

//! How long an event has executed: its budget counts the processor's time, not time spent waiting or descheduled.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::limits::EPOCH_TICK;

/// Measures the execution of one instance's running event. Reading a thread's clock costs more than a short call of a
/// guest, so it is read only at epoch ticks: an event that ends within its first tick never reads it.
#[derive(Debug, Default)]
pub(super) struct EventClock {
    running: Mutex<Running>,
}

/// A limit by its key in the manifest.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) key: &'static str,
    pub(super) time: Duration,
}

#[derive(Debug, Default)]
struct Running {
    budget: Budget,
    spent: Duration,
    /// The thread's processor time when the guest was last resumed; none before the first tick.
    resumed: Option<Duration>,
    /// Spent waiting for turns, and not taken yet.
    waited: Duration,
    /// Since when the guest waits for its turn.
    waits_since: Option<Instant>,
}

impl EventClock {
    /// A new event starts with this budget.
    pub(super) fn start(&self, budget: Budget) {
        *self.lock() = Running { budget, ..Running::default() };
    }

    /// The guest's future is polled again after it yielded or waited.
    pub(super) fn resume(&self) {
        self.lock().resumed = Some(thread_time());
    }

    /// An epoch tick passed while the guest ran; false when the budget is spent. The caller yields afterwards.
    pub(super) fn tick(&self) -> bool {
        let mut running = self.lock();
        let ran = match running.resumed.take() {
            Some(resumed) => thread_time().saturating_sub(resumed),
            // The first tick of an event comes at most one tick after its start.
            None => EPOCH_TICK,
        };
        running.spent += ran;
        running.spent < running.budget.time
    }

    /// The guest waits for its turn from now on.
    pub(super) fn wait(&self) {
        self.lock().waits_since = Some(Instant::now());
    }

    /// The guest has its turn.
    pub(super) fn go_on(&self) {
        let mut running = self.lock();
        if let Some(since) = running.waits_since.take() {
            running.waited += since.elapsed();
        }
    }

    /// How long the event has waited for its turns until now, beyond what was taken before.
    pub(super) fn take_waited(&self) -> Duration {
        let mut running = self.lock();
        let now = Instant::now();
        let waiting = running.waits_since.as_mut().map(|since| now - std::mem::replace(since, now));
        std::mem::take(&mut running.waited) + waiting.unwrap_or_default()
    }

    /// A function of the host has worked long for the guest: that is charged as the guest's own execution; false when the
    /// budget is spent. The caller yields afterwards.
    pub(super) fn charge(&self) -> bool {
        let mut running = self.lock();
        let now = thread_time();
        let resumed = running.resumed.replace(now).unwrap_or(now);
        running.spent += now.saturating_sub(resumed);
        running.spent < running.budget.time
    }

    /// The budget of the running event.
    pub(super) fn budget(&self) -> Budget {
        self.lock().budget
    }

    /// What the event has executed so far, to the last tick.
    pub(super) fn spent(&self) -> Duration {
        self.lock().spent
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Processor time of the current thread, for measuring from one `resume` to the next tick on the same thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

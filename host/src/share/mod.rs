//! A deployment's part of the host's worker threads (`limits.execution_share`): what its guests execute is charged to
//! it, and while others want the threads too, one that has used more than its part waits.
//!
//! Alone, a deployment gets everything. Only its busy guests then queue up in one line, of which as many run as there
//! are worker threads: whoever comes next finds few of them in front of it, however many there are.

mod purse;
mod turns;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use metrics::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::hits::Hits;
use crate::metrics::DeploymentMetrics;
pub use purse::Rate;
use purse::{Nanos, RECOVERY, nanos};
pub use turns::Turns;

/// For so long after it has executed, a deployment is said to want the worker threads.
const CONTENDED: Nanos = 200 * 1_000_000;

/// The worker threads of a host, and when each deployment last executed on them.
#[derive(Debug)]
pub struct Workers {
    count: usize,
    began: Instant,
    executed_at: ArcSwap<Vec<Arc<AtomicU64>>>,
}

impl Workers {
    /// So many worker threads, at least one.
    pub fn new(count: usize) -> Arc<Self> {
        Arc::new(Workers { count: count.max(1), began: Instant::now(), executed_at: ArcSwap::default() })
    }

    /// The time since the host began. Never 0: that stands for never.
    fn clock(&self, at: Instant) -> Nanos {
        nanos(at.saturating_duration_since(self.began)).max(1)
    }

    /// One more deployment; those that were refused or are gone have nobody left who executes.
    fn register(&self) -> Arc<AtomicU64> {
        let new = Arc::new(AtomicU64::new(0));
        self.executed_at.rcu(|all| {
            let live = all.iter().filter(|at| Arc::strong_count(at) > 1);
            live.chain([&new]).cloned().collect::<Vec<_>>()
        });
        new
    }
}

/// What one deployment gets of the worker threads.
pub struct Share {
    workers: Arc<Workers>,
    percent: AtomicU64,
    /// See [`purse`].
    paid_until: AtomicU64,
    /// Those that wait until the debts are paid. While there are any, nobody goes past them.
    debtors: AtomicUsize,
    executed_at: Arc<AtomicU64>,
    /// Until when new connections are taken to be busy.
    busy_until: AtomicU64,
    executed: AtomicU64,
    line: Arc<Semaphore>,
    metrics_executed: Counter,
    metrics_waits: Counter,
    hits: Arc<Hits>,
}

impl fmt::Debug for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Share").field("percent", &self.percent).finish_non_exhaustive()
    }
}

impl Share {
    /// The share of a new deployment: everything, until [`Share::set`] says otherwise.
    pub fn new(workers: &Arc<Workers>, metrics: &DeploymentMetrics, hits: &Arc<Hits>) -> Self {
        Share {
            workers: workers.clone(),
            percent: AtomicU64::new(100),
            paid_until: AtomicU64::new(0),
            debtors: AtomicUsize::new(0),
            executed_at: workers.register(),
            busy_until: AtomicU64::new(0),
            executed: AtomicU64::new(0),
            line: Arc::new(Semaphore::new(workers.count)),
            metrics_executed: metrics.executed.clone(),
            metrics_waits: metrics.share_waits.clone(),
            hits: hits.clone(),
        }
    }

    /// From now on the deployment gets this part of the worker threads while others want them too.
    pub fn set(&self, percent: u64) {
        self.percent.store(percent, Ordering::Relaxed);
    }

    fn rate(&self) -> Rate {
        Rate { percent: self.percent.load(Ordering::Relaxed), workers: self.workers.count }
    }

    /// A guest has occupied a worker thread for `ran`, until `now`.
    fn charge(&self, now: Instant, ran: Duration) {
        let (now, rate) = (self.workers.clock(now), self.rate());
        let charged = |paid_until| Some(purse::charge(paid_until, now, nanos(ran), rate));
        let _ = self.paid_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charged);
        self.executed_at.store(now, Ordering::Relaxed);
        let executed = self.executed.fetch_add(nanos(ran), Ordering::Relaxed) + nanos(ran);
        self.metrics_executed.absolute(executed / 1000);
    }

    /// Whether the deployment has used more than its part, or somebody still waits for that, while others want theirs.
    fn is_used_up(&self, now: Instant) -> bool {
        let now = self.workers.clock(now);
        let is_short = purse::owes(self.paid_until.load(Ordering::Relaxed), now).is_some()
            || self.debtors.load(Ordering::Relaxed) > 0;
        is_short && self.is_contended(now)
    }

    /// Whether another deployment wants the worker threads too.
    fn is_contended(&self, now: Nanos) -> bool {
        self.workers.executed_at.load().iter().any(|other| {
            let at = other.load(Ordering::Relaxed);
            at != 0 && at + CONTENDED > now && !Arc::ptr_eq(other, &self.executed_at)
        })
    }

    /// A place among those of the deployment that may run at once: first come, first served.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let now = self.workers.clock(Instant::now());
        let weight = if self.is_contended(now) { self.rate().weight() } else { 1 };
        // Nobody closes the line.
        self.line.clone().acquire_many_owned(weight).await.ok()
    }

    /// Wait until the debts are paid, or nobody else wants the worker threads any more.
    async fn settle(&self) {
        let began = Instant::now();
        let Some(mut debt) = self.debt(began) else { return };
        let waiting = Waiting::begin(&self.debtors);
        loop {
            tokio::time::sleep(debt).await;
            match self.debt(Instant::now()) {
                Some(more) => debt = more,
                None => break,
            }
        }
        drop(waiting);
        self.metrics_waits.increment(1);
        let (waited, rate) = (began.elapsed().as_millis(), self.rate());
        let value = format_args!("a call waited for {waited}ms, as other deployments want to run too");
        let workers = rate.workers;
        let allowed =
            format_args!("{}% of {workers} worker thread{}", rate.percent, if workers == 1 { "" } else { "s" });
        self.hits.report("limits.execution_share", None, value, allowed);
    }

    /// How long to wait now.
    fn debt(&self, now: Instant) -> Option<Duration> {
        let now = self.workers.clock(now);
        let debt = purse::owes(self.paid_until.load(Ordering::Relaxed), now)?;
        self.is_contended(now).then(|| Duration::from_nanos(debt + RECOVERY))
    }
}

/// Counts one who waits, to its end.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

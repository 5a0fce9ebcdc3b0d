//! What a deployment has used of its share, as one number: the time until which its share pays for what it has executed.
//! Ahead of now it is in debt; it never lies far behind, nor far ahead.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Nanoseconds since the host began.
pub(super) type Nanos = u64;

const MILLISECOND: Nanos = 1_000_000;
/// The most that is saved up: so much may be executed at once by one that was quiet.
const CREDIT: Nanos = 20 * MILLISECOND;
/// The most that is owed: who had everything while it was alone does not wait long when others come.
const DEBT: Nanos = 100 * MILLISECOND;
/// What one that waits saves up before it goes on; or else short events would each wait for a timer, whose steps are a
/// millisecond.
pub(super) const RECOVERY: Nanos = 5 * MILLISECOND;

/// How much a deployment may execute per time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Part of the worker threads, in percent.
    pub percent: u64,
    /// The worker threads.
    pub workers: usize,
}

impl Rate {
    /// The time in which `ran` may be executed.
    fn time_for(self, ran: Nanos) -> Nanos {
        let parts = self.percent.max(1).saturating_mul(self.workers as u64).max(1);
        ran.saturating_mul(100) / parts
    }

    /// What one of those that run at once takes of a line with a place per worker thread, so that no more run than the
    /// share has worker threads, rounded up. The rest is left to others at once, not only in between.
    pub(super) fn weight(self) -> u32 {
        let workers = self.workers.max(1) as u64;
        let at_once = (workers * self.percent).div_ceil(100).clamp(1, workers);
        u32::try_from(workers / at_once).unwrap_or(1)
    }
}

/// A bound on one instance's part of one worker thread, whoever else wants it (`limits.instance_share`).
#[derive(Debug)]
pub(super) struct Cap {
    percent: u64,
    paid_until: AtomicU64,
}

impl Cap {
    /// None for everything.
    pub(super) fn new(percent: u64) -> Option<Self> {
        (percent < 100).then(|| Cap { percent, paid_until: AtomicU64::new(0) })
    }

    pub(super) fn percent(&self) -> u64 {
        self.percent
    }

    pub(super) fn charge(&self, now: Nanos, ran: Nanos) {
        let rate = Rate { percent: self.percent, workers: 1 };
        // Only the instance's own task does this.
        let paid_until = charge(self.paid_until.load(Ordering::Relaxed), now, ran, rate);
        self.paid_until.store(paid_until, Ordering::Relaxed);
    }

    pub(super) fn owes(&self, now: Nanos) -> Option<Nanos> {
        owes(self.paid_until.load(Ordering::Relaxed), now)
    }
}

/// What `ran`, ending `now`, makes of `paid_until`.
pub(super) fn charge(paid_until: Nanos, now: Nanos, ran: Nanos, rate: Rate) -> Nanos {
    let from = paid_until.max(now.saturating_sub(CREDIT));
    from.saturating_add(rate.time_for(ran)).min(now + DEBT)
}

/// The time until the debts are paid; none when there are none.
pub(super) fn owes(paid_until: Nanos, now: Nanos) -> Option<Nanos> {
    paid_until.checked_sub(now).filter(|debt| *debt > 0)
}

pub(super) fn nanos(time: Duration) -> Nanos {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_OF_ONE: Rate = Rate { percent: 50, workers: 1 };
    const START: Nanos = 1_000 * MILLISECOND;

    #[test]
    fn half_a_thread_pays_for_half_of_the_time() {
        let (mut now, mut paid_until, mut executed) = (START, 0, 0);
        // Whoever owes waits; else a tick of 10 ms is executed.
        while now < START + 10_000 * MILLISECOND {
            match owes(paid_until, now) {
                Some(debt) => now += debt + RECOVERY,
                None => {
                    now += 10 * MILLISECOND;
                    executed += 10 * MILLISECOND;
                    paid_until = charge(paid_until, now, 10 * MILLISECOND, HALF_OF_ONE);
                }
            }
        }
        assert!((4_900..=5_100).contains(&(executed / MILLISECOND)), "{executed}");
    }

    #[test]
    fn all_of_the_threads_are_never_used_up() {
        let (mut now, mut paid_until) = (START, 0);
        for _ in 0..1_000 {
            now += MILLISECOND;
            paid_until = charge(paid_until, now, 4 * MILLISECOND, Rate { percent: 100, workers: 4 });
            assert_eq!(owes(paid_until, now), None);
        }
    }

    #[test]
    fn quiet_time_is_worth_only_a_little() {
        let paid_until = charge(0, START, 10 * MILLISECOND, HALF_OF_ONE);
        assert_eq!(owes(paid_until, START), None);
        let paid_until = charge(paid_until, START, MILLISECOND, HALF_OF_ONE);
        assert_eq!(owes(paid_until, START), Some(2 * MILLISECOND));
    }

    #[test]
    fn debts_have_a_bound() {
        let paid_until = charge(START, START, u64::MAX, Rate { percent: 1, workers: 1 });
        assert_eq!(owes(paid_until, START), Some(DEBT));
    }

    #[test]
    fn those_that_run_at_once_are_the_share_rounded_up() {
        let at_once = |percent, workers| workers / Rate { percent, workers }.weight() as usize;
        assert_eq!(at_once(50, 1), 1);
        assert_eq!(at_once(50, 2), 1);
        assert_eq!(at_once(50, 8), 4);
        assert_eq!(at_once(1, 64), 1);
        assert_eq!(at_once(100, 64), 64);
    }
}

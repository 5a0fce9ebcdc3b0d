//! Work that takes long and that guests can cause without end: it gets a tenth of one thread's time.

use std::time::{Duration, Instant};

/// After a piece of work this many times its time has to pass.
const TIMES: u32 = 10;
/// How far work may be ahead of that, so that what comes rarely is done at once.
const AHEAD: Duration = Duration::from_secs(5);

/// When one kind of work may be done.
#[derive(Debug)]
pub struct Pace {
    /// Until then, what was done would have been spread evenly.
    spread: Instant,
}

impl Pace {
    /// Nothing was done yet.
    pub fn new(now: Instant) -> Self {
        Pace { spread: now }
    }

    /// Whether more may be done now.
    pub fn allows(&self, now: Instant) -> bool {
        self.spread <= now + AHEAD
    }

    /// Work was done from `start` to `end`.
    pub fn worked(&mut self, start: Instant, end: Instant) {
        self.spread = self.spread.max(end) + end.duration_since(start) * TIMES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_gets_a_tenth_of_the_time() {
        let start = Instant::now();
        let (mut pace, mut now, mut worked) = (Pace::new(start), start, Duration::ZERO);
        let step = Duration::from_millis(50);
        for _ in 0..10_000 {
            let end = now + step;
            if pace.allows(now) {
                pace.worked(now, end);
                worked += step;
            }
            now = end;
        }
        let share = worked.as_secs_f64() / now.duration_since(start).as_secs_f64();
        assert!((0.09..0.11).contains(&share), "{share}");
    }
}

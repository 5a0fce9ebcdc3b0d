//! One thread that looks after the whole host: whether the epochs still tick, whether memory is short, and that freed memory
//! goes back.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::memory;
use crate::outbound::Budget;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Looks in a row without a tick before the process ends. A process that was stopped as a whole and goes on misses one.
const STALLED: u32 = 4;
/// Looks from one sample of the memory to the next.
const SAMPLE: u32 = 4;

/// What is asked of the allocator at each look, in bytes; none of it is touched.
const NUDGE: usize = 1 << 20;

/// Watch until the engine of these ticks is gone. `pressure` is the size of the process, in bytes, from which on memory is
/// short; none: that is not watched.
pub fn start(ticks: Weak<AtomicU64>, budget: Arc<Budget>, pressure: Option<u64>) -> io::Result<()> {
    thread::Builder::new().name("watch".into()).spawn(move || {
        let mut heart = Heart::default();
        let mut looks: u32 = 0;
        while let Some(ticks) = ticks.upgrade() {
            if heart.is_stalled(ticks.load(Ordering::Relaxed)) {
                tracing::error!(
                    "the thread that ticks the epochs stands still: no limit of a guest holds; ending the process"
                );
                // The line above is written by another thread.
                thread::sleep(LOOK);
                std::process::abort();
            }
            drop(ticks);
            // The allocator gives back what was freed when it is next asked for something large: a host that has fallen idle
            // would keep it.
            drop(std::hint::black_box(Vec::<u8>::with_capacity(NUDGE)));
            if looks.is_multiple_of(SAMPLE)
                && let (Some(pressure), Some(resident)) = (pressure, memory::resident())
            {
                budget.set_pressed(resident >= pressure);
            }
            looks = looks.wrapping_add(1);
            thread::sleep(LOOK);
        }
    })?;
    Ok(())
}

/// The ticks as they were seen.
#[derive(Debug, Default)]
struct Heart {
    last: Option<u64>,
    missed: u32,
}

impl Heart {
    fn is_stalled(&mut self, ticks: u64) -> bool {
        let is_alive = self.last.replace(ticks) != Some(ticks);
        self.missed = if is_alive { 0 } else { self.missed + 1 };
        self.missed >= STALLED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f11_only_ticks_that_stay_away_are_a_stall() {
        let mut heart = Heart::default();
        let looks = [0, 25, 25, 25, 26, 26, 26, 26, 26].map(|ticks| heart.is_stalled(ticks));
        assert_eq!(looks, [false, false, false, false, false, false, false, false, true]);
    }
}

//! How slow a peer may be: with the message that it has begun, and with taking what waits for it.

use std::time::{Duration, Instant};

/// The least that a peer has to take of what waits for it while more waits than may, in bytes per second.
const LEAST_TAKEN: u128 = 2 * 1024;

/// The time that a peer has used for the message (or the control frame) that it has begun. Time in which the host itself
/// does not read is not the peer's.
#[derive(Debug)]
pub(super) struct MessageClock {
    limit: Option<Duration>,
    /// The number of what is incomplete, so that its successor starts anew.
    number: u64,
    used: Duration,
    /// Since when the peer is waited for; none while the host does not read, or nothing is incomplete.
    since: Option<Instant>,
}

impl MessageClock {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        MessageClock { limit, number: 0, used: Duration::ZERO, since: None }
    }

    /// The message with this number is incomplete, if any is, and the host reads, or does not.
    pub(super) fn settle(&mut self, incomplete: Option<u64>, is_reading: bool, now: Instant) {
        if incomplete != Some(self.number) {
            (self.used, self.since) = (Duration::ZERO, None);
        }
        let Some(number) = incomplete else { return };
        self.number = number;
        match self.since {
            None if is_reading => self.since = Some(now),
            Some(since) if !is_reading => {
                self.used += now.saturating_duration_since(since);
                self.since = None;
            }
            _ => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.since? + self.limit?.saturating_sub(self.used))
    }

    /// The limit, when it has passed.
    pub(super) fn passed(&self, now: Instant) -> Option<Duration> {
        self.limit.filter(|_| self.deadline().is_some_and(|deadline| now >= deadline))
    }
}

/// The time in which a peer takes hardly anything of what waits for it. A peer that takes a byte now and then would
/// otherwise hold a full buffer for ever.
#[derive(Debug)]
pub(super) struct Backlog {
    limit: Duration,
    /// What has to be taken in that time, in bytes.
    least: u128,
    /// While too much waits: since when, and the bytes that were taken.
    waiting: Option<(Instant, u128)>,
}

impl Backlog {
    pub(super) fn new(limit: Duration) -> Self {
        Backlog { limit, least: limit.as_millis() * LEAST_TAKEN / 1000, waiting: None }
    }

    /// More waits for the peer than may, or no longer.
    pub(super) fn settle(&mut self, is_backlogged: bool, now: Instant) {
        match is_backlogged {
            true => self.waiting = self.waiting.or(Some((now, 0))),
            false => self.waiting = None,
        }
    }

    /// The peer took bytes.
    pub(super) fn taken(&mut self, bytes: usize, now: Instant) {
        let Some((since, taken)) = &mut self.waiting else { return };
        *taken += bytes as u128;
        if *taken > self.least {
            (*since, *taken) = (now, 0);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.map(|(since, _)| since + self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_message_has_its_time_from_its_first_byte() {
        let (mut clock, start) = (MessageClock::new(Some(SECOND * 30)), Instant::now());
        let at = |seconds| start + SECOND * seconds;
        assert_eq!(clock.deadline(), None);
        clock.settle(Some(0), true, at(1));
        // More of it does not give it more time.
        clock.settle(Some(0), true, at(20));
        assert_eq!(clock.deadline(), Some(at(31)));
        assert_eq!(clock.passed(at(30)), None);
        assert_eq!(clock.passed(at(31)), Some(SECOND * 30));
        // The next one has its own.
        clock.settle(Some(1), true, at(31));
        assert_eq!(clock.deadline(), Some(at(61)));
        clock.settle(None, true, at(32));
        assert_eq!(clock.deadline(), None);
        clock.settle(Some(2), true, at(40));
        assert_eq!(clock.deadline(), Some(at(70)));
    }

    #[test]
    fn time_in_which_the_host_does_not_read_is_not_the_peers() {
        let (mut clock, start) = (MessageClock::new(Some(SECOND * 30)), Instant::now());
        let at = |seconds| start + SECOND * seconds;
        clock.settle(Some(0), true, at(0));
        clock.settle(Some(0), false, at(10));
        assert_eq!((clock.deadline(), clock.passed(at(100))), (None, None));
        clock.settle(Some(0), true, at(100));
        assert_eq!(clock.deadline(), Some(at(120)));
    }

    #[test]
    fn off_means_no_deadline() {
        let (mut clock, start) = (MessageClock::new(None), Instant::now());
        clock.settle(Some(0), true, start);
        assert_eq!((clock.deadline(), clock.passed(start + SECOND * 1000)), (None, None));
    }

    #[test]
    fn a_backlog_needs_progress_and_not_only_a_byte() {
        let (mut backlog, start) = (Backlog::new(SECOND * 10), Instant::now());
        let at = |seconds| start + SECOND * seconds;
        backlog.taken(1 << 20, at(0));
        assert_eq!(backlog.deadline(), None);
        backlog.settle(true, at(1));
        for second in 2..10 {
            backlog.taken(1, at(second));
            backlog.settle(true, at(second));
        }
        assert_eq!(backlog.deadline(), Some(at(11)));
        backlog.taken(20 * 1024 + 1, at(10));
        assert_eq!(backlog.deadline(), Some(at(20)));
        backlog.settle(false, at(12));
        assert_eq!(backlog.deadline(), None);
    }
}

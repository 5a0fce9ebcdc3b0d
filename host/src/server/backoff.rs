//! How long an accept loop pauses after errors, and when it says so: a host out of files must not spin or fill its log.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);
/// Time between two reports.
const REPORT: Duration = Duration::from_secs(60);

/// The errors of one listener since its last success.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    delay: Duration,
    errors: u64,
    reported: Option<Instant>,
}

/// What to do after an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) delay: Duration,
    /// Errors since the last report, when it is time for the next.
    pub(super) report: Option<u64>,
}

impl Backoff {
    pub(super) fn failed(&mut self, error: &io::Error, now: Instant) -> Pause {
        // The connection failed, not the listener: the next one may be fine.
        if matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
        ) {
            return Pause { delay: Duration::ZERO, report: None };
        }
        self.delay = (self.delay * 2).clamp(FIRST, LONGEST);
        self.errors += 1;
        let is_due = self.reported.is_none_or(|reported| now.duration_since(reported) >= REPORT);
        let report = is_due.then(|| {
            self.reported = Some(now);
            std::mem::take(&mut self.errors)
        });
        Pause { delay: self.delay, report }
    }

    pub(super) fn succeeded(&mut self) {
        self.delay = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_files() -> io::Error {
        io::Error::from_raw_os_error(24)
    }

    #[test]
    fn r13_pauses_grow_and_reports_are_a_minute_apart() {
        let begin = Instant::now();
        let mut backoff = Backoff::default();
        let mut at = |ms| backoff.failed(&out_of_files(), begin + Duration::from_millis(ms));
        assert_eq!(at(0), Pause { delay: FIRST, report: Some(1) });
        assert_eq!(at(10), Pause { delay: FIRST * 2, report: None });
        assert_eq!((0..8).map(|_| at(30)).last().unwrap().delay, LONGEST);
        assert_eq!(at(60_000), Pause { delay: LONGEST, report: Some(10) });
        backoff.succeeded();
        assert_eq!(backoff.failed(&out_of_files(), begin + REPORT), Pause { delay: FIRST, report: None });
    }

    #[test]
    fn a_connection_that_failed_pauses_nothing() {
        let error = io::Error::from(io::ErrorKind::ConnectionAborted);
        let pause = Backoff::default().failed(&error, Instant::now());
        assert_eq!(pause, Pause { delay: Duration::ZERO, report: None });
    }
}

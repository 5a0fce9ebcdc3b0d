//! The way of log events to stderr: a bounded buffer, and a thread that writes. Whoever does not read our stderr, a full
//! pipe or a stopped terminal, costs log lines and never a serving thread.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// What may wait for stderr, in bytes; events beyond are dropped, counted, and the count is logged.
const CAPACITY: usize = 4 * 1024 * 1024;
/// How long the end of the process waits for what was logged before.
const FLUSH: Duration = Duration::from_secs(1);

/// The one writer of the process; none before the log was started.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// Where log events are written to.
#[derive(Clone, Debug)]
pub(crate) struct LogWriter {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Events that found no room.
    dropped: u64,
    /// What was taken out of `bytes` is on its way.
    is_writing: bool,
}

impl LogWriter {
    /// Start the thread that writes.
    pub(crate) fn start() -> io::Result<Self> {
        let writer = LogWriter { shared: Arc::default() };
        let shared = writer.shared.clone();
        thread::Builder::new().name("log".into()).spawn(move || shared.write_on(&mut io::stderr()))?;
        Ok(WRITER.get_or_init(|| writer).clone())
    }
}

/// Wait, not for ever, until all that was logged is written: before the process ends, and before anything is written to
/// stderr by another way.
pub(crate) fn flush() {
    if let Some(writer) = WRITER.get() {
        let busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.bytes.is_empty();
        let _ = writer.shared.changed.wait_timeout_while(writer.shared.lock(), FLUSH, busy);
    }
}

impl Shared {
    fn write_on(&self, stderr: &mut impl Write) {
        loop {
            let mut waiting = self.lock();
            while waiting.bytes.is_empty() {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let (bytes, dropped) = (std::mem::take(&mut waiting.bytes), std::mem::take(&mut waiting.dropped));
            waiting.is_writing = true;
            drop(waiting);
            // Nobody is left to be told of a stderr that fails.
            let _ = stderr.write_all(&bytes).and_then(|()| stderr.flush());
            if dropped > 0 {
                tracing::warn!(dropped, "log events dropped, as stderr was not read in time");
            }
            self.lock().is_writing = false;
            self.changed.notify_all();
        }
    }

    fn append(&self, event: &[u8]) {
        let mut waiting = self.lock();
        if waiting.bytes.len() + event.len() > CAPACITY {
            waiting.dropped += 1;
            metrics::counter!("whimbrel_host_log_lines_dropped_total").increment(1);
            return;
        }
        waiting.bytes.extend_from_slice(event);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a LogWriter;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Takes a whole event at a time, as tracing-subscriber writes it.
impl Write for &LogWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.shared.append(event);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, Shared};

    #[test]
    fn f08_what_does_not_fit_is_dropped_and_counted() {
        let shared = Shared::default();
        let event = vec![b'x'; CAPACITY / 4];
        for _ in 0..6 {
            shared.append(&event);
        }
        let waiting = shared.lock();
        assert_eq!((waiting.bytes.len(), waiting.dropped), (CAPACITY, 2));
    }
}

//! The way to stderr: lines wait in a bounded queue for a thread that writes them. A reader of stderr who has stopped, or a
//! full disk behind it, costs lines, never a serving thread.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written. A guest's line has at most 64 KiB, the usual one some hundred bytes.
const LINES: usize = 1024;
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_millis(500);

static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// Where the subscriber writes its lines.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter {
    lines: SyncSender<Entry>,
    /// Lines that found no room and are not told of yet.
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    /// Everything before has been written.
    Flush(SyncSender<()>),
}

/// Gathers one event: the formatter writes it in one piece, but need not.
#[derive(Debug)]
pub(crate) struct Line {
    writer: LogWriter,
    bytes: Vec<u8>,
}

/// Write to stderr from a thread of its own.
pub(crate) fn start() -> io::Result<LogWriter> {
    let (lines, entries) = sync_channel(LINES);
    let dropped = Arc::<AtomicU64>::default();
    let counter = dropped.clone();
    thread::Builder::new().name("log".into()).spawn(move || write(&entries, &counter, &mut io::stderr()))?;
    let writer = LogWriter { lines, dropped };
    Ok(WRITER.get_or_init(|| writer).clone())
}

/// Wait until what was logged so far is written, for a short time.
pub(crate) fn flush() {
    let Some(writer) = WRITER.get() else { return };
    let (done, is_done) = sync_channel(1);
    // Full means that nobody takes lines: then nobody waits for them either.
    if writer.lines.try_send(Entry::Flush(done)).is_ok() {
        let _ = is_done.recv_timeout(LAST_LINES);
    }
}

fn write(entries: &Receiver<Entry>, dropped: &AtomicU64, to: &mut impl Write) {
    while let Ok(entry) = entries.recv() {
        match entry {
            // What cannot be written is lost: there is nowhere to say so.
            Entry::Line(bytes) => drop(to.write_all(&bytes)),
            Entry::Flush(done) => drop(done.try_send(())),
        }
        match dropped.swap(0, Ordering::Relaxed) {
            0 => {}
            lines => tracing::warn!(lines, "log lines were lost: nobody took them from stderr in time"),
        }
    }
}

impl LogWriter {
    fn send(&self, bytes: Vec<u8>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.lines.try_send(Entry::Line(bytes)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("whimbrel_host_log_lines_dropped_total").increment(1);
        }
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { writer: self.clone(), bytes: Vec::new() }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.writer.send(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader who takes nothing until it is told to.
    struct Blocked {
        go: Receiver<()>,
        taken: Vec<u8>,
    }

    impl Write for &mut Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv();
            self.taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn f08_a_blocked_stderr_costs_lines_and_nobodys_time() {
        let (lines, entries) = sync_channel(LINES);
        let writer = LogWriter { lines, dropped: Arc::default() };
        let (open, go) = sync_channel(0);
        let counter = writer.dropped.clone();
        let thread = thread::spawn(move || {
            let mut blocked = Blocked { go, taken: Vec::new() };
            write(&entries, &counter, &mut &mut blocked);
            blocked.taken
        });
        for _ in 0..3 * LINES {
            writer.make_writer().write_all(b"x\n").unwrap();
        }
        let dropped = writer.dropped.load(Ordering::Relaxed);
        assert!((2 * LINES as u64 - 1..=2 * LINES as u64).contains(&dropped), "{dropped}");
        drop((writer, open));
        assert_eq!(thread.join().unwrap().len() as u64, 2 * (3 * LINES as u64 - dropped));
    }
}

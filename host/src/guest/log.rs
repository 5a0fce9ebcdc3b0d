//! A guest's stdout and stderr, line by line into the host's log.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{fmt, io};

use bytes::Bytes;
use metrics::{Counter, counter};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::hits::Hits;
use crate::ids::ConnectionId;
use crate::limits::Limits;

/// How many lines the guests of one deployment may log per second.
pub struct LogBudget {
    deployment: String,
    per_second: u32,
    line_size: usize,
    hits: Arc<Hits>,
    /// The metric, not looked up for each line.
    dropped: Counter,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
    dropped: u64,
    /// Whether a line was cut.
    has_cut: bool,
}

impl fmt::Debug for LogBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LogBudget").field("window", &self.window).finish_non_exhaustive()
    }
}

impl LogBudget {
    /// What `limits` allow all instances of `deployment` together.
    pub fn new(deployment: &str, limits: &Limits, hits: Arc<Hits>) -> Self {
        LogBudget {
            deployment: deployment.to_owned(),
            per_second: limits.log_lines,
            line_size: limits.log_line_size,
            hits,
            dropped: counter!("whimbrel_log_lines_dropped_total", "deployment" => deployment.to_owned()),
            window: Mutex::new(Window::new()),
        }
    }

    /// How many of so many lines may be logged now; the others are dropped. Says how many were dropped when a new second
    /// begins. Asked once for all lines of a write, since a guest may write thousands at once.
    fn take(&self, lines: usize) -> usize {
        if lines == 0 {
            return 0;
        }
        let mut window = self.lock();
        if window.began.elapsed() >= Duration::from_secs(1) {
            self.tell_dropped(&window);
            *window = Window::new();
        }
        let room = self.per_second - window.lines;
        let taken = u32::try_from(lines).unwrap_or(u32::MAX).min(room);
        window.lines += taken;
        let dropped = lines as u64 - u64::from(taken);
        if dropped > 0 {
            if window.dropped == 0 {
                self.hits.count("limits.log_lines");
            }
            window.dropped += dropped;
            self.dropped.increment(dropped);
        }
        taken as usize
    }

    /// A line was cut.
    fn cut(&self) {
        if !std::mem::replace(&mut self.lock().has_cut, true) {
            self.hits.count("limits.log_line_size");
        }
    }

    fn tell_dropped(&self, window: &Window) {
        if window.dropped > 0 {
            tracing::warn!(
                target: "whimbrel::guest",
                deployment = self.deployment,
                dropped = window.dropped,
                "log lines dropped; limits.log_lines allows {} per second", self.per_second
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LogBudget {
    fn drop(&mut self) {
        self.tell_dropped(&self.lock());
    }
}

impl Window {
    fn new() -> Self {
        Window { began: Instant::now(), lines: 0, dropped: 0, has_cut: false }
    }
}

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Stdout,
    Stderr,
}

/// What an instance is doing, for those who tell of it.
#[derive(Debug, Default)]
pub(super) struct Current {
    /// The connection whose event is running; 0 for none.
    connection: AtomicU32,
    /// The instance's own, where it serves several connections.
    key: OnceLock<Arc<str>>,
}

impl Current {
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        Some(ConnectionId(self.connection.load(Ordering::Relaxed))).filter(|id| id.0 != 0)
    }

    pub(super) fn set_connection(&self, connection: Option<ConnectionId>) {
        self.connection.store(connection.map_or(0, |id| id.0), Ordering::Relaxed);
    }

    /// Go on where another instance ended.
    pub(super) fn follow(&self, other: &Current) {
        self.set_connection(other.connection());
        if let Some(key) = other.key.get() {
            self.set_key(key.clone());
        }
    }

    /// It has none before, and keeps this one.
    pub(super) fn set_key(&self, key: Arc<str>) {
        let _ = self.key.set(key);
    }
}

/// One of an instance's two streams; clones write to the same line.
#[derive(Debug, Clone)]
pub(super) struct GuestLog {
    source: Source,
    budget: Arc<LogBudget>,
    current: Arc<Current>,
    line: Arc<Mutex<Vec<u8>>>,
}

impl GuestLog {
    pub(super) fn new(source: Source, budget: Arc<LogBudget>, current: Arc<Current>) -> Self {
        GuestLog { source, budget, current, line: Arc::default() }
    }

    fn append(&self, bytes: &[u8]) {
        let mut line = self.lock();
        let mut may_log = self.budget.take(complete(bytes, line.is_empty()));
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            // One byte more than is shown tells that there was more.
            let room = (self.budget.line_size + 1).saturating_sub(line.len());
            line.extend_from_slice(text.get(..room).unwrap_or(text));
            if ends {
                if may_log > 0 && !line.is_empty() {
                    may_log -= 1;
                    self.emit(&line);
                }
                line.clear();
            }
        }
    }

    fn emit(&self, line: &[u8]) {
        let cut = line.get(..self.budget.line_size).filter(|cut| cut.len() < line.len());
        let dots = if cut.is_some() { "..." } else { "" };
        if cut.is_some() {
            self.budget.cut();
        }
        let text = printable(cut.unwrap_or(line));
        let (connection, key) = (self.current.connection().map(|id| id.0), self.current.key.get().map(|key| &**key));
        let deployment = self.budget.deployment.as_str();
        match self.source {
            Source::Stdout => {
                tracing::info!(target: "whimbrel::guest", deployment, connection, key, "{text}{dots}");
            }
            Source::Stderr => {
                tracing::warn!(target: "whimbrel::guest", deployment, connection, key, "{text}{dots}");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many lines end in these bytes, empty ones left out: Rust's panic message begins with one.
fn complete(bytes: &[u8], mut is_empty: bool) -> usize {
    let mut lines = 0;
    for byte in bytes {
        let ends = *byte == b'\n';
        lines += usize::from(ends && !is_empty);
        is_empty = ends;
    }
    lines
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        // The last clone logs an unfinished line, which is often the one that explains a trap.
        if Arc::strong_count(&self.line) == 1 {
            let line = self.lock();
            if !line.is_empty() && self.budget.take(1) > 0 {
                self.emit(&line);
            }
        }
    }
}

/// Text that cannot forge a line or steer a terminal: control characters, and those that turn the direction of writing,
/// are escaped.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => clean.push('\t'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => clean.extend(character.escape_default()),
            control if control.is_control() => clean.extend(control.escape_default()),
            other => clean.push(other),
        }
    }
    clean
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::{complete, printable};

    #[test]
    fn lines_are_counted_without_the_empty_ones() {
        for (text, begins_empty, lines) in [
            ("", true, 0),
            ("a", true, 0),
            ("a\n", true, 1),
            ("\n", true, 0),
            ("\n", false, 1),
            ("\n\na\n\nb\nc", false, 3),
        ] {
            assert_eq!(complete(text.as_bytes(), begins_empty), lines, "{text:?}");
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable(b"a\x1b[31m\rb\0\xff"), "a\\u{1b}[31m\\rb\\u{0}\u{fffd}");
        assert_eq!(printable("tab\tgrüße".as_bytes()), "tab\tgrüße");
    }
}

//! A guest's stdout and stderr, line by line into the host's log.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits::Limits;

/// How many lines the guests of one deployment may log per second.
#[derive(Debug)]
pub struct LogBudget {
    deployment: String,
    per_second: u32,
    line_size: usize,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
    dropped: u64,
}

impl LogBudget {
    /// What `limits` allow all instances of `deployment` together.
    pub fn new(deployment: &str, limits: &Limits) -> Self {
        LogBudget {
            deployment: deployment.to_owned(),
            per_second: limits.log_lines,
            line_size: limits.log_line_size,
            window: Mutex::new(Window { began: Instant::now(), lines: 0, dropped: 0 }),
        }
    }

    /// Whether one more line may be logged now; says how many were dropped when a new second begins.
    fn take(&self) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.elapsed() >= Duration::from_secs(1) {
            if window.dropped > 0 {
                tracing::warn!(
                    target: "whimbrel::guest",
                    deployment = self.deployment,
                    dropped = window.dropped,
                    "log lines dropped; limits.log_lines allows {} per second", self.per_second
                );
            }
            *window = Window { began: Instant::now(), lines: 0, dropped: 0 };
        }
        if window.lines < self.per_second {
            window.lines += 1;
            return true;
        }
        window.dropped += 1;
        metrics::counter!("whimbrel_log_lines_dropped_total", "deployment" => self.deployment.clone()).increment(1);
        false
    }
}

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Stdout,
    Stderr,
}

/// One of an instance's two streams; clones write to the same line.
#[derive(Debug, Clone)]
pub(super) struct GuestLog {
    source: Source,
    budget: Arc<LogBudget>,
    /// The connection whose event is running; 0 for none.
    connection: Arc<AtomicU32>,
    line: Arc<Mutex<Vec<u8>>>,
}

impl GuestLog {
    pub(super) fn new(source: Source, budget: Arc<LogBudget>, connection: Arc<AtomicU32>) -> Self {
        GuestLog { source, budget, connection, line: Arc::default() }
    }

    fn append(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = self.budget.line_size.saturating_sub(line.len());
            line.extend_from_slice(text.get(..room).unwrap_or(text));
            if ends {
                self.emit(&line);
                line.clear();
            }
        }
    }

    fn emit(&self, line: &[u8]) {
        // Rust's panic message begins with an empty line.
        if line.is_empty() || !self.budget.take() {
            return;
        }
        let text = printable(line);
        let connection = Some(self.connection.load(Ordering::Relaxed)).filter(|id| *id != 0);
        let deployment = self.budget.deployment.as_str();
        match self.source {
            Source::Stdout => {
                tracing::info!(target: "whimbrel::guest", deployment, connection, "{text}");
            }
            Source::Stderr => {
                tracing::warn!(target: "whimbrel::guest", deployment, connection, "{text}");
            }
        }
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        // The last clone logs an unfinished line, which is often the one that explains a trap.
        if Arc::strong_count(&self.line) == 1 {
            let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            if !line.is_empty() {
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
    use super::printable;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable(b"a\x1b[31m\rb\0\xff"), "a\\u{1b}[31m\\rb\\u{0}\u{fffd}");
        assert_eq!(printable("tab\tgrüße".as_bytes()), "tab\tgrüße");
    }
}

//! What is said of a trap: all that its author needs, in one record of the log. A guest that traps all the time fills no
//! log, and what takes long, source lines and core dumps, is done off the serving threads, one at a time per deployment.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::core_dumps::{CoreDumps, Origin};
use crate::guest::{Remains, Symbols, Trap};
use crate::host_config::CoreDumpSettings;
use crate::ids::ConnectionId;
use crate::outbound::Outbound;
use crate::session::Call;

/// Traps of one deployment that are told in full within a [`WINDOW`].
const IN_FULL: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);
/// Reports that wait for their source lines.
const WAITING: usize = 10;

/// The event in which a guest trapped: its sizes, not its contents.
#[derive(Debug, Clone, Default)]
pub struct TrappedEvent {
    /// The function, or `instantiation`.
    pub function: &'static str,
    /// Bytes of the message, of a control frame's data, or of the close reason.
    pub bytes: Option<usize>,
    /// Header fields of the request.
    pub headers: Option<usize>,
    /// None before there is one.
    pub connection: Option<ConnectionId>,
    /// Messages that the connection has received.
    pub messages: Option<u64>,
    /// The key of the room, or the number of the shared instance; none where an instance has no other than its connection.
    pub key: Option<Arc<str>>,
}

impl TrappedEvent {
    /// The event that led to this call; `headers` is for `open`.
    pub fn of(call: &Call, connection: &Outbound, headers: Option<usize>) -> Self {
        TrappedEvent {
            function: call.function(),
            bytes: call.size(),
            headers,
            connection: Some(connection.id),
            messages: Some(connection.messages_in()),
            key: None,
        }
    }
}

/// One trap on its way into the log.
pub(super) struct Report {
    pub(super) revision: u32,
    /// The word for it.
    pub(super) scope: &'static str,
    pub(super) event: TrappedEvent,
    pub(super) trap: Box<Trap>,
    /// None when the component has no debug information.
    pub(super) symbols: Option<Arc<Symbols>>,
    /// None when no core dump is wanted, or none can be had.
    pub(super) dump: Option<(Remains, CoreDumpSettings)>,
}

/// The reports of one deployment.
#[derive(Debug)]
pub(super) struct TrapReports {
    deployment: String,
    window: Mutex<Window>,
    queue: Mutex<Queue>,
    dumps: CoreDumps,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    said: u32,
    unsaid: u64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Report>,
    /// Whether a thread works on it.
    is_served: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queue").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl TrapReports {
    pub(super) fn new(deployment: &str) -> Self {
        TrapReports {
            deployment: deployment.to_owned(),
            window: Mutex::new(Window { began: Instant::now(), said: 0, unsaid: 0 }),
            queue: Mutex::default(),
            dumps: CoreDumps::new(deployment),
        }
    }

    /// Say it, at once or when its source lines are known; or count it, when there are too many.
    pub(super) fn report(self: &Arc<Self>, mut report: Report) {
        if !self.may_say() {
            return;
        }
        if report.trap.backtrace.is_empty() {
            report.symbols = None;
        }
        if report.symbols.is_none() && report.dump.is_none() {
            return self.say(&report, None, None);
        }
        if let Some(report) = self.wait(report) {
            self.say(&report, Some("too many traps at once"), None);
        }
    }

    /// Queue the report; it comes back when the queue is full.
    fn wait(self: &Arc<Self>, report: Report) -> Option<Report> {
        let mut queue = lock(&self.queue);
        if queue.waiting.len() >= WAITING {
            return Some(report);
        }
        queue.waiting.push_back(report);
        if !std::mem::replace(&mut queue.is_served, true) {
            let reports = self.clone();
            tokio::task::spawn_blocking(move || reports.serve());
        }
        None
    }

    fn serve(&self) {
        while let Some(report) = self.next() {
            self.finish(report);
        }
    }

    fn next(&self) -> Option<Report> {
        let mut queue = lock(&self.queue);
        let report = queue.waiting.pop_front();
        queue.is_served = report.is_some();
        report
    }

    fn finish(&self, mut report: Report) {
        let symbols = report.symbols.take();
        let no_lines = symbols.and_then(|symbols| guarded(|| symbols.locate(&mut report.trap.backtrace)).err());
        let dump = report.dump.take().map(|(mut remains, settings)| {
            let connection = report.event.connection.map_or(0, |id| id.0);
            let origin = Origin { revision: report.revision, connection };
            guarded(|| self.dumps.write(&mut remains, report.trap.usage.memory, origin, &settings))
                .unwrap_or_else(|why| format!("not written: {why}"))
        });
        self.say(&report, no_lines.as_deref(), dump.as_deref());
    }

    fn say(&self, report: &Report, no_lines: Option<&str>, coredump: Option<&str>) {
        let Report { revision, scope, event, trap, .. } = report;
        let usage = &trap.usage;
        let no_lines = no_lines.map(|why| format!("\n(without all source lines: {why})")).unwrap_or_default();
        tracing::error!(
            deployment = self.deployment,
            connection = event.connection.map(|id| id.0),
            revision,
            scope,
            key = event.key.as_deref(),
            function = event.function,
            bytes = event.bytes,
            headers = event.headers,
            messages = event.messages,
            kind = trap.kind.name(),
            memory = usage.memory,
            memory_limit = usage.memory_limit,
            execution = ?usage.execution,
            execution_limit = ?usage.execution_limit,
            instructions = usage.instructions,
            instructions_limit = usage.instructions_limit,
            coredump,
            "the handler trapped: {trap}\n{}{no_lines}", trap.backtrace
        );
    }

    /// Whether this one is told in full. When a window of time with more ends, their number is told.
    fn may_say(self: &Arc<Self>) -> bool {
        let mut window = lock(&self.window);
        if window.began.elapsed() >= WINDOW {
            self.tell(std::mem::take(&mut window.unsaid));
            *window = Window { began: Instant::now(), said: 0, unsaid: 0 };
        }
        if window.said < IN_FULL {
            window.said += 1;
            return true;
        }
        window.unsaid += 1;
        if window.unsaid == 1 {
            let (reports, end) = (self.clone(), window.began + WINDOW);
            tokio::spawn(async move {
                tokio::time::sleep_until(end.into()).await;
                reports.tell(std::mem::take(&mut lock(&reports.window).unsaid));
            });
        }
        false
    }

    fn tell(&self, traps: u64) {
        if traps > 0 {
            let deployment = self.deployment.as_str();
            tracing::error!(deployment, traps, "more traps of the handler; {IN_FULL} a second are told in full");
        }
    }
}

impl Drop for TrapReports {
    fn drop(&mut self) {
        let traps = lock(&self.window).unsaid;
        self.tell(traps);
    }
}

/// Do what a hostile guest has a hand in: should a library panic over it, the trap is told all the same.
fn guarded<T, E: ToString>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|why| why.to_string()),
        Err(_) => Err("the host failed over it".to_owned()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_traps_is_told_in_part() {
        let reports = Arc::new(TrapReports::new("chat"));
        let said = (0..1000).filter(|_| reports.may_say()).count();
        assert_eq!(said, IN_FULL as usize);
        assert_eq!(lock(&reports.window).unsaid, 990);
        // Told by the timer, though no trap follows.
        tokio::time::sleep(2 * WINDOW).await;
        assert_eq!(lock(&reports.window).unsaid, 0);
    }
}

//! A call of a guest that wasmtime ended, and why.

use std::fmt;

use wasmtime::WasmBacktrace;
use wasmtime_wasi::I32Exit;

use super::clock::Budget;
use super::limiter::MemoryLimiter;
use super::log::printable;

/// How wasmtime's error begins for a component with more parts than the limiter allows.
const TOO_MANY_PARTS: &str = "resource limit exceeded: ";
/// What wasmtime calls the bound on what a guest gives the host in one call; nothing to do with a guest's own fuel.
const TOO_MUCH_SHOWN: &str = "fuel allocated for hostcalls";
/// Of a function's or module's name in a backtrace, in bytes; Rust's longest are some hundred.
const NAME_BYTES: usize = 1024;

/// What ended the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrapKind {
    /// The guest panicked, aborted or broke a rule of WebAssembly.
    Fault,
    /// `limits.execution` passed.
    Execution,
    /// `limits.event_time` or `limits.start_time` passed.
    Time,
    /// `limits.memory` was reached before.
    Memory,
    /// The call stack was exhausted.
    Stack,
    /// The guest called `exit`.
    Exit,
}

impl TrapKind {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            TrapKind::Fault => "fault",
            TrapKind::Execution => "execution",
            TrapKind::Time => "time",
            TrapKind::Memory => "memory",
            TrapKind::Stack => "stack",
            TrapKind::Exit => "exit",
        }
    }
}

/// A call of a guest that wasmtime ended. The instance is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// What ended the call.
    pub kind: TrapKind,
    /// The limit that was passed, as `Hits` counts it; none for a guest's own fault.
    pub limit: Option<&'static str>,
    /// The limit that was passed, or wasmtime's message.
    pub message: String,
    /// The wasm functions that were active, innermost first; empty when nothing ran.
    pub backtrace: String,
}

impl fmt::Display for Trap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Trap {}

/// The error with which the epoch callback ends a guest whose execution is spent.
#[derive(Debug, thiserror::Error)]
#[error("{}: {} of execution passed in one event", .0.key, humantime::format_duration(.0.time))]
pub(super) struct ExecutionSpent(pub(super) Budget);

impl Trap {
    /// The trap for a call that took too long, waiting included.
    pub(super) fn time(limit: Budget) -> Self {
        let time = humantime::format_duration(limit.time);
        Trap {
            kind: TrapKind::Time,
            limit: Some(limit.key),
            message: format!("{}: {time} passed in one event, waiting included", limit.key),
            backtrace: String::new(),
        }
    }

    /// Classify wasmtime's error.
    pub(super) fn new(error: &wasmtime::Error, limiter: &MemoryLimiter) -> Self {
        let root = printable(error.root_cause().to_string().as_bytes());
        let trap = error.downcast_ref::<wasmtime::Trap>();
        let (kind, limit, message) = if let Some(spent) = error.downcast_ref::<ExecutionSpent>() {
            (TrapKind::Execution, Some(spent.0.key), spent.to_string())
        } else if let Some(exit) = error.downcast_ref::<I32Exit>() {
            (TrapKind::Exit, None, format!("the guest called exit({})", exit.0))
        } else if trap == Some(&wasmtime::Trap::StackOverflow) {
            (TrapKind::Stack, Some("host.wasm_stack"), root)
        } else if let Some(parts) = root.strip_prefix(TOO_MANY_PARTS) {
            let allowed = limiter.core_instances();
            let message =
                format!("limits.core_instances: {allowed} core instances, memories or tables allowed; {parts}");
            (TrapKind::Fault, Some("limits.core_instances"), message)
        } else if root.contains(TOO_MUCH_SHOWN) {
            let message = format!("more given to the host in one call than twice the largest message: {root}");
            (TrapKind::Fault, None, message)
        } else if let Some(refused) = limiter.refused() {
            (TrapKind::Memory, Some(refused.limit()), format!("{refused}; then: {root}"))
        } else {
            (TrapKind::Fault, None, root)
        };
        let backtrace = error.downcast_ref().map(backtrace).unwrap_or_default();
        Trap { kind, limit, message, backtrace }
    }
}

/// wasmtime's own text, with demangled names. The names are the guest's: where they could forge a line of the log or
/// flood it, they are escaped and cut, and not demangled.
fn backtrace(trace: &WasmBacktrace) -> String {
    let names = trace.frames().iter().flat_map(|frame| [frame.module().name(), frame.func_name()]);
    let mut names = names.map(Option::unwrap_or_default);
    if names.all(|name| shown(name) == name) {
        return trace.to_string();
    }
    let mut text = "error while executing at wasm backtrace:".to_owned();
    for (number, frame) in trace.frames().iter().enumerate() {
        let module = shown(frame.module().name().unwrap_or("<unknown>"));
        let function = frame.func_name().map_or_else(|| format!("<wasm function {}>", frame.func_index()), shown);
        text.push_str(&format!("\n  {number:>3}: {module}!{function}"));
    }
    text
}

fn shown(name: &str) -> String {
    printable(name.get(..name.floor_char_boundary(NAME_BYTES)).unwrap_or_default().as_bytes())
}

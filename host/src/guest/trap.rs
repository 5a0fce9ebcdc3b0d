//! A call of a guest that wasmtime ended, and why.

use std::fmt;

use wasmtime_wasi::I32Exit;

use super::clock::Budget;
use super::limiter::MemoryLimiter;

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
            message: format!("{}: {time} passed in one event, waiting included", limit.key),
            backtrace: String::new(),
        }
    }

    /// Classify wasmtime's error.
    pub(super) fn new(error: &wasmtime::Error, limiter: &MemoryLimiter, limit: usize) -> Self {
        let root = error.root_cause().to_string();
        let trap = error.downcast_ref::<wasmtime::Trap>();
        let (kind, message) = if let Some(spent) = error.downcast_ref::<ExecutionSpent>() {
            (TrapKind::Execution, spent.to_string())
        } else if let Some(exit) = error.downcast_ref::<I32Exit>() {
            (TrapKind::Exit, format!("the guest called exit({})", exit.0))
        } else if trap == Some(&wasmtime::Trap::StackOverflow) {
            (TrapKind::Stack, root)
        } else if let Some(wanted) = limiter.refused() {
            let (wanted, limit) = (bytesize::ByteSize(wanted as u64), bytesize::ByteSize(limit as u64));
            let message = format!("limits.memory: {wanted} wanted, {limit} allowed; then: {root}");
            (TrapKind::Memory, message)
        } else {
            (TrapKind::Fault, root)
        };
        let backtrace = error.downcast_ref::<wasmtime::WasmBacktrace>().map(ToString::to_string).unwrap_or_default();
        Trap { kind, message, backtrace }
    }
}

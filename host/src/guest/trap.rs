//! A call of a guest that wasmtime ended, and why.

use std::fmt;
use std::time::Duration;

use wasmtime::{Store, WasmCoreDump};
use wasmtime_wasi::I32Exit;

use super::backtrace::{Backtrace, beginning};
use super::clock::Budget;
use super::meter::Meter;
use super::state::State;

/// Characters of a message that are told.
const MESSAGE: usize = 1_000;
use super::log::printable;

/// How wasmtime's error begins for a component with more parts than the limiter allows.
const TOO_MANY_PARTS: &str = "resource limit exceeded: ";
/// What wasmtime calls the bound on what a guest gives the host in one call; nothing to do with a guest's own fuel.
const TOO_MUCH_SHOWN: &str = "fuel allocated for hostcalls";

/// What ended the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrapKind {
    /// The guest panicked, aborted or broke a rule of WebAssembly.
    Fault,
    /// `limits.execution` passed.
    Execution,
    /// `limits.instructions` passed.
    Instructions,
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
            TrapKind::Instructions => "instructions",
            TrapKind::Time => "time",
            TrapKind::Memory => "memory",
            TrapKind::Stack => "stack",
            TrapKind::Exit => "exit",
        }
    }
}

/// A call of a guest that wasmtime ended. The instance is gone.
pub struct Trap {
    /// What ended the call.
    pub kind: TrapKind,
    /// The limit that was passed, or wasmtime's message. On one line.
    pub message: String,
    /// The limit that was passed, as in `limits.memory`.
    pub limit: Option<&'static str>,
    /// The wasm functions that were active, innermost first; none when nothing ran.
    pub backtrace: Backtrace,
    /// What the event had used when it ended.
    pub usage: Usage,
    /// Kept where a core dump is wanted: wasmtime hangs that on its error.
    error: Option<wasmtime::Error>,
}

/// What an event used, and what it was allowed to.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Linear memory of the instance, in bytes.
    pub memory: usize,
    /// How much it may have.
    pub memory_limit: usize,
    /// Execution, in whole epoch ticks.
    pub execution: Duration,
    /// How much the event may have.
    pub execution_limit: Duration,
    /// Instructions; none where they are not counted.
    pub instructions: Option<u64>,
    /// How many the event may have.
    pub instructions_limit: Option<u64>,
}

impl fmt::Display for Trap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trap").field("kind", &self.kind).field("message", &self.message).finish_non_exhaustive()
    }
}

impl std::error::Error for Trap {}

/// The error with which the epoch callback ends a guest whose execution is spent.
#[derive(Debug, thiserror::Error)]
#[error("{}: {} of execution passed in one event", .0.key, humantime::format_duration(.0.time))]
pub(super) struct ExecutionSpent(pub(super) Budget);

impl Trap {
    /// The trap for a call that took too long, waiting included.
    pub(super) fn time(limit: Budget, state: &State) -> Box<Self> {
        let time = humantime::format_duration(limit.time);
        Box::new(Trap {
            kind: TrapKind::Time,
            message: format!("{}: {time} passed in one event, waiting included", limit.key),
            limit: Some(limit.key),
            backtrace: Backtrace::default(),
            usage: Usage::of(state),
            error: None,
        })
    }

    /// Classify wasmtime's error.
    pub(super) fn new(error: wasmtime::Error, state: &State) -> Box<Self> {
        let (kind, limit, message) = classify(&error, state);
        let backtrace = error.downcast_ref::<wasmtime::WasmBacktrace>().map(Backtrace::new).unwrap_or_default();
        let error = Some(error).filter(|_| state.shared.coredumps);
        let message = beginning(&message, MESSAGE);
        Box::new(Trap { kind, message, limit, backtrace, usage: Usage::of(state), error })
    }
}

fn classify(error: &wasmtime::Error, state: &State) -> (TrapKind, Option<&'static str>, String) {
    let root = printable(error.root_cause().to_string().as_bytes());
    let limits = &state.shared.limits;
    if let Some(spent) = error.downcast_ref::<ExecutionSpent>() {
        return (TrapKind::Execution, Some(spent.0.key), spent.to_string());
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return (TrapKind::Exit, None, format!("the guest called exit({})", exit.0));
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::StackOverflow) => return (TrapKind::Stack, Some("host.wasm_stack"), root),
        Some(wasmtime::Trap::OutOfFuel) => {
            let limit = limits.instructions.unwrap_or(u64::MAX);
            let message = format!("limits.instructions: {limit} instructions passed in one event");
            return (TrapKind::Instructions, Some("limits.instructions"), message);
        }
        _ => {}
    }
    if let Some(parts) = root.strip_prefix(TOO_MANY_PARTS) {
        let allowed = limits.core_instances;
        let message = format!("limits.core_instances: {allowed} core instances, memories or tables allowed; {parts}");
        return (TrapKind::Fault, Some("limits.core_instances"), message);
    }
    if root.contains(TOO_MUCH_SHOWN) {
        let message = format!("more given to the host in one call than twice the largest message: {root}");
        return (TrapKind::Fault, None, message);
    }
    let Some(refused) = state.limiter.refused() else { return (TrapKind::Fault, None, root) };
    (TrapKind::Memory, Some(refused.limit()), format!("{refused}; then: {root}"))
}

impl Usage {
    fn of(state: &State) -> Self {
        Usage {
            memory: state.limiter.used(),
            memory_limit: state.shared.limits.memory,
            execution: state.clock.spent(),
            execution_limit: state.clock.budget().time,
            instructions: state.meter.as_ref().map(Meter::event),
            instructions_limit: state.meter.as_ref().and_then(Meter::limit),
        }
    }
}

/// What is left of an instance that trapped. It holds the instance's memory and its place in the pool.
pub struct Remains {
    store: Store<State>,
    error: wasmtime::Error,
}

impl fmt::Debug for Remains {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Remains").finish_non_exhaustive()
    }
}

impl Remains {
    /// None where the deployment asks for no core dumps, or nothing ran.
    pub(super) fn new(store: Store<State>, trap: &mut Trap) -> Option<Self> {
        let error = trap.error.take()?;
        Some(Remains { store, error }).filter(|it| it.error.is::<WasmCoreDump>())
    }

    /// The core dump as a file, a copy of the guest's memory. Takes long: not for a serving thread.
    pub fn core_dump(&mut self, name: &str) -> Option<Vec<u8>> {
        let dump = self.error.downcast_ref::<WasmCoreDump>()?;
        Some(dump.serialize(&mut self.store, name))
    }
}

//! Guests: everything that touches wasmtime. The rest of the host sees an engine that loads artifacts, artifacts that
//! start instances, and instances whose functions it calls.

mod artifact;
mod backtrace;
mod bindings;
mod cache;
pub mod capacity;
mod clock;
mod contract;
mod engine;
mod exports;
mod fit;
mod imports;
mod instance;
mod lifecycle;
mod limiter;
mod log;
mod meter;
mod state;
mod symbols;
mod request;
mod ticks;
mod trap;
#[doc(hidden)]
pub mod types;
mod wasi;

pub use artifact::{Artifact, LoadError};
pub use backtrace::Backtrace;
pub use capacity::Contents;
pub use engine::{Engine, EngineError, EngineSettings};
pub use fit::Fit;
pub use instance::{Instance, StartError};
pub use lifecycle::{Due, HandOver};
pub use log::LogBudget;
pub use request::{Arg, Request};
pub use state::{InstanceState, Shared};
pub use symbols::{NoLines, Symbols};
pub use trap::{Remains, Trap, TrapKind, Usage};

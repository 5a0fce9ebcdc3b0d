//! What is fuzzed: one function per target, from arbitrary bytes to a panic when a rule does not hold.
//!
//! The targets of cargo-fuzz call them, and so do the ordinary tests (tests/properties), with the corpora that are checked
//! in. They use the library without its `guest` feature, so that no compiler of WebAssembly is built with coverage.

// Where a module that is taken from the library by its path finds its others.
#[allow(unused_imports, reason = "where this is a module, its crate has them at the root")]
use whimbrel::{limits, session};

// The library's, which has no other door to it.
#[allow(dead_code, reason = "used in the library")]
#[path = "../../../host/src/connection/frames.rs"]
mod frames;

pub mod answers;
pub mod config;
pub mod handshake;
pub mod heads;
pub mod routes;
pub mod rules;

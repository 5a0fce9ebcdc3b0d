//! What is fuzzed: one function per target, from arbitrary bytes to a panic when a rule does not hold.
//!
//! The targets of cargo-fuzz call them, and so do the ordinary tests (tests/properties), with the corpora that are checked
//! in. They use the library without its `guest` feature, so that no compiler of WebAssembly is built with coverage.

// Where the modules below that are taken from the library by their path find its others.
#[cfg(not(test))]
use whimbrel::{limits, session};

// The library's, which has no other door to them; tested in the library itself (connection/properties.rs).
#[cfg(not(test))]
#[allow(dead_code, reason = "used in the library")]
#[rustfmt::skip]
#[path = "../../../host/src/connection/frames.rs"]
mod frames;
#[cfg(not(test))]
pub mod heads;
#[cfg(not(test))]
#[allow(dead_code, reason = "used in the library")]
#[rustfmt::skip]
#[path = "../../../host/src/connection/parts.rs"]
mod parts;

pub mod answers;
pub mod config;
pub mod handshake;
pub mod routes;
pub mod rules;

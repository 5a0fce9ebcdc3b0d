//! Whimbrel: a host for WebSocket handlers that are WebAssembly components.
//!
//! The order of the modules is the order of the layers: a module uses only those above it.

// No panic on the serving path, and nothing printed outside the program's `cli`. Not in the workspace's table: tests and
// build scripts may do both.
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::disallowed_methods
    )
)]
// What the layers above need of those below has no use where the rules alone are built.
#![cfg_attr(not(feature = "guest"), allow(dead_code))]

pub mod limits;
pub mod message;
pub mod ids;
pub mod metrics;
pub mod hits;
pub mod share;
pub mod circuit;
pub mod pace;
pub mod routing;
pub mod manifest;
pub mod host_config;
pub mod handshake;
pub mod session;
pub mod outbound;
pub mod topics;
#[cfg(feature = "guest")]
pub mod guest;
#[cfg(feature = "guest")]
pub mod registry;
#[cfg(feature = "guest")]
pub mod connection;
#[cfg(feature = "guest")]
pub mod server;
pub mod memory;
pub mod watch;
#[cfg(feature = "guest")]
pub mod host;

//! Whimbrel: a host for WebSocket handlers that are WebAssembly components.
//!
//! The order of the modules is the order of the layers: a module uses only those above it.

pub mod limits;
pub mod message;
pub mod ids;
pub mod metrics;
pub mod routing;
pub mod manifest;
pub mod host_config;
pub mod handshake;
pub mod session;
pub mod outbound;
pub mod topics;
pub mod guest;
pub mod registry;
pub mod connection;
pub mod server;
pub mod host;

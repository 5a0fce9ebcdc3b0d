//! The suite: the real `whimbrel` binary, real guests, bytes in and bytes out.

#![allow(clippy::disallowed_methods, reason = "the rule that only cli reads the environment is the host's")]

mod support;

mod attachments;
mod back_pressure;
mod browser;
mod chat;
mod circuit;
mod cli;
mod clients;
mod core_dumps;
mod echo;
mod events;
mod exhaustion;
mod faults;
mod failures;
mod fairness;
mod handshake;
mod hostile;
mod languages;
mod limits;
mod logs;
mod metering;
mod memory;
mod output;
mod parity;
mod protocol;
mod recycling;
mod routes;
mod sandbox;
mod scopes;
mod settings;
mod shutdown;
mod static_files;
mod storms;
mod tls;
mod topics;
mod transcripts;
mod traps;

//! The suite: the real `whimbrel` binary, real guests, bytes in and bytes out.

#![allow(clippy::disallowed_methods, reason = "the rule that only cli reads the environment is the host's")]

mod support;

mod back_pressure;
mod browser;
mod chat;
mod cli;
mod clients;
mod echo;
mod events;
mod faults;
mod failures;
mod handshake;
mod limits;
mod logs;
mod memory;
mod output;
mod parity;
mod protocol;
mod routes;
mod sandbox;
mod settings;
mod shutdown;
mod static_files;
mod storms;
mod tls;
mod topics;
mod transcripts;

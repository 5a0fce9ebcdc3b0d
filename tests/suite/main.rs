//! The suite: the real `whimbrel` binary, real guests, bytes in and bytes out.

#![allow(clippy::disallowed_methods, reason = "the rule that only cli reads the environment is the host's")]

mod support;

mod browser;
mod chat;
mod cli;
mod clients;
mod echo;
mod handshake;
mod limits;
mod parity;
mod routes;
mod settings;
mod transcripts;

//! The suite: the real `whimbrel` binary, real guests, bytes in and bytes out.

mod support;

mod browser;
mod chat;
mod cli;
mod clients;
mod echo;
mod parity;
mod transcripts;

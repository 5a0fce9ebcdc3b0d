//! What a request has to pass before anything else is done for it: is this host meant, does the peer ask too often, is
//! there memory for one more connection. No guest is called before.

use std::net::SocketAddr;
use std::time::Instant;

use ::http::StatusCode;
use ::http::header::{HOST, RETRY_AFTER, UPGRADE};
use ::http::request::Parts;

use super::Context;
use crate::handshake::Refusal;
use crate::host_config::Hosts;

/// Seconds after which a client that was refused for want of memory may try again.
const MEMORY_RETRY_AFTER: u32 = 5;

/// Check a request.
///
/// # Errors
/// 421 for another host; for a handshake also 429 and 503.
pub(super) fn check(context: &Context, parts: &Parts, peer: SocketAddr) -> Result<(), Refusal> {
    check_host(context, parts, peer)?;
    if !parts.headers.contains_key(UPGRADE) {
        return Ok(());
    }
    check_rate(context, peer)?;
    check_memory(context, peer)
}

/// A request without a Host is refused by other rules; here every one that is there has to be right.
fn check_host(context: &Context, parts: &Parts, peer: SocketAddr) -> Result<(), Refusal> {
    if context.hosts == Hosts::Any {
        return Ok(());
    }
    let headers = parts.headers.get_all(HOST).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let target = parts.uri.authority().map(|authority| authority.as_str().into());
    let mut named = headers.chain(target).peekable();
    let nothing = if named.peek().is_none() { Some("".into()) } else { None };
    let Some(host) = named.chain(nothing).find(|host| !context.hosts.allow(host)) else { return Ok(()) };
    let value = format_args!("a request for {host:?} from {peer}");
    context.hits.report("hosts", None, value, "the names of that list");
    Err(Refusal::text(StatusCode::MISDIRECTED_REQUEST, "This host does not go by that name.\n"))
}

fn check_rate(context: &Context, peer: SocketAddr) -> Result<(), Refusal> {
    let Some(handshakes) = &context.handshakes else { return Ok(()) };
    if handshakes.count(peer.ip(), Instant::now()) {
        return Ok(());
    }
    let value = format_args!("one more in a second, from {peer}");
    context.hits.report("host.handshakes_per_peer", None, value, handshakes.per_second());
    let text = "Your address asks for too many WebSockets per second.\n";
    Err(Refusal::text(StatusCode::TOO_MANY_REQUESTS, text).with(RETRY_AFTER, "1"))
}

fn check_memory(context: &Context, peer: SocketAddr) -> Result<(), Refusal> {
    let budget = &context.budget;
    if budget.is_near() {
        let value = format_args!("{} bytes are held, too many for one more connection, from {peer}", budget.used());
        context.hits.report("host.memory_budget", None, value, budget.limit());
    } else if budget.is_pressed() {
        let value = format_args!("the process takes more, too much for one more connection, from {peer}");
        context.hits.report("host.memory_pressure", None, value, "less");
    } else {
        return Ok(());
    }
    Err(Refusal::unavailable("This host has no memory for one more connection.\n", MEMORY_RETRY_AFTER))
}

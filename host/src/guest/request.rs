//! The handshake's data: what a guest is told of the request, and its answer.

use wasmtime::component::{ComponentType, Lower};

use super::bindings::upgrade;
use crate::handshake::{GuestAcceptance, GuestRefusal};

/// The request of the opening handshake, as `upgrade` and `open` get it.
#[derive(Debug, Clone, Default, ComponentType, Lower)]
#[component(record)]
pub struct Request {
    /// Not percent-decoded, without the query.
    pub path: String,
    /// What follows the first `?`.
    pub query: Option<String>,
    /// The route's captures.
    pub args: Vec<Arg>,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The Host header.
    pub host: String,
    /// The Origin header.
    pub origin: Option<String>,
    /// Offered, in the client's order.
    pub subprotocols: Vec<String>,
    /// The peer's address and port.
    pub peer: String,
    /// Over TLS.
    pub secure: bool,
}

/// One capture of the route, percent-decoded.
#[derive(Debug, Clone, Default, ComponentType, Lower)]
#[component(record)]
pub struct Arg {
    /// None for an unnamed group.
    pub name: Option<String>,
    /// None for a group that took no part in the match.
    pub value: Option<String>,
}

impl From<upgrade::Acceptance> for GuestAcceptance {
    fn from(answer: upgrade::Acceptance) -> Self {
        // This host does not compress; a guest that asks for it goes without, as a client without the extension would.
        GuestAcceptance {
            subprotocol: answer.subprotocol,
            headers: answer.headers,
            max_message_size: answer.max_message_size,
            ping_interval_ms: answer.ping_interval_ms,
            ping_timeout_ms: answer.ping_timeout_ms,
        }
    }
}

impl From<upgrade::Refusal> for GuestRefusal {
    fn from(answer: upgrade::Refusal) -> Self {
        GuestRefusal { status: answer.status, headers: answer.headers, body: answer.body }
    }
}

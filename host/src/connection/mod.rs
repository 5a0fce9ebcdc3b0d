//! One connection: HTTP until a handshake is answered with 101, WebSocket from then on.

mod admit;
mod frames;
mod guest;
pub mod handshakes;
pub mod http;
mod pages;
mod parts;
mod place;
mod presence;
mod recycle;
mod report;
#[cfg(test)]
mod properties;
mod socket;
pub mod static_files;
pub mod stream;
mod task;
mod upgrade;
mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::hits::Hits;
use crate::host_config::{HandshakeLimits, Hosts};
use crate::limits::Ceilings;
use crate::outbound::Budget;
use crate::registry::Registry;
use handshakes::Handshakes;
use http::{End, Outcome};
use stream::Stream;

/// What the connections of a host share.
#[derive(Debug)]
pub struct Context {
    /// Which path leads where.
    pub registry: Registry,
    /// Limits of request heads.
    pub handshake: HandshakeLimits,
    /// What a guest's own settings for a connection may not pass.
    pub ceilings: Ceilings,
    /// What the `Host` header may say.
    pub hosts: Hosts,
    /// Handshakes per peer; none: without a limit.
    pub handshakes: Option<Handshakes>,
    /// The memory of all buffers.
    pub budget: Arc<Budget>,
    /// The limits of the host that connections run into.
    pub hits: Arc<Hits>,
}

/// Serve one accepted connection to its end. `deadline` is that of the first request head; `told` completes when the
/// host drains.
pub async fn serve(
    context: &Arc<Context>,
    stream: Stream,
    peer: SocketAddr,
    deadline: Instant,
    told: impl Future<Output = ()>,
) {
    let is_secure = stream.is_secure();
    let outcome = {
        let decide = |parts| upgrade::decide(context, parts, peer, is_secure);
        // Boxed: while the WebSocket lives, its task carries nothing of the HTTP part.
        Box::pin(http::serve(stream, &context.handshake, deadline, told, decide)).await
    };
    match outcome {
        Outcome::WebSocket { stream, read_buf, accepted } => task::run(stream, read_buf, *accepted).await,
        Outcome::Done(end) => report(context, peer, end),
    }
}

/// Say which limit a request ran into before it was one.
fn report(context: &Context, peer: SocketAddr, end: End) {
    let HandshakeLimits { time, header_bytes, headers } = &context.handshake;
    match end {
        End::TimedOut => {
            let value = format_args!("no complete request from {peer}");
            context.hits.report("handshake.time", None, value, humantime::format_duration(*time));
        }
        End::TooLarge => {
            let allowed = format_args!("{header_bytes} bytes and {headers} header fields");
            context.hits.report("handshake.header_bytes", None, format_args!("a larger request from {peer}"), allowed);
        }
        End::Idle | End::Closed | End::BadRequest | End::Drained => {}
    }
}

//! One connection: HTTP until a handshake is answered with 101, WebSocket from then on.

mod frames;
pub mod http;
mod pages;
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

use crate::host_config::HandshakeLimits;
use crate::limits::Ceilings;
use crate::registry::Registry;
use http::Outcome;
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
    if let Outcome::WebSocket { stream, read_buf, accepted } = outcome {
        task::run(stream, read_buf, *accepted).await;
    }
}

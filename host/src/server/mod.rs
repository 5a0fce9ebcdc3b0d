//! The way in: listeners, TLS, and one task per accepted connection; and the way out: the drain.
//!
//! A connection's task owns everything that it may hold: the permit, the peer's share, the guard. Its end is their end.

mod backoff;
mod peers;
mod shutdown;
mod tls;

pub mod metrics;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::connection::http::refuse;
use crate::connection::stream::Stream;
use crate::handshake::Refusal;
use crate::hits::Hits;
use backoff::Backoff;
use peers::{PeerShare, Peers};

pub use shutdown::{Drain, Drained, Guard, drain};
pub use tls::{TlsError, from_files, self_signed};

/// Connections that the kernel completes before they are accepted.
const BACKLOG: u32 = 4096;
/// Connections over the limit that are being refused at one time; more wait in the backlog.
const REFUSING: usize = 64;
/// Seconds after which a refused client may try again.
const RETRY_AFTER: u32 = 5;

/// What the accepting side may hold.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Open connections; beyond, 503.
    pub connections: usize,
    /// Open connections from one address; beyond, 503 (over TLS: closed); none: off.
    pub connections_per_peer: Option<usize>,
    /// From the accept to the end of the first request head, the TLS handshake included.
    pub handshake_time: Duration,
    /// Serve over TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Hears of the connections over a limit; none: they are only refused.
    pub hits: Option<Arc<Hits>>,
}

/// An accepted connection.
#[derive(Debug)]
pub struct Arrival {
    /// Its bytes, TCP_NODELAY on; `is_secure()` tells TLS.
    pub stream: Stream,
    /// The peer's address and port.
    pub peer: SocketAddr,
    /// When the first request head must be complete.
    pub deadline: Instant,
    /// Tells of the drain.
    pub guard: Guard,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

/// Bound listeners that accept nothing yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<(TcpListener, SocketAddr)>,
    gate: Gate,
}

impl Server {
    /// Bind all addresses; port 0 takes any free one. Needs a tokio runtime.
    ///
    /// # Errors
    /// The first address that cannot be bound.
    pub fn bind(addresses: &[SocketAddr], settings: Settings) -> Result<Self, BindError> {
        let bind = |&address| listen(address).map_err(|error| BindError { address, error });
        let listeners: Vec<_> = addresses.iter().map(bind).collect::<Result<_, _>>()?;
        let gate = Gate {
            connections: settings.connections,
            connections_per_peer: settings.connections_per_peer.unwrap_or(usize::MAX),
            open: Arc::new(Semaphore::new(settings.connections.min(Semaphore::MAX_PERMITS))),
            // Each accept loop holds one of these while it waits.
            refusing: Arc::new(Semaphore::new(REFUSING + listeners.len())),
            peers: settings.connections_per_peer.map(Peers::new),
            handshake_time: settings.handshake_time,
            tls: settings.tls,
            hits: settings.hits,
        };
        Ok(Self { listeners, gate })
    }

    /// The addresses in use, in the order given to `bind`.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(_, address)| *address).collect()
    }

    /// The same as URLs: `http://127.0.0.1:8080`, or `https://` over TLS.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let scheme = if self.gate.tls.is_some() { "https" } else { "http" };
        self.listeners.iter().map(|(_, address)| format!("{scheme}://{address}")).collect()
    }

    /// Accept until the guard is told, one task of `handle` per connection. The tasks may still run when this returns:
    /// each holds a guard, so the drain waits for them.
    pub async fn run<H, F>(self, guard: Guard, handle: H)
    where
        H: Fn(Arrival) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = Arc::new(handle);
        let mut loops = JoinSet::new();
        for (listener, address) in self.listeners {
            loops.spawn(accept_loop(listener, address, self.gate.clone(), guard.clone(), Arc::clone(&handle)));
        }
        drop(guard);
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "an accept loop failed");
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted host takes its port back while connections of the old one are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// What an accepted connection has to pass; shared by all listeners.
#[derive(Debug, Clone)]
struct Gate {
    connections: usize,
    connections_per_peer: usize,
    open: Arc<Semaphore>,
    refusing: Arc<Semaphore>,
    peers: Option<Peers>,
    handshake_time: Duration,
    tls: Option<Arc<ServerConfig>>,
    hits: Option<Arc<Hits>>,
}

/// Held by a connection's task until it ends.
struct Admission {
    _permit: OwnedSemaphorePermit,
    _share: Option<PeerShare>,
    _guard: Guard,
}

async fn accept_loop<H, F>(listener: TcpListener, address: SocketAddr, gate: Gate, guard: Guard, handle: Arc<H>)
where
    H: Fn(Arrival) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut told = std::pin::pin!(guard.told());
    let mut backoff = Backoff::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut told => return,
            accepted = accept(&listener, &gate) => accepted,
        };
        let (refusing, tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                let pause = backoff.failed(&error, Instant::now());
                if let Some(errors) = pause.report {
                    tracing::warn!(%address, %error, errors, "cannot accept connections; trying again");
                }
                tokio::select! {
                    () = &mut told => return,
                    () = tokio::time::sleep(pause.delay) => continue,
                }
            }
        };
        backoff.succeeded();
        match gate.admit(peer, &guard) {
            Ok(admission) => {
                drop(tokio::spawn(serve(tcp, peer, gate.clone(), admission, guard.clone(), Arc::clone(&handle))))
            }
            Err(refusal) => drop(tokio::spawn(turn_away(tcp, refusal, gate.tls.is_some(), refusing, guard.clone()))),
        }
    }
}

/// Wait for a connection, with a permit to refuse it in hand: so refusals are bounded too.
async fn accept(listener: &TcpListener, gate: &Gate) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let refusing = Arc::clone(&gate.refusing).acquire_owned().await.map_err(io::Error::other)?;
    let (tcp, peer) = listener.accept().await?;
    Ok((refusing, tcp, peer))
}

impl Gate {
    fn admit(&self, peer: SocketAddr, guard: &Guard) -> Result<Admission, Refusal> {
        let unavailable = |text: &str| Refusal::unavailable(text, RETRY_AFTER);
        let report = |setting, limit| {
            if let Some(hits) = &self.hits {
                hits.report(setting, None, format_args!("one more, from {peer}"), limit);
            }
        };
        let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() else {
            report("host.connections", self.connections);
            return Err(unavailable("This host has all the connections that it may have.\n"));
        };
        let share = match &self.peers {
            None => None,
            Some(peers) => match peers.enter(peer.ip()) {
                Some(share) => Some(share),
                None => {
                    report("host.connections_per_peer", self.connections_per_peer);
                    return Err(unavailable("Your address has all the connections that it may have here.\n"));
                }
            },
        };
        Ok(Admission { _permit: permit, _share: share, _guard: guard.clone() })
    }
}

/// The life of an accepted connection.
async fn serve<H, F>(tcp: TcpStream, peer: SocketAddr, gate: Gate, admission: Admission, guard: Guard, handle: Arc<H>)
where
    H: Fn(Arrival) -> F,
    F: Future<Output = ()>,
{
    let deadline = Instant::now() + gate.handshake_time;
    // A socket without it works too, only slower.
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let stream = match &gate.tls {
        None => Stream::Plain(tcp),
        Some(config) => {
            // Boxed: the task stays as small as the handler once the handshake is done.
            match timeout_at(deadline, Box::pin(tls::accept(tcp, Arc::clone(config)))).await {
                Ok(Some(tls)) => Stream::Tls(Box::new(tls)),
                Ok(None) | Err(_) => return,
            }
        }
    };
    handle(Arrival { stream, peer, deadline, guard }).await;
    drop(admission);
}

/// Refuse a connection before anything of it is read. A TLS handshake would cost more than the answer is worth.
async fn turn_away(tcp: TcpStream, refusal: Refusal, is_tls: bool, _refusing: OwnedSemaphorePermit, _guard: Guard) {
    if !is_tls {
        refuse(tcp, refusal).await;
    }
}

#[cfg(test)]
mod tests;

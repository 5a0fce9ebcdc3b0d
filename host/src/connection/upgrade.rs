//! From a request to its answer: the route, the origin rule, the limits, the guest's say, and the instance that the
//! connection will have.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::request::Parts;
use ::http::{Response, StatusCode};

use super::http::{Answer, Body};
use super::socket::Inbound;
use super::static_files::StaticFiles;
use super::task::Opened;
use super::{Context, admit, pages};
use crate::guest::{Arg, Instance, Request, StartError, Trap, TrapKind};
use crate::handshake::{Acceptance, BadDecision, Candidate, Decision, OriginVerdict, Refusal, Upgrade};
use crate::ids::ConnectionId;
use crate::limits::Limits;
use crate::metrics;
use crate::outbound::{Capacity, Outbound};
use crate::registry::{Revision, Target};
use crate::routing::Args;
use crate::session::{KeepAlive, Settings};

/// Seconds after which a client that met a limit may try again.
const RETRY_AFTER: u32 = 5;

/// Answer one request.
pub(super) async fn decide(context: &Context, parts: Parts, peer: SocketAddr, is_secure: bool) -> Answer<Box<Opened>> {
    if let Err(refusal) = admit::check(context, &parts, peer) {
        return refused(refusal);
    }
    let (revision, args) = match context.registry.find(parts.uri.path()) {
        Target::Handler(revision, args) => (revision, args),
        Target::BadPath => return refused(bad_path(parts.uri.path())),
        Target::None => {
            return plain(context, &parts).await.map_or_else(|| refused(Refusal::not_found()), Answer::Http);
        }
    };
    let candidate = match Candidate::check(&parts) {
        Ok(candidate) => candidate,
        Err(refusal) if refusal.status == StatusCode::UPGRADE_REQUIRED => {
            // A page and a WebSocket may share a path.
            return plain(context, &parts).await.map_or_else(|| refused(refusal), Answer::Http);
        }
        Err(refusal) => return refused(refusal),
    };
    let trusted = &revision.manifest.trusted_origins;
    let verdict = candidate.origin(|origin| trusted.iter().any(|trusted| trusted.matches(origin)));
    let arrived = Handshake { context, revision: &revision, verdict, peer, is_secure };
    match arrived.answer(candidate, args).await {
        Ok((response, opened)) => Answer::Switch { response, accepted: Box::new(opened) },
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Answer<Box<Opened>> {
    metrics::handshake_refused(refusal.status.as_u16());
    refusal.into()
}

fn bad_path(path: &str) -> Refusal {
    let text = format!("The path {path:?} is not percent-encoded UTF-8.\n");
    Refusal::text(StatusCode::BAD_REQUEST, text)
}

/// What answers a request that is no handshake: a file, or the host's own page.
async fn plain(context: &Context, parts: &Parts) -> Option<Response<Body>> {
    if parts.headers.contains_key(::http::header::UPGRADE) {
        return None;
    }
    if let Some(files) = context.registry.find_static(parts.uri.path()) {
        let response = StaticFiles::new(&files.dir, &files.at).respond(parts).await;
        if let Some(response) = response.filter(|response| response.status() != StatusCode::NOT_FOUND) {
            return Some(response);
        }
    }
    pages::welcome(parts)
}

/// A handshake on its way to an answer.
struct Handshake<'a> {
    context: &'a Context,
    revision: &'a Arc<Revision>,
    verdict: OriginVerdict,
    peer: SocketAddr,
    is_secure: bool,
}

impl Handshake<'_> {
    async fn answer(&self, candidate: Candidate<'_>, args: Args) -> Result<(Response<()>, Opened), Refusal> {
        let revision = self.revision;
        if !revision.exports_upgrade() {
            self.check_origin()?;
        }
        let upgrade = candidate.into_upgrade()?;
        let limits = &revision.manifest.limits;
        let seat = revision.roster.take(limits.connections).ok_or_else(|| self.full(limits))?;
        let mut instance = self.start().await?;
        let request = self.request(&upgrade, args);
        let acceptance = self.ask(&mut instance, &request, &upgrade).await?;
        let max_message_size = self.max_message_size(&acceptance)?;
        let capacity = Capacity { outbound: limits.outbound, message: limits.largest_sent().max(max_message_size) };
        let subprotocol = acceptance.subprotocol.clone();
        let outbound = Outbound::new(ConnectionId::next(), subprotocol, capacity, &self.context.budget);
        instance.own(outbound.clone(), request);
        let settings = Settings {
            keep_alive: keep_alive(&acceptance, limits),
            close_timeout: limits.close_timeout,
            slow_consumer_time: limits.slow_consumer_time,
        };
        let inbound = Inbound { max_message_size, fragments: limits.fragments };
        let response = acceptance.response(&upgrade);
        let opened = Opened { instance, outbound, settings, inbound, revision: revision.clone(), seat };
        Ok((response, opened))
    }

    fn check_origin(&self) -> Result<(), Refusal> {
        match &self.verdict {
            OriginVerdict::Refused(foreign) => {
                tracing::info!(deployment = self.revision.deployment.name, peer = %self.peer, "refused: {foreign}");
                Err(Refusal::forbidden_origin())
            }
            OriginVerdict::SameOrigin | OriginVerdict::Trusted => Ok(()),
        }
    }

    fn full(&self, limits: &Limits) -> Refusal {
        let value = format_args!("one more, from {}", self.peer);
        self.revision.deployment.hits.report("limits.connections", None, value, limits.connections);
        Refusal::unavailable("This handler has all the connections that it may have.\n", RETRY_AFTER)
    }

    async fn start(&self) -> Result<Instance, Refusal> {
        let deployment = &self.revision.deployment;
        self.revision.start().await.map_err(|error| match error {
            StartError::Exhausted => {
                let allowed = "no more";
                deployment.hits.report("host.instances", None, "all instances of this host are in use", allowed);
                Refusal::unavailable("This host has all the instances that it may have.\n", RETRY_AFTER)
            }
            StartError::Trap(trap) => {
                self.report(&trap, "instantiation");
                match trap.kind {
                    TrapKind::Time | TrapKind::Execution => {
                        Refusal::unavailable("The handler did not start in time.\n", RETRY_AFTER)
                    }
                    _ => Refusal::internal_error(),
                }
            }
        })
    }

    fn request(&self, upgrade: &Upgrade, args: Args) -> Request {
        let args = args.into_iter().map(|arg| Arg { name: arg.name, value: arg.value });
        Request {
            path: upgrade.path.clone(),
            query: upgrade.query.clone(),
            args: args.collect(),
            headers: upgrade.headers.clone(),
            host: upgrade.host.clone(),
            origin: upgrade.origin.clone(),
            subprotocols: upgrade.subprotocols.clone(),
            peer: self.peer.to_string(),
            secure: self.is_secure,
        }
    }

    /// Let the guest decide, if it wants to.
    async fn ask(&self, instance: &mut Instance, request: &Request, upgrade: &Upgrade) -> Result<Acceptance, Refusal> {
        let answer = match instance.upgrade(request, self.verdict.is_allowed()).await {
            None => return Ok(Acceptance::default()),
            Some(Ok(answer)) => answer,
            Some(Err(trap)) => {
                self.report(&trap, "upgrade");
                return Err(match trap.kind {
                    TrapKind::Time | TrapKind::Execution => {
                        let text = "The handler did not answer the handshake in time.\n";
                        Refusal::text(StatusCode::GATEWAY_TIMEOUT, text)
                    }
                    _ => Refusal::internal_error(),
                });
            }
        };
        match Decision::check(answer, upgrade) {
            Ok(Decision::Accept(acceptance)) => Ok(acceptance),
            Ok(Decision::Refuse(refusal)) => {
                if refusal.status == StatusCode::FORBIDDEN {
                    // Says why, where the origin was the reason; the guest's own answer is what the client gets.
                    let _ = self.check_origin();
                }
                Err(refusal)
            }
            Err(bad) => Err(self.bad(&bad)),
        }
    }

    fn max_message_size(&self, acceptance: &Acceptance) -> Result<usize, Refusal> {
        let Some(asked) = acceptance.max_message_size.map(|size| size as usize) else {
            return Ok(self.revision.manifest.limits.max_message_size);
        };
        match self.context.ceilings.max_message_size {
            Some(ceiling) if asked > ceiling => Err(self.bad(&BadDecision::MaxMessageSize { asked, ceiling })),
            _ => Ok(asked),
        }
    }

    fn bad(&self, bad: &BadDecision) -> Refusal {
        let deployment = &self.revision.deployment;
        tracing::warn!(deployment = deployment.name, function = "upgrade", "the handler failed: {bad}");
        deployment.metrics.failed("upgrade");
        Refusal::internal_error()
    }

    fn report(&self, trap: &Trap, function: &'static str) {
        let deployment = &self.revision.deployment;
        let kind = trap.kind.name();
        tracing::error!(
            deployment = deployment.name,
            function,
            kind,
            "the handler trapped: {trap}\n{}",
            trap.backtrace
        );
        deployment.metrics.trapped(kind);
    }
}

/// The guest's own settings for this connection before the deployment's; a timeout over the interval is lowered to it,
/// as Tornado does.
fn keep_alive(acceptance: &Acceptance, limits: &Limits) -> KeepAlive {
    let chosen = |own: Option<Duration>, default: Option<Duration>| match own {
        Some(Duration::ZERO) => None,
        Some(time) => Some(time),
        None => default,
    };
    let interval = chosen(acceptance.ping_interval, limits.ping_interval);
    let timeout = chosen(acceptance.ping_timeout, limits.ping_timeout);
    let timeout = match (timeout, interval) {
        (Some(timeout), Some(interval)) => Some(timeout.min(interval)),
        (timeout, _) => timeout,
    };
    KeepAlive { interval, timeout }
}

//! From a request to its answer: the route, the origin rule, the limits, the guest's say, and the instance that the
//! connection will have.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::header::UPGRADE;
use ::http::request::Parts;
use ::http::{Method, Response, StatusCode};

use super::http::{Answer, Body};
use super::socket::Inbound;
use super::static_files::StaticFiles;
use super::task::Opened;
use super::{Context, admit, pages};
use crate::circuit::Admitted;
use crate::guest::{Arg, Request};
use crate::handshake::{
    Acceptance, BadDecision, Candidate, Decision, GuestAcceptance, GuestRefusal, OriginVerdict, Refusal, Upgrade,
};
use crate::ids::ConnectionId;
use crate::limits::Limits;
use crate::metrics;
use crate::outbound::{Capacity, Outbound};
use crate::registry::{Revision, Target};
use crate::routing::Args;
use crate::session::{KeepAlive, Settings};
use crate::share::Turns;

/// Seconds after which a client that met a limit may try again.
pub(super) const RETRY_AFTER: u32 = 5;

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
        Err(refusal) => {
            // A page and a WebSocket may share a path.
            let may_be_page = matches!(parts.method, Method::GET | Method::HEAD);
            let page = if may_be_page { plain(context, &parts).await } else { None };
            return page.map_or_else(|| refused(refusal), Answer::Http);
        }
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

/// What answers a request that is no handshake: a file, or the host's own page. An offer to speak another protocol
/// than WebSocket, which some clients make with every request, is ignored (RFC 9110 section 7.8).
async fn plain(context: &Context, parts: &Parts) -> Option<Response<Body>> {
    if parts.headers.get_all(UPGRADE).iter().any(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket")) {
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
pub(super) struct Handshake<'a> {
    context: &'a Context,
    pub(super) revision: &'a Arc<Revision>,
    pub(super) verdict: OriginVerdict,
    pub(super) peer: SocketAddr,
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
        let key = self.room_key(&args)?;
        let admitted = self.admit(key.as_ref())?;
        let seat = revision.roster.take(limits.connections).ok_or_else(|| self.full(limits))?;
        let turns = Turns::new(&revision.deployment.share);
        let request = Box::new(self.request(&upgrade, args));
        let (place, acceptance) = self.place(key, &turns, &request, &upgrade, &admitted).await?;
        let max_message_size = self.max_message_size(&acceptance)?;
        let capacity = Capacity { outbound: limits.outbound, message: limits.largest_sent().max(max_message_size) };
        let subprotocol = acceptance.subprotocol.clone();
        let outbound = Outbound::new(ConnectionId::next(), subprotocol, capacity, &self.context.budget);
        let guest = place.enter(revision, outbound.clone(), request);
        let settings = Settings {
            keep_alive: keep_alive(&acceptance, limits),
            close_timeout: limits.close_timeout,
            slow_consumer_time: limits.slow_consumer_time,
            outbound: limits.outbound,
            message_time: limits.message_time,
            rates: limits.into(),
        };
        let inbound = Inbound { max_message_size, fragments: limits.fragments };
        let response = acceptance.response(&upgrade);
        let (revision, headers) = (revision.clone(), upgrade.headers.len());
        let opened = Opened { guest, turns, admitted, outbound, settings, inbound, revision, headers, seat };
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

    /// Not while this peer's connections keep trapping, nor while those of the room do.
    fn admit(&self, room: Option<&Arc<str>>) -> Result<Admitted, Refusal> {
        self.revision.breaker.admit(self.peer.ip(), room, Instant::now()).map_err(|wait| {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            Refusal::unavailable("This handler has failed too often; it gets a pause.\n", seconds)
        })
    }

    fn full(&self, limits: &Limits) -> Refusal {
        let value = format_args!("one more, from {}", self.peer);
        self.revision.deployment.hits.report("limits.connections", None, value, limits.connections);
        Refusal::unavailable("This handler has all the connections that it may have.\n", RETRY_AFTER)
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

    /// What the guest has decided, once it is checked.
    pub(super) fn decided(
        &self,
        answer: Result<GuestAcceptance, GuestRefusal>,
        upgrade: &Upgrade,
    ) -> Result<Acceptance, Refusal> {
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

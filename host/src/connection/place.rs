//! Where a new connection's events will be served, by its deployment's scope: the instance is there, and has had its say in
//! the handshake, before that is answered.

use std::sync::Arc;
use std::time::Instant;

use ::http::StatusCode;
use tokio::time::timeout;

use super::guest::Guest;
use super::upgrade::{Handshake, RETRY_AFTER};
use crate::circuit::Admitted;
use crate::guest::{Instance, Remains, Request, StartError, Trap, TrapKind};
use crate::handshake::{Acceptance, Refusal, Upgrade};
use crate::manifest::Scope;
use crate::outbound::Outbound;
use crate::registry::{JoinError, Joined, Lost, Revision, StartFailure, TrappedEvent};
use crate::routing::Args;
use crate::share::Turns;

/// How often a handshake tries another room when its own has just ended.
const JOINS: usize = 3;

/// Where a connection's events will be served.
pub(super) enum Place {
    /// In an instance of its own, or, under the scope `event`, the first of them.
    Own(Box<Instance>),
    /// In a room or shared instance.
    Room(Joined),
}

impl Place {
    /// The handshake is accepted.
    pub(super) fn enter(self, revision: &Revision, outbound: Arc<Outbound>, request: Box<Request>) -> Guest {
        match self {
            Place::Own(mut instance) => {
                instance.own(outbound, Some(*request));
                match revision.manifest.scope {
                    Scope::Event => Guest::Event(Some(instance)),
                    _ => Guest::Own(*instance),
                }
            }
            Place::Room(joined) => {
                Guest::Member(Box::new(joined.enter(outbound, request, revision.deployment.hits.clone())))
            }
        }
    }
}

impl Handshake<'_> {
    /// The key of the connection's room; none under other scopes.
    pub(super) fn room_key(&self, args: &Args) -> Result<Option<Arc<str>>, Refusal> {
        let Scope::Room(key) = &self.revision.manifest.scope else { return Ok(None) };
        key.of(args).map(|key| Some(key.into())).map_err(|bad| {
            tracing::info!(deployment = self.revision.deployment.name, peer = %self.peer, "refused: {bad}");
            Refusal::text(StatusCode::BAD_REQUEST, format!("The path leads to no room: {bad}.\n"))
        })
    }

    /// Find or start the instance, and let it decide on the handshake.
    pub(super) async fn place(
        &self,
        key: Option<Arc<str>>,
        turns: &Arc<Turns>,
        request: &Request,
        upgrade: &Upgrade,
        admitted: &Admitted,
    ) -> Result<(Place, Acceptance), Refusal> {
        if matches!(self.revision.manifest.scope, Scope::Connection | Scope::Event) {
            let instance = self.start(turns, upgrade.headers.len(), admitted).await?;
            let (instance, acceptance) = turns.run(self.ask(instance, request, upgrade, admitted)).await?;
            return Ok((Place::Own(Box::new(instance)), acceptance));
        }
        for _ in 0..JOINS {
            let joined = self.join(key.as_ref())?;
            if let Some(acceptance) = self.ask_room(&joined, request, upgrade, admitted).await? {
                return Ok((Place::Room(joined), acceptance));
            }
        }
        Err(Refusal::unavailable("The handler has just trapped; it is started again.\n", 1))
    }

    fn join(&self, key: Option<&Arc<str>>) -> Result<Joined, Refusal> {
        let rooms = &self.revision.rooms;
        match (&self.revision.manifest.scope, key) {
            (Scope::Room(_), Some(key)) => rooms.join(self.revision, key).map_err(|full| self.no_seat(full, key)),
            (Scope::Shared(instances), _) => Ok(rooms.spread(self.revision, *instances)),
            // Other scopes know no rooms.
            _ => Err(Refusal::internal_error()),
        }
    }

    /// Let a room decide, if it wants to; none when it ended meanwhile, by no fault of this handshake.
    async fn ask_room(
        &self,
        joined: &Joined,
        request: &Request,
        upgrade: &Upgrade,
        admitted: &Admitted,
    ) -> Result<Option<Acceptance>, Refusal> {
        joined.started().await.map_err(|failure| {
            if joined.is_first && failure != StartFailure::Exhausted {
                self.revision.breaker.trapped(admitted, Instant::now());
            }
            match failure {
                StartFailure::Exhausted => exhausted(),
                StartFailure::Trapped(kind) => not_started(kind),
            }
        })?;
        if !self.revision.exports_upgrade() {
            return Ok(Some(Acceptance::default()));
        }
        let asking = joined.upgrade(Box::new(request.clone()), self.verdict.is_allowed());
        // Its own time begins when its turn comes; this is for the events in front of it.
        let patience = self.revision.manifest.limits.event_time;
        let Ok(answer) = timeout(patience, asking).await else {
            let value = format_args!("a handshake waited for {:?}", joined.key());
            let patience = humantime::format_duration(patience);
            self.revision.deployment.hits.report("limits.event_time", None, value, patience);
            return Err(Refusal::unavailable("The handler is busy.\n", RETRY_AFTER));
        };
        match answer {
            Ok(answer) => self.decided(answer, upgrade).map(Some),
            Err(Lost::Trapped(kind)) => {
                self.revision.breaker.trapped(admitted, Instant::now());
                Err(not_answered(kind))
            }
            Err(Lost::Elsewhere) => Ok(None),
        }
    }

    fn no_seat(&self, full: JoinError, key: &str) -> Refusal {
        let limits = &self.revision.manifest.limits;
        let (setting, allowed, text) = match full {
            JoinError::Rooms => ("limits.rooms", limits.rooms, "This handler has all the rooms that it may have.\n"),
            JoinError::Members => ("limits.members", limits.members, "This room is full.\n"),
        };
        let value = format_args!("one more, in {key:?}, from {}", self.peer);
        self.revision.deployment.hits.report(setting, None, value, allowed);
        Refusal::unavailable(text, RETRY_AFTER)
    }

    /// Start an instance for this connection.
    async fn start(&self, turns: &Arc<Turns>, headers: usize, admitted: &Admitted) -> Result<Instance, Refusal> {
        let started = self.revision.start(turns).await;
        started.inspect(|instance| self.meter("instantiation", instance)).map_err(|error| match error {
            StartError::Exhausted => {
                self.revision.exhausted(None);
                exhausted()
            }
            StartError::Trap { trap, remains } => {
                let kind = trap.kind;
                self.report("instantiation", headers, trap, remains, admitted);
                not_started(kind)
            }
        })
    }

    /// Let the connection's instance decide, if it wants to.
    async fn ask(
        &self,
        mut instance: Instance,
        request: &Request,
        upgrade: &Upgrade,
        admitted: &Admitted,
    ) -> Result<(Instance, Acceptance), Refusal> {
        let Some(answer) = instance.upgrade(request, self.verdict.is_allowed()).await else {
            return Ok((instance, Acceptance::default()));
        };
        self.meter("upgrade", &instance);
        match answer {
            Ok(answer) => Ok((instance, self.decided(answer, upgrade)?)),
            Err(mut trap) => {
                let (kind, remains) = (trap.kind, instance.into_remains(&mut trap));
                self.report("upgrade", upgrade.headers.len(), trap, remains, admitted);
                Err(not_answered(kind))
            }
        }
    }

    fn report(
        &self,
        function: &'static str,
        headers: usize,
        trap: Box<Trap>,
        remains: Option<Remains>,
        admitted: &Admitted,
    ) {
        let event = TrappedEvent { function, headers: Some(headers), ..TrappedEvent::default() };
        self.revision.trapped(event, trap, remains);
        self.revision.breaker.trapped(admitted, Instant::now());
    }

    /// Say what the guest's part in the handshake has cost, where that is counted.
    fn meter(&self, function: &'static str, instance: &Instance) {
        if let Some(instructions) = instance.instructions() {
            tracing::debug!(deployment = self.revision.deployment.name, function, instructions, "event");
        }
    }
}

fn exhausted() -> Refusal {
    Refusal::unavailable("This host has all the instances that it may have.\n", RETRY_AFTER)
}

/// Why there is no instance: the guest trapped.
fn not_started(kind: TrapKind) -> Refusal {
    match kind {
        TrapKind::Time | TrapKind::Execution | TrapKind::Instructions => {
            Refusal::unavailable("The handler did not start in time.\n", RETRY_AFTER)
        }
        _ => Refusal::internal_error(),
    }
}

/// Why there is no decision: the guest trapped.
fn not_answered(kind: TrapKind) -> Refusal {
    match kind {
        TrapKind::Time | TrapKind::Execution | TrapKind::Instructions => {
            Refusal::text(StatusCode::GATEWAY_TIMEOUT, "The handler did not answer the handshake in time.\n")
        }
        _ => Refusal::internal_error(),
    }
}

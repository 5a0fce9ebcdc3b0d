//! What is counted and said of an open connection: metrics, limits, errors, traps, its beginning and its end.

use super::guest::Guest;
use super::task::Connection;
use crate::guest::{Instance, Trap};
use crate::registry::TrappedEvent;
use crate::session::{Call, CloseCause, Passed};

/// Counted here, and added to the deployment's metrics once per burst.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) messages_in: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) messages_out: u64,
}

impl Traffic {
    /// A call of the guest is about to be made.
    pub(super) fn count(&mut self, call: &Call) {
        if let Call::Message(message) = call {
            self.messages_in += 1;
            self.bytes_in += message.len() as u64;
        }
    }
}

impl Connection {
    pub(super) fn begin(&self) {
        let (deployment, connection) = (&self.revision.deployment.name, self.outbound.id.0);
        tracing::debug!(deployment, connection, revision = self.revision.number, "connection opened");
    }

    /// The end of a burst: publish what was counted.
    pub(super) fn pause(&mut self) {
        if let Some(began) = self.turn_began.take() {
            self.turns.ran(began, self.now);
        }
        let messages_out = self.outbound.messages_out();
        let metrics = &self.revision.deployment.metrics;
        metrics.messages_in.increment(self.traffic.messages_in);
        metrics.bytes_in.increment(self.traffic.bytes_in);
        metrics.bytes_out.increment(self.traffic.bytes_out);
        metrics.messages_out.increment(messages_out - self.traffic.messages_out);
        self.traffic = Traffic { messages_out, ..Traffic::default() };
    }

    pub(super) fn report_limit(&self, passed: &Passed) {
        let hits = &self.revision.deployment.hits;
        hits.report(passed.setting(), Some(self.outbound.id), passed.value(), passed.allowed());
    }

    /// The connection's own instance trapped in a call.
    pub(super) fn report_trap(&self, call: &Call, trap: Box<Trap>, guest: Option<Guest>) {
        self.lost(TrappedEvent::of(call, &self.outbound, self.headers_of(call)), trap, guest);
    }

    /// The connection's own instance trapped.
    pub(super) fn lost(&self, event: TrappedEvent, mut trap: Box<Trap>, guest: Option<Guest>) {
        let remains = match guest {
            Some(Guest::Own(instance)) => instance.into_remains(&mut trap),
            _ => None,
        };
        self.revision.trapped(event, trap, remains);
        self.revision.breaker.trapped(&self.admitted, self.now);
    }

    /// Header fields of the request, for its own call.
    pub(super) fn headers_of(&self, call: &Call) -> Option<usize> {
        matches!(call, Call::Open).then_some(self.headers)
    }

    /// Say what an event has cost, where that is counted.
    pub(super) fn meter(&mut self, call: &Call, instance: &Instance) {
        let Some(instructions) = instance.instructions() else { return };
        self.instructions = instance.all_instructions();
        self.revision.metered(self.outbound.id, call.function(), instructions);
    }

    pub(super) fn end(&mut self) {
        self.pause();
        let metrics = &self.revision.deployment.metrics;
        let cause = self.session.end().map_or(CloseCause::Network, |end| end.cause);
        metrics.closed(cause.name());
        let (deployment, connection) = (&self.revision.deployment.name, self.outbound.id.0);
        let code = self.session.end().and_then(|end| end.frame.as_ref()).map(|frame| frame.code);
        let instructions = self.instructions;
        tracing::debug!(deployment, connection, cause = cause.name(), code, instructions, "connection closed");
    }
}

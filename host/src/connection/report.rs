//! What is counted and said of an open connection: metrics, limits, errors, traps, its beginning and its end.

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

    pub(super) fn report_error(&self, call: &Call, text: &str) {
        let (deployment, connection, function) = (&self.revision.deployment.name, self.outbound.id.0, call.function());
        tracing::warn!(deployment, connection, function, "the handler failed: {}", text.escape_debug());
        self.revision.deployment.metrics.failed(function);
    }

    pub(super) fn report_trap(&self, call: &Call, mut trap: Box<Trap>, instance: Option<Instance>) {
        let event = TrappedEvent {
            function: call.function(),
            bytes: call.size(),
            headers: matches!(call, Call::Open).then_some(self.headers),
            connection: Some(self.outbound.id),
            messages: Some(self.outbound.messages_in()),
        };
        let remains = instance.and_then(|instance| instance.into_remains(&mut trap));
        self.revision.trapped(event, trap, remains);
        self.revision.breaker.trapped(&self.admitted, self.now);
    }

    /// Say what an event has cost, where that is counted.
    pub(super) fn meter(&mut self, call: &Call, instance: &Instance) {
        let Some(instructions) = instance.instructions() else { return };
        self.instructions = instance.all_instructions();
        let (deployment, connection, function) = (&self.revision.deployment.name, self.outbound.id.0, call.function());
        tracing::debug!(deployment, connection, function, instructions, "event");
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

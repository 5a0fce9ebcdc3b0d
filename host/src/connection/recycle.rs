//! Replacing a connection's instance between two events, when it has come to a mark and its guest hands over.

use std::pin::pin;
use std::time::Instant;

use super::task::{Connection, Next};
use crate::guest::{Due, HandOver, Instance};
use crate::registry::TrappedEvent;
use crate::session::Returned;

impl Connection {
    /// Whether the instance is to be replaced now: it has more to serve, it has come to a mark, and its guest hands over.
    pub(super) fn is_due(&self, instance: &Option<Instance>) -> bool {
        self.revision.hands_over()
            && self.session.end().is_none()
            && instance.as_ref().is_some_and(|instance| instance.is_due())
    }

    /// Replace the instance while the handler still counts as busy, so that no event comes between. When that fails it
    /// goes on, unless it trapped; then it is taken.
    pub(super) async fn recycle(&mut self, instance: &mut Option<Instance>) -> Returned {
        let Some(running) = instance else { return Returned::Trapped };
        let Some(due) = running.due() else { return Returned::Done };
        let (revision, turns) = (self.revision.clone(), self.turns.clone());
        let must_wait = std::mem::take(&mut self.must_wait);
        let handed = {
            let mut handing = pin!(async {
                if must_wait {
                    turns.wait().await;
                }
                revision.hand_over(running, &turns).await
            });
            loop {
                match self.next(Some(handing.as_mut())).await {
                    Next::Returned(handed) => break handed,
                    Next::Event(event) => {
                        self.session.step(event, self.now);
                        self.settle();
                    }
                }
                while let Some(action) = self.session.next_action() {
                    self.act(action);
                }
            }
        };
        self.now = Instant::now();
        match handed {
            Ok(()) => {
                self.instructions = running.all_instructions();
                self.recycled(due);
                Returned::Done
            }
            Err(HandOver::Lost(mut trap)) => {
                let remains = instance.take().and_then(|instance| instance.into_remains(&mut trap));
                self.revision.trapped(self.between_events("snapshot"), trap, remains);
                self.revision.breaker.trapped(self.admitted, self.now);
                Returned::Trapped
            }
            Err(error) => {
                self.not_recycled(due, error);
                Returned::Done
            }
        }
    }

    fn recycled(&self, due: Due) {
        let (deployment, connection) = (&self.revision.deployment.name, self.outbound.id.0);
        tracing::debug!(deployment, connection, reason = due.name(), "instance replaced");
        self.revision.deployment.metrics.recycled(due.name());
    }

    fn not_recycled(&self, due: Due, error: HandOver) {
        let (deployment, connection) = (&self.revision.deployment.name, self.outbound.id.0);
        tracing::warn!(deployment, connection, reason = due.name(), "the instance is not replaced: {error}");
        match error {
            HandOver::Failed { function, trap, remains } => {
                self.revision.trapped(self.between_events(function), trap, remains);
            }
            HandOver::Exhausted => self.revision.deployment.hits.count(self.revision.manifest.metering.instances()),
            HandOver::Declined(_) | HandOver::Refused(_) | HandOver::Lost(_) => {}
        }
    }

    fn between_events(&self, function: &'static str) -> TrappedEvent {
        TrappedEvent {
            function,
            connection: Some(self.outbound.id),
            messages: Some(self.outbound.messages_in()),
            ..TrappedEvent::default()
        }
    }
}

//! Replacing an instance between two events, when it has come to a mark and its guest hands over.

use std::sync::Arc;

use super::{Revision, TrappedEvent};
use crate::guest::{HandOver, Instance, Trap};
use crate::share::Turns;

impl Revision {
    /// Replace an instance that is due; `whose` says whom it serves. When that fails, it goes on, and that is said.
    ///
    /// # Errors
    /// The instance trapped: it must be dropped, and the trap reported.
    pub async fn recycle(
        &self,
        instance: &mut Instance,
        turns: &Arc<Turns>,
        whose: &TrappedEvent,
    ) -> Result<(), Box<Trap>> {
        let Some(reason) = instance.due().map(|due| due.name()) else { return Ok(()) };
        let handed = self.hand_over(instance, turns).await;
        let (deployment, connection) = (&self.deployment.name, whose.connection.map(|id| id.0));
        let key = whose.key.as_deref();
        match handed {
            Ok(()) => {
                tracing::debug!(target: "whimbrel::connection", deployment, connection, key, reason, "instance replaced");
                self.deployment.metrics.recycled(reason);
                Ok(())
            }
            Err(HandOver::Lost(trap)) => Err(trap),
            Err(error) => {
                tracing::warn!(deployment, connection, key, reason, "the instance is not replaced: {error}");
                match error {
                    HandOver::Failed { function, trap, remains } => {
                        self.trapped(TrappedEvent { function, ..whose.clone() }, trap, remains);
                    }
                    HandOver::Exhausted => self.deployment.hits.count(self.manifest.metering.instances()),
                    HandOver::Declined(_) | HandOver::Refused(_) | HandOver::Lost(_) => {}
                }
                Ok(())
            }
        }
    }
}

//! Replacing a connection's own instance between two events.

use std::pin::pin;
use std::time::Instant;

use super::guest::Guest;
use super::task::Connection;
use crate::guest::Instance;
use crate::registry::TrappedEvent;
use crate::session::Returned;

impl Connection {
    /// Whether the instance is to be replaced now: it has more to serve, it has come to a mark, and its guest hands over.
    pub(super) fn is_due(&self, instance: &Instance) -> bool {
        self.revision.hands_over() && self.session.end().is_none() && instance.is_due()
    }

    /// Replace the instance while the handler still counts as busy, so that no event comes between. When that fails it
    /// goes on, unless it trapped; then it is taken.
    pub(super) async fn recycle(&mut self, guest: &mut Option<Guest>) -> Returned {
        let Some(Guest::Own(instance)) = guest else { return Returned::Done };
        let (revision, turns) = (self.revision.clone(), self.turns.clone());
        let must_wait = std::mem::take(&mut self.must_wait);
        let (connection, messages) = (Some(self.outbound.id), Some(self.outbound.messages_in()));
        let whose = TrappedEvent { function: "snapshot", connection, messages, ..TrappedEvent::default() };
        let handed = {
            let handing = pin!(async {
                if must_wait {
                    turns.wait().await;
                }
                revision.recycle(instance, &turns, &whose).await
            });
            self.drive(handing).await
        };
        self.now = Instant::now();
        match handed {
            Ok(()) => {
                self.instructions = instance.all_instructions();
                Returned::Done
            }
            Err(trap) => {
                self.lost(whose, trap, guest.take());
                Returned::Trapped
            }
        }
    }
}

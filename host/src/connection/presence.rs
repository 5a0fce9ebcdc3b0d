//! What an open connection is counted and known by. Its drop is the end of it, a panic of the connection's task included.

use std::sync::Arc;

use crate::outbound::Outbound;
use crate::registry::Revision;

/// A connection among those that are open.
#[derive(Debug)]
pub(super) struct Presence {
    outbound: Arc<Outbound>,
    revision: Arc<Revision>,
}

impl Presence {
    pub(super) fn new(outbound: Arc<Outbound>, revision: Arc<Revision>) -> Self {
        let metrics = &revision.deployment.metrics;
        metrics.opened.increment(1);
        metrics.connections.increment(1.0);
        Presence { outbound, revision }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.outbound.close();
        self.revision.shared.topics.leave(&self.outbound);
        self.revision.deployment.metrics.connections.decrement(1.0);
    }
}

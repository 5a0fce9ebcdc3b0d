//! Replacing an instance between two events: when it is due, and handing its state to a successor through the optional
//! export `lifecycle`.

use std::pin::pin;
use std::sync::Arc;

use super::artifact::Artifact;
use super::bindings::lifecycle;
use super::instance::{Instance, StartError, cut, within};
use super::trap::{Remains, Trap};
use crate::share::Turns;

/// The limit that an instance has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// `limits.recycle_at`.
    Memory,
    /// `limits.recycle_events`.
    Events,
}

impl Due {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Due::Memory => "memory",
            Due::Events => "events",
        }
    }
}

/// Why an instance was not replaced. It goes on with its connections, unless it is `Lost`.
#[derive(Debug, thiserror::Error)]
pub enum HandOver {
    /// `snapshot` returned an error.
    #[error("its guest declined: {}", .0.escape_debug())]
    Declined(String),
    /// `snapshot` trapped: the instance must be dropped.
    #[error("snapshot trapped: {0}")]
    Lost(Box<Trap>),
    /// No instance is free for the successor.
    #[error("no instance is free")]
    Exhausted,
    /// `restore` returned an error in the successor.
    #[error("its successor refused the state: {}", .0.escape_debug())]
    Refused(String),
    /// The successor trapped.
    #[error("its successor trapped in {function}: {trap}")]
    Failed {
        /// `instantiation` or `restore`.
        function: &'static str,
        /// What happened.
        trap: Box<Trap>,
        /// For a core dump.
        remains: Option<Remains>,
    },
}

/// What an instance has served, and when it is next looked at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Age {
    events: u64,
    /// It is not due before it has served so many.
    not_before: u64,
    /// Events that the last attempt was put off by.
    pause: u64,
}

impl Age {
    /// One more event.
    pub(super) fn count(&mut self) {
        self.events += 1;
    }

    /// An attempt failed: the next one after twice as many events as the one before.
    fn put_off(&mut self) {
        self.pause = self.pause.saturating_mul(2).max(1);
        self.not_before = self.events.saturating_add(self.pause);
    }

    /// The age of a successor. One that is due as soon as it has begun gains nothing by being replaced, so that counts as
    /// an attempt that failed.
    fn successor(self, is_due_at_once: bool) -> Age {
        let mut age = Age { pause: self.pause, ..Age::default() };
        if is_due_at_once {
            age.put_off();
            return age;
        }
        Age::default()
    }
}

impl Instance {
    /// Whether the instance has come to a limit at which it is replaced, which the guest's [`Artifact::hands_over`] makes
    /// possible between any two events.
    pub fn is_due(&self) -> bool {
        self.due().is_some()
    }

    /// The limit that it has come to; none while it is young, or an attempt to replace it has just failed.
    pub fn due(&self) -> Option<Due> {
        if self.age.events < self.age.not_before {
            return None;
        }
        let state = self.store.data();
        let limits = &state.shared.limits;
        let memory = u64::try_from(state.limiter.used()).unwrap_or(u64::MAX);
        if limits.recycle_at.is_some_and(|mark| memory >= mark) {
            return Some(Due::Memory);
        }
        limits.recycle_events.is_some_and(|most| self.age.events >= most).then_some(Due::Events)
    }

    /// Between two events: replace this instance by a new one, which gets its state and its connections. `snapshot`,
    /// instantiation and `restore` have `limits.start_time` each. After an error the instance is not due for a while, twice
    /// as long each time. Who drops this future before its end drops the instance too: its connections may be elsewhere.
    ///
    /// # Errors
    /// The instance goes on, but for [`HandOver::Lost`], after which it must be dropped.
    pub async fn hand_over(&mut self, artifact: &Artifact, turns: &Arc<Turns>) -> Result<(), HandOver> {
        let Some(indices) = &artifact.optional.lifecycle else {
            self.age.put_off();
            return Err(HandOver::Declined("it does not export whimbrel:websocket/lifecycle".to_owned()));
        };
        let successor = self.successor(indices, artifact, turns).await;
        *self = successor.inspect_err(|_| self.age.put_off())?;
        Ok(())
    }

    async fn successor(
        &mut self,
        indices: &lifecycle::GuestIndices,
        artifact: &Artifact,
        turns: &Arc<Turns>,
    ) -> Result<Instance, HandOver> {
        let state = self.snapshot(indices).await.map_err(HandOver::Lost)?;
        let state = state.map_err(HandOver::Declined)?;
        let shared = self.store.data().shared.clone();
        let mut successor = Instance::start(artifact, &shared, turns).await.map_err(|error| match error {
            StartError::Exhausted => HandOver::Exhausted,
            StartError::Trap { trap, remains } => HandOver::Failed { function: "instantiation", trap, remains },
        })?;
        self.give_connections(&mut successor);
        match successor.restore(indices, &state).await {
            Ok(Ok(())) => {
                let is_due_at_once = successor.is_due();
                successor.age = self.age.successor(is_due_at_once);
                if let (Some(old), Some(new)) = (&self.store.data().meter, &mut successor.store.data_mut().meter) {
                    new.follow(old);
                }
                Ok(successor)
            }
            Ok(Err(text)) => {
                successor.give_connections(self);
                Err(HandOver::Refused(text))
            }
            Err(mut trap) => {
                successor.give_connections(self);
                let remains = successor.into_remains(&mut trap);
                Err(HandOver::Failed { function: "restore", trap, remains })
            }
        }
    }

    /// Make another instance the owner of this one's connections.
    fn give_connections(&mut self, other: &mut Instance) {
        let (mine, others) = (self.store.data_mut(), other.store.data_mut());
        others.connections = std::mem::take(&mut mine.connections);
        others.current.follow(&mine.current);
        other.request = self.request.take();
    }

    async fn snapshot(&mut self, indices: &lifecycle::GuestIndices) -> Result<Result<Vec<u8>, String>, Box<Trap>> {
        let limit = self.begin();
        let returned = match indices.load(&mut self.store, &self.exports) {
            Ok(guest) => {
                let call = pin!(guest.call_snapshot(&mut self.store));
                within(limit, &self.clock, call).await
            }
            Err(error) => Some(Err(error)),
        };
        let returned = self.finish(returned, limit)?;
        Ok(returned.map_err(|text| self.cut(text)))
    }

    async fn restore(
        &mut self,
        indices: &lifecycle::GuestIndices,
        state: &[u8],
    ) -> Result<Result<(), String>, Box<Trap>> {
        let limit = self.begin();
        let returned = match indices.load(&mut self.store, &self.exports) {
            Ok(guest) => {
                let call = pin!(guest.call_restore(&mut self.store, state));
                within(limit, &self.clock, call).await
            }
            Err(error) => Some(Err(error)),
        };
        let returned = self.finish(returned, limit)?;
        Ok(returned.map_err(|text| self.cut(text)))
    }

    fn cut(&self, text: String) -> String {
        cut(text, self.store.data().shared.limits.log_line_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_that_fail_come_twice_as_late_each_time() {
        let mut age = Age::default();
        let mut attempts = Vec::new();
        for event in 1..=100 {
            age.count();
            if age.events >= age.not_before {
                attempts.push(event);
                age.put_off();
            }
        }
        assert_eq!(attempts, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(age.successor(false), Age::default());
    }

    #[test]
    fn a_guest_that_is_born_too_large_is_replaced_less_and_less_often() {
        let mut age = Age::default();
        let mut served = Vec::new();
        for _ in 0..5 {
            age = age.successor(true);
            served.push(age.not_before);
        }
        assert_eq!(served, [1, 2, 4, 8, 16]);
    }
}

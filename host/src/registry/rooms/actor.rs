//! The task of a room or shared instance: it owns the instance, and calls it for one event after another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;

use super::member::{Events, Post};
use super::{Room, StartFailure, Started};
use crate::guest::{Instance, InstanceState, StartError, Trap, TrapKind};
use crate::manifest::Scope;
use crate::outbound::{Outbound, Wish};
use crate::registry::{Revision, TrappedEvent};
use crate::session::{Call, Returned};
use crate::share::Turns;

/// After this time without a pause others get their turn.
const TURN: Duration = Duration::from_micros(400);

/// The owner of an instance that serves several connections.
pub(super) struct Actor {
    revision: Arc<Revision>,
    room: Arc<Room>,
    turns: Arc<Turns>,
    /// None once it has trapped.
    instance: Option<Instance>,
    /// Taken out of the mailbox and not finished, at most as many as the mailbox holds.
    ready: VecDeque<Post>,
}

impl Actor {
    /// Start the instance and serve until it is no longer wanted or has trapped.
    pub(super) async fn run(
        revision: Arc<Revision>,
        room: Arc<Room>,
        mut mailbox: mpsc::Receiver<Post>,
        started: watch::Sender<Started>,
    ) {
        let turns = Turns::capped(&revision.deployment.share, revision.manifest.limits.instance_share);
        // Whatever ends this task, a panic included, takes the room out and tells its members.
        let mut actor = Actor { revision, room, turns, instance: None, ready: VecDeque::new() };
        match start(&actor.revision, &actor.room, &actor.turns).await {
            Ok(mut instance) => {
                instance.set_key(actor.room.key.clone());
                actor.instance = Some(instance);
            }
            Err(failure) => {
                // Before it is told: who tries again at once must not meet this room.
                actor.revision.rooms.end(&actor.room);
                started.send_replace(Started::Failed(failure));
                return;
            }
        }
        started.send_replace(Started::Running);
        actor.tell("started");
        actor.serve(&mut mailbox).await;
        actor.tell("ended");
    }

    async fn serve(&mut self, mailbox: &mut mpsc::Receiver<Post>) {
        let turns = self.turns.clone();
        while let Some(instance) = &mut self.instance {
            if !self.ready.is_empty() {
                // The turn was over before the work was.
                yield_now().await;
                turns.run(self.turn(mailbox)).await;
                continue;
            }
            let is_empty = self.room.lock().taken == 0 && !instance.has_connections();
            instance.set_state(if is_empty { InstanceState::Idle } else { InstanceState::Active });
            let time_left = is_empty.then(|| self.revision.idle_time(&self.room)).flatten();
            tokio::select! {
                biased;
                () = self.room.told.notified() => self.strike_off(),
                Some(post) = mailbox.recv() => {
                    self.ready.push_back(post);
                    turns.run(self.turn(mailbox)).await;
                }
                () = tokio::time::sleep(time_left.unwrap_or_default()), if time_left.is_some() => {
                    if self.revision.rooms.end_empty(&self.room) {
                        return self.tell_worn();
                    }
                }
            }
        }
    }

    /// Serve what waits, one event of each member after another, for the time of a turn.
    async fn turn(&mut self, mailbox: &mut mpsc::Receiver<Post>) {
        let began = Instant::now();
        while let Some(post) = self.ready.pop_front() {
            if let Some(rest) = self.take(post).await {
                self.ready.push_back(rest);
            }
            self.recycle().await;
            if self.instance.is_none() {
                // Whoever waits for a reply hears that there will be none.
                return self.ready.clear();
            }
            while self.ready.len() < mailbox.max_capacity()
                && let Ok(post) = mailbox.try_recv()
            {
                self.ready.push_back(post);
            }
            if began.elapsed() >= TURN {
                return;
            }
        }
    }

    /// Serve one event; what is left of the post.
    async fn take(&mut self, post: Post) -> Option<Post> {
        match post {
            Post::Upgrade { request, is_origin_allowed, answer } => {
                let answered = match self.instance.as_mut()?.upgrade(&request, is_origin_allowed).await? {
                    Ok(answered) => Ok(answered),
                    Err(trap) => {
                        let headers = Some(request.headers.len());
                        Err(self
                            .trapped(TrappedEvent { function: "upgrade", headers, ..TrappedEvent::default() }, trap))
                    }
                };
                // Whoever asked may have gone.
                let _ = answer.send(answered);
                None
            }
            Post::Events(mut events) => {
                if let Some(call) = events.calls.pop_front() {
                    events.served.returned = self.call(&call, &mut events).await?;
                }
                if events.served.returned == Returned::Done && !events.calls.is_empty() {
                    return Some(Post::Events(events));
                }
                let _ = events.reply.send(events.served);
                None
            }
        }
    }

    async fn call(&mut self, call: &Call, events: &mut Events) -> Option<Returned> {
        let instance = self.instance.as_mut()?;
        let connection = &events.connection;
        let headers = events.request.as_ref().map(|request| request.headers.len());
        match call {
            Call::Open => instance.own(connection.clone(), events.request.take().map(|request| *request)),
            Call::Message(_) => connection.count_in(1),
            Call::Ping(_) | Call::Pong(_) | Call::Close(_) => {}
        }
        let returned = instance.call(connection.id, call).await;
        if let Some(instructions) = instance.instructions() {
            *events.served.instructions.get_or_insert_default() += instructions;
            self.revision.metered(connection.id, call.function(), instructions);
        }
        let has_not_opened = matches!(call, Call::Open) && !matches!(returned, Ok(Ok(())));
        if has_not_opened || matches!(call, Call::Close(_)) {
            instance.disown(connection.id);
        }
        Some(match returned {
            Ok(Ok(())) => Returned::Done,
            Ok(Err(text)) => {
                self.revision.failed(connection.id, call.function(), &text);
                Returned::Failed
            }
            Err(trap) => {
                self.trapped(TrappedEvent::of(call, connection, headers), trap);
                Returned::Trapped
            }
        })
    }

    /// Replace an instance that has come to a mark: now, or, when its guest does not hand over, once it has no connection.
    async fn recycle(&mut self) {
        let Some(instance) = self.instance.as_mut().filter(|instance| instance.is_due()) else { return };
        if !self.revision.hands_over() {
            self.room.lock().is_worn = true;
            return;
        }
        let key = Some(self.room.key.clone());
        let whose = TrappedEvent { function: "snapshot", key, ..TrappedEvent::default() };
        if let Err(trap) = self.revision.recycle(instance, &self.turns, &whose).await {
            self.trapped(whose, trap);
        }
    }

    /// Report the trap, once for all members, and take what is left of the instance apart.
    fn trapped(&mut self, event: TrappedEvent, mut trap: Box<Trap>) -> TrapKind {
        let kind = trap.kind;
        let event = TrappedEvent { key: Some(self.room.key.clone()), ..event };
        let members = self.instance.as_ref().map(Instance::connections).unwrap_or_default();
        let remains = self.instance.take().and_then(|instance| instance.into_remains(&mut trap));
        self.revision.trapped(event, trap, remains);
        self.revision.rooms.end(&self.room);
        tell_lost(&members);
        kind
    }

    /// Forget the connections that ended without an `on-close`: their tasks panicked, or they never opened.
    fn strike_off(&mut self) {
        let left = std::mem::take(&mut self.room.lock().left);
        if let Some(instance) = &mut self.instance {
            for connection in left {
                instance.disown(connection);
            }
        }
    }

    /// The instance has ended because it was due, and the next who comes gets a new one.
    fn tell_worn(&self) {
        let due = self.instance.as_ref().and_then(Instance::due);
        if let Some(due) = due.filter(|_| self.room.lock().is_worn) {
            self.revision.deployment.metrics.recycled(due.name());
        }
    }

    fn tell(&self, what: &str) {
        let (deployment, revision) = (&self.revision.deployment.name, self.revision.number);
        let (scope, key) = (self.revision.manifest.scope.name(), &*self.room.key);
        tracing::debug!(deployment, revision, scope, key, "instance {what}");
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.revision.rooms.end(&self.room);
        tell_lost(&self.instance.as_ref().map(Instance::connections).unwrap_or_default());
    }
}

async fn start(revision: &Revision, room: &Room, turns: &Arc<Turns>) -> Result<Instance, StartFailure> {
    revision.start(turns).await.map_err(|error| match error {
        StartError::Exhausted => {
            revision.exhausted(None);
            StartFailure::Exhausted
        }
        StartError::Trap { trap, remains } => {
            let kind = trap.kind;
            let key = Some(room.key.clone());
            let event = TrappedEvent { function: "instantiation", key, ..TrappedEvent::default() };
            revision.trapped(event, trap, remains);
            StartFailure::Trapped(kind)
        }
    })
}

fn tell_lost(members: &[Arc<Outbound>]) {
    for member in members {
        // Never refused.
        let _ = member.wish(Wish::InstanceLost);
    }
}

impl Revision {
    /// How long a room may still be kept that nobody is in; none: for ever.
    fn idle_time(&self, room: &Room) -> Option<Duration> {
        let is_unwanted = room.lock().is_worn || self.rooms.is_retired();
        match self.manifest.scope {
            _ if is_unwanted => Some(Duration::ZERO),
            Scope::Shared(_) => None,
            _ => Some(self.manifest.limits.room_idle),
        }
    }
}

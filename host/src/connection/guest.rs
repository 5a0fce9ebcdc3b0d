//! Who serves the events of one connection, by its deployment's scope, and how they get there.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::task::Connection;
use crate::guest::{Instance, Request, StartError, Trap};
use crate::outbound::Outbound;
use crate::registry::{Member, Revision, Served, TrappedEvent};
use crate::session::{Call, Event, Returned};
use crate::share::Turns;

/// Calls that are handed over at once to an instance in another task.
const BURST: usize = 64;
/// How often it is tried again to get an instance when all are in use.
const RETRY: Duration = Duration::from_millis(10);

/// Who serves the events of one connection.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what most connections have, and is called without a detour"
)]
pub(super) enum Guest {
    /// An instance of its own, called from the connection's task.
    Own(Instance),
    /// A room or shared instance, in a task of its own.
    Member(Box<Member>),
    /// A fresh instance for each event; here is the one for the first.
    Event(Option<Box<Instance>>),
}

impl Guest {
    /// Instructions until now; none where they are not counted, or not for this connection alone.
    pub(super) fn instructions(&self) -> Option<u64> {
        match self {
            Guest::Own(instance) => instance.all_instructions(),
            Guest::Member(_) | Guest::Event(_) => None,
        }
    }
}

/// How an event ended that had an instance of its own.
enum Ended {
    Returned(Result<(), String>, Option<u64>),
    Trapped(&'static str, Box<Trap>, Option<crate::guest::Remains>),
    /// No instance was to be had within the time of the event.
    NoInstance,
}

impl Connection {
    /// Hand a call over to an instance that serves others too, with what has arrived behind it.
    pub(super) async fn post(&mut self, member: &mut Member, call: Call) -> Returned {
        let is_message = matches!(call, Call::Message(_));
        if is_message {
            self.gather().await;
        }
        let mut calls = VecDeque::from([call]);
        while calls.len() < BURST
            && let Some(call) = self.session.next_in_burst()
        {
            calls.push_back(call);
        }
        for call in &calls {
            self.traffic.count(call);
        }
        self.settle();
        let served = {
            let running = pin!(member.call(calls));
            self.drive(running).await
        };
        self.now = Instant::now();
        let Served { returned, is_own, instructions } = served;
        if let Some(instructions) = instructions {
            self.instructions = Some(self.instructions.unwrap_or_default() + instructions);
        }
        match returned {
            Returned::Done if is_message => self.survived(),
            Returned::Trapped if is_own => self.revision.breaker.trapped(&self.admitted, self.now),
            Returned::Done | Returned::Failed | Returned::Trapped => {}
        }
        returned
    }

    /// Read what has arrived behind a message, so that it is handed over with it: one reply and one write for all.
    async fn gather(&mut self) {
        for _ in 1..BURST {
            let arrived = poll_fn(|cx| Poll::Ready(self.poll_arrived(cx))).await;
            let Poll::Ready(event) = arrived else { return };
            self.session.step(event, self.now);
            while let Some(action) = self.session.next_action() {
                self.act(action);
            }
        }
    }

    /// Serve a call with an instance of its own.
    pub(super) async fn call_fresh(&mut self, first: &mut Option<Box<Instance>>, call: &Call) -> Returned {
        self.traffic.count(call);
        if matches!(call, Call::Message(_)) {
            self.outbound.count_in(1);
        }
        self.settle();
        let must_wait = std::mem::take(&mut self.must_wait);
        let ended = {
            let (revision, turns, outbound) = (self.revision.clone(), self.turns.clone(), self.outbound.clone());
            let running = pin!(async {
                if must_wait {
                    turns.wait().await;
                }
                serve_one(&revision, &turns, &outbound, first.take(), call).await
            });
            self.drive(running).await
        };
        self.now = Instant::now();
        match ended {
            Ended::Returned(returned, instructions) => {
                if let Some(instructions) = instructions {
                    self.instructions = Some(self.instructions.unwrap_or_default() + instructions);
                    self.revision.metered(self.outbound.id, call.function(), instructions);
                }
                self.returned(call, returned)
            }
            Ended::Trapped(function, trap, remains) => {
                let event = TrappedEvent { function, ..TrappedEvent::of(call, &self.outbound, self.headers_of(call)) };
                self.revision.trapped(event, trap, remains);
                self.revision.breaker.trapped(&self.admitted, self.now);
                Returned::Trapped
            }
            Ended::NoInstance => {
                self.revision.exhausted(Some(self.outbound.id));
                self.session.step(Event::TryAgainLater, self.now);
                Returned::Trapped
            }
        }
    }
}

/// One event of a connection in an instance that nothing else is done with.
async fn serve_one(
    revision: &Revision,
    turns: &Arc<Turns>,
    outbound: &Arc<Outbound>,
    prepared: Option<Box<Instance>>,
    call: &Call,
) -> Ended {
    let mut instance = match prepared {
        Some(instance) => *instance,
        None => match start(revision, turns).await {
            Ok(mut instance) => {
                instance.own(outbound.clone(), None::<Request>);
                instance
            }
            Err(StartError::Exhausted) => return Ended::NoInstance,
            Err(StartError::Trap { trap, remains }) => return Ended::Trapped("instantiation", trap, remains),
        },
    };
    match instance.call(outbound.id, call).await {
        Ok(returned) => Ended::Returned(returned, instance.all_instructions()),
        Err(mut trap) => {
            let remains = instance.into_remains(&mut trap);
            Ended::Trapped(call.function(), trap, remains)
        }
    }
}

/// Events come and go: where all instances are in use, one is free soon.
async fn start(revision: &Revision, turns: &Arc<Turns>) -> Result<Instance, StartError> {
    let deadline = Instant::now() + revision.manifest.limits.event_time;
    loop {
        match revision.start_in_turn(turns).await {
            Err(StartError::Exhausted) if Instant::now() < deadline => tokio::time::sleep(RETRY).await,
            started => return started,
        }
    }
}

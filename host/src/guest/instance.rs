//! One store with one instantiated artifact, and the calls of its handler.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use wasmtime::component;
use wasmtime::{PoolConcurrencyLimitError, Store, UpdateDeadline};

use super::artifact::Artifact;
use super::bindings::{handler, upgrade};
use super::clock::{Budget, EventClock};
use super::lifecycle::Age;
use super::meter::{self, Meter};
use super::request::Request;
use super::state::{InstanceState, Shared, State};
use super::trap::{ExecutionSpent, Remains, Trap};
use super::types;
use crate::handshake::{GuestAcceptance, GuestRefusal};
use crate::ids::ConnectionId;
use crate::limits::Limits;
use crate::message::Message;
use crate::outbound::Outbound;
use crate::session::{Call, CloseCause, CloseInfo};
use crate::share::Turns;

/// What a guest may show to the host in one call beside messages, in bytes.
const CALL_SLACK: usize = 64 * 1024;
/// What it may show at the least, whatever its messages' size.
const CALL_LEAST: usize = 4 * 1024 * 1024;
/// Handles that a guest may hold at once: of the host's resources and of its own.
const HANDLES: usize = 10_000;

/// Why no instance could be had.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The host's pool of instances is used up.
    #[error("no instance is free")]
    Exhausted,
    /// The guest trapped while it started.
    #[error("{trap}")]
    Trap {
        /// What happened.
        trap: Box<Trap>,
        /// For a core dump.
        remains: Option<Remains>,
    },
}

/// One store with one instantiated artifact. After a trap nothing in it is called again.
pub struct Instance {
    pub(super) store: Store<State>,
    handler: handler::Guest,
    upgrade: Option<upgrade::Guest>,
    /// For the exports that are rarely called.
    pub(super) exports: component::Instance,
    pub(super) clock: Arc<EventClock>,
    pub(super) age: Age,
    /// What `open` is given; taken by it.
    pub(super) request: Option<Request>,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Instance").finish_non_exhaustive()
    }
}

impl Instance {
    /// Instantiate the artifact within `limits.start_time`. A call that goes on over an epoch tick takes its `turns`.
    pub async fn start(artifact: &Artifact, shared: &Arc<Shared>, turns: &Arc<Turns>) -> Result<Self, StartError> {
        let mut store = new_store(artifact, shared, turns);
        let clock = store.data().clock.clone();
        let limit = start_budget(&shared.limits);
        clock.start(limit);
        store.set_epoch_deadline(1);
        meter::begin(&mut store);
        let started = {
            let start = pin!(instantiate(artifact, &mut store));
            within(limit, &clock, start).await
        };
        meter::end(&mut store);
        let mut trap = match started {
            Some(Ok((exports, handler, upgrade))) => {
                let age = Age::default();
                return Ok(Instance { store, handler, upgrade, exports, clock, age, request: None });
            }
            Some(Err(error)) if error.is::<PoolConcurrencyLimitError>() => return Err(StartError::Exhausted),
            Some(Err(error)) => Trap::new(error, store.data()),
            None => Trap::time(limit, store.data()),
        };
        let remains = Remains::new(store, &mut trap);
        Err(StartError::Trap { trap, remains })
    }

    /// Let the guest answer the handshake; none when it does not export `upgrade`.
    pub async fn upgrade(
        &mut self,
        request: &Request,
        origin_allowed: bool,
    ) -> Option<Result<Result<GuestAcceptance, GuestRefusal>, Box<Trap>>> {
        let upgrade = self.upgrade.clone()?;
        let Instance { store, clock, .. } = self;
        store.data().current.set_connection(None);
        let limits = &store.data().shared.limits;
        let limit = start_budget(limits);
        clock.start(execution_budget(limits));
        store.set_epoch_deadline(1);
        meter::begin(store);
        let answer = {
            let call = pin!(upgrade.call_upgrade(&mut *store, request, origin_allowed));
            within(limit, clock, call).await
        };
        meter::end(store);
        Some(match answer {
            Some(Ok(answer)) => Ok(answer.map(GuestAcceptance::from).map_err(GuestRefusal::from)),
            Some(Err(error)) => Err(Trap::new(error, store.data())),
            None => Err(Trap::time(limit, store.data())),
        })
    }

    /// Make the instance the owner of a connection, whose `open` is to be called next, with `request`; without one it has
    /// been opened elsewhere.
    pub fn own(&mut self, connection: Arc<Outbound>, request: Option<Request>) {
        self.store.data_mut().connections.insert(connection.id.0, connection);
        self.request = request;
    }

    /// The connection is over: its number is void from now on.
    pub fn disown(&mut self, connection: ConnectionId) {
        self.store.data_mut().connections.remove(&connection.0);
    }

    /// The connections that it owns.
    pub fn connections(&self) -> Vec<Arc<Outbound>> {
        self.store.data().connections.values().cloned().collect()
    }

    /// Whether it owns any.
    pub fn has_connections(&self) -> bool {
        !self.store.data().connections.is_empty()
    }

    /// What its log lines say of it beside the connection.
    pub fn set_key(&mut self, key: Arc<str>) {
        self.store.data().current.set_key(key);
    }

    /// Count it as one of these.
    pub fn set_state(&mut self, state: InstanceState) {
        self.store.data_mut().set_activity(state);
    }

    /// Call one function of the handler. The inner error is the guest's own, the outer one a trap, after which the
    /// instance must be dropped.
    pub async fn call(&mut self, connection: ConnectionId, call: &Call) -> Result<Result<(), String>, Box<Trap>> {
        let request = self.request.take();
        self.age.count();
        let Instance { store, handler, clock, .. } = self;
        store.data().current.set_connection(Some(connection));
        let limits = &store.data().shared.limits;
        let (execution, limit) = match call {
            Call::Open => (start_budget(limits), start_budget(limits)),
            _ => (execution_budget(limits), Budget { key: "limits.event_time", time: limits.event_time }),
        };
        clock.start(execution);
        store.set_epoch_deadline(1);
        meter::begin(store);
        let returned = {
            let call = pin!(invoke(store, handler, connection, call, request));
            within(limit, clock, call).await
        };
        meter::end(store);
        match returned {
            Some(Ok(returned)) => Ok(returned.map_err(|text| cut(text, store.data().shared.limits.log_line_size))),
            Some(Err(error)) => Err(Trap::new(error, store.data())),
            None => Err(Trap::time(limit, store.data())),
        }
    }

    /// Before a call that has `limits.start_time` for all that it does; yields that budget.
    pub(super) fn begin(&mut self) -> Budget {
        let limit = start_budget(&self.store.data().shared.limits);
        self.clock.start(limit);
        self.store.set_epoch_deadline(1);
        meter::begin(&mut self.store);
        limit
    }

    /// After that call: what it returned; none when it took longer.
    pub(super) fn finish<R>(&mut self, returned: Option<wasmtime::Result<R>>, limit: Budget) -> Result<R, Box<Trap>> {
        meter::end(&mut self.store);
        match returned {
            Some(Ok(returned)) => Ok(returned),
            Some(Err(error)) => Err(Trap::new(error, self.store.data())),
            None => Err(Trap::time(limit, self.store.data())),
        }
    }

    /// The instructions of the last event; none where they are not counted.
    pub fn instructions(&self) -> Option<u64> {
        self.store.data().meter.as_ref().map(Meter::event)
    }

    /// The instructions of all events until now, the instantiation included.
    pub fn all_instructions(&self) -> Option<u64> {
        self.store.data().meter.as_ref().map(Meter::total)
    }

    /// What a core dump can be made of after `trap`; none where the deployment asks for none.
    pub fn into_remains(self, trap: &mut Trap) -> Option<Remains> {
        Remains::new(self.store, trap)
    }
}

fn start_budget(limits: &Limits) -> Budget {
    Budget { key: "limits.start_time", time: limits.start_time }
}

fn execution_budget(limits: &Limits) -> Budget {
    Budget { key: "limits.execution", time: limits.execution }
}

fn new_store(artifact: &Artifact, shared: &Arc<Shared>, turns: &Arc<Turns>) -> Store<State> {
    let limits = &shared.limits;
    let state = State::new(shared.clone(), turns.clone(), artifact.engine.metering);
    let mut store = Store::new(&artifact.engine.inner, state);
    store.limiter(|state| &mut state.limiter);
    // Bounds what the host copies for a guest, and the time it takes, which no epoch ends. Twice as much as can be sent,
    // so that a message that is somewhat too large is refused, and no trap; also in UTF-16.
    let shown = limits.largest_sent().saturating_mul(2).max(CALL_LEAST).min(limits.memory);
    store.set_hostcall_fuel(shown.saturating_add(CALL_SLACK));
    store.set_max_component_handles(HANDLES);
    store.epoch_deadline_callback(|store| {
        let state = store.data();
        if !state.clock.tick() {
            return Err(ExecutionSpent(state.clock.budget()).into());
        }
        let (clock, turns) = (state.clock.clone(), state.turns.clone());
        let next_turn = async move {
            clock.wait();
            turns.next().await;
            clock.go_on();
        };
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(next_turn)))
    });
    store
}

async fn instantiate(
    artifact: &Artifact,
    store: &mut Store<State>,
) -> wasmtime::Result<(component::Instance, handler::Guest, Option<upgrade::Guest>)> {
    let instance = artifact.pre.instantiate_async(&mut *store).await?;
    let handler = artifact.handler.load(&mut *store, &instance)?;
    let upgrade = artifact.optional.upgrade.as_ref().map(|upgrade| upgrade.load(&mut *store, &instance)).transpose()?;
    Ok((instance, handler, upgrade))
}

async fn invoke(
    store: &mut Store<State>,
    handler: &handler::Guest,
    connection: ConnectionId,
    call: &Call,
    request: Option<Request>,
) -> wasmtime::Result<Result<(), String>> {
    let id = connection.0;
    match call {
        Call::Message(Message::Text(text)) => {
            handler.call_on_message(store, id, types::Message::Text(text.as_str())).await
        }
        Call::Message(Message::Binary(bytes)) => {
            handler.call_on_message(store, id, types::Message::Binary(bytes)).await
        }
        Call::Open => {
            let request = request.unwrap_or_default();
            handler.call_open(store, id, &request).await
        }
        Call::Ping(data) => handler.call_on_ping(store, id, data).await.map(Ok),
        Call::Pong(data) => handler.call_on_pong(store, id, data).await.map(Ok),
        Call::Close(info) => handler.call_on_close(store, id, lower(info)).await.map(Ok),
    }
}

fn lower(info: &CloseInfo) -> types::CloseInfo<'_> {
    types::CloseInfo {
        code: info.frame.as_ref().map(|frame| frame.code),
        reason: info.frame.as_ref().map(|frame| frame.reason.as_str()),
        cause: match info.cause {
            CloseCause::Peer => types::CloseCause::Peer,
            CloseCause::Guest => types::CloseCause::Guest,
            CloseCause::Network => types::CloseCause::Network,
            CloseCause::PingTimeout => types::CloseCause::PingTimeout,
            CloseCause::ProtocolError => types::CloseCause::ProtocolError,
            CloseCause::InvalidText => types::CloseCause::InvalidText,
            CloseCause::MessageTooBig => types::CloseCause::MessageTooBig,
            CloseCause::RateLimited => types::CloseCause::RateLimited,
            CloseCause::SlowConsumer => types::CloseCause::SlowConsumer,
            CloseCause::GuestError => types::CloseCause::GuestError,
            CloseCause::Drained => types::CloseCause::Drained,
        },
    }
}

/// A guest's text for the log: what is over the size of a line is dropped before anything is done with it.
pub(super) fn cut(mut text: String, size: usize) -> String {
    text.truncate(text.floor_char_boundary(size));
    text
}

/// Drive a call of the guest; none when it takes longer than `limit`, waiting included, but not for its turn. A timer
/// exists only once the guest has yielded or waited.
pub(super) async fn within<F: Future>(
    limit: Budget,
    clock: &EventClock,
    mut call: std::pin::Pin<&mut F>,
) -> Option<F::Output> {
    let mut timer = None;
    std::future::poll_fn(|context| {
        if timer.is_some() {
            clock.resume();
        }
        if let Poll::Ready(output) = call.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit.time)));
        while timer.as_mut().poll(context).is_ready() {
            let waited = clock.take_waited();
            if waited.is_zero() {
                return Poll::Ready(None);
            }
            timer.as_mut().reset(tokio::time::Instant::now() + waited);
        }
        Poll::Pending
    })
    .await
}

//! What a store holds beside the guest: the data of one instance.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use metrics::{Counter, Gauge};
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::clock::EventClock;
use super::limiter::MemoryLimiter;
use super::log::{Current, LogBudget};
use super::meter::Meter;
use super::wasi::Wasi;
use crate::hits::Hits;
use crate::ids::ConnectionId;
use crate::limits::Limits;
use crate::manifest::Metering;
use crate::metrics::Instances;
use crate::outbound::Outbound;
use crate::share::Turns;
use crate::topics::Topics;

/// What the instances of one revision share.
pub struct Shared {
    /// The deployment's limits.
    pub limits: Limits,
    /// The environment that the manifest gives.
    pub environment: Vec<(String, String)>,
    /// The deployment's topics; they outlive the revision.
    pub topics: Arc<Topics>,
    /// The deployment's budget of log lines.
    pub log: Arc<LogBudget>,
    /// Counts the deployment's live instances.
    pub instances: Instances,
    /// Counts the deployment's instructions, if its guests are measured so.
    pub instructions: Counter,
    /// Whether what is left of a trapped instance is kept for a core dump.
    pub coredumps: bool,
    /// The limits that the deployment runs into.
    pub hits: Arc<Hits>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Shared {
    fn gauge(&self, activity: InstanceState) -> &Gauge {
        match activity {
            InstanceState::Active => &self.instances.active,
            InstanceState::Idle => &self.instances.idle,
        }
    }
}

/// Whether an instance is there for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// It has connections, or serves an event.
    Active,
    /// It is kept without.
    Idle,
}

/// The data of one instance.
pub(super) struct State {
    pub(super) shared: Arc<Shared>,
    pub(super) limiter: MemoryLimiter,
    pub(super) clock: Arc<EventClock>,
    pub(super) turns: Arc<Turns>,
    pub(super) activity: InstanceState,
    /// None where instructions are not counted.
    pub(super) meter: Option<Meter>,
    /// The connections that the instance owns.
    pub(super) connections: BTreeMap<u32, Arc<Outbound>>,
    pub(super) current: Arc<Current>,
    /// Made when the guest first asks: many guests never do.
    wasi: Option<Box<Wasi>>,
}

impl State {
    pub(super) fn new(shared: Arc<Shared>, turns: Arc<Turns>, metering: Metering) -> Self {
        let activity = InstanceState::Active;
        shared.gauge(activity).increment(1.0);
        let meter = (metering == Metering::Fuel).then(|| Meter::new(shared.limits.instructions, &shared.instructions));
        State {
            limiter: MemoryLimiter::new(&shared.limits),
            shared,
            clock: Arc::default(),
            turns,
            activity,
            meter,
            connections: BTreeMap::new(),
            current: Arc::default(),
            wasi: None,
        }
    }

    /// The connection with this number, if the instance owns it. If not, that is said in the log: a guest that keeps to
    /// its own numbers never asks for another.
    pub(super) fn connection(&self, id: u32) -> Option<&Arc<Outbound>> {
        let connection = self.connections.get(&id);
        if connection.is_none() {
            self.foreign(id, 1);
        }
        connection
    }

    /// Say that the guest named so many connections that are not its own, `id` among them.
    #[cold]
    pub(super) fn foreign(&self, id: u32, count: u64) {
        self.shared.hits.foreign(self.current.connection(), ConnectionId(id), count);
    }

    pub(super) fn set_activity(&mut self, activity: InstanceState) {
        if activity != self.activity {
            self.shared.gauge(self.activity).decrement(1.0);
            self.shared.gauge(activity).increment(1.0);
            self.activity = activity;
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.shared.gauge(self.activity).decrement(1.0);
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let State { shared, current, wasi, .. } = self;
        wasi.get_or_insert_with(|| Box::new(Wasi::new(&shared.environment, &shared.log, current))).view()
    }
}

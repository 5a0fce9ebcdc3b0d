//! Counting a guest's instructions, which are wasmtime's fuel, from event to event.

use metrics::Counter;
use wasmtime::Store;

use super::state::State;

/// What one instance has executed. An instance whose instructions are not counted has none.
pub(super) struct Meter {
    limit: Option<u64>,
    counter: Counter,
    event: u64,
    total: u64,
}

impl Meter {
    pub(super) fn new(limit: Option<u64>, counter: &Counter) -> Self {
        Meter { limit, counter: counter.clone(), event: 0, total: 0 }
    }

    /// The instructions that an event may execute; none: as many as it likes.
    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// The instructions of the last event.
    pub(super) fn event(&self) -> u64 {
        self.event
    }

    /// The instructions of all events, the instantiation included.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Go on counting where the meter of a predecessor ended.
    pub(super) fn follow(&mut self, predecessor: &Meter) {
        self.total = self.total.saturating_add(predecessor.total);
    }

    /// What an event is given. Fuel never makes a guest yield: epoch ticks do that.
    fn granted(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }
}

/// An event begins.
pub(super) fn begin(store: &mut Store<State>) {
    if let Some(meter) = &store.data().meter {
        let granted = meter.granted();
        // Fails on an engine that does not count only, and there is no meter then.
        let _ = store.set_fuel(granted);
    }
}

/// An event ended, however it did. What a guest has executed since it last called or returned from a function is not
/// known to wasmtime when a clock ends it; in all other cases the count is exact.
pub(super) fn end(store: &mut Store<State>) {
    if store.data().meter.is_none() {
        return;
    }
    let left = store.get_fuel().unwrap_or_default();
    if let Some(meter) = &mut store.data_mut().meter {
        meter.event = meter.granted().saturating_sub(left);
        meter.total = meter.total.saturating_add(meter.event);
        meter.counter.increment(meter.event);
    }
}

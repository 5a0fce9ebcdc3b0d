//! WASI as a guest gets it: clocks, random numbers and the log; no files, no sockets, no environment but the
//! manifest's.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView};

use super::log::{Current, GuestLog, LogBudget, Source};

/// Handles that a guest may hold at once (streams, pollables).
const HANDLES: usize = 1_024;
/// The most random bytes of one call.
const RANDOM_BYTES: u64 = 64 * 1024;

/// One instance's WASI state.
pub(super) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl Wasi {
    pub(super) fn new(environment: &[(String, String)], log: &Arc<LogBudget>, current: &Arc<Current>) -> Self {
        let stream = |source| GuestLog::new(source, log.clone(), current.clone());
        let context = WasiCtx::builder()
            .envs(environment)
            .stdout(stream(Source::Stdout))
            .stderr(stream(Source::Stderr))
            .max_random_size(RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Wasi { context, table }
    }

    pub(super) fn view(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.context, table: &mut self.table }
    }
}

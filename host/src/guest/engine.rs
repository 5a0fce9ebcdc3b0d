//! The engine: one per host, which is up to three of wasmtime's, each with its pool of instances. The second exists only when
//! there is a component with so much data that it is mapped (`capacity`), the third when a deployment has its instructions
//! counted, which costs every guest that is compiled for it. One thread ticks the epochs of all.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use super::capacity::{Contents, Shares};
use super::state::State;
use super::ticks::Ticks;
use super::{cache, imports};
use crate::host_config::{CoreDumpSettings, HostConfig};
use crate::limits::KEYS;
use crate::manifest::Metering;

/// Tables that a typical component needs; std Rust has two.
const TABLES_PER_INSTANCE: u32 = 3;
/// Core instances that a typical component needs; std Rust has three.
const CORES_PER_INSTANCE: u32 = 4;
/// The address space of one memory, wasmtime's default: within it wasm needs no bounds checks.
const SLOT: usize = 4 << 30;
/// The part of a fiber's stack that is left to functions of the host, in bytes; wasmtime's default.
const HOST_STACK: usize = 1536 * 1024;
/// Memory of an ended instance that is cleared instead of given back, in bytes.
const KEEP_RESIDENT: usize = 256 * 1024;
/// Functions that a backtrace shows, the innermost ones.
const FRAMES: usize = 20;

/// What the operator decides about the engine.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Instances that may live at once.
    pub instances: Shares,
    /// The largest memory that any deployment may give an instance, in bytes.
    pub max_memory: usize,
    /// The most elements that any deployment may give a table.
    pub max_table_elements: usize,
    /// The most core instances that any deployment's component may be made of.
    pub max_core_instances: usize,
    /// Stack of a running guest, in bytes; passing it is a trap.
    pub wasm_stack: usize,
    /// Where compiled components are kept; none compiles them anew at each start.
    pub cache: Option<PathBuf>,
    /// Where core dumps are kept; none: there are none.
    pub coredumps: Option<CoreDumpSettings>,
}

impl EngineSettings {
    /// Those that follow from a host config.
    pub fn new(config: &HostConfig, instances: Shares, cache: Option<PathBuf>) -> Self {
        let most = |name: &str| KEYS.iter().find(|key| key.name == name).map_or(usize::MAX, |key| key.most as usize);
        let ceilings = &config.ceilings;
        EngineSettings {
            instances,
            max_memory: ceilings.memory.unwrap_or(usize::MAX),
            max_table_elements: ceilings.table_elements.unwrap_or_else(|| most("table_elements")),
            max_core_instances: ceilings.core_instances.unwrap_or_else(|| most("core_instances")),
            wasm_stack: config.host.wasm_stack,
            cache,
            coredumps: config.coredumps.clone(),
        }
    }
}

/// Why the engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime's reason.
    #[error("the WebAssembly engine cannot be set up for {instances} instances ({setting}): {source:#}")]
    Setup {
        /// How many were asked for.
        instances: u32,
        /// What sets their number.
        setting: &'static str,
        /// The reason.
        source: wasmtime::Error,
    },
    /// All instances were given to guests whose instructions are not counted.
    #[error(
        "metering: this host has no instances left for \"fuel\"; host.metered_instances in the host config keeps some \
         for such deployments from the start"
    )]
    NoneMetered,
    /// None was kept for guests with much data.
    #[error(
        "this host was started without instances for a component with so much data; start it with this component, or with \
         more host.instances"
    )]
    NoneMapped,
    /// None was kept for guests with little data.
    #[error(
        "this host was started without instances for a component with so little data; start it with this component, or \
         with more host.instances"
    )]
    NoneCopied,
    /// No thread for the ticks of the epochs.
    #[error("cannot start a thread: {0}")]
    Ticks(#[from] io::Error),
}

/// wasmtime's engines with the linker for guests. Clones share them.
#[derive(Clone)]
pub struct Engine {
    /// Those that are there; few.
    cores: Arc<Mutex<Vec<Core>>>,
    ticks: Ticks,
    settings: Arc<EngineSettings>,
}

/// One engine of wasmtime with the linker for guests.
#[derive(Clone)]
pub(super) struct Core {
    pub(super) inner: wasmtime::Engine,
    pub(super) linker: Arc<Linker<State>>,
    pub(super) metering: Metering,
    pub(super) contents: Contents,
    cache: Option<PathBuf>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Reserve the pool, link the imports and start the epoch ticks.
    pub fn new(settings: &EngineSettings) -> Result<Self, EngineError> {
        let ticks = Ticks::start()?;
        let engine = Engine { cores: Arc::default(), ticks, settings: Arc::new(settings.clone()) };
        if settings.instances.copied > 0 {
            engine.core(Metering::Time, Contents::Copied)?;
        }
        Ok(engine)
    }

    /// Counts the epochs while the engine lives: without them no limit of a guest holds.
    pub fn ticks(&self) -> Weak<AtomicU64> {
        self.ticks.count()
    }

    /// Where core dumps are kept; none: there are none.
    pub fn coredumps(&self) -> Option<&CoreDumpSettings> {
        self.settings.coredumps.as_ref()
    }

    /// The engine for guests that are measured so and have such data; made when it is first asked for.
    pub(super) fn core(&self, metering: Metering, contents: Contents) -> Result<Core, EngineError> {
        let Shares { copied, mapped, metered } = self.settings.instances;
        let (contents, instances, none) = match (metering, contents) {
            (Metering::Time, Contents::Copied) => (Contents::Copied, copied, EngineError::NoneCopied),
            (Metering::Time, Contents::Mapped) => (Contents::Mapped, mapped, EngineError::NoneMapped),
            // Few: not worth two pools.
            (Metering::Fuel, _) => (Contents::Mapped, metered, EngineError::NoneMetered),
        };
        let mut cores = self.cores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(core) = cores.iter().find(|core| (core.metering, core.contents) == (metering, contents)) {
            return Ok(core.clone());
        }
        if instances == 0 {
            return Err(none);
        }
        let core = Core::new(&self.settings, metering, contents, instances)?;
        self.ticks.add(&core.inner);
        cores.push(core.clone());
        Ok(core)
    }
}

impl Core {
    fn new(
        settings: &EngineSettings,
        metering: Metering,
        contents: Contents,
        instances: u32,
    ) -> Result<Self, EngineError> {
        let setting = metering.instances();
        Self::build(settings, metering, contents, instances).map_err(|source| EngineError::Setup {
            instances,
            setting,
            source,
        })
    }

    fn build(
        settings: &EngineSettings,
        metering: Metering,
        contents: Contents,
        instances: u32,
    ) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings, instances)))
            .epoch_interruption(true)
            .consume_fuel(metering == Metering::Fuel)
            .memory_init_cow(contents == Contents::Mapped)
            // No component needs it, and its bounds checks cost what the slots of 4 GiB save.
            .wasm_memory64(false)
            .max_wasm_stack(settings.wasm_stack)
            .async_stack_size(settings.wasm_stack + HOST_STACK)
            // Names of functions, no source lines: wasmtime would read all of a component's debug information, which
            // nobody has checked, on a serving thread. `symbols` does it elsewhere and within bounds.
            .wasm_backtrace_details(WasmBacktraceDetails::Disable)
            .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES))
            // Costs a second backtrace per trap, and nothing else.
            .coredump_on_trap(settings.coredumps.is_some());
        let inner = wasmtime::Engine::new(&config)?;
        let mut linker = Linker::new(&inner);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        imports::add_to_linker(&mut linker)?;
        Ok(Core { inner, linker: Arc::new(linker), metering, contents, cache: settings.cache.clone() })
    }

    /// Compile a component, or find it compiled. Takes the time of a compiler.
    pub(super) fn component(&self, bytes: &[u8]) -> wasmtime::Result<Component> {
        cache::component(&self.inner, self.cache.as_deref(), bytes)
    }
}

fn pool(settings: &EngineSettings, instances: u32) -> PoolingAllocationConfig {
    let cores = u32::try_from(settings.max_core_instances).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORES_PER_INSTANCE))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(TABLES_PER_INSTANCE))
        .total_stacks(instances)
        .max_memory_size(settings.max_memory.min(SLOT))
        .max_core_instances_per_component(cores)
        .max_tables_per_component(cores)
        .max_tables_per_module(16)
        .table_elements(settings.max_table_elements)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT / 4)
        .async_stack_keep_resident(0)
        .pagemap_scan(Enabled::Auto);
    pool
}

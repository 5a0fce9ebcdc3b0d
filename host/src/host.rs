//! The running process: engine, registry and listeners put together.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use tokio::runtime::Handle;

use crate::connection::handshakes::Handshakes;
use crate::connection::{self, Context};
use crate::guest::capacity::{Capacity, MOST, Needs, Shares};
use crate::guest::{Artifact, Contents, Engine, EngineError, EngineSettings};
use crate::hits::Hits;
use crate::host_config::{HostConfig, HostLimits, METERED_INSTANCES};
use crate::limits::{Kind, Value};
use crate::manifest::{Manifest, Metering, Scope};
use crate::outbound::Budget;
use crate::registry::{DeployErrors, Registry, Revision};
use crate::server::{self, BindError, Drain, Drained, Server, Settings};
use crate::share::Workers;
use crate::{memory, metrics, watch};

const MIB: u64 = 1 << 20;
/// Open files that are not connections: listeners, components, the runtime.
const FILES_ELSEWHERE: u64 = 128;
/// Connections when the limit of open files cannot be read.
const CONNECTIONS: usize = 10_000;

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// More instances are asked for than the machine holds.
    #[error(
        "host.instances: {asked} is more than this machine holds; vm.max_map_count = {max_map_count} leaves room for {room}, \
         and no host holds more than {MOST}. Lower it, or raise the setting with: sysctl vm.max_map_count={needed}"
    )]
    Instances {
        /// Asked for.
        asked: usize,
        /// What there is room for.
        room: u32,
        /// The setting as it is.
        max_map_count: u64,
        /// The setting that would do.
        needed: u64,
    },
    /// None would be left for guests whose instructions are not counted.
    #[error(
        "host.metered_instances: {asked} is not less than all of the host's instances, which are {all}; lower it, or raise \
         host.instances"
    )]
    MeteredInstances {
        /// Asked for.
        asked: usize,
        /// All that the host has.
        all: usize,
    },
    /// The folder for core dumps cannot be had.
    #[error("coredumps.dir: {dir} cannot be used: {source}", dir = .dir.display())]
    CoreDumps {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The engine cannot be set up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A deployment was refused.
    #[error(transparent)]
    Deploy(#[from] DeployErrors),
    /// An address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No thread for the watch over epochs and memory.
    #[error("cannot start a thread: {0}")]
    Watch(io::Error),
}

/// A host that serves.
#[derive(Debug)]
pub struct Host {
    context: Arc<Context>,
    urls: Vec<String>,
    metrics_url: Option<String>,
    drain: Drain,
    grace: Duration,
}

impl Host {
    /// Bind the addresses, load the deployments and serve. `cache` is where compiled components are kept.
    pub async fn start(
        config: HostConfig,
        manifests: Vec<Manifest>,
        tls: Option<Arc<ServerConfig>>,
        cache: Option<PathBuf>,
    ) -> Result<Self, StartError> {
        let hits = Arc::new(Hits::of_the_host());
        let settings = Settings {
            connections: config.host.connections.unwrap_or_else(connections),
            connections_per_peer: config.host.connections_per_peer,
            handshake_time: config.handshake.time,
            tls,
            hits: Some(hits.clone()),
        };
        let server = Server::bind(&config.listen, settings)?;
        let metrics = match config.metrics {
            Some(address) => Some(Server::bind(&[address], server::metrics::settings(&config.handshake))?),
            None => None,
        };
        let recorder = metrics.as_ref().and_then(|_| recorder());
        let instances = instances(&config, &manifests)?;
        let told = Told::new(&config, &manifests, instances);
        let engine = Engine::new(&engine_settings(&config, instances, cache)?)?;
        let budget = budget(&config.host, hits.clone());
        let pressure = config.host.memory_pressure.map(|percent| memory::available() / 100 * percent);
        watch::start(engine.ticks(), budget.clone(), pressure).map_err(StartError::Watch)?;
        let workers = Workers::new(Handle::current().metrics().num_workers());
        let registry = Registry::new(engine, workers);
        registry.deploy(manifests).await?;
        told.tell();
        let shown = |bytes| Value { kind: Kind::Size, amount: Some(bytes) };
        let (limit, available) = (budget.limit() as u64, memory::available() / MIB * MIB);
        tracing::info!("host.memory_budget: {} of {}", shown(limit), shown(available));
        let (drain, guard) = server::drain();
        let urls = server.urls();
        let metrics_url = metrics.as_ref().and_then(|server| server.urls().pop()).map(|url| format!("{url}/metrics"));
        if let (Some(server), Some(recorder)) = (metrics, recorder) {
            let budget = budget.clone();
            let render = move || {
                metrics::buffered(budget.used());
                recorder.render()
            };
            tokio::spawn(server::metrics::run(server, guard.clone(), config.handshake.clone(), render));
        }
        let context = Arc::new(Context {
            registry,
            handshake: config.handshake,
            ceilings: config.ceilings,
            hosts: config.hosts,
            handshakes: config.host.handshakes_per_peer.map(Handshakes::new),
            budget,
            hits,
        });
        tokio::spawn(serve(server, guard, context.clone()));
        Ok(Host { context, urls, metrics_url, drain, grace: config.shutdown_grace })
    }

    /// The addresses in use, as `http://127.0.0.1:8080`, in the order of the host config.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Where the metrics are served.
    pub fn metrics_url(&self) -> Option<&str> {
        self.metrics_url.as_deref()
    }

    /// Serve a new revision of a deployment, or a new deployment. Connections of the old revision close with 1012. An
    /// error changes nothing.
    pub async fn deploy(&self, manifest: Manifest) -> Result<Vec<Arc<Revision>>, DeployErrors> {
        self.context.registry.deploy(vec![manifest]).await
    }

    /// The same, in place of everything that was served before.
    pub async fn replace(&self, manifest: Manifest) -> Result<Vec<Arc<Revision>>, DeployErrors> {
        self.context.registry.replace(vec![manifest]).await
    }

    /// Stop accepting, close every connection with 1001, and wait for their ends within the grace period.
    pub async fn shutdown(self) -> Drained {
        let revisions = self.context.registry.revisions();
        for revision in &revisions {
            revision.roster.drain(1001);
        }
        let drained = self.drain.finish(self.grace).await;
        if drained == Drained::GraceOver {
            let open: usize = revisions.iter().map(|revision| revision.roster.len()).sum();
            tracing::warn!(open, "shutdown_grace is over; connections are dropped");
        }
        drained
    }
}

async fn serve(server: Server, guard: server::Guard, context: Arc<Context>) {
    server
        .run(guard, move |arrival| {
            let context = context.clone();
            async move {
                let told = arrival.guard.told();
                connection::serve(&context, arrival.stream, arrival.peer, arrival.deadline, told).await;
            }
        })
        .await;
}

fn engine_settings(
    config: &HostConfig,
    instances: Shares,
    cache: Option<PathBuf>,
) -> Result<EngineSettings, StartError> {
    if let Some(coredumps) = &config.coredumps {
        let dir = coredumps.dir.clone();
        private_folder(&dir).map_err(|source| StartError::CoreDumps { dir, source })?;
    }
    Ok(EngineSettings::new(config, instances, cache))
}

/// How many instances a host with these deployments may hold on this machine.
///
/// # Errors
/// More are asked for than there is room for.
pub fn instances(config: &HostConfig, manifests: &[Manifest]) -> Result<Shares, StartError> {
    shares(Capacity::of_this_machine(), &config.host, needs(manifests))
}

fn needs(manifests: &[Manifest]) -> Needs {
    let mut needs = Needs::default();
    for manifest in manifests.iter().filter(|manifest| !manifest.routes.is_empty()) {
        match (manifest.metering, Artifact::contents_of(&manifest.component, &manifest.limits)) {
            (Metering::Fuel, _) => needs.metered = true,
            (Metering::Time, Some(Contents::Copied)) => needs.copied = true,
            (Metering::Time, Some(Contents::Mapped)) => needs.mapped = true,
            // Is refused when it is loaded.
            (Metering::Time, None) => {}
        }
    }
    needs
}

/// How many instances each pool gets. Those that count instructions are taken from all, when the operator or a deployment
/// of the start wants them.
fn shares(capacity: Capacity, host: &HostLimits, needs: Needs) -> Result<Shares, StartError> {
    let u32_of = |asked: usize| u32::try_from(asked).unwrap_or(u32::MAX);
    let metered = |all: u32| match host.metered_instances {
        Some(asked) => u32_of(asked),
        None if needs.metered => METERED_INSTANCES.min(all / 2).max(1),
        None => 0,
    };
    let split = |all: u32| Shares::split(all, metered(all), needs);
    let most = capacity.most(split);
    if let Some(asked) = host.metered_instances {
        let room = || capacity.most(|all| Shares::split(all, 0, needs)).all() as usize;
        let all = host.instances.unwrap_or_else(room);
        if asked >= all {
            return Err(StartError::MeteredInstances { asked, all });
        }
    }
    let shares = host.instances.map_or(most, |asked| split(u32_of(asked)));
    if let Some(asked) = host.instances.filter(|_| !capacity.holds(shares)) {
        let (room, max_map_count) = (most.all(), capacity.max_map_count);
        let needed = split(u32_of(asked).min(MOST)).max_map_count();
        return Err(StartError::Instances { asked, room, max_map_count, needed });
    }
    Ok(shares)
}

/// What is said of the instances once everything else is known to be right.
struct Told {
    instances: u32,
    max_map_count: u64,
    /// The operator wants more connections, and each has an instance: how many, of which deployment, and the
    /// `vm.max_map_count` that it takes.
    wanted: Option<(usize, String, u64)>,
}

impl Told {
    fn new(config: &HostConfig, manifests: &[Manifest], shares: Shares) -> Self {
        let instances = shares.all();
        let each = |manifest: &&Manifest| manifest.scope == Scope::Connection && !manifest.routes.is_empty();
        let is_more =
            |asked: &usize| *asked > instances as usize && instances < MOST && config.host.instances.is_none();
        let asked = config.host.connections.filter(is_more);
        let wanted = asked.zip(manifests.iter().find(each)).map(|(asked, manifest)| {
            let most = u32::try_from(asked).unwrap_or(u32::MAX).min(MOST);
            let needed = Shares::split(most, shares.metered, needs(manifests)).max_map_count();
            (asked, manifest.name.clone(), needed)
        });
        Told { instances, max_map_count: Capacity::of_this_machine().max_map_count, wanted }
    }

    fn tell(&self) {
        let Told { instances, max_map_count, wanted } = self;
        metrics::instances_limit(*instances);
        tracing::info!("host.instances: {instances}; vm.max_map_count = {max_map_count}");
        if let Some((asked, name, needed)) = wanted {
            tracing::warn!(
                "host.connections: {asked}, and each connection of {name:?} has an instance, but vm.max_map_count = \
                 {max_map_count} leaves room for {instances}; raise it with: sysctl vm.max_map_count={needed}"
            );
        }
    }
}

/// A folder that can be written into; made when it is not there, for the host's user only.
fn private_folder(dir: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let probe = dir.join(".whimbrel");
    std::fs::write(&probe, "")?;
    std::fs::remove_file(probe)
}

/// What the buffers of all connections may take; unless the operator says, a quarter of the memory.
fn budget(host: &HostLimits, hits: Arc<Hits>) -> Arc<Budget> {
    let available = memory::available();
    // Whole MiB, to be read.
    let quarter = usize::try_from((available / 4 / MIB).max(1) * MIB).unwrap_or(usize::MAX);
    Budget::new(host.memory_budget.unwrap_or(quarter), hits)
}

/// As many connections as the limit of open files leaves room for, after raising it as far as allowed.
fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Not allowed in some containers: then the old limit stands.
    let _ = setrlimit(Resource::Nofile, raised);
    let files = getrlimit(Resource::Nofile).current;
    files.map_or(CONNECTIONS, |files| usize::try_from(files.saturating_sub(FILES_ELSEWHERE)).unwrap_or(CONNECTIONS))
}

/// The process's one recorder of metrics.
fn recorder() -> Option<PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().install_recorder();
            metrics::describe();
            recorder.inspect_err(|error| tracing::error!("metrics are not recorded: {error}")).ok()
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Needs = Needs { copied: true, mapped: false, metered: false };
    const METERED: Needs = Needs { metered: true, ..SMALL };

    /// On a machine with Linux's default.
    fn of(instances: Option<usize>, metered_instances: Option<usize>, needs: Needs) -> Result<Shares, String> {
        let capacity = Capacity { max_map_count: 65_530 };
        let host = HostLimits { instances, metered_instances, ..HostLimits::default() };
        shares(capacity, &host, needs).map_err(|error| error.to_string())
    }

    #[test]
    fn metered_instances_are_taken_from_all() {
        assert_eq!(of(None, None, SMALL), Ok(Shares { copied: 14_748, mapped: 256, metered: 0 }));
        assert_eq!(of(None, None, METERED), Ok(Shares { copied: 13_248, mapped: 256, metered: 1_000 }));
        assert_eq!(of(Some(9_500), None, SMALL), Ok(Shares { copied: 9_244, mapped: 256, metered: 0 }));
        assert_eq!(of(Some(20), None, METERED), Ok(Shares { copied: 9, mapped: 1, metered: 10 }));
        assert_eq!(of(Some(20), Some(5), SMALL), Ok(Shares { copied: 14, mapped: 1, metered: 5 }));
        let all = of(Some(20), Some(20), SMALL).expect_err("none would be left");
        assert!(all.contains("20 is not less than all of the host's instances, which are 20"), "{all}");
        let all = of(None, Some(1 << 40), SMALL).expect_err("none would be left");
        assert!(all.contains("1099511627776 is not less than all of the host's instances, which are 15004"), "{all}");
    }

    #[test]
    fn what_the_machine_has_no_room_for_is_told_with_what_it_takes() {
        let error = of(Some(16_000), None, SMALL).expect_err("no room");
        assert!(error.contains("vm.max_map_count = 65530 leaves room for 15004"), "{error}");
        assert!(error.ends_with("sysctl vm.max_map_count=69512"), "{error}");
        let error = of(Some(1 << 40), None, SMALL).expect_err("no room");
        assert!(
            error.ends_with(
                "no host holds more than 20000. Lower it, or raise the setting with: sysctl vm.max_map_count=85512"
            ),
            "{error}"
        );
    }
}

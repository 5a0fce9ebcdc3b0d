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
use crate::guest::{Engine, EngineError, EngineSettings, capacity};
use crate::hits::Hits;
use crate::host_config::{HostConfig, HostLimits, METERED_INSTANCES};
use crate::limits::{Kind, Value};
use crate::manifest::{Manifest, Metering};
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
        "host.instances: {asked} is more than this machine holds; vm.max_map_count leaves room for {room}. \
         Lower it, or raise the setting with: sysctl vm.max_map_count={needed}"
    )]
    Instances {
        /// Asked for.
        asked: usize,
        /// What there is room for.
        room: u32,
        /// The setting that would do.
        needed: usize,
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
        all: u32,
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
        let is_metered = manifests.iter().any(|manifest| manifest.metering == Metering::Fuel);
        let engine = Engine::new(&engine_settings(&config, is_metered, cache)?)?;
        let budget = budget(&config.host, hits.clone());
        let pressure = config.host.memory_pressure.map(|percent| memory::available() / 100 * percent);
        watch::start(engine.ticks(), budget.clone(), pressure).map_err(StartError::Watch)?;
        let workers = Workers::new(Handle::current().metrics().num_workers());
        let registry = Registry::new(engine, workers);
        registry.deploy(manifests).await?;
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
    is_metered: bool,
    cache: Option<PathBuf>,
) -> Result<EngineSettings, StartError> {
    if let Some(coredumps) = &config.coredumps {
        let dir = coredumps.dir.clone();
        private_folder(&dir).map_err(|source| StartError::CoreDumps { dir, source })?;
    }
    let room = capacity::instances();
    let all = match config.host.instances {
        None => room,
        Some(asked) => match u32::try_from(asked) {
            Ok(asked) if asked <= room => asked,
            _ => {
                let needed = capacity::mappings(asked);
                return Err(StartError::Instances { asked, room, needed });
            }
        },
    };
    let (instances, metered) = shares(all, room, config.host.metered_instances, is_metered)?;
    Ok(EngineSettings::new(config, instances, metered, cache))
}

/// How many instances each of the two engines gets: those that count instructions are taken from all, when the operator
/// or a deployment of the start wants them; else what the machine has room for beyond is left for a later deployment.
fn shares(all: u32, room: u32, asked: Option<usize>, is_metered: bool) -> Result<(u32, u32), StartError> {
    let metered = match asked {
        Some(asked) => match u32::try_from(asked) {
            Ok(metered) if metered < all => metered,
            _ => return Err(StartError::MeteredInstances { asked, all }),
        },
        None if is_metered => METERED_INSTANCES.min(all / 2).max(1),
        None => return Ok((all, METERED_INSTANCES.min(room.saturating_sub(all)))),
    };
    Ok((all.saturating_sub(metered).max(1), metered))
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
    use super::shares;

    #[test]
    fn metered_instances_are_taken_from_all() {
        let shares = |all, room, asked, is_metered| shares(all, room, asked, is_metered).ok();
        assert_eq!(shares(10_088, 10_088, None, false), Some((10_088, 0)));
        assert_eq!(shares(10_088, 10_088, None, true), Some((9_088, 1_000)));
        assert_eq!(shares(9_500, 10_088, None, false), Some((9_500, 588)));
        assert_eq!(shares(20, 10_088, None, true), Some((10, 10)));
        assert_eq!(shares(20, 10_088, Some(5), false), Some((15, 5)));
        assert_eq!(shares(20, 10_088, Some(20), true), None);
    }
}

//! One immutable pair of artifact and manifest, with the connections that it serves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, interval_at};

use super::rooms::Rooms;
use super::roster::Roster;
use super::traps::{Report, TrapReports, TrappedEvent};
use crate::circuit::Breaker;
use crate::guest::{
    Artifact, Engine, Fit, HandOver, Instance, LoadError, LogBudget, Remains, Shared, StartError, Symbols, Trap,
};
use crate::hits::Hits;
use crate::host_config::CoreDumpSettings;
use crate::ids::ConnectionId;
use crate::manifest::{Manifest, Scope};
use crate::metrics::DeploymentMetrics;
use crate::share::{Share, Turns, Workers};
use crate::topics::Topics;

/// A component that has been compiling for so long is told of, and again after as long.
const PATIENCE: Duration = Duration::from_secs(2);

/// What outlives the revisions of a deployment.
#[derive(Debug)]
pub struct Deployment {
    /// The name.
    pub name: String,
    /// The topics: a new revision's connections hear what those of the old one publish.
    pub topics: Arc<Topics>,
    /// The metrics.
    pub metrics: DeploymentMetrics,
    /// The limits that it runs into.
    pub hits: Arc<Hits>,
    /// Its part of the worker threads.
    pub share: Arc<Share>,
    traps: Arc<TrapReports>,
}

impl Deployment {
    /// A deployment without revisions.
    pub fn new(name: &str, workers: &Arc<Workers>) -> Self {
        let (metrics, hits) = (DeploymentMetrics::new(name), Arc::new(Hits::new(name)));
        let share = Arc::new(Share::new(workers, &metrics, &hits));
        let traps = Arc::new(TrapReports::new(name));
        Deployment { name: name.to_owned(), topics: Arc::default(), metrics, hits, share, traps }
    }

    /// Count a trap, and the limit that it comes from.
    fn trapped(&self, trap: &Trap) {
        self.metrics.trapped(trap.kind.name());
        if let Some(limit) = trap.limit {
            self.hits.count(limit);
        }
    }
}

/// One immutable pair of artifact and manifest.
#[derive(Debug)]
pub struct Revision {
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// Counts from 1.
    pub number: u32,
    /// The checked manifest.
    pub manifest: Manifest,
    /// What the instances share.
    pub shared: Arc<Shared>,
    /// The open connections.
    pub roster: Arc<Roster>,
    /// The instances that serve several connections.
    pub rooms: Rooms,
    /// Keeps away whose connections keep trapping.
    pub breaker: Breaker,
    /// None when the manifest has static files and no routes.
    artifact: Option<Artifact>,
    /// The scopes for which the guest was written; none when it does not say.
    pub fit: Option<Fit>,
    /// None when host or manifest want no core dumps.
    coredumps: Option<CoreDumpSettings>,
}

/// Why a deployment was refused; nothing that was served before has changed.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// The component does not fit.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The trial instance did not start.
    #[error("deployment {name:?}: an instance did not start: {error}")]
    Trial {
        /// The deployment.
        name: String,
        /// What happened, and for a trap where.
        error: String,
    },
    /// It did not say which scopes fit.
    #[error("deployment {name:?}: whimbrel:websocket/fit function scopes: {error}")]
    Scopes {
        /// The deployment.
        name: String,
        /// What happened, and for a trap where.
        error: String,
    },
    /// It says that it was written for other scopes.
    #[error("deployment {name:?}: scope = {scope}: the guest fits only {fit} (it exports whimbrel:websocket/fit)")]
    Unfit {
        /// The deployment.
        name: String,
        /// The manifest's, as it stands there.
        scope: String,
        /// The guest's.
        fit: Fit,
    },
}

impl Revision {
    /// Load the component, and start one instance as a trial.
    pub async fn load(
        engine: &Engine,
        deployment: Arc<Deployment>,
        number: u32,
        manifest: Manifest,
    ) -> Result<Self, RevisionError> {
        let artifact = match manifest.routes.is_empty() {
            true => None,
            false => Some(load(engine, &manifest).await?),
        };
        let coredumps = engine.coredumps().filter(|_| manifest.coredumps).cloned();
        let shared = Arc::new(Shared {
            limits: manifest.limits.clone(),
            environment: manifest.environment.clone(),
            topics: deployment.topics.clone(),
            log: Arc::new(LogBudget::new(&deployment.name, &manifest.limits, deployment.hits.clone())),
            instances: deployment.metrics.instances(manifest.scope.name()),
            instructions: deployment.metrics.instructions.clone(),
            coredumps: coredumps.is_some(),
            hits: deployment.hits.clone(),
        });
        let fit = match &artifact {
            Some(artifact) => try_out(artifact, &shared, &deployment, &manifest.scope).await?,
            None => None,
        };
        let breaker = Breaker::new(&manifest.limits, &deployment.hits, &deployment.metrics.circuits);
        let (roster, rooms) = (Arc::default(), Rooms::default());
        Ok(Revision { deployment, number, manifest, shared, roster, rooms, breaker, artifact, fit, coredumps })
    }

    /// Whether the guest has a say in the handshake.
    pub fn exports_upgrade(&self) -> bool {
        self.artifact.as_ref().is_some_and(Artifact::exports_upgrade)
    }

    /// Whether an instance can be replaced between two events.
    pub fn hands_over(&self) -> bool {
        self.artifact.as_ref().is_some_and(Artifact::hands_over)
    }

    /// Replace an instance between two events by one that has these turns.
    pub async fn hand_over(&self, instance: &mut Instance, turns: &Arc<Turns>) -> Result<(), HandOver> {
        match &self.artifact {
            Some(artifact) => instance.hand_over(artifact, turns).await,
            None => Err(HandOver::Exhausted),
        }
    }

    /// A call of the guest trapped: count it, and say all that is known.
    pub fn trapped(&self, event: TrappedEvent, trap: Box<Trap>, remains: Option<Remains>) {
        self.deployment.trapped(&trap);
        self.deployment.traps.report(Report {
            revision: self.number,
            scope: self.manifest.scope.name(),
            event,
            trap,
            symbols: self.artifact.as_ref().and_then(Artifact::symbols).cloned(),
            dump: remains.zip(self.coredumps.clone()),
        });
    }

    /// A function of the handler returned an error: count it, and say it.
    pub fn failed(&self, connection: ConnectionId, function: &'static str, text: &str) {
        let (deployment, connection) = (&self.deployment.name, connection.0);
        tracing::warn!(deployment, connection, function, "the handler failed: {}", text.escape_debug());
        self.deployment.metrics.failed(function);
    }

    /// No instance was to be had: count it, and say it.
    pub fn exhausted(&self, connection: Option<ConnectionId>) {
        let setting = self.manifest.metering.instances();
        self.deployment.hits.report(setting, connection, "all are in use", "no more on this host");
    }

    /// Say what an event has cost; beside what else is said of its connection.
    pub fn metered(&self, connection: ConnectionId, function: &'static str, instructions: u64) {
        let (deployment, connection) = (&self.deployment.name, connection.0);
        tracing::debug!(target: "whimbrel::connection", deployment, connection, function, instructions, "event");
    }

    /// Start an instance that has these turns, in a turn of its own.
    pub async fn start(&self, turns: &Arc<Turns>) -> Result<Instance, StartError> {
        turns.run(self.start_in_turn(turns)).await
    }

    /// The same for one whose turn it is already.
    pub async fn start_in_turn(&self, turns: &Arc<Turns>) -> Result<Instance, StartError> {
        match &self.artifact {
            Some(artifact) => Instance::start(artifact, &self.shared, turns).await,
            // Without routes nothing leads here.
            None => Err(StartError::Exhausted),
        }
    }
}

/// Start an instance as a trial, and ask it for which scopes it was written.
async fn try_out(
    artifact: &Artifact,
    shared: &Arc<Shared>,
    deployment: &Deployment,
    scope: &Scope,
) -> Result<Option<Fit>, RevisionError> {
    let (name, symbols) = (deployment.name.clone(), artifact.symbols().cloned());
    let mut instance = match Instance::start(artifact, shared, &Turns::new(&deployment.share)).await {
        Ok(instance) => instance,
        Err(StartError::Trap { trap, .. }) => {
            return Err(RevisionError::Trial { name, error: explain(trap, symbols).await });
        }
        Err(error) => return Err(RevisionError::Trial { name, error: error.to_string() }),
    };
    match instance.scopes(artifact).await {
        Ok(Some(fit)) if fit.is_empty() => {
            let error = "names no scope; at least one of connection, room, shared and event is needed".to_owned();
            Err(RevisionError::Scopes { name, error })
        }
        Ok(Some(fit)) if !fit.has(scope) => {
            let scope = match scope {
                Scope::Connection | Scope::Event => format!("\"{scope}\""),
                Scope::Room(_) | Scope::Shared(_) => format!("{{ {scope} }}"),
            };
            Err(RevisionError::Unfit { name, scope, fit })
        }
        Ok(fit) => Ok(fit),
        Err(trap) => Err(RevisionError::Scopes { name, error: explain(trap, symbols).await }),
    }
}

/// What an author needs to find out why the trial instance trapped: told with the refusal, and not in the log.
async fn explain(mut trap: Box<Trap>, symbols: Option<Arc<Symbols>>) -> String {
    let message = trap.to_string();
    let backtrace = tokio::task::spawn_blocking(move || {
        // Without lines it is still worth telling.
        let _ = symbols.map(|symbols| symbols.locate(&mut trap.backtrace));
        trap.backtrace.to_string()
    });
    match backtrace.await {
        Ok(backtrace) if !backtrace.is_empty() => format!("{message}\n{backtrace}"),
        _ => message,
    }
}

/// Compiling takes long: off the serving threads, and told of while it goes on.
async fn load(engine: &Engine, manifest: &Manifest) -> Result<Artifact, LoadError> {
    let (engine, path, limits) = (engine.clone(), manifest.component.clone(), manifest.limits.clone());
    let metering = manifest.metering;
    let began = Instant::now();
    let mut told = interval_at(began + PATIENCE, PATIENCE);
    let mut loading = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || Artifact::load(&engine, &path, &limits, metering))
    };
    let loaded = loop {
        tokio::select! {
            loaded = &mut loading => break loaded,
            _ = told.tick() => tracing::info!(
                deployment = %manifest.name,
                "compiling {} for {} s",
                path.display(),
                began.elapsed().as_secs(),
            ),
        }
    };
    loaded.unwrap_or_else(|panic| {
        let problems = vec![format!("the compiler failed: {panic}")];
        Err(LoadError { path, problems })
    })
}

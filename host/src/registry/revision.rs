//! One immutable pair of artifact and manifest, with the connections that it serves.

use std::sync::Arc;

use super::roster::Roster;
use crate::guest::{Artifact, Engine, Instance, LoadError, LogBudget, Shared, StartError, Trap};
use crate::hits::Hits;
use crate::manifest::Manifest;
use crate::metrics::DeploymentMetrics;
use crate::topics::Topics;

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
}

impl Deployment {
    /// A deployment without revisions.
    pub fn new(name: &str) -> Self {
        Deployment {
            name: name.to_owned(),
            topics: Arc::default(),
            metrics: DeploymentMetrics::new(name),
            hits: Arc::new(Hits::new(name)),
        }
    }

    /// Count a trap, and the limit that it comes from.
    pub fn trapped(&self, trap: &Trap) {
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
    /// None when the manifest has static files and no routes.
    artifact: Option<Artifact>,
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
        /// What happened.
        error: StartError,
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
        let shared = Arc::new(Shared {
            limits: manifest.limits.clone(),
            environment: manifest.environment.clone(),
            topics: deployment.topics.clone(),
            log: Arc::new(LogBudget::new(&deployment.name, &manifest.limits, deployment.hits.clone())),
            instances: deployment.metrics.instances.clone(),
            hits: deployment.hits.clone(),
        });
        if let Some(artifact) = &artifact {
            let trial = Instance::start(artifact, &shared).await;
            trial.map_err(|error| RevisionError::Trial { name: deployment.name.clone(), error })?;
        }
        Ok(Revision { deployment, number, manifest, shared, roster: Arc::default(), artifact })
    }

    /// Whether the guest has a say in the handshake.
    pub fn exports_upgrade(&self) -> bool {
        self.artifact.as_ref().is_some_and(Artifact::exports_upgrade)
    }

    /// Start an instance.
    pub async fn start(&self) -> Result<Instance, StartError> {
        match &self.artifact {
            Some(artifact) => Instance::start(artifact, &self.shared).await,
            // Without routes nothing leads here.
            None => Err(StartError::Exhausted),
        }
    }
}

/// Compiling takes long: off the serving threads.
async fn load(engine: &Engine, manifest: &Manifest) -> Result<Artifact, LoadError> {
    let (engine, path, limits) = (engine.clone(), manifest.component.clone(), manifest.limits.clone());
    let loading = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || Artifact::load(&engine, &path, &limits))
    };
    loading.await.unwrap_or_else(|panic| {
        let problems = vec![format!("the compiler failed: {panic}")];
        Err(LoadError { path, problems })
    })
}

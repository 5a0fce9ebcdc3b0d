//! All deployments of a host and which route leads where.

mod core_dumps;
mod recycle;
mod revision;
mod rooms;
mod roster;
mod traps;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

pub use revision::{Deployment, Revision, RevisionError};
pub use rooms::{JoinError, Joined, Lost, Member, Served, StartFailure};
pub use roster::{Roster, Seat};
pub use traps::TrappedEvent;

use crate::guest::Engine;
use crate::manifest::{Manifest, StaticFiles};
use crate::routing::{Args, Conflicts, Found, Table};
use crate::share::Workers;

/// Why a deployment was refused; what was served before is served still.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Two manifests of one name.
    #[error("two manifests have the name {name:?}: {first} and {second}")]
    Name {
        /// The name.
        name: String,
        /// A manifest's path.
        first: String,
        /// The other manifest's path.
        second: String,
    },
    /// Routes that match the same paths.
    #[error("{0}")]
    Routes(#[from] Conflicts),
    /// Two deployments serve files at one path.
    #[error("deployments {first:?} and {second:?} both serve static files at {at:?}; change `at` in one of them")]
    Static {
        /// The deployment that came first.
        first: String,
        /// The deployment that came later.
        second: String,
        /// The path.
        at: String,
    },
    /// A component that does not fit or start.
    #[error(transparent)]
    Revision(#[from] RevisionError),
}

/// Every problem that was found, a line for each.
#[derive(Debug)]
pub struct DeployErrors(pub Vec<DeployError>);

impl fmt::Display for DeployErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(formatter, "{newline}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DeployErrors {}

/// What a path leads to.
#[derive(Debug)]
pub enum Target {
    /// A revision, with what its route captured.
    Handler(Arc<Revision>, Args),
    /// A route matches, but a capture is not percent-encoded UTF-8: 400.
    BadPath,
    /// No route matches: 404, unless a file does.
    None,
}

/// All deployments of a host and which route leads where. Looking up takes no lock.
#[derive(Debug)]
pub struct Registry {
    engine: Engine,
    workers: Arc<Workers>,
    current: ArcSwap<Current>,
    /// Held while deploying: one at a time.
    deploying: Mutex<()>,
}

#[derive(Debug, Default)]
struct Current {
    revisions: BTreeMap<String, Arc<Revision>>,
    routes: Table<Arc<Revision>>,
    /// The longest path first.
    statics: Vec<Arc<StaticFiles>>,
}

impl Registry {
    /// A registry that serves nothing yet.
    pub fn new(engine: Engine, workers: Arc<Workers>) -> Self {
        Registry { engine, workers, current: ArcSwap::default(), deploying: Mutex::new(()) }
    }

    /// Serve these manifests beside what is served already, a name's new revision in place of its old one. The old
    /// revisions' connections are asked to close with 1012. All or nothing: an error changes nothing.
    pub async fn deploy(&self, manifests: Vec<Manifest>) -> Result<Vec<Arc<Revision>>, DeployErrors> {
        self.swap(manifests, true).await
    }

    /// Serve these manifests and nothing else: a deployment that is not among them ends, its connections likewise.
    pub async fn replace(&self, manifests: Vec<Manifest>) -> Result<Vec<Arc<Revision>>, DeployErrors> {
        self.swap(manifests, false).await
    }

    async fn swap(&self, manifests: Vec<Manifest>, keep: bool) -> Result<Vec<Arc<Revision>>, DeployErrors> {
        let _one_at_a_time = self.deploying.lock().await;
        let before = self.current.load_full();
        let (mut loaded, mut problems) = (Vec::new(), name_conflicts(&manifests));
        for manifest in manifests {
            let old = before.revisions.get(&manifest.name);
            let new = || Arc::new(Deployment::new(&manifest.name, &self.workers));
            let deployment = old.map_or_else(new, |old| old.deployment.clone());
            let number = old.map_or(1, |old| old.number + 1);
            match Revision::load(&self.engine, deployment, number, manifest).await {
                Ok(revision) => loaded.push(Arc::new(revision)),
                Err(error) => problems.push(error.into()),
            }
        }
        let mut revisions = if keep { before.revisions.clone() } else { BTreeMap::new() };
        revisions.extend(loaded.iter().map(|revision| (revision.manifest.name.clone(), revision.clone())));
        let current = match Current::new(revisions) {
            Ok(current) if problems.is_empty() => current,
            Ok(_) => return Err(DeployErrors(problems)),
            Err(more) => {
                problems.extend(more);
                return Err(DeployErrors(problems));
            }
        };
        let current = Arc::new(current);
        self.current.store(current.clone());
        for revision in &loaded {
            revision.deployment.metrics.revision(revision.number);
            revision.deployment.share.set(revision.manifest.limits.execution_share);
        }
        for (name, old) in &before.revisions {
            if current.revisions.get(name).is_none_or(|now| !Arc::ptr_eq(now, old)) {
                old.roster.drain(1012);
                old.rooms.retire();
            }
        }
        Ok(loaded)
    }

    /// Where a raw path, without its query, leads.
    pub fn find(&self, path: &str) -> Target {
        match self.current.load().routes.find(path) {
            Found::Match(revision, args) => Target::Handler(revision, args),
            Found::BadPath => Target::BadPath,
            Found::None => Target::None,
        }
    }

    /// The static files below which a path lies.
    pub fn find_static(&self, path: &str) -> Option<Arc<StaticFiles>> {
        let current = self.current.load();
        current.statics.iter().find(|files| is_below(path, &files.at)).cloned()
    }

    /// The current revision of every deployment.
    pub fn revisions(&self) -> Vec<Arc<Revision>> {
        self.current.load().revisions.values().cloned().collect()
    }
}

impl Current {
    fn new(revisions: BTreeMap<String, Arc<Revision>>) -> Result<Self, Vec<DeployError>> {
        let mut problems = static_conflicts(revisions.values().map(|revision| &revision.manifest));
        let routes = Table::new(
            revisions
                .iter()
                .map(|(name, revision)| (name.as_str(), revision.manifest.routes.as_slice(), revision.clone())),
        );
        let routes = match routes {
            Ok(routes) if problems.is_empty() => routes,
            Ok(_) => return Err(problems),
            Err(conflicts) => {
                problems.push(conflicts.into());
                return Err(problems);
            }
        };
        let statics = revisions.values().filter_map(|revision| revision.manifest.static_files.clone());
        let mut statics: Vec<_> = statics.map(Arc::new).collect();
        statics.sort_by_key(|files| std::cmp::Reverse(files.at.len()));
        Ok(Current { revisions, routes, statics })
    }
}

/// Manifests that have the name of one before them.
pub fn name_conflicts(manifests: &[Manifest]) -> Vec<DeployError> {
    let mut known = BTreeMap::new();
    let mut problems = Vec::new();
    for manifest in manifests {
        if let Some(first) = known.insert(&manifest.name, &manifest.path) {
            let (first, second) = (first.display().to_string(), manifest.path.display().to_string());
            problems.push(DeployError::Name { name: manifest.name.clone(), first, second });
        }
    }
    problems
}

/// Deployments that serve files where one before them does.
pub fn static_conflicts<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> Vec<DeployError> {
    let mut known = BTreeMap::new();
    let mut problems = Vec::new();
    for Manifest { name, static_files, .. } in manifests {
        let Some(at) = static_files.as_ref().map(|files| &files.at) else { continue };
        // Two manifests of one name are a problem of their own.
        if let Some(first) = known.insert(at, name).filter(|first| *first != name) {
            problems.push(DeployError::Static { first: first.clone(), second: name.clone(), at: at.clone() });
        }
    }
    problems
}

fn is_below(path: &str, at: &str) -> bool {
    match path.strip_prefix(at.trim_end_matches('/')) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn a_path_lies_below_whole_segments() {
        assert!(is_below("/", "/"));
        assert!(is_below("/index.html", "/"));
        assert!(is_below("/app", "/app"));
        assert!(is_below("/app/x", "/app"));
        assert!(!is_below("/apple", "/app"));
        assert!(!is_below("/", "/app"));
    }
}

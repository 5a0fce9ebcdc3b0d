//! `whimbrel check`: what a host will see of a handler, and every problem that it will have with it.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use whimbrel::guest::capacity::{Capacity, MOST, Shares};
use whimbrel::guest::{Artifact, Contents, Engine, EngineSettings, Fit};
use whimbrel::host;
use whimbrel::host_config::HostConfig;
use whimbrel::manifest::{Manifest, Metering, Scope};
use whimbrel::registry::{self, Deployment, Revision};
use whimbrel::routing::Table;
use whimbrel::share::Workers;

use crate::cli::exit::Problems;
use crate::cli::{cache, deployments, path, terminal};

/// Check manifests and components without serving them
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct CheckArgs {
    /// Folders with a whimbrel.toml, such files, or components (FILE.wasm) [default: those of --config, else this folder]
    #[arg(value_name = "COMPONENT|DIR")]
    deployments: Vec<PathBuf>,

    /// Check against this host config's defaults and ceilings, and check its deployments too
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const HELP: &str = "\
Prints, for each, the component's size, world and imports, its scope, the routes, how it is metered, and the limits that \
are in force. All problems are reported at once: of every manifest, of every component, and between their routes. The last \
line says how many instances this machine holds, which Linux's vm.max_map_count decides; a deployment that may come to more \
gets a note.

Examples:
  whimbrel check
  whimbrel check chat echo
  whimbrel check --config host.toml

Exit codes:
  0  no problems
  1  failed
  2  bad usage, or problems";

/// Check everything, print what is right on stdout, and fail with what is wrong.
pub(crate) fn run(arguments: &CheckArgs) -> anyhow::Result<ExitCode> {
    let mut problems = Vec::new();
    let config = match &arguments.config {
        Some(path) => HostConfig::load(path).unwrap_or_else(|found| {
            problems.extend(Problems::of_file(&found).0);
            HostConfig::default()
        }),
        None => HostConfig::default(),
    };
    let mut manifests = Vec::new();
    for path in arguments.paths(&config) {
        match deployments::load_one(&path, &config) {
            Ok(manifest) => manifests.push(manifest),
            Err(Problems(found)) => problems.extend(found),
        }
    }
    let settings = EngineSettings::new(&config, Shares::of_each(TRIALS), cache::components());
    let instances = host::instances(&config, &manifests).inspect_err(|error| problems.push(error.to_string())).ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::new(&settings)?;
        for manifest in &manifests {
            match check(manifest, &engine, instances).await {
                Ok(text) => terminal::result(&text)?,
                Err(Problems(found)) => problems.extend(found),
            }
        }
        anyhow::Ok(())
    })?;
    problems.extend(conflicts(&manifests));
    if let Some(instances) = instances {
        terminal::result(&capacity(&config, instances))?;
    }
    if problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Problems(problems).into()) }
}

/// Room for one instance at a time, however many core instances it has.
const TRIALS: u32 = 16;

/// What a host would do at its start: compile, check the world, start an instance.
async fn check(manifest: &Manifest, engine: &Engine, instances: Option<Shares>) -> Result<String, Problems> {
    let missing = deployments::missing(manifest);
    if !missing.is_empty() {
        return Err(Problems(missing));
    }
    if manifest.routes.is_empty() {
        return Ok(describe(manifest, None, instances));
    }
    let artifact = Artifact::load(engine, &manifest.component, &manifest.limits, manifest.metering);
    let artifact = artifact.map_err(|error| Problems::lines(&error))?;
    let deployment = Arc::new(Deployment::new(&manifest.name, &Workers::new(1)));
    let trial = Revision::load(engine, deployment, 1, manifest.clone()).await;
    let trial = trial.map_err(|error| Problems::lines(&error))?;
    Ok(describe(manifest, Some((&artifact, trial.fit.as_ref())), instances))
}

/// None: a deployment of static files only.
fn describe(manifest: &Manifest, guest: Option<(&Artifact, Option<&Fit>)>, instances: Option<Shares>) -> String {
    let mut text = format!("{}: ok\n", manifest.name);
    let mut row = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<10} {value}");
    };
    if let Some((artifact, fit)) = guest {
        let size = bytesize::ByteSize(artifact.size());
        row("component", &format!("{} ({size})", path::display(&manifest.component)));
        row("world", if artifact.exports_upgrade() { "websocket-handler-with-upgrade" } else { "websocket-handler" });
        rows(&mut row, "imports", artifact.imports().iter().cloned());
        row("scope", &manifest.scope.to_string());
        row("fits", &fit.map_or_else(|| "every scope (it does not say)".to_owned(), Fit::to_string));
    }
    rows(&mut row, "routes", manifest.routes.iter().map(|route| route.as_str().to_owned()));
    if let Some(files) = &manifest.static_files {
        row("static", &format!("{} at {}", files.dir.display(), files.at));
    }
    rows(&mut row, "origins", manifest.trusted_origins.iter().map(ToString::to_string));
    row("metering", manifest.metering.name());
    if manifest.coredumps {
        row("coredumps", "of each trap, where the host config names a folder for them");
    }
    if let Some((artifact, _)) = guest {
        row("instances", &most(manifest, artifact, instances));
    }
    rows(&mut row, "limits", manifest.limits.rows().map(|(name, value)| format!("{name:<20}{value}")));
    text.trim_end().to_owned()
}

/// What scope and limits can come to; not a problem when it is more than there can be, as few hosts are that full.
fn most(manifest: &Manifest, artifact: &Artifact, instances: Option<Shares>) -> String {
    let limits = &manifest.limits;
    let (most, why) = match manifest.scope {
        Scope::Connection => (limits.connections, "one per connection, limits.connections"),
        Scope::Room(_) => (limits.rooms, "one per room, limits.rooms"),
        Scope::Shared(count) => (count as usize, "scope"),
        Scope::Event => (limits.connections, "one per event at a time, limits.connections"),
    };
    let room = instances.map(|instances| match (manifest.metering, artifact.contents()) {
        (Metering::Fuel, _) => instances.metered,
        (Metering::Time, Contents::Copied) => instances.copied,
        (Metering::Time, Contents::Mapped) => instances.mapped,
    });
    match room.filter(|room| most > *room as usize) {
        Some(room) => format!("up to {most} ({why}); note: this machine holds {room} such, then 503"),
        None => format!("up to {most} ({why})"),
    }
}

/// How many instances this machine holds, and why.
fn capacity(config: &HostConfig, instances: Shares) -> String {
    let (all, max_map_count) = (instances.all(), Capacity::of_this_machine().max_map_count);
    let why = match config.host.instances {
        Some(asked) => format!("host.instances = {asked}, vm.max_map_count = {max_map_count}"),
        None if all >= MOST => "the most that one host holds".to_owned(),
        None => format!("vm.max_map_count = {max_map_count}"),
    };
    format!("this machine holds {all} instances ({why}): {instances}")
}

/// One value per line, the name beside the first.
fn rows(row: &mut impl FnMut(&str, &str), name: &str, values: impl Iterator<Item = String>) {
    let mut name = name;
    for value in values {
        row(name, &value);
        name = "";
    }
}

/// What no host could serve together.
fn conflicts(manifests: &[Manifest]) -> Vec<String> {
    let mut problems = Vec::new();
    for conflict in registry::name_conflicts(manifests).into_iter().chain(registry::static_conflicts(manifests)) {
        problems.push(conflict.to_string());
    }
    let routes = manifests.iter().map(|manifest| (manifest.name.as_str(), manifest.routes.as_slice(), ()));
    if let Err(conflicts) = Table::new(routes) {
        problems.extend(Problems::lines(&conflicts).0);
    }
    problems
}

impl CheckArgs {
    fn paths(&self, config: &HostConfig) -> Vec<PathBuf> {
        if self.deployments.is_empty() && self.config.is_none() {
            return vec![PathBuf::from(".")];
        }
        self.deployments.iter().chain(&config.deployments).cloned().collect()
    }
}

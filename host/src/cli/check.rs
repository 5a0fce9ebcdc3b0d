//! `whimbrel check`: what a host will see of a handler, and every problem that it will have with it.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use whimbrel::guest::{Artifact, Engine, EngineSettings};
use whimbrel::host_config::HostConfig;
use whimbrel::manifest::Manifest;
use whimbrel::routing::Table;

use crate::cli::exit::Problems;
use crate::cli::{deployments, terminal};

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
Prints, for each, the component's size, world and imports, the routes and the limits that are in force. All problems are \
reported at once: of every manifest, of every component, and between their routes.

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
    let engine = Engine::new(&EngineSettings { instances: 1, max_memory: 0, cache: None })?;
    let mut paths: Vec<PathBuf> = arguments.deployments.iter().chain(&config.deployments).cloned().collect();
    if paths.is_empty() && arguments.config.is_none() {
        paths.push(PathBuf::from("."));
    }
    let mut manifests = Vec::new();
    for path in &paths {
        match deployments::load_one(path, &config) {
            Ok(manifest) => manifests.push(manifest),
            Err(Problems(found)) => problems.extend(found),
        }
    }
    for manifest in &manifests {
        match check(manifest, &engine) {
            Ok(text) => terminal::result(&text)?,
            Err(Problems(found)) => problems.extend(found),
        }
    }
    problems.extend(conflicts(&manifests));
    if problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Problems(problems).into()) }
}

fn check(manifest: &Manifest, engine: &Engine) -> Result<String, Problems> {
    let component = manifest.component.display();
    if !manifest.component.exists() {
        let mut problem = format!("{}: component {component} does not exist", manifest.path.display());
        if manifest.build.is_some() {
            let _ = write!(problem, "; make it with whimbrel build {}", manifest.dir.display());
        }
        return Err(Problems(vec![problem]));
    }
    let artifact = Artifact::load(engine, &manifest.component)
        .map_err(|error| Problems(error.to_string().lines().map(str::to_owned).collect()))?;
    Ok(describe(manifest, &artifact))
}

fn describe(manifest: &Manifest, artifact: &Artifact) -> String {
    let world = if artifact.exports_upgrade() { "websocket-handler-with-upgrade" } else { "websocket-handler" };
    let size = bytesize::ByteSize(artifact.size());
    let mut text = format!("{}: ok\n", manifest.name);
    let mut row = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<10} {value}");
    };
    row("component", &format!("{} ({size})", manifest.component.display()));
    row("world", world);
    rows(&mut row, "imports", artifact.imports().iter().cloned());
    rows(&mut row, "routes", manifest.routes.iter().map(|route| route.as_str().to_owned()));
    if let Some(files) = &manifest.static_files {
        row("static", &format!("{} at {}", files.dir.display(), files.at));
    }
    rows(&mut row, "origins", manifest.trusted_origins.iter().map(ToString::to_string));
    rows(&mut row, "limits", manifest.limits.rows().map(|(name, value)| format!("{name:<20}{value}")));
    text.trim_end().to_owned()
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
    let routes = manifests.iter().map(|manifest| (manifest.name.as_str(), manifest.routes.as_slice(), ()));
    match Table::new(routes) {
        Ok(_) => Vec::new(),
        Err(conflicts) => conflicts.0.iter().map(ToString::to_string).collect(),
    }
}

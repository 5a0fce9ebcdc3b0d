//! `whimbrel build`: a guest's component from its sources, by the command of its manifest or the recipe of its language.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use clap::Args;
use whimbrel::limits::{Ceilings, Limits};
use whimbrel::manifest::Manifest;

use crate::cli::exit::Problems;
use crate::cli::languages::{self, CARGO_BUILD, Language, Project, Step};
use crate::cli::{path, terminal};

/// Build a handler's component as its manifest says
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct BuildArgs {
    /// A folder with a whimbrel.toml, or such a file
    #[arg(default_value = ".")]
    dir: PathBuf,
}

const HELP: &str = "\
Runs the manifest's `build` command in the manifest's folder. Without one, the files beside the manifest tell the
language: Cargo.toml, package.json (TypeScript with tsconfig.json), requirements.txt, handler.c, handler.cpp,
handler.zig, go.mod. Its compiler is called, and what it leaves becomes the manifest's `component`. What is missing is
named with the command that installs it; `whimbrel new --list` shows it too.
The compiler's output goes to stderr as it is; stdout gets one line, the component's path.

Exit codes:
  0  built
  1  failed
  2  bad usage or a bad manifest";

/// Build and print where the component is.
pub(crate) fn run(arguments: &BuildArgs) -> anyhow::Result<ExitCode> {
    // The ceilings are a host's business, not the author's.
    let manifest = Manifest::load(&arguments.dir, &Limits::default(), &Ceilings::none())
        .map_err(|problems| Problems::of_file(&problems))?;
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let size = runtime.block_on(build(&manifest))?;
    terminal::note(&format!("built in {:.1}s: {}", started.elapsed().as_secs_f64(), bytesize::ByteSize(size)));
    terminal::result(&path::display(&manifest.component))?;
    Ok(ExitCode::SUCCESS)
}

/// Build a manifest's component; yields its size in bytes. Safe to cancel: that kills the build.
pub(crate) async fn build(manifest: &Manifest) -> anyhow::Result<u64> {
    let project = Project { dir: &manifest.dir, component: &manifest.component };
    for step in steps(manifest, &project).await? {
        step.carry_out(&project).await?;
    }
    let component = &manifest.component;
    match std::fs::metadata(component) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) => bail!(
            "the build went well but made no {}: {error}; correct `component` in {} (cargo names the file after the \
             package, with _ for -)",
            component.display(),
            manifest.path.display()
        ),
    }
}

/// What the manifest says, else what the language does that its project files name.
async fn steps(manifest: &Manifest, project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    match manifest.build.as_deref() {
        Some(CARGO_BUILD) => Language::Rust.recipe(project).await,
        Some(build) => {
            languages::prepare(build, project.dir).await?;
            Ok(vec![Step::shell(build)])
        }
        None => match Language::of(project.dir) {
            Some(language) => language.recipe(project).await,
            None => bail!(
                "{} has no build command, and beside it is none of {}; write it as in build = \"make\"",
                manifest.path.display(),
                Language::all_project_files()
            ),
        },
    }
}

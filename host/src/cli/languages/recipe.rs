//! How a project becomes a component: steps, and carrying them out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::time::interval_at;

use super::programs::command;
use crate::cli::{componentize, terminal};

/// What is to be built.
pub(crate) struct Project<'a> {
    /// The manifest's folder.
    pub(crate) dir: &'a Path,
    /// Where the manifest looks for the component.
    pub(crate) component: &'a Path,
}

/// A step of a build.
#[derive(Debug)]
pub(crate) enum Step {
    /// A program of the toolchain; its output is shown as it is.
    Run(Run),
    /// The component is made of this core module, which speaks the contract and at most WASI preview 1 beside it.
    Componentize {
        /// The core module's file.
        core: PathBuf,
    },
}

/// A program's call.
#[derive(Debug)]
pub(crate) struct Run {
    /// The program and its arguments.
    pub(crate) command: Vec<OsString>,
    /// What its environment has beside the user's.
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

/// A program that has been running for so long is told of, and again after as long: some print nothing.
const PATIENCE: Duration = Duration::from_secs(10);

impl Project<'_> {
    /// A file beside the component, for what comes before it: `core.wasm` of `target/chat.wasm` is
    /// `target/chat.core.wasm`. Its folder is made.
    pub(crate) fn beside_component(&self, extension: &str) -> anyhow::Result<PathBuf> {
        if let Some(folder) = self.component.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        }
        Ok(self.component.with_extension(extension))
    }
}

impl Step {
    /// A manifest's own command.
    pub(crate) fn shell(command: &str) -> Self {
        Step::Run(Run { command: ["sh", "-c", command].map(Into::into).into(), environment: Vec::new() })
    }

    /// Carry it out. Safe to cancel: that kills what runs.
    pub(crate) async fn carry_out(&self, project: &Project<'_>) -> anyhow::Result<()> {
        match self {
            Step::Run(run) => run.carry_out(project.dir).await,
            Step::Componentize { core } => componentize::file(core, project.component),
        }
    }
}

impl Run {
    async fn carry_out(&self, dir: &Path) -> anyhow::Result<()> {
        let (program, arguments) = self.command.split_first().context("a step runs no program")?;
        let shown = self.shown();
        terminal::note(&format!("running {shown}"));
        let mut command = command(program, dir);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut child = command
            .stdout(std::io::stderr())
            .spawn()
            .with_context(|| format!("failed to run {}", program.display()))?;
        let began = Instant::now();
        let mut ticks = interval_at((began + PATIENCE).into(), PATIENCE);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status.with_context(|| format!("failed to run {}", program.display()))?,
                _ = ticks.tick() => {
                    let name = Path::new(program).file_name().unwrap_or(program).display();
                    terminal::note(&format!("{name} has been running for {} s", began.elapsed().as_secs()));
                }
            }
        };
        ensure!(status.success(), "the build failed ({status}): {shown}");
        Ok(())
    }

    /// As the user would type it.
    fn shown(&self) -> String {
        let words = self.command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>();
        match words.as_slice() {
            [shell, option, command] if shell == "sh" && option == "-c" => command.to_string(),
            words => words.join(" "),
        }
    }
}

//! `whimbrel build`: a guest's component from its sources, by the command that its manifest names.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use whimbrel::limits::{Ceilings, Limits};
use whimbrel::manifest::{CARGO_BUILD, Manifest};

use crate::cli::exit::Problems;
use crate::cli::{path, terminal, toolchain};

/// Build a handler's component as its manifest says
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct BuildArgs {
    /// A folder with a whimbrel.toml, or such a file
    #[arg(default_value = ".")]
    dir: PathBuf,
}

const HELP: &str = "\
Runs the manifest's `build` command in the manifest's folder. Without one, and with a Cargo.toml in that folder, it is
  cargo build --release --target wasm32-wasip2
with the target folder that the manifest's `component` is in. A missing wasm32-wasip2 target is installed with rustup.
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
    let Some(build) = &manifest.build else {
        bail!(
            "{} has no build command, and there is no Cargo.toml beside it; write it as in build = \"make\"",
            manifest.path.display()
        );
    };
    if build.contains(toolchain::TARGET) {
        toolchain::ensure_target(&manifest.dir).await?;
    }
    terminal::note(&format!("running {build}"));
    let mut command = toolchain::command("sh", &manifest.dir);
    command.args(["-c", build]).stdout(std::io::stderr());
    if let Some(target_dir) = target_dir(build, &manifest.component) {
        // Else a target folder from the user's environment would leave an old component where the manifest looks.
        command.env("CARGO_TARGET_DIR", target_dir);
    }
    let status = command.status().await.with_context(|| format!("failed to run {build:?}"))?;
    anyhow::ensure!(status.success(), "the build failed ({status}): {build}");
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

/// Where cargo must build so that the component lands where the manifest says; none for other build commands.
fn target_dir<'a>(build: &str, component: &'a Path) -> Option<&'a Path> {
    let release = component.parent().filter(|_| build == CARGO_BUILD)?;
    let target = release.parent().filter(|_| release.ends_with("release"))?;
    target.parent().filter(|_| target.ends_with(toolchain::TARGET))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use whimbrel::manifest::CARGO_BUILD;

    use super::target_dir;

    #[test]
    fn cargo_builds_where_the_manifest_looks() {
        let component = Path::new("/w/examples/chat/../../target/wasm32-wasip2/release/chat.wasm");
        assert_eq!(target_dir(CARGO_BUILD, component), Some(Path::new("/w/examples/chat/../../target")));
        assert_eq!(target_dir(CARGO_BUILD, Path::new("/w/chat.wasm")), None);
        assert_eq!(target_dir("make", component), None);
    }
}

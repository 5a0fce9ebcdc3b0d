//! The guest in the path: the echo example, built from source and given a manifest of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::server::Spec;

const HOST: &str = env!("CARGO_BIN_EXE_whimbrel");
const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");

/// Whimbrel with one worker thread, serving `component` (or else the echo example) at `/echo`.
pub(crate) fn host(component: Option<&Path>, folder: &Path) -> anyhow::Result<Spec> {
    let component = match component {
        Some(path) => path.canonicalize().with_context(|| format!("no component at {}", path.display()))?,
        None => build_echo()?,
    };
    metered_host("whimbrel", &component, "time", folder)
}

/// The same with another name and way of metering.
pub(crate) fn metered_host(name: &str, component: &Path, metering: &str, folder: &Path) -> anyhow::Result<Spec> {
    let lines = format!("routes = [\"/echo\"]\nmetering = {metering:?}\n");
    manifest_host(name, component, &lines, "/echo", &folder.join("echo"))
}

/// The same with further lines of its manifest, one of them its routes, and connections opened at `path`.
pub(crate) fn manifest_host(
    name: &str,
    component: &Path,
    lines: &str,
    path: &str,
    folder: &Path,
) -> anyhow::Result<Spec> {
    std::fs::create_dir_all(folder)?;
    let manifest = format!("name = \"echo\"\ncomponent = {component:?}\n{lines}");
    std::fs::write(folder.join("whimbrel.toml"), manifest)?;
    let deployment = folder.to_string_lossy();
    let command = [HOST, "serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log-level", "warn", &deployment];
    Ok(Spec::printing(name, path, command))
}

/// The echo example as a component.
pub(crate) fn build_echo() -> anyhow::Result<PathBuf> {
    let root = Path::new(MANIFEST_DIR).parent().context("the host crate has no parent folder")?;
    // The folder of the test guests: what they have in common is built once.
    let target = root.join("target/guests");
    let manifest = root.join("examples/echo/Cargo.toml");
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2"])
        .arg("--manifest-path")
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cannot build {}", manifest.display());
    Ok(target.join("wasm32-wasip2/release/echo.wasm"))
}

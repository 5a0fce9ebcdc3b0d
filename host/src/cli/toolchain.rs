//! The Rust toolchain that builds a guest: its wasm target, and the environment it is called with.

use std::env;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::cli::terminal;

/// The target of guests: std Rust whose output is a component.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Make sure that guests in `dir` can be built, installing the target when rustup can.
pub(crate) async fn ensure_target(dir: &Path) -> anyhow::Result<()> {
    if is_target_installed(dir).await? {
        return Ok(());
    }
    terminal::note(&format!("the Rust target {TARGET} is missing: running rustup target add {TARGET}"));
    let mut rustup = command("rustup", dir);
    let added = rustup.args(["target", "add", TARGET]).stdout(std::io::stderr()).status().await;
    match added {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "the Rust target {TARGET} is missing, and so is rustup, which could install it; install Rust from \
             https://rustup.rs, or the target from where your Rust came from"
        ),
        added => {
            let status = added.context("failed to run rustup")?;
            anyhow::ensure!(status.success(), "rustup target add {TARGET} failed ({status})");
        }
    }
    anyhow::ensure!(
        is_target_installed(dir).await?,
        "the Rust target {TARGET} is still missing: the rustc on the PATH is not rustup's; install the target from where \
         that rustc came from, or put ~/.cargo/bin first on the PATH"
    );
    Ok(())
}

/// Asks rustc, as guests may be built without rustup.
async fn is_target_installed(dir: &Path) -> anyhow::Result<bool> {
    let mut rustc = command("rustc", dir);
    let printed = rustc.args(["--print", "target-libdir", "--target", TARGET]).output().await;
    let printed = match printed {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("rustc is missing: install Rust from https://rustup.rs")
        }
        printed => printed.context("failed to run rustc")?,
    };
    if !printed.status.success() {
        let reason = String::from_utf8_lossy(&printed.stderr);
        bail!("rustc cannot build for {TARGET} (Rust 1.82 and later can): {}", reason.trim());
    }
    Ok(Path::new(String::from_utf8_lossy(&printed.stdout).trim()).is_dir())
}

/// A command of the toolchain, run in `dir`, as if from the user's shell: what `cargo run` tells about the package that
/// it runs would change, rebuild or break the build of another one. Killed when dropped.
pub(crate) fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_outer_cargo) {
            command.env_remove(name);
        }
    }
    command
}

fn is_of_outer_cargo(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
        "RUSTC_WORKSPACE_WRAPPER",
    ];
    const PREFIXES: &[&str] = &["CARGO_BIN_EXE_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::is_of_outer_cargo;

    #[test]
    fn what_the_user_set_stays() {
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "PATH"] {
            assert!(!is_of_outer_cargo(name), "{name}");
        }
        for name in ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
            assert!(is_of_outer_cargo(name), "{name}");
        }
    }
}

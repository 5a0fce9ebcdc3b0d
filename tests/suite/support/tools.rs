//! Programs in other languages, which tests/setup installs into target/tools.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// For a program from start to end; it has deadlines of its own.
const DEADLINE: Duration = Duration::from_secs(180);

/// Runs a Python script of `tests`, and returns what it printed.
pub(crate) async fn python<I: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = I>) -> String {
    run(&installed("venv/bin/python"), script, arguments).await
}

/// Runs a script of `tests` under Node, and returns what it printed.
pub(crate) async fn node<I: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = I>) -> String {
    installed("node_modules/ws");
    run(Path::new("node"), script, arguments).await
}

async fn run<I: AsRef<OsStr>>(program: &Path, script: &str, arguments: impl IntoIterator<Item = I>) -> String {
    let mut command = Command::new(program);
    command.arg(repository().join("tests").join(script)).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    // Nothing is left behind in the source folders.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::time::timeout(DEADLINE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{script} has not ended after {} s", DEADLINE.as_secs()));
    let output = output.unwrap_or_else(|error| panic!("{}: {error}: run tests/setup", program.display()));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} ended with {}:\n{printed}\n{complaints}", output.status);
    printed
}

fn installed(path: &str) -> PathBuf {
    let path = repository().join("target/tools").join(path);
    assert!(path.exists(), "{} is missing: run tests/setup", path.display());
    path
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

//! Building the guest of a language as its author would: `whimbrel new`, the sources over it, `whimbrel build`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::support::host::WHIMBREL;

/// The first build of a language compiles its C library, or installs its packages.
const DEADLINE: Duration = Duration::from_secs(600);
/// Not copied from the folders of the guests.
const NOT_SOURCES: &[&str] = &["target", "node_modules"];

/// The folder with the guests of all languages.
pub(crate) fn sources() -> PathBuf {
    repository().join("tests/languages")
}

/// The folder of the built guest; what was built before is used again where the language's tools can.
pub(super) async fn build(language: &str) -> PathBuf {
    build_with(language, "case", |project| lay_over(&sources().join(language), project)).await
}

/// The same for another guest than that of the cases: `change` writes its sources over the template's.
pub(super) async fn build_with(language: &str, name: &str, change: impl FnOnce(&Path)) -> PathBuf {
    build_as(language, &["--lang", language], name, change).await
}

/// The same with these arguments of `whimbrel new`, and a folder of that name below target/languages.
pub(super) async fn build_as(place: &str, arguments: &[&str], name: &str, change: impl FnOnce(&Path)) -> PathBuf {
    let folder = repository().join("target/languages").join(place).join(name);
    let fresh = tempfile::tempdir().expect("a temporary folder can be made");
    let project = fresh.path().join(name);
    whimbrel(&[&["new", &*project.to_string_lossy()], arguments].concat()).await;
    change(&project);
    lay_over(&project, &folder);
    whimbrel(&["build", &folder.to_string_lossy()]).await;
    // Compiles it into the cache: a guest with an engine inside takes longer than a host may take to start.
    whimbrel(&["check", &folder.to_string_lossy()]).await;
    folder
}

async fn whimbrel(arguments: &[&str]) {
    let mut command = Command::new(WHIMBREL);
    command.args(arguments).env("PATH", path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.expect("the build ends");
    let output = output.expect("whimbrel can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "whimbrel {}:\n{stderr}", arguments.join(" "));
}

/// What tests/setup installed for the languages comes first.
pub(crate) fn path() -> OsString {
    let tools = repository().join("target/tools");
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in tools.read_dir().into_iter().flatten().flatten() {
        // Not the virtual environment of the other tests' tools.
        if entry.file_name() != "venv" && entry.path().join("bin").is_dir() {
            folders.push(entry.path().join("bin"));
        }
    }
    folders.sort();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&inherited));
    std::env::join_paths(folders).expect("folders have plain names")
}

/// Copies files that differ: what is the same keeps its time, so that compilers leave it alone.
pub(super) fn lay_over(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    let entries = from.read_dir().unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name();
        let (from, to) = (entry.path(), to.join(&name));
        if from.is_dir() {
            if !NOT_SOURCES.iter().any(|other| name == *other) {
                lay_over(&from, &to);
            }
            continue;
        }
        let text = std::fs::read(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        if std::fs::read(&to).ok().as_ref() != Some(&text) {
            std::fs::write(&to, text).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository is there")
}

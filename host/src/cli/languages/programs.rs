//! Programs of toolchains: whether they are installed, in which version, how to install them, how they are called.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use anyhow::bail;
use tokio::process::Command;

use super::recipe::{Run, Step};

/// A program that a language needs.
pub(crate) struct Program {
    /// As people call it.
    pub(crate) name: &'static str,
    /// How it may be called; the first that answers is taken. `./` means the project's folder, `$NAME/` a folder that
    /// a variable of the environment names.
    pub(crate) calls: &'static [&'static [&'static str]],
    /// The arguments that make it tell its version, on stdout or stderr.
    pub(crate) version: &'static [&'static str],
    /// The lowest version that will do.
    pub(crate) minimum: &'static [u32],
    /// The command, or the place, that installs it.
    pub(crate) install: &'static str,
}

/// A program that is there.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The program and the arguments that come before all others.
    pub(crate) call: Vec<OsString>,
    /// What it told.
    pub(crate) version: String,
}

/// Why a program cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    /// No call of it answered.
    Missing,
    /// It is this old.
    TooOld(String),
}

impl Program {
    /// Look for it as a build in `dir` would.
    pub(crate) async fn find(&self, dir: &Path) -> Result<Found, Lack> {
        let mut lack = Lack::Missing;
        for call in self.calls {
            let Some(call) = call.iter().map(|word| located(word, dir)).collect::<Option<Vec<_>>>() else { continue };
            let Some(text) = answer(&call, self.version, dir).await else { continue };
            let version = version_in(&text).unwrap_or_default().to_owned();
            if numbers(&version).as_slice() >= self.minimum {
                return Ok(Found { call, version });
            }
            lack = Lack::TooOld(version);
        }
        Err(lack)
    }

    /// `zig 0.15 or later`.
    pub(crate) fn wanted(&self) -> String {
        let minimum: Vec<_> = self.minimum.iter().map(ToString::to_string).collect();
        format!("{} {} or later", self.name, minimum.join("."))
    }
}

impl Found {
    /// A step of a recipe: this program with these arguments.
    pub(crate) fn run<Argument: Into<OsString>>(&self, arguments: impl IntoIterator<Item = Argument>) -> Step {
        let mut command = self.call.clone();
        command.extend(arguments.into_iter().map(Into::into));
        Step::Run(Run { command, environment: Vec::new() })
    }
}

/// The first of several programs that is there; which one, and how it is called. `what` needs it.
///
/// # Errors
/// What is missing, and how each of them is installed.
pub(crate) async fn require(
    what: &str,
    alternatives: &'static [Program],
    dir: &Path,
) -> anyhow::Result<(usize, Found)> {
    let mut lacks = Vec::new();
    for (place, program) in alternatives.iter().enumerate() {
        match program.find(dir).await {
            Ok(found) => return Ok((place, found)),
            Err(lack) => lacks.push(complaint(program, &lack)),
        }
    }
    bail!("{what} needs {}", lacks.join("; or "))
}

/// A line per program for a list: `zig 0.15 or later: 0.17.1`.
pub(crate) async fn describe(alternatives: &[Program], dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, program) in alternatives.iter().enumerate() {
        let or = if place == 0 { "" } else { "or " };
        lines.push(match program.find(dir).await {
            Ok(found) => format!("{or}{}: found {}", program.wanted(), found.version),
            Err(Lack::Missing) => format!("{or}{}: not found; {}", program.wanted(), program.install),
            Err(Lack::TooOld(version)) => format!("{or}{}: found {version}; {}", program.wanted(), program.install),
        });
    }
    lines
}

fn complaint(program: &Program, lack: &Lack) -> String {
    let (wanted, install) = (program.wanted(), program.install);
    match lack {
        Lack::Missing => format!("{wanted}, which is missing; install it: {install}"),
        Lack::TooOld(version) => format!("{wanted}, and found {version}; install it: {install}"),
    }
}

/// What a program prints when asked, if it is there and succeeds.
async fn answer(call: &[OsString], arguments: &[&str], dir: &Path) -> Option<String> {
    let (program, first) = call.split_first()?;
    let output = command(program, dir).args(first).args(arguments).output().await.ok()?;
    let text = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}

/// None: the variable is not set.
fn located(word: &str, dir: &Path) -> Option<OsString> {
    if let Some(inside) = word.strip_prefix("./") {
        return Some(dir.join(inside).into());
    }
    match word.strip_prefix('$').and_then(|word| word.split_once('/')) {
        Some((name, inside)) => env::var_os(name).map(|folder| Path::new(&folder).join(inside).into()),
        None => Some(word.into()),
    }
}

/// The first number with a point in it: of `go version go1.27.3 linux/amd64`, `1.27.3`.
fn version_in(text: &str) -> Option<&str> {
    let is_part = |character: char| character.is_ascii_digit() || character == '.';
    let words = text.split(|character| !is_part(character)).map(|word| word.trim_matches('.'));
    words.into_iter().find(|word| word.contains('.'))
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

/// A command of a toolchain, run in `dir`, as if from the user's shell: what `cargo run` tells about the package that
/// it runs would change, rebuild or break the build of another one. Killed when dropped.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, dir: &Path) -> Command {
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
    use std::path::Path;

    use super::{Lack, Program, is_of_outer_cargo, numbers, require, version_in};

    #[test]
    fn what_the_user_set_stays() {
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "PATH"] {
            assert!(!is_of_outer_cargo(name), "{name}");
        }
        for name in ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
            assert!(is_of_outer_cargo(name), "{name}");
        }
    }

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (text, version) in [
            ("go version go1.27.3 linux/amd64", "1.27.3"),
            ("v20.20.2\n", "20.20.2"),
            ("Debian clang version 14.0.6\nTarget: x86_64", "14.0.6"),
            ("Python 3.11.2", "3.11.2"),
        ] {
            assert_eq!(version_in(text), Some(version));
        }
        assert_eq!(version_in("no number. 7"), None);
        assert!(numbers("0.9.1") < numbers("0.13"));
    }

    #[tokio::test]
    async fn what_is_missing_or_too_old_is_named_with_its_cure() {
        static PROGRAMS: [Program; 2] = [
            Program {
                name: "nothing",
                calls: &[&["whimbrel-test-nothing"]],
                version: &["--version"],
                minimum: &[1],
                install: "nowhere",
            },
            Program {
                name: "shell",
                calls: &[&["sh", "-c", "echo 1.2.3"]],
                version: &[],
                minimum: &[2, 0],
                install: "elsewhere",
            },
        ];
        let error = require("X", &PROGRAMS, Path::new(".")).await.unwrap_err().to_string();
        let missing = "X needs nothing 1 or later, which is missing; install it: nowhere";
        assert_eq!(error, format!("{missing}; or shell 2.0 or later, and found 1.2.3; install it: elsewhere"));
        assert_eq!(PROGRAMS[1].find(Path::new(".")).await.unwrap_err(), Lack::TooOld("1.2.3".to_owned()));
    }
}

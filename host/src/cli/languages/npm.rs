//! What JavaScript and TypeScript share: node and npm, the engines that make components, the SDK, the steps of a build.

use std::path::Path;
use std::time::SystemTime;

use clap::ValueEnum;

use super::File;
use super::programs::{Program, require};
use super::recipe::{Project, Step};

/// The JavaScript engine inside a component.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Engine {
    /// QuickJS: small, quick to build and to start, without timers and async
    #[default]
    Quickjs,
    /// StarlingMonkey, Firefox's engine: timers and async; ten times as large, slow with text
    Starling,
}

pub(super) const NODE: &[Program] = &[Program {
    name: "node",
    calls: &[&["node"]],
    version: &["--version"],
    minimum: &[20],
    install: "https://nodejs.org/en/download",
}];

pub(super) const NPM: &[Program] = &[Program {
    name: "npm",
    calls: &[&["npm"]],
    version: &["--version"],
    minimum: &[8],
    install: "it comes with node from https://nodejs.org/en/download",
}];

macro_rules! sdk_files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../templates/javascript/", $path)))),+]
    };
}

/// The SDK as it is, for it is not on a registry, and the worlds of the engines.
pub(super) const SDK: &[File] = sdk_files![
    "whimbrel/connection.js",
    "whimbrel/dispatch.js",
    "whimbrel/format.js",
    "whimbrel/globals.d.ts",
    "whimbrel/globals.js",
    "whimbrel/handshake.js",
    "whimbrel/host.js",
    "whimbrel/index.d.ts",
    "whimbrel/index.js",
    "whimbrel/quickjs.js",
    "whimbrel/request.js",
    "whimbrel/settled.js",
    "whimbrel/stack.js",
    "whimbrel/starling.js",
    "whimbrel/testing.d.ts",
    "whimbrel/testing.js",
    "whimbrel/text.js",
    "wit/deps/cli.wit",
    "wit/deps/io.wit",
    "wit/deps/random.wit",
    "wit/javascript.wit",
];

/// Install what package.json names, where that was not done yet, then run its script `build`.
pub(super) async fn recipe(title: &str, project: &Project<'_>) -> anyhow::Result<Vec<Step>> {
    require(title, NODE, project.dir).await?;
    let (_, npm) = require(title, NPM, project.dir).await?;
    let mut steps = Vec::new();
    if let Some(command) = installs(project.dir) {
        steps.push(npm.run([command, "--no-audit", "--no-fund"]));
    }
    steps.push(npm.run(["run", "build"]));
    Ok(steps)
}

/// How the packages get here; none when they are here.
fn installs(dir: &Path) -> Option<&'static str> {
    let changed = |file: &str| dir.join(file).metadata().and_then(|metadata| metadata.modified()).ok();
    let lock = changed("package-lock.json");
    // npm writes it last, each time.
    match changed("node_modules/.package-lock.json") {
        Some(installed) => is_after(installed, [changed("package.json"), lock]).then_some("install"),
        None if lock.is_some() => Some("ci"),
        None => Some("install"),
    }
}

/// Whether any of the files was changed after this time.
fn is_after(time: SystemTime, files: [Option<SystemTime>; 2]) -> bool {
    files.into_iter().flatten().any(|changed| changed > time)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::{SDK, installs};

    #[test]
    fn the_whole_sdk_is_embedded() {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/javascript");
        let mut files = BTreeSet::new();
        for folder in ["whimbrel", "wit", "wit/deps"] {
            for entry in fs::read_dir(templates.join(folder)).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() {
                    files.insert(format!("{folder}/{}", entry.file_name().to_str().unwrap()));
                }
            }
        }
        assert_eq!(SDK.iter().map(|(path, _)| (*path).to_owned()).collect::<BTreeSet<_>>(), files);
    }

    #[test]
    fn packages_are_installed_when_what_names_them_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, age: u64| {
            let file = File::create(folder.path().join(file)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age)).unwrap();
        };
        write("package.json", 9);
        assert_eq!(installs(folder.path()), Some("install"));
        write("package-lock.json", 8);
        assert_eq!(installs(folder.path()), Some("ci"));
        fs::create_dir(folder.path().join("node_modules")).unwrap();
        write("node_modules/.package-lock.json", 8);
        assert_eq!(installs(folder.path()), None);
        write("package.json", 7);
        assert_eq!(installs(folder.path()), Some("install"));
    }
}

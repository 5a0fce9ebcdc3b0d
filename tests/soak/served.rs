//! The host under load: the real binary, with an innocent deployment and those that are abused.

use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

use crate::machine::Pinning;
use crate::server::{Running, Spec};
use crate::wire::Target;

const HOST: &str = env!("CARGO_BIN_EXE_whimbrel");

/// Name and path, guest, and limits. Each kind of abuse has a deployment of its own, so that what a deployment is denied
/// for its faults is not denied to other kinds.
const DEPLOYMENTS: &[(&str, &str, &str)] = &[
    ("innocent", test_guests::ECHO, ""),
    ("topics", test_guests::PROBE, "ping_interval = \"off\"\n"),
    ("coming", test_guests::ECHO, ""),
    ("spins", test_guests::PROBE, HARD),
    ("traps", test_guests::PROBE, HARD),
    ("grows", test_guests::PROBE, HARD),
    ("sends", test_guests::PROBE, HARD),
];
/// Short times, so that many rounds fit into a minute; no circuit, so that traps go on.
const HARD: &str = "traps = \"off\"\nexecution = \"50ms\"\nmemory = \"32MiB\"\noutbound = \"1MiB\"\nslow_consumer_time = \"3s\"\n\
                    message_time = \"3s\"\nclose_timeout = \"1s\"\n";

/// A running host; ended when dropped.
pub(crate) struct Served {
    running: Running,
    /// Where its metrics are.
    pub(crate) metrics: Target,
    _folder: TempDir,
}

impl Served {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        write(folder.path())?;
        let config = folder.path().join("host.toml");
        let command = [HOST, "serve", "--config", &config.to_string_lossy()];
        let running = Spec::printing("whimbrel", "/", command).start(&Pinning::Free, folder.path())?;
        let metrics = running.told("metrics on ")?.parse()?;
        Ok(Self { running, metrics, _folder: folder })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Where a deployment is, with a query or nothing.
    pub(crate) fn target(&self, deployment: &str, query: &str) -> Target {
        self.running.target().clone().with_path(&format!("/{deployment}{query}"))
    }

    /// The panics of the host itself. Its log is JSON, in which those of guests are quoted.
    pub(crate) fn panics(&self) -> anyhow::Result<Vec<String>> {
        let log = self.running.log()?;
        let lines = log.lines().filter(|line| !line.starts_with('{') && line.contains("panicked at"));
        Ok(lines.map(str::to_owned).collect())
    }
}

fn write(folder: &Path) -> anyhow::Result<()> {
    let names: Vec<&str> = DEPLOYMENTS.iter().map(|(name, ..)| *name).collect();
    let host = format!(
        "listen = [\"127.0.0.1:0\"]\nmetrics = \"127.0.0.1:0\"\nlog = \"json\"\ndeployments = {names:?}\n\
         [handshake]\ntime = \"3s\"\n"
    );
    std::fs::write(folder.join("host.toml"), host)?;
    for (name, component, limits) in DEPLOYMENTS {
        let deployment = folder.join(name);
        std::fs::create_dir_all(&deployment)?;
        let manifest =
            format!("name = {name:?}\ncomponent = {component:?}\nroutes = [\"/{name}\"]\n[limits]\n{limits}");
        std::fs::write(deployment.join("whimbrel.toml"), manifest).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

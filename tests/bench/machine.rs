//! The machine that the figures come from, and who runs on which of its cores.

use std::process::Command;
use std::time::SystemTime;

use anyhow::ensure;

const SERVER_CORE: &str = "0";
const CLIENT_CORE: &str = "1";

/// Whether server and client have a core each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// Server on core 0, client on core 1.
    Pinned,
    /// One core only, or no `taskset`: the scheduler decides.
    Free,
}

impl Pinning {
    /// Pins this process, with all threads it will start, to the client's core.
    pub(crate) fn of_this_process() -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        let has_taskset = Command::new("taskset").arg("--version").output().is_ok();
        if cores < 2 || !has_taskset {
            eprintln!("not pinned: this takes two cores and taskset");
            return Ok(Self::Free);
        }
        let pid = std::process::id().to_string();
        let output =
            Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", CLIENT_CORE, &pid]).output()?;
        ensure!(output.status.success(), "taskset failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self::Pinned)
    }

    /// The command, moved to the server's core when pinned.
    pub(crate) fn on_server_core(self, command: &[String]) -> Vec<String> {
        let mut words = Vec::new();
        if self == Self::Pinned {
            words.extend(["taskset", "--cpu-list", SERVER_CORE].map(str::to_owned));
        }
        words.extend_from_slice(command);
        words
    }
}

/// Date, processor, kernel and load in one line.
pub(crate) fn description(pinning: Pinning) -> String {
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let date = date.split('T').next().unwrap_or_default();
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let placing = match pinning {
        Pinning::Pinned => "server on core 0, client on core 1",
        Pinning::Free => "not pinned",
    };
    format!("{date}, {model}, {cores} cores, Linux {}, {placing}, load average at the end {load}", kernel.trim())
}

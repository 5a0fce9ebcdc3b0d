//! What a process has used so far, from /proc.

use std::time::Duration;

use anyhow::Context;

/// Ticks per second of the times in /proc/PID/stat: fixed at 100 for programs on Linux, whatever the kernel counts in.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of all threads of a process, in steps of 10 ms.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The second field is the program's name in parentheses and may hold spaces; utime and stime are 14 and 15.
    let ticks: u64 = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_ascii_whitespace().skip(11).take(2))
        .into_iter()
        .flatten()
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()
        .with_context(|| format!("{path} has an unknown form: {stat}"))?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Resident memory in KiB: pages shared between mappings count each time.
pub(crate) fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Proportional memory in KiB: a page mapped many times counts once in all.
pub(crate) fn proportional_kib(pid: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn field(path: &str, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{path} has no {name}"))
}

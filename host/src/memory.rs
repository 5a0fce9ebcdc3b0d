//! How much memory there is, and how much of it this process takes.

use std::fs;
use std::path::Path;

/// When nothing can be read: what the smallest machine has.
const UNKNOWN: u64 = 1 << 30;

/// Bytes that this process may take: those of the machine, or of the smallest cgroup (v2) that it is in.
pub fn available() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| of_machine(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| of_groups(&text));
    machine.into_iter().chain(group).min().unwrap_or(UNKNOWN)
}

/// Bytes that this process takes now.
pub fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn of_machine(meminfo: &str) -> Option<u64> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix("kB")?;
    kib.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The least `memory.max` of the group and those around it; none when none is set.
fn of_groups(cgroup: &str) -> Option<u64> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let groups = Path::new(path).ancestors();
    let limits = groups.filter_map(|group| {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        // "max" is no number.
        fs::read_to_string(file).ok()?.trim().parse().ok()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_asked() {
        assert_eq!(of_machine("MemFree: 1 kB\nMemTotal:       24603636 kB\n"), Some(24_603_636 * 1024));
        assert_eq!(of_machine(""), None);
        assert_eq!(of_groups("1:cpu:/x\n"), None);
        let (available, resident) = (available(), resident().unwrap());
        assert!(resident > 1 << 20 && resident < available, "{resident} of {available}");
    }
}

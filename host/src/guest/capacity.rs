//! How many instances this machine holds. Linux bounds a process's memory mappings, and that wall comes before memory.

use std::fs;

/// Mappings of a live instance: four of its memory and tables with copy-on-write images, two of its fiber's stack.
const MAPPINGS_PER_INSTANCE: u64 = 6;
/// Mappings left to everything else: threads, code, large allocations.
const MAPPINGS_ELSEWHERE: u64 = 5_000;
/// What Linux allows unless it is told otherwise.
const DEFAULT_MAX_MAP_COUNT: u64 = 65_530;
/// As many slots of 4 GiB as an address space of 47 bits has room for, with some to spare.
const MOST: u64 = 20_000;

/// Live instances that `vm.max_map_count` of this machine has room for.
pub fn instances() -> u32 {
    let max_map_count = fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(DEFAULT_MAX_MAP_COUNT);
    of_mappings(max_map_count)
}

/// The `vm.max_map_count` that this many instances need.
pub fn mappings(instances: usize) -> usize {
    instances.saturating_mul(MAPPINGS_PER_INSTANCE as usize).saturating_add(MAPPINGS_ELSEWHERE as usize)
}

fn of_mappings(max_map_count: u64) -> u32 {
    let instances = max_map_count.saturating_sub(MAPPINGS_ELSEWHERE) / MAPPINGS_PER_INSTANCE;
    // In range by the clamp.
    u32::try_from(instances.clamp(16, MOST)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::of_mappings;

    #[test]
    fn the_default_of_linux_holds_ten_thousand() {
        assert_eq!(of_mappings(65_530), 10_088);
        assert_eq!(of_mappings(1), 16);
        assert_eq!(of_mappings(u64::MAX), 20_000);
    }
}

//! How many instances this machine holds. Linux bounds a process's memory mappings, and that wall comes before memory.
//!
//! Measured with wasmtime 48 (x86-64, Linux 6.18) by the lines of /proc/self/maps, with up to 15,000 live instances of the
//! echo example that have echoed a message, and with the same guest and more data:
//!
//! | | mappings of an instance | start, message and end with 4 KiB of data | with 72 KiB | with 12 MB |
//! | --- | --- | --- | --- | --- |
//! | pool, data copied | 2 + 2 | 56 us | 62 us | 8.0 ms |
//! | pool, data mapped copy-on-write | 2 + 4 | 56 us | 57 us | 0.14 ms |
//! | no pool, data copied | 5 | 126 us | | |
//! | no pool, data mapped | 7 | 129 us | | 0.96 ms |
//!
//! Two are a fiber's stack and its guard page, for each slot of a pool from the start. The rest are the part of the memory
//! that can be accessed and the part that cannot, and two more around a mapped image; they stay when an instance ends.
//! Neighbours do not merge, as the kinds take turns; all tables lie in one mapping. The sizes of guards, slots, stacks
//! and tables, and what a slot keeps of an ended instance, change none of this. A call takes the same time, and an
//! instance the same memory (45 KiB), under all.

use std::fmt;
use std::fs;

/// Mappings of a slot whose instance's data is copied.
const COPIED: u64 = 4;
/// Of one whose instance's data is mapped.
const MAPPED: u64 = 6;
/// Mappings left to everything else: threads, code, large allocations.
const ELSEWHERE: u64 = 5_000;
/// What Linux allows unless it is told otherwise.
const DEFAULT_MAX_MAP_COUNT: u64 = 65_530;
/// The most instances of a host: as many slots of 4 GiB as an address space of 47 bits has room for, with some to spare.
pub const MOST: u32 = 20_000;
/// What is tried at the least, whatever the machine says.
const LEAST: u32 = 16;
/// Data up to this size, in bytes, is copied about as fast as it is mapped.
const COPIED_SIZE: usize = 64 << 10;
/// What a pool that is not needed at the start keeps for a later deployment.
const LATER: u32 = 256;

/// How the memory of an instance gets its first contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// The component's data is copied: fewer mappings.
    Copied,
    /// An image of it is mapped copy-on-write: what is not written is shared, and a start takes no longer for it.
    Mapped,
}

impl Contents {
    /// What suits a component with so much data, in bytes.
    pub(super) fn of(data: usize) -> Self {
        if data <= COPIED_SIZE { Contents::Copied } else { Contents::Mapped }
    }
}

/// What the deployments of a start need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// A component with little data.
    pub copied: bool,
    /// A component with much of it.
    pub mapped: bool,
    /// One whose instructions are counted.
    pub metered: bool,
}

/// The instances of each pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shares {
    /// Of guests with little data.
    pub copied: u32,
    /// Of guests with much of it.
    pub mapped: u32,
    /// Of guests whose instructions are counted; mapped as well.
    pub metered: u32,
}

impl Shares {
    /// Each pool with as many.
    pub fn of_each(instances: u32) -> Self {
        Shares { copied: instances, mapped: instances, metered: instances }
    }

    /// So many instances in all, so many of them metered.
    pub fn split(all: u32, metered: u32, needs: Needs) -> Self {
        let rest = all.saturating_sub(metered);
        let later = LATER.min(rest / 8);
        let mapped = match needs {
            Needs { mapped: false, .. } => later,
            Needs { copied: false, mapped: true, .. } => rest - later,
            Needs { copied: true, mapped: true, .. } => (rest / 4).max(1).min(rest),
        };
        Shares { copied: rest - mapped, mapped, metered }
    }

    /// All of them.
    pub fn all(self) -> u32 {
        self.copied.saturating_add(self.mapped).saturating_add(self.metered)
    }

    /// The `vm.max_map_count` that they need.
    pub fn max_map_count(self) -> u64 {
        let mapped = u64::from(self.mapped) + u64::from(self.metered);
        u64::from(self.copied) * COPIED + mapped * MAPPED + ELSEWHERE
    }
}

/// As people read it.
impl fmt::Display for Shares {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = COPIED_SIZE >> 10;
        write!(formatter, "{} of components with up to {size} KiB of data, at {COPIED} mappings each", self.copied)?;
        write!(formatter, "; {} of larger ones, at {MAPPED}", self.mapped)?;
        match self.metered {
            0 => Ok(()),
            metered => write!(formatter, "; {metered} with metering = \"fuel\", at {MAPPED}"),
        }
    }
}

/// What this machine allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Its `vm.max_map_count`.
    pub max_map_count: u64,
}

impl Capacity {
    /// Read the setting.
    pub fn of_this_machine() -> Self {
        let text = fs::read_to_string("/proc/sys/vm/max_map_count").ok();
        let max_map_count = text.and_then(|text| text.trim().parse().ok());
        Capacity { max_map_count: max_map_count.unwrap_or(DEFAULT_MAX_MAP_COUNT) }
    }

    /// Whether there is room for these.
    pub fn holds(self, shares: Shares) -> bool {
        shares.all() <= LEAST || shares.all() <= MOST && shares.max_map_count() <= self.max_map_count
    }

    /// The most instances that there is room for, when `split` says how so many are shared among the pools.
    pub fn most(self, split: impl Fn(u32) -> Shares) -> Shares {
        let fits = |all: &u32| self.holds(split(*all));
        split((LEAST..=MOST).rev().find(fits).unwrap_or(LEAST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Needs = Needs { copied: true, mapped: false, metered: false };
    const LARGE: Needs = Needs { mapped: true, copied: false, metered: false };
    const BOTH: Needs = Needs { mapped: true, ..SMALL };

    fn most(max_map_count: u64, needs: Needs) -> Shares {
        Capacity { max_map_count }.most(|all| Shares::split(all, 0, needs))
    }

    #[test]
    fn what_the_default_of_linux_holds() {
        assert_eq!(most(65_530, SMALL), Shares { copied: 14_748, mapped: 256, metered: 0 });
        assert_eq!(most(65_530, Needs::default()), most(65_530, SMALL));
        assert_eq!(most(65_530, LARGE), Shares { copied: 256, mapped: 9_917, metered: 0 });
        assert_eq!(most(65_530, BOTH), Shares { copied: 10_089, mapped: 3_362, metered: 0 });
    }

    #[test]
    fn there_is_a_least_and_a_most() {
        for needs in [SMALL, LARGE, BOTH] {
            assert_eq!((most(1, needs).all(), most(u64::MAX, needs).all()), (16, 20_000));
        }
    }

    #[test]
    fn what_is_needed_is_enough_and_no_more() {
        for needs in [SMALL, LARGE, BOTH] {
            for all in [100, 15_500, 20_000] {
                let shares = Shares::split(all, 0, needs);
                assert_eq!(shares.all(), all);
                assert_eq!(most(shares.max_map_count(), needs), shares);
                assert!(most(shares.max_map_count() - 1, needs).all() < all);
            }
        }
    }

    #[test]
    fn few_instances_go_where_they_are_needed() {
        for all in 1..8 {
            assert_eq!(Shares::split(all, 0, SMALL), Shares { copied: all, mapped: 0, metered: 0 });
            assert_eq!(Shares::split(all, 0, LARGE), Shares { copied: 0, mapped: all, metered: 0 });
        }
        assert_eq!(Shares::split(2, 0, BOTH), Shares { copied: 1, mapped: 1, metered: 0 });
        assert_eq!(Shares::split(5, 1, BOTH), Shares { copied: 3, mapped: 1, metered: 1 });
    }

    #[test]
    fn little_data_is_copied_and_much_is_mapped() {
        assert_eq!(Contents::of(0), Contents::Copied);
        assert_eq!(Contents::of(64 << 10), Contents::Copied);
        assert_eq!(Contents::of((64 << 10) + 1), Contents::Mapped);
    }
}

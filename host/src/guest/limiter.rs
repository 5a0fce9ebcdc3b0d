//! The memory of one instance: all its linear memories together, each of its tables, and how many parts it has.

use std::fmt;

use bytesize::ByteSize;
use wasmtime::ResourceLimiter;

use crate::limits::Limits;

/// Refuses growth past the limit and remembers that it did, so that the trap which usually follows can be explained.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: usize,
    table_elements: usize,
    core_instances: usize,
    used: usize,
    refused: Option<Refused>,
}

/// Growth that was refused: the limit, what there would have been, what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Bytes of linear memory.
    Memory { wanted: usize, allowed: usize },
    /// Elements of a table.
    Table { wanted: usize, allowed: usize },
}

impl MemoryLimiter {
    /// As much as `limits` allow.
    pub(super) fn new(limits: &Limits) -> Self {
        let Limits { memory, table_elements, core_instances, .. } = *limits;
        MemoryLimiter { limit: memory, table_elements, core_instances, used: 0, refused: None }
    }

    /// Bytes of linear memory in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The growth that was refused last.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_sub(current).saturating_add(desired);
        if wanted > self.limit {
            self.refused = Some(Refused::Memory { wanted, allowed: self.limit });
            return Ok(false);
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            self.refused = Some(Refused::Table { wanted: desired, allowed: self.table_elements });
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.core_instances
    }

    fn tables(&self) -> usize {
        self.core_instances
    }

    fn memories(&self) -> usize {
        self.core_instances
    }
}

impl Refused {
    /// The setting that changes it.
    pub(super) fn limit(self) -> &'static str {
        match self {
            Refused::Memory { .. } => "limits.memory",
            Refused::Table { .. } => "limits.table_elements",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit();
        match *self {
            Refused::Memory { wanted, allowed } => {
                let (wanted, allowed) = (ByteSize(wanted as u64), ByteSize(allowed as u64));
                write!(formatter, "{limit}: {wanted} wanted, {allowed} allowed")
            }
            Refused::Table { wanted, allowed } => {
                write!(formatter, "{limit}: {wanted} in one table wanted, {allowed} allowed")
            }
        }
    }
}

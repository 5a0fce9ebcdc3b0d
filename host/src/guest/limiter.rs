//! The memory of one instance: all its linear memories and tables together.

use wasmtime::ResourceLimiter;

use crate::limits::Limits;

/// Refuses growth past the limit and remembers that it did, so that the trap which usually follows can be explained.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: usize,
    table_elements: usize,
    core_instances: usize,
    used: usize,
    refused: Option<usize>,
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

    /// What the memory would have grown to when growth was last refused, in bytes.
    pub(super) fn refused(&self) -> Option<usize> {
        self.refused
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_sub(current).saturating_add(desired);
        if wanted > self.limit {
            self.refused = Some(wanted);
            return Ok(false);
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements)
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

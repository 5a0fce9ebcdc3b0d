//! The memory of one instance: all its linear memories and tables together.

use wasmtime::ResourceLimiter;

use crate::limits::{CORE_INSTANCES, TABLE_ELEMENTS};

/// Refuses growth past the limit and remembers that it did, so that the trap which usually follows can be explained.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: usize,
    used: usize,
    refused: Option<usize>,
}

impl MemoryLimiter {
    /// At most `limit` bytes of linear memory.
    pub(super) fn new(limit: usize) -> Self {
        MemoryLimiter { limit, used: 0, refused: None }
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
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        CORE_INSTANCES
    }

    fn memories(&self) -> usize {
        CORE_INSTANCES
    }
}

//! Memory and table limits.

use wasmtime::ResourceLimiter;

use crate::Limits;

/// A component is many core instances (adapters, shared libraries); each reserves address space for its memory.
const MEMORIES: usize = 32;
const TABLES: usize = 256;
const INSTANCES: usize = 2048;

/// Counts what the instances of one store use and says no at the limit.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    memory_limit_bytes: usize,
    table_limit: usize,
    memory_bytes: usize,
    table_elements: usize,
    denied: Option<String>,
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit_bytes: limits.memory_bytes,
            table_limit: limits.table_elements,
            memory_bytes: 0,
            table_elements: 0,
            denied: None,
        }
    }

    /// Bytes of all memories.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// The limit that was last denied, if one was.
    pub(crate) fn take_denied(&mut self) -> Option<String> {
        self.denied.take()
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_limit_bytes {
            self.denied = Some(format!("{} KiB of memory", self.memory_limit_bytes >> 10));
            return Ok(false);
        }
        // Growth beyond the memory's own maximum fails after this call and must not be counted.
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.memory_bytes = total;
        }
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.table_limit {
            self.denied = Some(format!("{} table elements", self.table_limit));
            return Ok(false);
        }
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.table_elements = total;
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

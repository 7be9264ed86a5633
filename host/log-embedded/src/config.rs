//! Settings.

use std::{sync::Arc, time::Duration};

use millstream_log::LogError;
use millstream_state_rocksdb::database::DatabaseConfig;
use millstream_types::{Clock, SystemClock};

use crate::error::user;

const MIB: usize = 1 << 20;

/// Settings of the embedded log. The defaults suit a laptop.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Whether a commit waits until it would survive a power failure. Without it only a crash of the machine
    /// can lose commits, never one of the process.
    pub sync: bool,
    /// Age at which batches of topics without a setting of their own go; `None`: never.
    pub retention: Option<Duration>,
    /// Bytes above which old batches of a partition go, for topics without a setting of their own; `None`: no limit.
    pub retention_bytes: Option<u64>,
    /// Bytes at which a stored batch is closed and the next one begun.
    pub batch_bytes: usize,
    /// The most bytes that one record may have.
    pub max_record_bytes: usize,
    /// Bytes of the newest batches kept in memory, over all partitions.
    pub tail_bytes: usize,
    /// Bytes of the database's block cache.
    pub block_cache_bytes: usize,
    /// Bytes of one write buffer of the database, of which there may be four.
    pub write_buffer_bytes: usize,
    /// How often old data is looked for; `None`: only when [`clean`](crate::EmbeddedLog::clean) is called.
    pub clean_interval: Option<Duration>,
    /// Bytes that a partition of a compacted topic must have gained before it is compacted again.
    pub compaction_min_bytes: u64,
    /// Bytes of keys that one compaction may hold in memory; larger partitions take several passes.
    pub compaction_memory_bytes: usize,
    /// How long a compacted topic keeps the deletion of a key, for readers that are behind.
    pub tombstone_retention: Duration,
    /// Tells when a batch was appended, and what is old.
    pub clock: Arc<dyn Clock>,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            sync: true,
            retention: Some(Duration::from_secs(7 * 24 * 60 * 60)),
            retention_bytes: None,
            batch_bytes: MIB,
            max_record_bytes: 64 * MIB,
            tail_bytes: 64 * MIB,
            block_cache_bytes: 32 * MIB,
            write_buffer_bytes: 32 * MIB,
            clean_interval: Some(Duration::from_secs(5)),
            compaction_min_bytes: 8 << 20,
            compaction_memory_bytes: 64 * MIB,
            tombstone_retention: Duration::from_secs(24 * 60 * 60),
            clock: Arc::new(SystemClock),
        }
    }
}

impl EmbeddedConfig {
    pub(crate) fn check(&self) -> Result<(), LogError> {
        if self.batch_bytes == 0 || self.max_record_bytes == 0 {
            return Err(user("batch_bytes and max_record_bytes must be above 0"));
        }
        if self.max_record_bytes > 1 << 30 {
            return Err(user("max_record_bytes may be 1 GiB at most"));
        }
        Ok(())
    }

    pub(crate) fn database(&self) -> DatabaseConfig {
        DatabaseConfig {
            block_cache_bytes: self.block_cache_bytes,
            write_buffer_bytes: self.write_buffer_bytes,
            // Batches are compressed one by one, and what is deleted is the oldest: keeping them out of the
            // tables spares rewriting them again and again.
            compress: false,
            separate_values_from_bytes: Some(8 << 10),
            ..DatabaseConfig::default()
        }
    }
}

//! What a database may use.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, LogLevel, Options};

/// What a [`Database`](super::Database) may use of the machine.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Bytes of decompressed blocks kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes that are collected in memory before they become a table; up to four such buffers exist at once.
    pub write_buffer_bytes: usize,
    /// Files held open at once; -1 is no limit.
    pub max_open_files: i32,
    /// Threads that flush and compact.
    pub background_jobs: i32,
    /// Whether tables are compressed (LZ4). Leave it off for values that are compressed already.
    pub compress: bool,
    /// Values of at least so many bytes go to files of their own, which compactions do not rewrite; `None`
    /// keeps all values with their keys.
    pub separate_values_from_bytes: Option<u64>,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            block_cache_bytes: 64 << 20,
            write_buffer_bytes: 32 << 20,
            max_open_files: 512,
            background_jobs: 2,
            compress: true,
            separate_values_from_bytes: None,
        }
    }
}

impl DatabaseConfig {
    pub(super) fn options(&self) -> Options {
        let compression = if self.compress { DBCompressionType::Lz4 } else { DBCompressionType::None };
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(self.block_cache_bytes));
        table.set_block_size(16 << 10);
        table.set_format_version(6);
        table.set_bloom_filter(10.0, false);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);

        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_compression_type(compression);
        options.set_write_buffer_size(self.write_buffer_bytes);
        options.set_max_write_buffer_number(4);
        options.set_max_open_files(self.max_open_files);
        options.set_max_background_jobs(self.background_jobs);
        options.set_bytes_per_sync(1 << 20);
        options.set_enable_pipelined_write(true);
        options.set_level_compaction_dynamic_level_bytes(true);
        if let Some(min_bytes) = self.separate_values_from_bytes {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(min_bytes);
            options.set_blob_compression_type(compression);
            options.set_enable_blob_gc(true);
        }
        quiet(&mut options);
        options
    }
}

/// Keeps RocksDB's own log and statistics small: many databases live in one process.
pub(crate) fn quiet(options: &mut Options) {
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(4 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
}

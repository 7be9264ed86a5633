//! Settings of the engine and limits of guests.

use std::{path::PathBuf, time::Duration};

/// Settings of a [`crate::WasmHost`], shared by everything that it loads.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Directory of the compiled-code cache; `None` compiles at every load.
    ///
    /// Code in it is run, so it must be writable by the host's user alone. The host creates it so.
    pub cache_dir: Option<PathBuf>,
    /// How much compiled code [`crate::WasmHost::prune_code`] leaves, bytes, beside that which it is to leave.
    pub cache_bytes: u64,
    /// How long compiled code that nobody uses is left.
    pub cache_age: Duration,
    /// The largest component that [`crate::WasmHost::load`] takes, bytes. Bounds the work of compiling it.
    pub max_component_bytes: usize,
    /// How often running guests are checked against their deadlines, and so how late one may be stopped.
    pub engine_epoch_interval: Duration,
    /// Stack of a guest in bytes. Every thread that calls a guest needs as much and some 256 KiB more.
    pub stack_bytes: usize,
    /// Limits of the instance that is made to validate a component.
    pub validation: Limits,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            cache_bytes: 2 << 30,
            cache_age: Duration::from_secs(30 * 24 * 60 * 60),
            max_component_bytes: 64 << 20,
            engine_epoch_interval: Duration::from_millis(10),
            stack_bytes: 512 << 10,
            validation: Limits::default(),
        }
    }
}

/// What one instance of a guest may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All its linear memories together, bytes.
    pub memory_bytes: usize,
    /// Percentage of `memory_bytes` over which an instance is replaced by a fresh one between batches,
    /// since some language runtimes leak and none gives memory back.
    pub recycle_at_percent: u8,
    /// Elements of all its tables together.
    pub table_elements: usize,
    /// Wall-clock time for one call of `process`.
    pub batch_deadline: Duration,
    /// Wall-clock time to instantiate, describe and configure an instance, each.
    pub setup_deadline: Duration,
    /// Records that may come of one input batch.
    pub output_records: usize,
    /// Bytes that may come of one input batch: outputs, state changes and failures together. Also bounds
    /// what one host call may carry.
    pub output_bytes: usize,
    /// Bytes that one batch may write to state through host calls.
    pub state_write_bytes: usize,
    /// Lines of log, stdout and stderr that are kept a second.
    pub log_lines_per_second: u32,
    /// Bytes after which a line is cut.
    pub log_line_bytes: usize,
    /// Names of metrics that an operator may use.
    pub metric_names: usize,
    /// Observations that a batch may record in histograms.
    pub histogram_values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            recycle_at_percent: 75,
            table_elements: 200_000,
            batch_deadline: Duration::from_secs(5),
            setup_deadline: Duration::from_secs(10),
            output_records: 1_000_000,
            output_bytes: 128 << 20,
            state_write_bytes: 256 << 20,
            log_lines_per_second: 100,
            log_line_bytes: 4 << 10,
            metric_names: 64,
            histogram_values: 10_000,
        }
    }
}

//! How a pipeline runs.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::shapes;

/// Whether each record takes effect exactly once or at least once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Outputs, state and positions are committed together: whatever crashes, each record counts once.
    #[default]
    ExactlyOnce,
    /// Outputs leave at once, before the commit: lower latency, and after a crash some records twice.
    AtLeastOnce,
}

/// When a worker commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CommitSpec {
    /// The longest time between two commits while there is something to commit, such as `100ms`.
    #[serde(default = "default_interval", serialize_with = "shapes::duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub interval: Duration,
    /// Bytes of uncommitted output and state after which a worker commits early, such as `32MiB`.
    #[serde(default = "default_bytes", serialize_with = "shapes::byte_size")]
    #[schemars(schema_with = "shapes::byte_size_schema")]
    pub bytes: usize,
}

impl Default for CommitSpec {
    fn default() -> Self {
        Self { interval: default_interval(), bytes: default_bytes() }
    }
}

fn default_interval() -> Duration {
    Duration::from_millis(100)
}

fn default_bytes() -> usize {
    32 << 20
}

/// How large the batches are that steps get. A batch is closed earlier when its input has nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BatchSpec {
    /// The most records in one batch.
    #[serde(default = "default_batch_records")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub records: usize,
    /// The most bytes in one batch, such as `1MiB`; a single larger record passes on its own.
    #[serde(default = "default_batch_bytes", serialize_with = "shapes::byte_size")]
    #[schemars(schema_with = "shapes::byte_size_schema")]
    pub bytes: usize,
}

impl Default for BatchSpec {
    fn default() -> Self {
        Self { records: default_batch_records(), bytes: default_batch_bytes() }
    }
}

fn default_batch_records() -> usize {
    4096
}

fn default_batch_bytes() -> usize {
    1 << 20
}

/// What happens when a task fails for a reason outside the pipeline, such as a broker that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetrySpec {
    /// How often a task is started again before the pipeline fails.
    #[serde(default = "default_attempts")]
    pub attempts: u32,
    /// The wait before the first retry, doubled each time, such as `500ms`.
    #[serde(default = "default_backoff", serialize_with = "shapes::duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub backoff: Duration,
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self { attempts: default_attempts(), backoff: default_backoff() }
    }
}

fn default_attempts() -> u32 {
    8
}

fn default_backoff() -> Duration {
    Duration::from_millis(500)
}

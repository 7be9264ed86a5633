//! Metrics of parts.

use crate::host;

/// Adds to a counter of the step.
///
/// The host publishes metrics under the names of the pipeline and the step, as those of operators. What is reported in a
/// call that fails, or that is made again without a record that failed, is forgotten; a record that fails by itself, in an
/// aggregator, does not take back what was reported for it. Each call crosses to the host: report once for many records
/// where that is possible. Watermark generators have no metrics, since they belong to no step.
pub fn count(name: &str, delta: u64) {
    host::counter_add(name, delta);
}

/// Sets a gauge of the step; see [`count`].
pub fn gauge(name: &str, value: f64) {
    host::gauge_set(name, value);
}

/// Adds an observation to a histogram of the step; see [`count`].
pub fn observe(name: &str, value: f64) {
    host::histogram_record(name, value);
}

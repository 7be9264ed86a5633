//! Counters, added to once a batch.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hdrhistogram::Histogram;
use millstream_operator::GuestMetric;
use parking_lot::Mutex;

use crate::status::MetricStatus;

/// Names of guest metrics that a step may have; those over it are dropped and counted.
const GUEST_METRICS_MAX: usize = 100;

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, delta: u64) {
        self.0.fetch_add(delta, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one step did, on all workers of this host.
#[derive(Debug, Default)]
pub(crate) struct StepMetrics {
    pub(crate) records_in: Counter,
    pub(crate) records_out: Counter,
    pub(crate) records_dropped: Counter,
    pub(crate) records_skipped: Counter,
    pub(crate) records_dead_lettered: Counter,
    pub(crate) batches: Counter,
    pub(crate) batch_failures: Counter,
    pub(crate) timers_fired: Counter,
    pub(crate) busy_ns: Counter,
    pub(crate) guest_metrics_dropped: Counter,
    guest: Mutex<BTreeMap<String, MetricStatus>>,
}

impl StepMetrics {
    pub(crate) fn record_guest(&self, metrics: &[GuestMetric]) {
        if metrics.is_empty() {
            return;
        }
        let mut known = self.guest.lock();
        for metric in metrics {
            let (GuestMetric::Counter { name, .. }
            | GuestMetric::Gauge { name, .. }
            | GuestMetric::Histogram { name, .. }) = metric;
            if known.len() >= GUEST_METRICS_MAX && !known.contains_key(&**name) {
                self.guest_metrics_dropped.add(1);
                continue;
            }
            let status = known.entry(name.to_string()).or_insert_with(|| MetricStatus::of(metric));
            status.add(metric);
        }
    }

    pub(crate) fn guest(&self) -> BTreeMap<String, MetricStatus> {
        self.guest.lock().clone()
    }
}

/// Durations in microseconds, to three digits, up to an hour.
#[derive(Debug)]
pub(crate) struct Latency(Mutex<Option<Histogram<u64>>>);

impl Default for Latency {
    fn default() -> Self {
        // Three significant digits are within what the library allows; without a histogram nothing is recorded.
        Self(Mutex::new(Histogram::new_with_bounds(1, 3_600_000_000, 3).ok()))
    }
}

impl Latency {
    pub(crate) fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(histogram) = self.0.lock().as_mut() {
            histogram.saturating_record(micros.max(1));
        }
    }

    /// Milliseconds at a quantile; 0 before the first observation.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.read_ms(|histogram| histogram.value_at_quantile(quantile))
    }

    pub(crate) fn max_ms(&self) -> f64 {
        self.read_ms(Histogram::max)
    }

    fn read_ms(&self, read: impl Fn(&Histogram<u64>) -> u64) -> f64 {
        self.0.lock().as_ref().filter(|histogram| !histogram.is_empty()).map_or(0.0, |h| read(h) as f64 / 1000.0)
    }
}

/// What a pipeline did, on all workers of this host.
#[derive(Debug, Default)]
pub(crate) struct PipelineMetrics {
    pub(crate) records_in: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) records_out: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) state_changes: Counter,
    pub(crate) commits: Counter,
    pub(crate) aborts: Counter,
    pub(crate) restarts: Counter,
    pub(crate) commit_latency: Latency,
}

//! `metrics`: collected during a call and handed out with its result.

use std::{collections::HashSet, sync::Arc};

use millstream_operator::GuestMetric;
use parking_lot::Mutex;

use crate::{Limits, generated::millstream::operator::metrics::Host, guest::GuestData};

const NAME_BYTES: usize = 64;

/// The names that an operator has used so far. Shared by its instances, so that a replaced one begins no new
/// count.
#[derive(Debug)]
pub(crate) struct MetricNames {
    limit: usize,
    inner: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    used: HashSet<Arc<str>>,
    /// Calls with names that are not allowed or over the limit.
    dropped: u64,
}

impl MetricNames {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.metric_names, inner: Mutex::default() }
    }

    fn resolve(&self, name: &str) -> Option<Arc<str>> {
        let mut names = self.inner.lock();
        if let Some(name) = names.used.get(name) {
            return Some(Arc::clone(name));
        }
        if !is_name(name) || names.used.len() >= self.limit {
            names.dropped += 1;
            if names.dropped.is_power_of_two() {
                tracing::warn!(dropped = names.dropped, limit = self.limit, "metrics of a guest were dropped");
            }
            return None;
        }
        let name: Arc<str> = name.into();
        names.used.insert(Arc::clone(&name));
        Some(name)
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The metrics of the call in hand.
#[derive(Debug)]
pub(crate) struct BatchMetrics {
    names: Arc<MetricNames>,
    reported: Vec<GuestMetric>,
    values_left: usize,
    values: usize,
}

impl BatchMetrics {
    pub(crate) fn new(names: Arc<MetricNames>, limits: &Limits) -> Self {
        let values = limits.histogram_values;
        Self { names, reported: Vec::new(), values_left: values, values }
    }

    /// Forgets what an earlier call reported.
    pub(crate) fn begin_call(&mut self) {
        self.reported.clear();
        self.values_left = self.values;
    }

    pub(crate) fn take(&mut self) -> Vec<GuestMetric> {
        std::mem::take(&mut self.reported)
    }

    fn add(&mut self, name: &str, add: u64) {
        let Some(name) = self.names.resolve(name) else { return };
        let known = self.reported.iter_mut().find_map(|metric| match metric {
            GuestMetric::Counter { name: known, delta } if *known == name => Some(delta),
            _ => None,
        });
        match known {
            Some(delta) => *delta = delta.saturating_add(add),
            None => self.reported.push(GuestMetric::Counter { name, delta: add }),
        }
    }

    fn set(&mut self, name: &str, to: f64) {
        let Some(name) = self.names.resolve(name) else { return };
        let known = self.reported.iter_mut().find_map(|metric| match metric {
            GuestMetric::Gauge { name: known, value } if *known == name => Some(value),
            _ => None,
        });
        match known {
            Some(value) => *value = to,
            None => self.reported.push(GuestMetric::Gauge { name, value: to }),
        }
    }

    fn record(&mut self, name: &str, observed: f64) {
        let Some(name) = self.names.resolve(name) else { return };
        let Some(left) = self.values_left.checked_sub(1) else { return };
        self.values_left = left;
        let known = self.reported.iter_mut().find_map(|metric| match metric {
            GuestMetric::Histogram { name: known, values } if *known == name => Some(values),
            _ => None,
        });
        match known {
            Some(values) => values.push(observed),
            None => self.reported.push(GuestMetric::Histogram { name, values: vec![observed] }),
        }
    }
}

impl Host for GuestData {
    fn counter_add(&mut self, name: String, delta: u64) -> wasmtime::Result<()> {
        self.metrics.add(&name, delta);
        Ok(())
    }

    fn gauge_set(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.metrics.set(&name, value);
        Ok(())
    }

    fn histogram_record(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.metrics.record(&name, value);
        Ok(())
    }
}

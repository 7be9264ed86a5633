//! Metrics, summed up in the guest and sent once a batch.

use std::cell::RefCell;

use crate::host;

/// What the batch in hand reported.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counters: Vec<(&'static str, u64)>,
    gauges: Vec<(&'static str, f64)>,
    observations: Vec<(&'static str, f64)>,
}

impl Metrics {
    /// Sends everything to the host and forgets it.
    pub(crate) fn send(&mut self) {
        self.counters.drain(..).for_each(|(name, delta)| host::counter_add(name, delta));
        self.gauges.drain(..).for_each(|(name, value)| host::gauge_set(name, value));
        self.observations.drain(..).for_each(|(name, value)| host::histogram_record(name, value));
    }

    pub(crate) fn clear(&mut self) {
        self.counters.clear();
        self.gauges.clear();
        self.observations.clear();
    }
}

/// The place of a metric in a short list; nearly always found by the address of its name.
fn entry<'a, T: Default>(metrics: &'a mut Vec<(&'static str, T)>, name: &'static str) -> Option<&'a mut T> {
    let found = metrics.iter().position(|(known, _)| std::ptr::eq(*known, name) || *known == name);
    let index = found.unwrap_or_else(|| {
        metrics.push((name, T::default()));
        metrics.len() - 1
    });
    metrics.get_mut(index).map(|(_, value)| value)
}

/// A count of something.
#[derive(Clone, Copy, Debug)]
pub struct Counter<'a> {
    pub(crate) metrics: &'a RefCell<Metrics>,
    pub(crate) name: &'static str,
}

impl Counter<'_> {
    /// Adds to the counter.
    pub fn add(&self, delta: u64) {
        if let Some(sum) = entry(&mut self.metrics.borrow_mut().counters, self.name) {
            *sum = sum.saturating_add(delta);
        }
    }
}

/// A value that goes up and down.
#[derive(Clone, Copy, Debug)]
pub struct Gauge<'a> {
    pub(crate) metrics: &'a RefCell<Metrics>,
    pub(crate) name: &'static str,
}

impl Gauge<'_> {
    /// Sets the gauge.
    pub fn set(&self, value: f64) {
        if let Some(gauge) = entry(&mut self.metrics.borrow_mut().gauges, self.name) {
            *gauge = value;
        }
    }
}

/// A distribution of values.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<'a> {
    pub(crate) metrics: &'a RefCell<Metrics>,
    pub(crate) name: &'static str,
}

impl Histogram<'_> {
    /// Records a value. Each costs a call to the host at the end of the batch.
    pub fn record(&self, value: f64) {
        self.metrics.borrow_mut().observations.push((self.name, value));
    }
}

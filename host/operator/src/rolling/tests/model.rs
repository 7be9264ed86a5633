//! What rolling features are, by recomputation from every event that counted.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::harness::Event;
use crate::rolling::RollingSpec;

/// All events that counted anywhere, by key, in order of arrival.
#[derive(Clone, Debug)]
pub(super) struct Model {
    spec: RollingSpec,
    events: HashMap<&'static str, Vec<Counted>>,
}

#[derive(Clone, Debug)]
struct Counted {
    time_ms: i64,
    value: i64,
    /// By window: its slices of that resolution took it.
    taken: Vec<bool>,
}

impl Model {
    pub(super) fn new(spec: &RollingSpec) -> Self {
        Self { spec: spec.clone(), events: HashMap::new() }
    }

    /// What an event is told at this watermark; `None`: it is late.
    pub(super) fn take(&mut self, (key, time_ms, value): Event, watermark_ms: i64) -> Option<Value> {
        let events = self.events.entry(key).or_default();
        let newest = events.iter().map(|event| event.time_ms).max().unwrap_or(i64::MIN);
        let exact_ms = i128::from(newest.max(watermark_ms)) - i128::from(self.spec.lateness_ms);
        // Windows of one resolution share slices: the longest of them decides what these take.
        let reach = |resolution_ms: i64| {
            let same = self.spec.windows.iter().filter(|window| window.resolution_ms == resolution_ms);
            same.map(|window| i128::from(window.size_ms / resolution_ms)).max().unwrap_or(0)
        };
        let slice = |time_ms: i128, resolution_ms: i64| time_ms.div_euclid(i128::from(resolution_ms));
        let taken = |resolution_ms: i64| {
            slice(time_ms.into(), resolution_ms) >= slice(exact_ms, resolution_ms) - reach(resolution_ms)
        };
        let taken: Vec<bool> = self.spec.windows.iter().map(|window| taken(window.resolution_ms)).collect();
        if !taken.contains(&true) {
            return None;
        }
        events.push(Counted { time_ms, value, taken });
        let mut members = Map::new();
        members.insert("v".into(), json!(value));
        for (at, window) in self.spec.windows.iter().enumerate() {
            let of = |time_ms: i128| slice(time_ms, window.resolution_ms);
            let last = of(time_ms.into());
            let first = of(i128::from(time_ms) - i128::from(window.size_ms));
            let is_known = last >= of(exact_ms);
            let seen = events.iter().filter(|event| event.taken[at]);
            let seen = seen.filter(|event| (first..=last).contains(&of(event.time_ms.into())));
            let values: Vec<i64> = seen.map(|event| event.value).collect();
            let known = |result: Value| if is_known { result } else { Value::Null };
            members.insert(format!("sum_{}", window.name), known(json!(values.iter().sum::<i64>())));
            members.insert(format!("max_{}", window.name), known(json!(values.iter().max())));
            members.insert(format!("count_{}", window.name), known(json!(values.len())));
        }
        Some(Value::Object(members))
    }
}

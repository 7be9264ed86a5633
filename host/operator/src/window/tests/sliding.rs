//! Sliding windows by their definition.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    ids::Ids,
    model::{Arrival, Model, Shape, compare_sorted, history, late},
};
use crate::{
    testing::{Emission, TestTask, batch},
    window::{Emit, Window, WindowKind, WindowSpec, window},
};

struct Sliding {
    size: i64,
    spec: WindowSpec,
    /// Timestamps and numbers by key.
    records: BTreeMap<String, Vec<(i64, String)>>,
}

impl Sliding {
    fn window(&self, last: i64) -> Window {
        Window { start_ms: last.saturating_sub(self.size), end_ms: last.saturating_add(1) }
    }

    fn expired(&self, last: i64, watermark_ms: i64) -> bool {
        last < i64::MAX - 1 && last.saturating_add(self.spec.lateness_ms) <= watermark_ms
    }

    /// The last moments of all windows that there are.
    fn ends(&self, key: &str) -> BTreeSet<i64> {
        let records = self.records.get(key).cloned().unwrap_or_default();
        let mut ends: BTreeSet<i64> = records.iter().map(|(at, _)| *at).collect();
        for (before, _) in &records {
            let after = (before.saturating_add(1), i128::from(*before) + 1 + i128::from(self.size));
            let inside = |at: i64| at >= after.0 && at > *before && i128::from(at) <= after.1;
            if let Ok(end) = i64::try_from(after.1)
                && records.iter().any(|(at, _)| inside(*at))
            {
                ends.insert(end);
            }
        }
        ends
    }

    fn inside(&self, key: &str, last: i64) -> Vec<&str> {
        let start = last.saturating_sub(self.size);
        let records = self.records.get(key).map(Vec::as_slice).unwrap_or_default();
        let inside = records.iter().filter(|(at, _)| start <= *at && *at <= last);
        inside.map(|(_, id)| id.as_str()).collect()
    }

    fn fire(&self, key: &str, last: i64) -> Emission {
        let value = Ids { sorted: true }.result(self.window(last), self.inside(key, last));
        Emission { output: 0, key: key.into(), timestamp_ms: last, value, headers: Vec::new() }
    }
}

impl Model for Sliding {
    fn batch(&mut self, arrivals: &[(Arrival, String)], watermark_ms: i64, _now_ms: i64) -> Vec<Emission> {
        let mut emitted = Vec::new();
        let mut new: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let keys: BTreeSet<String> = arrivals.iter().map(|(arrival, _)| arrival.key.clone()).collect();
        let before: BTreeMap<String, BTreeSet<i64>> = keys.iter().map(|key| (key.clone(), self.ends(key))).collect();
        for (arrival, id) in arrivals {
            let last = arrival.timestamp_ms.saturating_add(self.size);
            if self.expired(last, watermark_ms) {
                emitted.push(late(arrival, id, watermark_ms, last.saturating_add(1), self.spec.lateness_ms));
            } else if !arrival.bad {
                self.records.entry(arrival.key.clone()).or_default().push((arrival.timestamp_ms, id.clone()));
                new.entry(arrival.key.clone()).or_default().push(id.clone());
            }
        }
        for (key, new) in &new {
            for last in self.ends(key) {
                let due = self.spec.emit == Emit::OnUpdate || (last <= watermark_ms && last < i64::MAX - 1);
                if !due || self.expired(last, watermark_ms) {
                    continue;
                }
                let has_new = self.inside(key, last).iter().any(|id| new.iter().any(|new| new == id));
                if has_new || !before[key].contains(&last) {
                    emitted.push(self.fire(key, last));
                }
            }
        }
        emitted
    }

    fn advance(&mut self, from_ms: i64, to_ms: i64, _now_ms: i64) -> Vec<Emission> {
        if self.spec.emit == Emit::OnUpdate {
            return Vec::new();
        }
        let mut emitted = Vec::new();
        for key in self.records.keys() {
            let due = self.ends(key).into_iter().filter(|&last| from_ms < last && last <= to_ms && last < i64::MAX - 1);
            emitted.extend(due.map(|last| self.fire(key, last)));
        }
        emitted
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..Default::default() })]

    #[test]
    fn sliding_windows_are_those_of_the_definition(
        size in prop_oneof![0_i64..50, Just(i64::MAX)], lateness_ms in prop_oneof![Just(0_i64), 0_i64..80],
        on_update in prop::bool::weighted(0.3), timer_page in 1_usize..6,
        steps in history(Shape { span_ms: 150, extremes: true, bad: true }, 30),
    ) {
        let emit = if on_update { Emit::OnUpdate } else { Emit::OnClose };
        let spec = WindowSpec { lateness_ms, emit, ..WindowSpec::new(WindowKind::Sliding { size_ms: size }) };
        let mut task = TestTask::new(window(spec.clone(), Ids::contents(true)).expect("windows"));
        task.timer_page = timer_page;
        compare_sorted(&mut task, &mut Sliding { size, spec, records: BTreeMap::new() }, &steps);
    }
}

/// The example of Kafka Streams' documentation, with its inclusive ends written exclusively.
#[test]
fn a_record_brings_the_window_that_it_ends_and_the_one_after_it() {
    let spec = WindowSpec::new(WindowKind::Sliding { size_ms: 5000 });
    let mut task = TestTask::new(window(spec, Ids::contents(true)).expect("windows"));
    task.process(&batch([("a", 8000, "1"), ("a", 9200, "2"), ("a", 12_400, "3")]));
    let fired: Vec<String> = task.advance(30_000).into_iter().map(|emission| emission.value).collect();
    assert_eq!(
        fired,
        ["[3000, 8001) 1", "[4200, 9201) 1 2", "[7400, 12401) 1 2 3", "[8001, 13002) 2 3", "[9201, 14202) 3",]
    );
    assert_eq!(task.stored_entries(), 0);
}

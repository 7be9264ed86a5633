//! An assigner, a trigger and a window function as guests would bring them.

use std::sync::Arc;

use millstream_types::RecordBatch;

use super::ids::{BAD, Ids};
use crate::{
    GuestMetric, OperatorError,
    testing::{TestTask, batch},
    timer::TimeDomain,
    window::{
        Assigned, Assignments, Elements, Emitted, Pane, Trigger, TriggerCondition, TriggerFactory, TriggerPanes,
        Verdict, Verdicts, Window, WindowAssigner, WindowAssignerFactory, WindowFunction, WindowFunctionFactory,
        WindowKind, WindowSpec, window,
    },
};

/// Every moment is in a window of 16 ms and in one of 64.
pub(super) fn windows_of(at: i64) -> Vec<Window> {
    let aligned = |size: i64| {
        let start_ms = at.saturating_sub(at.rem_euclid(size));
        Window { start_ms, end_ms: start_ms.saturating_add(size) }
    };
    vec![aligned(16), aligned(64)]
}

#[derive(Debug)]
struct Assigner;

pub(super) fn assigner() -> Arc<dyn WindowAssignerFactory> {
    Arc::new(Assigner)
}

impl WindowAssignerFactory for Assigner {
    fn definition(&self) -> &str {
        "\"two sizes\""
    }

    fn instantiate(&self, _: &str) -> Result<Box<dyn WindowAssigner>, OperatorError> {
        Ok(Box::new(Self))
    }
}

impl WindowAssigner for Assigner {
    fn assign(&mut self, records: &Assignments<'_>) -> Result<Assigned, OperatorError> {
        let mut assigned = Assigned::default();
        for &row in records.rows {
            for window in windows_of(records.batch.timestamps[row as usize]) {
                assigned.rows.push(row);
                assigned.windows.push(window);
            }
        }
        Ok(assigned)
    }
}

/// Whether the trigger fires with a record of this time.
pub(super) fn fires(timestamp_ms: i64) -> bool {
    timestamp_ms % 5 == 0
}

#[derive(Debug)]
struct EveryFifth;

pub(super) fn trigger() -> Arc<dyn TriggerFactory> {
    Arc::new(EveryFifth)
}

impl TriggerFactory for EveryFifth {
    fn definition(&self) -> &str {
        "\"fives\""
    }

    fn instantiate(&self, _: &str) -> Result<Box<dyn Trigger>, OperatorError> {
        Ok(Box::new(Self))
    }
}

impl EveryFifth {
    fn answer(count: usize, verdicts: Vec<Verdict>) -> Verdicts {
        Verdicts {
            verdicts,
            states: (0..count).map(|_| Some("x")).collect(),
            event_times: vec![i64::MAX; count],
            processing_times: vec![i64::MAX; count],
            failures: Vec::new(),
        }
    }
}

impl Trigger for EveryFifth {
    fn on_elements(&mut self, panes: &TriggerPanes<'_>, elements: &Elements<'_>) -> Result<Verdicts, OperatorError> {
        let verdict = |&row: &u32| match fires(elements.batch.timestamps[row as usize]) {
            true => Verdict::Fire,
            false => Verdict::Continue,
        };
        Ok(Self::answer(panes.windows.len(), elements.rows.iter().map(verdict).collect()))
    }

    fn on_time(&mut self, _: &TriggerPanes<'_>, _: TimeDomain, _: &[i64]) -> Result<Verdicts, OperatorError> {
        Err(OperatorError::Malformed("a time that nobody asked for".into()))
    }

    fn on_merge(
        &mut self,
        panes: &TriggerPanes<'_>,
        groups: &[u32],
        merged: &[Window],
    ) -> Result<Verdicts, OperatorError> {
        assert_eq!(panes.windows.len(), groups.len());
        assert!(panes.states.iter().all(|state| state == Some(b"x")));
        Ok(Self::answer(merged.len(), vec![Verdict::Continue; merged.len()]))
    }
}

/// What [`listing`] says of a window.
pub(super) fn told(window: Window, ids: &[&str]) -> String {
    format!("{} in [{}, {}): {}", ids.len(), window.start_ms, window.end_ms, ids.join(" "))
}

#[derive(Debug, Default)]
struct Listing {
    window: Option<Window>,
    announced: u64,
    ids: Vec<String>,
}

/// A function that lists the records of a window.
pub(super) fn listing() -> Arc<dyn WindowFunctionFactory> {
    Arc::new(Listing::default())
}

impl WindowFunctionFactory for Listing {
    fn instantiate(&self, _: &str) -> Result<Box<dyn WindowFunction>, OperatorError> {
        Ok(Box::new(Self::default()))
    }
}

impl WindowFunction for Listing {
    fn begin(&mut self, pane: &Pane<'_>) -> Result<(), OperatorError> {
        assert!(self.ids.is_empty());
        self.window = Some(pane.window);
        self.announced = pane.elements;
        Ok(())
    }

    fn elements(&mut self, page: &RecordBatch) -> Result<Emitted, OperatorError> {
        let ids = page.values.iter().map(|id| String::from_utf8_lossy(id.expect("a value")).into_owned());
        self.ids.extend(ids);
        Ok(Emitted::default())
    }

    fn end(&mut self) -> Result<Emitted, OperatorError> {
        assert_eq!(self.announced, self.ids.len() as u64);
        let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        let told = told(self.window.expect("a window"), &ids);
        self.ids.clear();
        Ok(Emitted { values: [Some(told)].into_iter().collect() })
    }
}

/// Reports each record that it is asked about, and fires never.
struct Reporter(Vec<GuestMetric>);

#[derive(Debug)]
struct Reporters;

impl TriggerFactory for Reporters {
    fn definition(&self) -> &str {
        "{}"
    }

    fn instantiate(&self, _step: &str) -> Result<Box<dyn Trigger>, OperatorError> {
        Ok(Box::new(Reporter(Vec::new())))
    }
}

impl Trigger for Reporter {
    fn on_elements(&mut self, panes: &TriggerPanes<'_>, elements: &Elements<'_>) -> Result<Verdicts, OperatorError> {
        self.0.push(GuestMetric::Counter { name: "seen".into(), delta: elements.rows.len() as u64 });
        Ok(unchanged(panes, elements.rows.len()))
    }

    fn on_time(&mut self, panes: &TriggerPanes<'_>, _: TimeDomain, _: &[i64]) -> Result<Verdicts, OperatorError> {
        Ok(unchanged(panes, panes.windows.len()))
    }

    fn on_merge(&mut self, panes: &TriggerPanes<'_>, _: &[u32], _: &[Window]) -> Result<Verdicts, OperatorError> {
        Ok(unchanged(panes, 0))
    }

    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        std::mem::take(&mut self.0)
    }
}

fn unchanged(panes: &TriggerPanes<'_>, verdicts: usize) -> Verdicts {
    Verdicts {
        verdicts: vec![Verdict::Continue; verdicts],
        states: panes.states.clone(),
        event_times: panes.event_times.to_vec(),
        processing_times: panes.processing_times.to_vec(),
        failures: Vec::new(),
    }
}

#[test]
fn what_parts_report_comes_with_the_call_and_once_where_it_is_made_again() {
    let mut spec = WindowSpec::new(WindowKind::Tumbling { size_ms: 10, offset_ms: 0 });
    spec.trigger.condition = TriggerCondition::Custom(Arc::new(Reporters));
    let mut task = TestTask::new(window(spec, Ids::contents(true)).expect("windows"));
    // The batch is taken again without the record that fails.
    let output = task.process_to(&batch([("a", 1, "1"), ("a", 2, BAD), ("b", 3, "3")]));
    assert_eq!(output.failures.len(), 1);
    assert_eq!(output.metrics, [GuestMetric::Counter { name: "seen".into(), delta: 2 }]);
    let output = task.process_to(&batch([("a", 4, "4")]));
    assert_eq!(output.metrics, [GuestMetric::Counter { name: "seen".into(), delta: 1 }]);
}

//! Tumbling, hopping and calendar windows.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    ids::Ids,
    model::{Arrival, Model, Shape, Step, compare, history, late},
};
use crate::{
    testing::{Emission, TestTask, batch},
    window::{CalendarUnit, Emit, Window, WindowKind, WindowSpec, factory::window_with_pages},
};

/// The windows that a moment is in, by their definition, oldest first.
pub(super) fn windows_of(kind: &WindowKind, at: i64) -> Vec<Window> {
    let (size, every, offset) = match *kind {
        WindowKind::Tumbling { size_ms, offset_ms } => (size_ms, size_ms, offset_ms),
        WindowKind::Hopping { size_ms, every_ms, offset_ms } => (size_ms, every_ms, offset_ms),
        // Days of UTC.
        _ => (86_400_000, 86_400_000, 0),
    };
    let (size, every, offset) = (i128::from(size), i128::from(every), i128::from(offset));
    let limit = |at: i128| at.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    let mut windows = Vec::new();
    let mut start = offset + (i128::from(at) - offset).div_euclid(every) * every;
    while start + size > i128::from(at) {
        windows.push(Window { start_ms: limit(start), end_ms: limit(start + size) });
        start -= every;
    }
    windows.reverse();
    windows
}

/// Windows by looking at all records again and again.
struct Aligned {
    spec: WindowSpec,
    /// What was not late, with the numbers.
    accepted: Vec<(Arrival, String)>,
}

impl Aligned {
    fn fire(&self, key: &str, window: Window) -> Emission {
        let inside = self.accepted.iter().filter(|(arrival, _)| {
            arrival.key == key && windows_of(&self.spec.kind, arrival.timestamp_ms).contains(&window)
        });
        let value = Ids { sorted: true }.result(window, inside.map(|(_, id)| id.as_str()));
        Emission { output: 0, key: key.into(), timestamp_ms: window.last_ms(), value, headers: Vec::new() }
    }

    fn expired(&self, window: Window, watermark_ms: i64) -> bool {
        window.end_ms < i64::MAX && window.last_ms().saturating_add(self.spec.lateness_ms) <= watermark_ms
    }
}

impl Model for Aligned {
    fn batch(&mut self, arrivals: &[(Arrival, String)], watermark_ms: i64, _now_ms: i64) -> Vec<Emission> {
        let mut late_ones = Vec::new();
        // By window and key the last record that came for it.
        let mut fired: Vec<(usize, Window, String)> = Vec::new();
        for (row, (arrival, id)) in arrivals.iter().enumerate() {
            let windows = windows_of(&self.spec.kind, arrival.timestamp_ms);
            let open: Vec<Window> = windows.iter().copied().filter(|&w| !self.expired(w, watermark_ms)).collect();
            if open.is_empty() {
                let end_ms = windows.iter().map(|window| window.end_ms).max().expect("a window");
                late_ones.push(late(arrival, id, watermark_ms, end_ms, self.spec.lateness_ms));
                continue;
            }
            if arrival.bad {
                continue;
            }
            self.accepted.push((arrival.clone(), id.clone()));
            for window in open {
                if self.spec.emit == Emit::OnUpdate || (window.end_ms < i64::MAX && window.last_ms() <= watermark_ms) {
                    fired.retain(|(_, other, key)| (*other, key) != (window, &arrival.key));
                    fired.push((row, window, arrival.key.clone()));
                }
            }
        }
        fired.sort();
        let fired = fired.iter().map(|(_, window, key)| self.fire(key, *window));
        fired.chain(late_ones).collect()
    }

    fn advance(&mut self, from_ms: i64, to_ms: i64, _now_ms: i64) -> Vec<Emission> {
        if self.spec.emit == Emit::OnUpdate {
            return Vec::new();
        }
        let mut due: BTreeSet<(i64, i64, String)> = BTreeSet::new();
        for (arrival, _) in &self.accepted {
            for window in windows_of(&self.spec.kind, arrival.timestamp_ms) {
                if window.end_ms < i64::MAX && from_ms < window.last_ms() && window.last_ms() <= to_ms {
                    due.insert((window.end_ms, window.start_ms, arrival.key.clone()));
                }
            }
        }
        due.iter()
            .map(|(end_ms, start_ms, key)| self.fire(key, Window { start_ms: *start_ms, end_ms: *end_ms }))
            .collect()
    }
}

fn task(spec: &WindowSpec, page: usize) -> TestTask {
    let factory = window_with_pages(spec.clone(), Ids::contents(true), page).expect("windows");
    TestTask::new(factory)
}

fn run(spec: WindowSpec, page: usize, timer_page: usize, steps: &[Step]) {
    let mut task = task(&spec, page);
    task.timer_page = timer_page;
    compare(&mut task, &mut Aligned { spec: spec.clone(), accepted: Vec::new() }, steps);
    // Everything is deleted in the end, but for windows that never do.
    let stays = |steps: &[Step]| {
        let near_limit = |arrival: &Arrival| {
            let ends = windows_of(&spec.kind, arrival.timestamp_ms);
            ends.iter().any(|window| window.last_ms().saturating_add(spec.lateness_ms) >= i64::MAX - 1)
        };
        steps.iter().any(|step| matches!(step, Step::Batch(arrivals) if arrivals.iter().any(near_limit)))
    };
    if !stays(steps) {
        task.advance(i64::MAX - 1);
        // The clock.
        assert!(task.stored_entries() <= 1, "{} entries are left", task.stored_entries());
    }
}

fn aligned() -> impl Strategy<Value = WindowKind> {
    prop_oneof![
        (1_i64..60, -100_i64..100).prop_map(|(size_ms, offset_ms)| WindowKind::Tumbling { size_ms, offset_ms }),
        (1_i64..60, 1_i64..60, -100_i64..100).prop_map(|(a, b, offset_ms)| WindowKind::Hopping {
            size_ms: a.max(b),
            every_ms: a.min(b),
            offset_ms,
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn aligned_windows_have_what_was_in_them(
        kind in aligned(),
        lateness_ms in prop_oneof![Just(0_i64), 0_i64..80, Just(i64::MAX)],
        on_update in prop::bool::weighted(0.3),
        page in 1_usize..6, timer_page in 1_usize..6,
        steps in history(Shape { span_ms: 200, extremes: true, bad: true }, 40),
    ) {
        let emit = if on_update { Emit::OnUpdate } else { Emit::OnClose };
        run(WindowSpec { lateness_ms, emit, ..WindowSpec::new(kind) }, page, timer_page, &steps);
    }

    #[test]
    fn days_have_what_was_in_them(
        lateness_ms in prop_oneof![Just(0_i64), 0_i64..90_000_000], page in 1_usize..6,
        steps in history(Shape { span_ms: 300_000_000, extremes: false, bad: true }, 30),
    ) {
        let kind = WindowKind::Calendar { unit: CalendarUnit::Day, time_zone: "UTC".into() };
        run(WindowSpec { lateness_ms, ..WindowSpec::new(kind) }, page, 3, &steps);
    }
}

#[test]
fn years_without_records_cost_nothing() {
    let year = 365 * 86_400_000;
    let kind = WindowKind::Hopping { size_ms: 60_000, every_ms: 1000, offset_ms: 0 };
    let mut task = task(&WindowSpec::new(kind), 4096);
    task.process(&batch([("a", -250 * year, "1"), ("a", 0, "2"), ("a", 50 * year, "3"), ("b", 250 * year, "4")]));
    let fired = task.advance(300 * year);
    assert_eq!(fired.len(), 4 * 60);
    assert!(task.calls < 20, "{} calls", task.calls);
    assert_eq!(task.stored_entries(), 1);
}

#[test]
fn a_million_overlapping_windows_cost_a_record_one_update() {
    let kind = WindowKind::Hopping { size_ms: 1_000_000_000, every_ms: 1000, offset_ms: 0 };
    let mut task = task(&WindowSpec::new(kind), 4096);
    for at in 0..100 {
        task.process(&batch([("a", at, "1")]));
    }
    // A slice, its place in the index, and a timer for the first window and for the end of the slice.
    assert_eq!(task.stored_entries(), 4);
}

#[test]
fn late_records_are_told_apart_and_say_why() {
    let kind = WindowKind::Tumbling { size_ms: 10, offset_ms: 0 };
    let mut task = task(&WindowSpec { lateness_ms: 5, ..WindowSpec::new(kind) }, 4096);
    task.advance(20);
    let outcome = task.process(&batch([("a", 3, "1"), ("a", 12, "2"), ("b", 9, "3")]));
    let late: Vec<_> = outcome.emitted.iter().filter(|emission| emission.output == 1).collect();
    assert_eq!(late.len(), 2);
    assert_eq!(
        late[0].headers,
        [("millstream.late.reason".to_owned(), "watermark 20, window end 10, lateness 5".to_owned())]
    );
    let main: Vec<_> = outcome.emitted.iter().filter(|emission| emission.output == 0).collect();
    assert_eq!(main[0].value, "[10, 20) 2");
}

#[test]
fn a_record_outside_of_the_calendar_fails() {
    let kind = WindowKind::Calendar { unit: CalendarUnit::Month, time_zone: "Europe/Berlin".into() };
    let mut task = task(&WindowSpec::new(kind), 4096);
    let outcome = task.process(&batch([("a", i64::MAX, "1"), ("a", 5, "2"), ("a", i64::MIN, "3")]));
    let reasons: Vec<_> = outcome.failures.iter().map(|(row, _)| *row).collect();
    assert_eq!(reasons, [0, 2]);
    assert_eq!(task.advance(40 * 86_400_000).len(), 1);
}

#[test]
fn what_has_fired_of_a_key_is_one_entry() {
    let kind = WindowKind::Hopping { size_ms: 120, every_ms: 10, offset_ms: 0 };
    let mut task = task(&WindowSpec::new(kind), 4096);
    for slice in 0..12 {
        let values = ["a", "b", "c"].map(|key| (key, slice * 10, "1"));
        task.process(&batch(values));
        assert_eq!(task.advance(slice * 10 + 9).len(), 3);
    }
    // The rows, the clock, up to where rows go, each slice but the first and its end, and the window that fires next.
    assert_eq!(task.stored_entries(), 3 + 2 + 2 * 11 + 1);
}

#[test]
fn what_is_in_rows_counts_with_every_update() {
    let kind = WindowKind::Hopping { size_ms: 30, every_ms: 10, offset_ms: 0 };
    let spec = WindowSpec { lateness_ms: 5, ..WindowSpec::new(kind) };
    let mut task = task(&spec, 4096);
    task.process(&batch([("a", 1, "1"), ("b", 2, "2"), ("a", 12, "3")]));
    assert_eq!(task.advance(19).len(), 4);
    let on_update = WindowSpec { emit: Emit::OnUpdate, ..spec };
    task.restart_as(window_with_pages(on_update, Ids::contents(true), 2).expect("windows"));
    let values = |outcome: crate::testing::Outcome| -> Vec<String> {
        outcome.emitted.into_iter().map(|emission| emission.value).collect()
    };
    // The older one stands beside the row.
    assert_eq!(
        values(task.process(&batch([("a", 13, "4"), ("a", 21, "5")]))),
        ["[-10, 20) 1 3 4", "[0, 30) 1 3 4 5", "[10, 40) 3 4 5", "[20, 50) 5"]
    );
    task.advance(1000);
    assert_eq!(task.stored_entries(), 1, "the clock");
}

#[test]
fn large_accumulators_stay_where_they_are() {
    let kind = WindowKind::Hopping { size_ms: 30, every_ms: 10, offset_ms: 0 };
    let mut task = task(&WindowSpec::new(kind), 4096);
    let long = "x".repeat(100);
    task.process(&batch([("a", 1, long.as_str()), ("a", 12, "3"), ("b", 3, "4")]));
    let fired = |task: &mut TestTask, at: i64| -> Vec<String> {
        task.advance(at).into_iter().map(|emission| emission.value).collect()
    };
    let of_a = |window: &str, rest: &str| format!("[{window}) {rest}{long}");
    assert_eq!(fired(&mut task, 9), [of_a("-20, 10", ""), "[-20, 10) 4".into()]);
    assert_eq!(fired(&mut task, 19), [of_a("-10, 20", "3 "), "[-10, 20) 4".into()]);
    // It grows past the bound when it has been in the row already.
    task.process(&batch([("a", 13, long.as_str()), ("b", 14, "5")]));
    let expected = format!("[0, 30) 3 {long} {long}");
    assert_eq!(fired(&mut task, 29), [expected, "[0, 30) 4 5".into()]);
    assert_eq!(fired(&mut task, 39), [of_a("10, 40", "3 "), "[10, 40) 5".into()]);
    assert_eq!(fired(&mut task, 1000).len(), 0);
    assert_eq!(task.stored_entries(), 1, "the clock");
}

/// More slices are kept for late records than a row keeps, so that some go back to entries of their own, where late
/// records may stand already.
#[test]
fn late_records_beside_rows_stay_when_slices_leave_the_row() {
    let arrivals = |moments: &[i64]| {
        let arrival = |&timestamp_ms: &i64| Arrival { key: "k".into(), timestamp_ms, bad: false };
        Step::Batch(moments.iter().map(arrival).collect())
    };
    let steps = [
        arrivals(&[1, 0]),
        arrivals(&[2]),
        Step::Advance(35),
        arrivals(&[22, 23]),
        arrivals(&[0]),
        arrivals(&[24]),
        arrivals(&[25, 26]),
        Step::Advance(25),
        Step::Advance(44),
        arrivals(&[91]),
        Step::Advance(1),
        arrivals(&[0]),
    ];
    let kind = WindowKind::Hopping { size_ms: 14, every_ms: 1, offset_ms: 0 };
    run(WindowSpec { lateness_ms: i64::MAX, ..WindowSpec::new(kind) }, 1, 1, &steps);
}

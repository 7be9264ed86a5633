//! Random events in random order, through commits, restarts and undone calls, against recomputation.

use millstream_state::StateHandle;
use millstream_types::BytesColumn;
use proptest::{collection::vec, prelude::*};

use super::{
    harness::{Event, batch, spec, step, task, tell, told},
    model::Model,
};
use crate::{
    rolling::{RollingSpec, head::Head, operator::declarations, spec::Level, store::spine_field},
    testing::{STEP, TestTask},
};

#[derive(Clone, Debug)]
enum Action {
    /// Events by key, step from the time before, and value.
    Process {
        events: Vec<(usize, i64, i64)>,
        undo: bool,
    },
    /// The watermark moves to so much before the newest event.
    Watermark(i64),
    Commit {
        write_back: bool,
    },
    Restart {
        write_back: bool,
    },
    /// The state becomes as an earlier version would have left it.
    BeOld,
}

fn steps() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -3..10_i64,
        4 => -60..60_i64,
        2 => -400..500_i64,
        1 => 500..5_000_i64,
        1 => Just(0),
    ]
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let events = vec((0..3_usize, steps(), -50..1_000_i64), 1..24);
    let action = prop_oneof![
        8 => (events, prop::bool::weighted(0.15)).prop_map(|(events, undo)| Action::Process { events, undo }),
        2 => (-20..300_i64).prop_map(Action::Watermark),
        2 => any::<bool>().prop_map(|write_back| Action::Commit { write_back }),
        1 => any::<bool>().prop_map(|write_back| Action::Restart { write_back }),
        1 => Just(Action::BeOld),
    ];
    vec(action, 1..24)
}

fn specs() -> impl Strategy<Value = RollingSpec> {
    let windows = prop_oneof![
        Just(vec![("a", 20, 5)]),
        Just(vec![("a", 60, 1)]),
        Just(vec![("a", 50, 5), ("b", 300, 30)]),
        Just(vec![("a", 300, 30), ("b", 40, 10), ("c", 60, 30), ("d", 20, 10)]),
        // Trees of three and four heights.
        Just(vec![("a", 900, 1)]),
        Just(vec![("a", 5_000, 1), ("b", 1_000, 10)]),
        Just(vec![("a", 7, 7)]),
    ];
    (windows, prop_oneof![Just(0), 1..100_i64, Just(700)])
        .prop_map(|(windows, lateness_ms)| spec(&windows, lateness_ms))
}

/// Moves open nodes out of heads, into entries of their own.
fn be_old(task: &mut TestTask, levels: &[Level], keys: &[&str]) {
    let [heads, slices] = declarations().map(|state| StateHandle::new(STEP, &state));
    let keys: BytesColumn = keys.iter().copied().map(Some).collect();
    let now_ms = task.now_ms();
    let state = task.state();
    state.begin_call(now_ms);
    let stored = state.get_many(&heads, &keys).expect("heads");
    for (key, stored) in keys.iter().zip(stored.iter()) {
        let (mut head, mut old) = (Head::default(), Vec::new());
        head.read(levels, stored).expect("a head");
        for (number, level) in head.levels.iter_mut().enumerate() {
            let Some(row) = level.spine.leave_head() else { continue };
            let one = |bytes: &[u8]| [Some(bytes)].into_iter().collect::<BytesColumn>();
            let (key, field) = (one(key.expect("a key")), one(&spine_field(number as u8)));
            state.map_put_many(&slices, &key, &field, &one(&row)).expect("a row");
        }
        head.write(levels, &mut old);
        let (key, old) = ([key].into_iter().collect(), [stored.map(|_| &old[..])].into_iter().collect());
        state.put_many(&heads, &key, &old).expect("a head");
    }
    state.keep_call();
}

fn check(spec: &RollingSpec, start_ms: i64, actions: &[Action]) -> Result<(), TestCaseError> {
    const KEYS: [&str; 3] = ["a", "b", "longer than what fits inline"];
    let mut task = task(step(spec.clone()));
    let mut model = Model::new(spec);
    let (mut time_ms, mut newest_ms) = (start_ms, start_ms);
    for action in actions {
        match action {
            Action::Process { events, undo } => {
                let mut happened: Vec<Event> = Vec::new();
                for (key, step, value) in events {
                    time_ms = time_ms.saturating_add(*step);
                    newest_ms = newest_ms.max(time_ms);
                    happened.push((KEYS[*key], time_ms, *value));
                }
                let kept = model.clone();
                let wanted: Vec<_> = happened.iter().map(|event| model.take(*event, task.watermark_ms())).collect();
                let batch = batch(&happened);
                let output = if *undo { task.process_and_undo(&batch) } else { task.process_to(&batch) };
                prop_assert_eq!(told(&output, happened.len()), wanted, "{:?}", happened);
                let out: usize = output.outputs.iter().map(|output| output.batch.len()).sum();
                prop_assert_eq!(out, happened.len(), "an event that is not in the main output is late");
                if *undo {
                    model = kept;
                }
            }
            Action::Watermark(behind) => drop(task.advance(newest_ms.saturating_sub(*behind))),
            Action::Commit { write_back } => drop(task.commit(*write_back)),
            Action::Restart { write_back } => task.restart(*write_back),
            Action::BeOld => be_old(&mut task, &spec.levels(), &KEYS),
        }
    }
    // Whatever happened, nothing is left once every window has passed.
    task.advance(i64::MAX);
    if newest_ms < i64::MAX - 20_000 {
        prop_assert_eq!(task.stored_entries(), 0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn features_are_what_recomputation_says(
        spec in specs(),
        start_ms in prop_oneof![Just(0_i64), Just(1_700_000_000_000), Just(-333)],
        actions in actions(),
    ) {
        check(&spec, start_ms, &actions)?;
    }

    #[test]
    fn time_has_two_ends(
        spec in specs(),
        start_ms in prop_oneof![Just(i64::MIN), i64::MIN..i64::MIN + 2_000, Just(i64::MAX), i64::MAX - 2_000..i64::MAX],
        actions in actions(),
    ) {
        check(&spec, start_ms, &actions)?;
    }
}

#[test]
fn steps_from_one_end_of_time_to_the_other() {
    let spec = spec(&[("a", 60, 1), ("b", 700, 7)], 20);
    let mut task = task(step(spec.clone()));
    let mut model = Model::new(&spec);
    let times = [0, i64::MIN, i64::MAX, i64::MIN + 1, i64::MAX - 1, i64::MAX, -1, i64::MAX - 30, i64::MAX - 800];
    for time_ms in times {
        let event = ("k", time_ms, 1);
        assert_eq!(tell(&mut task, &[event]), [model.take(event, task.watermark_ms())], "{time_ms}");
    }
}

//! Timers in the state of a task against a model in memory, under undone calls, commits, write-backs and restarts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millstream_state::{CacheBudget, MemoryBackends, StateBackends, StateError, TaskState, encoding::CATALOG};
use millstream_types::BytesColumn;
use proptest::prelude::*;

use super::{DELETE_TIMER, DueTimers, NEVER, TimeDomain, TimerChanges, TimerUse, Timers};

const KEYS: [&[u8]; 5] = [b"", b"a", b"b", b"aa", b"\x00\xff"];
const NAMES: [&[u8]; 4] = [b"", b"n", b"aa", b"\xff"];

/// A timer as it fires: time, then key by length, then name.
type Fired = (i64, usize, Vec<u8>, Vec<u8>);

fn fired(time: i64, key: &[u8], name: &[u8]) -> Fired {
    (time, key.len(), key.to_vec(), name.to_vec())
}

/// The timers of both clocks.
#[derive(Clone, Debug, Default)]
struct Model {
    usage: TimerUse,
    timers: BTreeMap<TimeDomain, BTreeSet<Fired>>,
}

impl Model {
    fn of(&mut self, domain: TimeDomain) -> &mut BTreeSet<Fired> {
        self.timers.entry(domain).or_default()
    }

    fn apply(&mut self, change: &TimerChanges) {
        let is_named = self.usage == TimerUse::Named;
        let timers = self.of(change.domain);
        for ((key, name), time) in change.keys.iter().zip(change.names.iter()).zip(&change.times) {
            let (key, name) = (key.expect("a key"), name.expect("a name"));
            if is_named {
                timers.retain(|(_, _, known_key, known_name)| known_key != key || known_name != name);
                if *time != DELETE_TIMER {
                    timers.insert(fired(*time, key, name));
                }
            } else if change.delete {
                timers.remove(&fired(*time, key, name));
            } else {
                timers.insert(fired(*time, key, name));
            }
        }
    }

    fn take_due(&mut self, domain: TimeDomain, up_to: i64, limit: usize) -> Vec<Fired> {
        let timers = self.of(domain);
        let due: Vec<_> =
            timers.iter().filter(|(time, ..)| *time <= up_to && *time < NEVER).take(limit).cloned().collect();
        timers.retain(|timer| !due.contains(timer));
        due
    }

    fn earliest(&mut self, domain: TimeDomain) -> i64 {
        self.of(domain).first().map_or(NEVER, |(time, ..)| *time)
    }
}

/// A task whose deltas are kept as a changelog is.
struct Harness {
    timers: Timers,
    backends: MemoryBackends,
    cache_bytes: usize,
    state: Option<TaskState>,
    changelog: Vec<(BytesColumn, BytesColumn)>,
    model: Model,
    committed: Model,
}

impl Harness {
    fn new(usage: TimerUse, cache_bytes: usize) -> Self {
        let model = Model { usage, ..Model::default() };
        let mut harness = Self {
            timers: Timers::new("step", usage),
            backends: MemoryBackends::new(),
            cache_bytes,
            state: None,
            changelog: Vec::new(),
            committed: model.clone(),
            model,
        };
        harness.reopen();
        harness
    }

    /// Begins again with what is committed.
    fn reopen(&mut self) {
        self.state = None;
        let backend = self.backends.open("task").expect("a store");
        let mut state = TaskState::new(backend, Arc::new(CacheBudget::new(self.cache_bytes)));
        let reached = state.position().map_or(0, |position| usize::try_from(position).expect("a position"));
        for (at, (keys, values)) in self.changelog.iter().enumerate().skip(reached) {
            state.restore(keys, values, at as i64 + 1).expect("restored");
        }
        self.state = Some(state);
        self.model = self.committed.clone();
    }

    fn state(&mut self) -> &mut TaskState {
        self.state.as_mut().expect("open")
    }

    fn apply(&mut self, changes: &[TimerChanges]) {
        let timers = self.timers.clone();
        timers.apply(self.state(), changes).expect("applied");
        changes.iter().for_each(|change| self.model.apply(change));
    }

    fn take_due(&mut self, domain: TimeDomain, up_to: i64, limit: usize) -> Result<(), TestCaseError> {
        let timers = self.timers.clone();
        let DueTimers { keys, names, times } = timers.take_due(self.state(), domain, up_to, limit).expect("taken");
        let rows = keys.iter().zip(names.iter()).zip(times);
        let found: Vec<_> =
            rows.map(|((key, name), time)| fired(time, key.expect("a key"), name.expect("a name"))).collect();
        prop_assert_eq!(found, self.model.take_due(domain, up_to, limit));
        Ok(())
    }

    /// Nothing is due before the time that is told.
    fn check_earliest(&mut self) -> Result<(), TestCaseError> {
        for domain in TimeDomain::ALL {
            let timers = self.timers.clone();
            let told = timers.earliest(self.state(), domain).expect("a time");
            prop_assert!(told <= self.model.earliest(domain), "{told} and not {}", self.model.earliest(domain));
        }
        Ok(())
    }

    /// The store has the timers that there are, and nothing of those that fired or were deleted.
    fn check_nothing_else_is_kept(&mut self) -> Result<(), TestCaseError> {
        let state = self.state();
        state.take_delta();
        state.committed(i64::MAX);
        let mut kept = 0;
        let mut count = |key: &[u8], _: &[u8]| {
            kept += usize::from(!key.starts_with(&CATALOG.0.to_be_bytes()));
            true
        };
        state.scan_committed(&mut count).expect("scanned");
        let timers: usize = self.model.timers.values().map(BTreeSet::len).sum();
        prop_assert_eq!(kept, if self.model.usage == TimerUse::Named { timers * 2 } else { timers });
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A call that takes what is due and changes timers.
    Call {
        take: Option<(TimeDomain, i64, usize)>,
        changes: Vec<TimerChanges>,
        undo: bool,
    },
    /// What is due is taken between calls.
    Take(TimeDomain, i64, usize),
    Commit,
    /// A commit during which more changes come, which are not part of it.
    CommitAround(Vec<TimerChanges>),
    WriteBack,
    Reopen,
    CheckEarliest,
}

fn domain() -> impl Strategy<Value = TimeDomain> {
    prop::sample::select(TimeDomain::ALL.to_vec())
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -5..5_i64, 1 => prop::sample::select(vec![i64::MIN + 1, i64::MAX - 1, i64::MAX]), 1 => any::<i64>()]
}

fn changes(usage: TimerUse) -> impl Strategy<Value = Vec<TimerChanges>> {
    let time = if usage == TimerUse::Named {
        prop_oneof![3 => time(), 1 => Just(DELETE_TIMER)].boxed()
    } else {
        prop_oneof![12 => time(), 1 => Just(i64::MIN)].boxed()
    };
    let rows =
        prop::collection::vec((prop::sample::select(KEYS.to_vec()), prop::sample::select(NAMES.to_vec()), time), 0..8);
    let change = (domain(), rows, prop::bool::weighted(0.3)).prop_map(move |(domain, rows, delete)| {
        let delete = delete && usage == TimerUse::Exact;
        let mut changes = if delete { TimerChanges::deletions(domain) } else { TimerChanges::new(domain) };
        rows.iter().for_each(|(key, name, time)| changes.push(key, name, *time));
        changes
    });
    prop::collection::vec(change, 0..3)
}

fn take() -> impl Strategy<Value = (TimeDomain, i64, usize)> {
    (
        domain(),
        prop_oneof![4 => -6..6_i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)],
        prop_oneof![3 => 1..4_usize, 1 => Just(100)],
    )
}

fn step(usage: TimerUse) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::option::of(take()), changes(usage), prop::bool::weighted(0.3))
            .prop_map(|(take, changes, undo)| Step::Call { take, changes, undo }),
        3 => take().prop_map(|(domain, up_to, limit)| Step::Take(domain, up_to, limit)),
        2 => Just(Step::Commit),
        1 => changes(usage).prop_map(Step::CommitAround),
        1 => Just(Step::WriteBack),
        1 => Just(Step::Reopen),
        1 => Just(Step::CheckEarliest),
    ]
}

fn run(usage: TimerUse, cache_bytes: usize, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut harness = Harness::new(usage, cache_bytes);
    for step in steps {
        match step {
            Step::Call { take, changes, undo } => {
                let before = harness.model.clone();
                harness.state().begin_call(0);
                if let Some((domain, up_to, limit)) = take {
                    harness.take_due(domain, up_to, limit)?;
                }
                harness.apply(&changes);
                if undo {
                    harness.state().undo_call();
                    harness.model = before;
                } else {
                    harness.state().keep_call();
                }
            }
            Step::Take(domain, up_to, limit) => harness.take_due(domain, up_to, limit)?,
            Step::Commit | Step::CommitAround(_) => {
                let delta = harness.state().take_delta();
                harness.changelog.push(delta);
                harness.committed = harness.model.clone();
                if let Step::CommitAround(changes) = step {
                    harness.apply(&changes);
                }
                let position = harness.changelog.len() as i64;
                harness.state().committed(position);
            }
            Step::WriteBack => harness.state().write_back().expect("written back"),
            Step::Reopen => harness.reopen(),
            Step::CheckEarliest => harness.check_earliest()?,
        }
    }
    harness.check_earliest()?;
    for domain in TimeDomain::ALL {
        harness.take_due(domain, i64::MAX, 1_000)?;
        let timers = harness.timers.clone();
        prop_assert_eq!(timers.earliest(harness.state(), domain).expect("a time"), NEVER);
    }
    harness.check_nothing_else_is_kept()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn named_timers_are_those_of_the_model(steps in prop::collection::vec(step(TimerUse::Named), 0..40), cache in prop::sample::select(vec![0, 1 << 30])) {
        run(TimerUse::Named, cache, steps)?;
    }

    #[test]
    fn exact_timers_are_those_of_the_model(steps in prop::collection::vec(step(TimerUse::Exact), 0..40), cache in prop::sample::select(vec![0, 1 << 30])) {
        run(TimerUse::Exact, cache, steps)?;
    }
}

fn state() -> TaskState {
    TaskState::new(MemoryBackends::new().open("task").expect("a store"), Arc::new(CacheBudget::new(1 << 20)))
}

#[test]
fn changes_that_are_not_whole_are_refused() {
    let mut state = state();
    for usage in [TimerUse::Named, TimerUse::Exact] {
        let timers = Timers::new("step", usage);
        let whole = || {
            let mut change = TimerChanges::new(TimeDomain::Event);
            change.push(b"k", b"n", 7);
            change
        };
        let mut without_time = whole();
        without_time.times.clear();
        let mut without_name = whole();
        without_name.names.truncate(0);
        let mut null_key = whole();
        null_key.keys = BytesColumn::nulls(1);
        let mut null_name = whole();
        null_name.names = BytesColumn::nulls(1);
        for change in [without_time, without_name, null_key, null_name] {
            let error = timers.apply(&mut state, &[change]).expect_err("refused");
            assert!(matches!(error, StateError::Misuse(_)), "{error}");
        }
        assert_eq!(timers.earliest(&mut state, TimeDomain::Event).expect("a time"), NEVER);
    }
    let none = Timers::new("step", TimerUse::None);
    assert!(none.apply(&mut state, &[TimerChanges::new(TimeDomain::Event)]).is_err());
    assert_eq!(none.earliest(&mut state, TimeDomain::Event).expect("a time"), NEVER);
}

#[test]
fn a_timer_at_the_end_of_time_never_fires() {
    let mut state = state();
    let timers = Timers::new("step", TimerUse::Named);
    let mut change = TimerChanges::new(TimeDomain::Processing);
    change.push(b"k", b"never", NEVER);
    change.push(b"k", b"late", i64::MAX - 1);
    timers.apply(&mut state, &[change]).expect("applied");
    let due = timers.take_due(&mut state, TimeDomain::Processing, i64::MAX, 10).expect("taken");
    assert_eq!(due.times, [i64::MAX - 1]);
    let due = timers.take_due(&mut state, TimeDomain::Processing, i64::MAX, 10).expect("taken");
    assert_eq!(due, DueTimers::default());
}

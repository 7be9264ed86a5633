use std::{collections::VecDeque, sync::Arc, time::Duration};

use millstream_types::TopicPartition;
use parking_lot::Mutex;

use super::*;
use crate::{
    PollEvent, Routing, StateDelta,
    contract::{LogUnderTest, POLL, Worker, create, produce, record, spec},
};

mod breakages;
mod faults;
mod random;
mod time_outs;
mod visibility;
mod zombies;

const TRANSACTION_TIMEOUT_MS: i64 = 1_000;
const SESSION_TIMEOUT_MS: i64 = 300;

struct Stepped(SimulatedLog);

impl LogUnderTest for Stepped {
    fn open(&self) -> Arc<dyn Log> {
        Arc::new(self.0.clone())
    }
}

crate::contract_tests!(|| {
    let config =
        SimulatedConfig { transaction_timeout_ms: 15_000, session_timeout_ms: 45_000, ..SimulatedConfig::default() };
    Box::new(Stepped(SimulatedLog::with(config, Arc::new(SteppedTime::new(100))))) as Box<dyn LogUnderTest>
});

#[test]
fn clones_share_a_log_that_runs_in_real_time_unless_told_otherwise() {
    let log = SimulatedLog::new();
    let input = create(&log, "input", 1);
    let mut worker = Worker::open(&log.clone(), &spec("group", "a", &[&input])).join(1);
    assert!(!worker.step(POLL).expect("sound"), "nothing there, after a short wait");
    produce(&log, &input, Routing::To(0), &record(None, Some("v"), 1));
    worker.read(1);
    assert_eq!(log.kind(), "simulated");
}

type Act = Box<dyn FnOnce() -> Verdict + Send>;

/// Time in steps of 10 ms, and things that happen before certain calls.
struct Script {
    time: SteppedTime,
    before: Mutex<VecDeque<(&'static str, Call, Act)>>,
    on_wait: Mutex<VecDeque<Box<dyn FnOnce() + Send>>>,
}

impl Script {
    /// When this worker makes this call next, after everything that was scripted before.
    fn at(&self, worker: &'static str, call: Call, act: impl FnOnce() -> Verdict + Send + 'static) {
        self.before.lock().push_back((worker, call, Box::new(act)));
    }

    fn on_wait(&self, act: impl FnOnce() + Send + 'static) {
        self.on_wait.lock().push_back(Box::new(act));
    }
}

impl Hooks for Script {
    fn now_ms(&self) -> i64 {
        self.time.now_ms()
    }

    fn before(&self, worker: &str, call: Call) -> Verdict {
        let mut acts = self.before.lock();
        if acts.front().is_none_or(|(of, at, _)| *of != worker || *at != call) {
            return Verdict::Go;
        }
        let act = acts.pop_front();
        drop(acts);
        act.map_or(Verdict::Go, |(_, _, act)| act())
    }

    fn wait(&self, worker: &str) {
        let act = self.on_wait.lock().pop_front();
        if let Some(act) = act {
            act();
        }
        self.time.wait(worker);
    }
}

/// A log with an input of two partitions, an output and a changelog.
struct Bench {
    log: SimulatedLog,
    script: Arc<Script>,
    input: Arc<str>,
    output: Arc<str>,
    changelog: TopicPartition,
}

impl Bench {
    fn new() -> Self {
        Self::broken(Breakages::default())
    }

    fn broken(breakages: Breakages) -> Self {
        let script =
            Arc::new(Script { time: SteppedTime::new(10), before: Mutex::default(), on_wait: Mutex::default() });
        let config = SimulatedConfig {
            transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
            session_timeout_ms: SESSION_TIMEOUT_MS,
            eager: false,
            breakages,
        };
        let hooks: Arc<dyn Hooks> = script.clone();
        let log = SimulatedLog::with(config, hooks);
        let (input, output) = (create(&log, "input", 2), create(&log, "output", 1));
        let changelog = create(&log, "changelog", 1);
        Self { log, script, input, output, changelog: TopicPartition::new(changelog, 0) }
    }

    /// Puts a record into a partition of the input.
    fn feed(&self, partition: u32, value: &str) {
        produce(&self.log, &self.input, Routing::To(partition), &record(Some("k"), Some(value), 1));
    }

    fn open(&self, worker: &str) -> Worker {
        let mut worker = Worker::open(&self.log, &spec("group", worker, &[&self.input]));
        worker.output = Some(Arc::clone(&self.output));
        worker
    }

    /// A worker that owns both partitions of the input and has read `records` of it into an open transaction.
    fn reading(&self, worker: &str, records: usize) -> Worker {
        let mut worker = self.open(worker).join(2);
        worker.read(records);
        worker
    }

    fn at(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(Arc::clone(&self.input), partition)
    }

    fn now_ms(&self) -> i64 {
        self.script.now_ms()
    }

    /// The values of the committed outputs.
    fn outputs(&self) -> Vec<String> {
        let records = self.log.committed_records(&self.output).concat();
        records.into_iter().map(|(_, _, value)| text(value.as_deref())).collect()
    }

    /// What a read of the output from its beginning sees.
    fn seen_outputs(&self) -> Vec<String> {
        let mut reader = self.log.reader(&self.output, StartPosition::Earliest).expect("a reader");
        let fetched = reader.poll(Duration::ZERO).expect("readable");
        fetched.map_or_else(Vec::new, |fetched| fetched.batch.values.iter().map(text).collect())
    }

    fn position(&self, partition: u32) -> Option<i64> {
        let positions = self.log.group_positions("group", &[Arc::clone(&self.input)]).expect("readable");
        positions.into_iter().find(|(at, _)| *at == self.at(partition)).map(|(_, position)| position)
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

fn delta(value: &str) -> StateDelta {
    StateDelta { keys: [Some("k")].into_iter().collect(), values: [Some(value)].into_iter().collect() }
}

/// The values that a restore brings.
fn restored(session: &mut dyn LogSession, changelog: &TopicPartition) -> Vec<String> {
    try_restored(session, changelog).expect("restored")
}

fn try_restored(session: &mut dyn LogSession, changelog: &TopicPartition) -> Result<Vec<String>, LogError> {
    let mut values = Vec::new();
    let apply = &mut |delta: StateDelta, position: i64, end: i64| {
        assert!(position <= end);
        values.extend(delta.values.iter().map(text));
        Ok(())
    };
    session.restore(changelog, None, apply).map(|_| values)
}

/// Polls until something other than records or idleness comes.
fn next_group_event(worker: &mut Worker) -> PollEvent {
    for _ in 0..1_000 {
        match worker.session.poll(POLL).expect("sound") {
            PollEvent::Idle | PollEvent::Batch(_) => {}
            event => return event,
        }
    }
    panic!("nothing comes from the group");
}

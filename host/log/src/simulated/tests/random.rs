//! Workers that keep to the protocol, each on a thread of its own of which one runs at a time: a seed decides
//! which, how long they are stalled, and what goes wrong.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

use parking_lot::Condvar;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const PARTITIONS: u32 = 2;
const RECORDS: i64 = 30;
const WORKERS: [&str; 3] = ["a", "b", "c"];

/// From then on nothing goes wrong any more, ...
const QUIET_FROM_MS: i64 = 20_000;
/// ... and by then everything should be done.
const END_MS: i64 = 40_000;

/// Seeds that are tried in vain before a breakage counts as unnoticed.
const PATIENCE_SEEDS: u64 = 300;

/// Who runs. All threads wait for their turn but one.
struct Schedule {
    world: Mutex<World>,
    turn: Condvar,
}

struct World {
    random: StdRng,
    now_ms: i64,
    running: usize,
    /// For each worker: until when it is stalled. `i64::MAX`: it is done.
    stalled_until_ms: [i64; WORKERS.len()],
    /// The first thing that was found wrong.
    wrong: Option<String>,
}

impl World {
    fn is_quiet(&self) -> bool {
        self.now_ms >= QUIET_FROM_MS
    }

    /// Chooses who runs next; the clock moves if all are stalled.
    fn choose(&mut self) {
        let earliest_ms = self.stalled_until_ms.into_iter().min().unwrap_or(0);
        if earliest_ms == i64::MAX {
            return;
        }
        self.now_ms = self.now_ms.max(earliest_ms);
        loop {
            self.running = self.random.random_range(0..WORKERS.len());
            if self.stalled_until_ms[self.running] <= self.now_ms {
                return;
            }
        }
    }
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let world = World {
            random: StdRng::seed_from_u64(seed),
            now_ms: 0,
            running: 0,
            stalled_until_ms: [0; WORKERS.len()],
            wrong: None,
        };
        Self { world: Mutex::new(world), turn: Condvar::new() }
    }

    fn await_turn(&self, worker: usize) {
        let mut world = self.world.lock();
        while world.running != worker {
            self.turn.wait(&mut world);
        }
    }

    /// Lets others run until `worker` has its turn again, not before `pause_ms` have passed.
    fn yield_for(&self, worker: usize, pause_ms: i64) {
        let mut world = self.world.lock();
        world.stalled_until_ms[worker] = world.now_ms + pause_ms;
        world.choose();
        drop(world);
        self.turn.notify_all();
        self.await_turn(worker);
    }

    fn leave(&self, worker: usize) {
        let mut world = self.world.lock();
        world.stalled_until_ms[worker] = i64::MAX;
        world.choose();
        drop(world);
        self.turn.notify_all();
    }

    fn draw(&self, below: i64) -> i64 {
        self.world.lock().random.random_range(0..below)
    }
}

fn index(worker: &str) -> usize {
    WORKERS.iter().position(|name| *name == worker).expect("a worker")
}

impl Hooks for Schedule {
    fn now_ms(&self) -> i64 {
        self.world.lock().now_ms
    }

    fn before(&self, worker: &str, _: Call) -> Verdict {
        if self.world.lock().is_quiet() {
            return Verdict::Go;
        }
        match self.draw(100) {
            0..2 => Verdict::RequestLost,
            2..4 => Verdict::AnswerLost,
            4..12 => Verdict::Later,
            12..14 => resume_unwind(Box::new("crash")),
            14..24 => {
                self.yield_for(index(worker), self.draw(SESSION_TIMEOUT_MS * 3));
                Verdict::Go
            }
            _ => {
                self.yield_for(index(worker), 0);
                Verdict::Go
            }
        }
    }

    fn wait(&self, worker: &str) {
        self.yield_for(index(worker), 20);
    }
}

/// A worker that counts the records of each partition, in state that it keeps in the changelog.
struct Counter<'a> {
    schedule: &'a Schedule,
    session: Box<dyn LogSession>,
    counts: BTreeMap<u32, i64>,
    positions: BTreeMap<u32, i64>,
}

impl<'a> Counter<'a> {
    /// Works until it fails; a failed poll may be repeated.
    fn run(schedule: &'a Schedule, log: &SimulatedLog, worker: &str) -> Result<(), LogError> {
        let mut wanted = spec("group", worker, &[&"input".into()]);
        wanted.max_batch_records = 2;
        let session = log.session(&wanted)?;
        let mut counter = Self { schedule, session, counts: BTreeMap::new(), positions: BTreeMap::new() };
        while !is_done(schedule, log) {
            match counter.session.poll(POLL) {
                Ok(event) => counter.handle(event)?,
                Err(error) if error.kind == ErrorKind::Retriable => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: PollEvent) -> Result<(), LogError> {
        match event {
            PollEvent::Idle => self.commit(),
            PollEvent::Batch(fetched) => {
                self.session.append(&"output".into(), Routing::To(0), &fetched.batch)?;
                let partition = fetched.partition.partition;
                *self.counts.entry(partition).or_default() += fetched.batch.len() as i64;
                self.positions.insert(partition, fetched.next_offset);
                if self.schedule.draw(2) == 0 { self.commit() } else { Ok(()) }
            }
            PollEvent::Assigned(partitions) => self.take_over(partitions),
            PollEvent::Revoked(partitions) => {
                self.commit()?;
                self.session.release(&partitions)
            }
            PollEvent::Lost(_) => Err(LogError::new(ErrorKind::Fenced, "all is dropped")),
        }
    }

    fn take_over(&mut self, partitions: Vec<TopicPartition>) -> Result<(), LogError> {
        let positions = self.session.committed(&partitions)?;
        for at in &partitions {
            let values = try_restored(&mut *self.session, &TopicPartition::new("changelog", at.partition))?;
            let count = values.last().map_or(0, |last| last.parse().expect("a number"));
            self.counts.insert(at.partition, count);
        }
        let starts: Vec<_> = partitions.into_iter().zip(positions).collect();
        self.session.start(&starts)
    }

    /// A worker that was stalled may have taken over old positions with new state, or the reverse. It must not
    /// be able to commit what came of it.
    fn commit(&mut self) -> Result<(), LogError> {
        let positions = std::mem::take(&mut self.positions);
        let count = |partition: &u32| self.counts.get(partition).copied().unwrap_or(0);
        for partition in positions.keys() {
            let changelog = TopicPartition::new("changelog", *partition);
            self.session.append_changelog(&changelog, &delta(&count(partition).to_string()))?;
        }
        let sent: Vec<_> =
            positions.iter().map(|(at, position)| (TopicPartition::new("input", *at), *position)).collect();
        self.session.commit(&sent)?;
        for (partition, position) in &positions {
            if count(partition) != *position {
                let message = format!("partition {partition}: {} records counted up to {position}", count(partition));
                self.schedule.world.lock().wrong.get_or_insert(message);
            }
        }
        Ok(())
    }
}

fn is_done(schedule: &Schedule, log: &SimulatedLog) -> bool {
    let positions = log.group_positions("group", &["input".into()]).expect("readable");
    let sum: i64 = positions.into_iter().map(|(_, position)| position).sum();
    sum == RECORDS * i64::from(PARTITIONS) || schedule.now_ms() >= END_MS
}

/// What is wrong after a run, and what happened in it.
fn run(seed: u64, breakages: Breakages) -> (Option<String>, Counts) {
    let schedule = Arc::new(Schedule::new(seed));
    let config = SimulatedConfig {
        transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
        session_timeout_ms: SESSION_TIMEOUT_MS,
        eager: seed.is_multiple_of(3),
        breakages,
    };
    let hooks: Arc<dyn Hooks> = schedule.clone();
    let log = SimulatedLog::with(config, hooks);
    for (topic, partitions) in [("input", PARTITIONS), ("changelog", PARTITIONS), ("output", 1)] {
        log.create_topic(&TopicSpec::new(topic, partitions)).expect("created");
    }
    let mut expected = Vec::new();
    for number in 0..RECORDS {
        for partition in 0..PARTITIONS {
            let value = format!("{partition}/{number}");
            produce(&log, &"input".into(), Routing::To(partition), &record(Some("k"), Some(&value), 1));
            expected.push(value);
        }
    }
    thread::scope(|scope| {
        for (number, worker) in WORKERS.into_iter().enumerate() {
            let (schedule, log) = (&schedule, &log);
            scope.spawn(move || {
                schedule.await_turn(number);
                while !is_done(schedule, log) {
                    // An error or a crash; either way its session is dropped and it comes back later.
                    let _ = catch_unwind(AssertUnwindSafe(|| Counter::run(schedule, log, worker)));
                    schedule.yield_for(number, schedule.draw(TRANSACTION_TIMEOUT_MS));
                }
                schedule.leave(number);
            });
        }
    });
    // What a crashed worker left open would hide what others committed behind it.
    schedule.world.lock().now_ms += TRANSACTION_TIMEOUT_MS + 1;
    let records = log.committed_records("output").concat();
    let mut found: Vec<String> = records.into_iter().map(|(_, _, value)| text(value.as_deref())).collect();
    found.sort();
    expected.sort();
    let wrong = schedule.world.lock().wrong.take();
    let differs = (found != expected).then(|| format!("{} outputs of {} inputs", found.len(), expected.len()));
    (wrong.or(differs), log.counts())
}

#[test]
fn workers_that_keep_to_the_protocol_process_each_record_once() {
    let mut seen = Counts::default();
    for seed in 0..100 {
        let (wrong, counts) = run(seed, Breakages::default());
        assert_eq!(wrong, None, "seed {seed}");
        seen.transaction_timeouts += counts.transaction_timeouts;
        seen.fenced_transactions += counts.fenced_transactions;
        seen.fenced_calls += counts.fenced_calls;
        seen.refused_positions += counts.refused_positions;
        seen.waits_for_positions += counts.waits_for_positions;
        seen.waits_for_changelogs += counts.waits_for_changelogs;
    }
    let Counts { transaction_timeouts, fenced_transactions, fenced_calls, refused_positions, .. } = seen;
    for happened in [transaction_timeouts, fenced_transactions, fenced_calls, refused_positions] {
        assert!(happened > 0, "{seen:?}");
    }
    assert!(seen.waits_for_positions > 0 && seen.waits_for_changelogs > 0, "{seen:?}");
}

#[test]
fn the_same_seed_makes_the_same_run() {
    for seed in 0..5 {
        assert_eq!(run(seed, Breakages::default()), run(seed, Breakages::default()), "seed {seed}");
    }
}

#[test]
fn each_breakage_makes_them_fail() {
    let none = Breakages::default();
    for breakages in [
        Breakages { positions_unstable: true, ..none },
        Breakages { restore_past_open_transaction: true, ..none },
        Breakages { zombie_commits: true, ..none },
        Breakages { positions_outside_transaction: true, ..none },
        Breakages { read_uncommitted: true, ..none },
    ] {
        let noticed = (0..PATIENCE_SEEDS).any(|seed| run(seed, breakages).0.is_some());
        assert!(noticed, "nothing noticed {breakages:?}");
    }
}

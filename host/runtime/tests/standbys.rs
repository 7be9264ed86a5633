//! Hosts follow the state of each other's tasks, and take over with almost nothing to replay.
#![allow(clippy::expect_used, clippy::panic, reason = "test code ends where its premises do not hold")]

mod harness;
#[path = "harness/shelf.rs"]
mod shelf;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use harness::{Operators, World, assert_counted_once, counter, numbered, produce, read};
use millstream_log::{
    DeliveryGuarantee, Log, SessionSpec, StartPosition, TopicSpec,
    simulated::{RealTime, SimulatedConfig, SimulatedLog},
};
use millstream_runtime::{
    Host, ManualPipeline, PipelineHandle, PipelineState, PipelineStatus, Point, Probe, Reset, ResetState, ResetTo,
    SnapshotPace, StandbyStatus, StartOptions, reset,
};
use millstream_state::{MemoryBackends, StateBackends};
use millstream_types::TopicPartition;
use shelf::Shelf;

const COUNT: &str = "
pipeline: counting
sources: { in: { topic: in } }
steps:
  count: { from: in, operator: count@1.0.0 }
sinks: { out: { from: count, topic: out } }
workers: 1
standby: 1
commit: { interval: 1ms }
batch: { records: 64 }
";

const KEYS: usize = 97;

/// Hosts with disks of their own over one log, which keeps changelogs whole and gives up members that are silent.
struct Cluster {
    log: SimulatedLog,
    world: World,
}

impl Cluster {
    fn new(partitions: u32) -> Self {
        // Long enough that nobody is given up on a machine that is slow.
        let config =
            SimulatedConfig { transaction_timeout_ms: 5_000, session_timeout_ms: 5_000, ..SimulatedConfig::default() };
        let log = SimulatedLog::with(config, Arc::new(RealTime));
        log.create_topic(&TopicSpec::new("in", partitions)).expect("a topic");
        Self { log, world: World::new(Operators::default().with(counter("count@1.0.0", "", 1))) }
    }

    fn host(&self, name: &str, backends: &Arc<dyn StateBackends>) -> Host {
        let log = Arc::new(self.log.clone());
        Host { log, host_id: name.into(), backends: backends.clone(), ..self.world.host() }
    }

    fn start(&self, name: &str, backends: &Arc<dyn StateBackends>) -> PipelineHandle {
        self.world.start_on(self.host(name, backends), COUNT, StartOptions::default())
    }

    fn produce(&self, records: usize) {
        produce(&self.log, "in", numbered(records, KEYS));
    }

    /// Waits until so many records are in the output.
    fn await_records(&self, records: usize) {
        until(&format!("{records} records"), || {
            let Some(info) = self.log.topic("out").expect("readable") else { return false };
            info.offsets.iter().map(|(_, end)| end).sum::<i64>() >= records as i64
                && read(&self.log, "out").len() >= records
        });
    }

    /// Waits until so many records are in the output, and checks them.
    fn await_counted(&self, records: usize) {
        self.await_records(records);
        assert_counted_once(&read(&self.log, "out"), records);
    }

    fn plan(&self) -> millstream_pipeline::plan::Plan {
        let spec = millstream_pipeline::parse("pipeline.yaml", COUNT).expect("a valid pipeline");
        millstream_pipeline::plan(&spec, &self.world.operators).expect("a plan")
    }

    /// Records of other keys than [`Self::produce`] writes.
    fn produce_others(&self, records: usize) {
        produce(&self.log, "in", numbered(records, KEYS).map(|(key, value)| (format!("other-{key}"), value)));
    }

    /// Begins with empty state at what comes from now on.
    fn begin_anew(&self, disk: &Arc<dyn StateBackends>) {
        let anew = Reset { to: Some(ResetTo::Latest), state: ResetState::All, lost_only: false };
        reset(self.plan(), &self.host("a", disk), anew).expect("nobody runs it");
    }

    /// Checks that the output has `before` records and then `after` ones that were counted from 1.
    fn assert_counted_anew(&self, before: usize, after: usize) {
        self.await_records(before + after);
        let records = read(&self.log, "out");
        let mut runs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for record in &records {
            let count: u64 = record.value.parse().expect("a count");
            let runs = runs.entry(record.key.clone().expect("a key")).or_default();
            match runs.last_mut() {
                Some(last) if count == *last + 1 => *last = count,
                _ if count == 1 => runs.push(1),
                _ => panic!("key {:?}: {count} after {runs:?}", record.key),
            }
        }
        let (before_keys, others): (Vec<_>, Vec<_>) = runs.iter().partition(|(key, _)| !key.starts_with("other-"));
        assert!(before_keys.iter().all(|(_, runs)| runs.len() == 2), "{runs:?}");
        assert!(others.iter().all(|(_, runs)| runs.len() == 1), "{runs:?}");
        let first: u64 = before_keys.iter().filter_map(|(_, runs)| runs.first()).sum();
        assert_eq!((first, records.len()), (before as u64, before + after));
    }
}

fn disk() -> Arc<dyn StateBackends> {
    Arc::new(MemoryBackends::default())
}

fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::yield_now();
    }
}

/// The first status that `wanted` accepts.
fn status_with(handle: &PipelineHandle, what: &str, wanted: impl Fn(&PipelineStatus) -> bool) -> PipelineStatus {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let status = handle.status();
        assert!(!status.state.is_final(), "{:?}", status.reason);
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < end, "waited in vain: {what}: {status:?}");
        thread::yield_now();
    }
}

/// Waits until the host follows so many tasks and has all that is in their changelogs.
fn await_standbys(handle: &PipelineHandle, count: usize) -> Vec<StandbyStatus> {
    let is_up_to_date = |standby: &StandbyStatus| standby.position.is_some() && standby.lag == 0;
    let followed =
        |status: &PipelineStatus| status.standbys.len() == count && status.standbys.iter().all(is_up_to_date);
    status_with(handle, &format!("{count} standbys that are up to date"), followed).standbys
}

fn await_tasks(handle: &PipelineHandle, count: usize) -> PipelineStatus {
    status_with(handle, &format!("{count} tasks"), |status| {
        status.tasks.iter().filter(|task| task.restored.is_some()).count() == count
    })
}

/// A host that can be killed: its worker unwinds at its next step, and tells nobody.
struct Mortal {
    is_dead: Arc<Dead>,
    pipeline: ManualPipeline,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Dead(AtomicBool);

impl Probe for Dead {
    fn reached(&self, _: &str, _: Point) {
        if self.0.load(Ordering::Acquire) {
            resume_unwind(Box::new("killed"));
        }
    }
}

impl Mortal {
    fn start(cluster: &Cluster, name: &str) -> Self {
        let is_dead = Arc::new(Dead::default());
        let host = Host { probe: Some(is_dead.clone()), ..cluster.host(name, &disk()) };
        let pipeline = ManualPipeline::new(cluster.plan(), host, 1).expect("started");
        let (worker, standby) = (pipeline.clone(), pipeline.clone());
        let threads = vec![
            thread::spawn(move || drop(catch_unwind(AssertUnwindSafe(|| worker.run_worker(0))))),
            thread::spawn(move || standby.run_standbys()),
        ];
        Self { is_dead, pipeline, threads }
    }

    fn kill(self) {
        self.is_dead.0.store(true, Ordering::Release);
        self.pipeline.leave();
        for thread in self.threads {
            thread.join().expect("it ends");
        }
    }
}

#[test]
fn a_host_that_takes_over_replays_the_tail_alone() {
    let cluster = Cluster::new(2);
    let owner = Mortal::start(&cluster, "a");
    cluster.produce(5_000);
    cluster.await_counted(5_000);
    let heir = cluster.start("b", &disk());
    // It gets one of the two tasks, and has to restore all of that.
    let restored = await_tasks(&heir, 1).tasks.remove(0).restored.expect("it is");
    assert!(restored.records >= KEYS as u64 / 4, "{restored:?}");
    let [standby] = &*await_standbys(&heir, 1) else { panic!("one") };
    assert_eq!((standby.partition, &standby.problem), (0, &None));
    assert!(standby.records >= KEYS as u64 / 4, "{standby:?}");

    cluster.produce(5_000);
    cluster.await_counted(10_000);
    await_standbys(&heir, 1);
    owner.kill();
    let status = await_tasks(&heir, 2);
    let taken = status.tasks.iter().find(|task| task.partition == 0).and_then(|task| task.restored.clone());
    let taken = taken.expect("it is restored");
    assert!(taken.records < KEYS as u64, "{taken:?}");
    assert!(taken.from.is_some(), "{taken:?}");
    assert_eq!(status.restarts, 0, "the store was let go of in time: {:?}", status.reason);
    cluster.produce(1_000);
    cluster.await_counted(11_000);
    until("nobody is followed", || heir.status().standbys.is_empty());
    assert_eq!(heir.stop().state, PipelineState::Stopped);
}

#[test]
fn stores_go_from_hand_to_hand() {
    let cluster = Cluster::new(4);
    let stays = cluster.start("b", &disk());
    let disk = disk();
    let mut records = 0;
    for _ in 0..4 {
        let comes = cluster.start("a", &disk);
        await_tasks(&comes, 2);
        await_tasks(&stays, 2);
        records += 500;
        cluster.produce(500);
        cluster.await_counted(records);
        await_standbys(&comes, 2);
        await_standbys(&stays, 2);
        let left = comes.stop();
        assert_eq!((left.state, left.restarts), (PipelineState::Stopped, 0), "{:?}", left.reason);
        let status = await_tasks(&stays, 4);
        records += 500;
        cluster.produce(500);
        cluster.await_counted(records);
        for task in &status.tasks {
            let restored = task.restored.as_ref().expect("it is");
            assert!(restored.records < KEYS as u64, "{restored:?}");
        }
    }
    let status = stays.stop();
    assert_eq!((status.state, status.restarts), (PipelineState::Stopped, 0), "{:?}", status.reason);
}

/// After a reset elsewhere a copy of the state before may be of a position that the new changelog has, too.
#[test]
fn a_worker_does_not_go_on_with_state_from_before_a_reset() {
    let cluster = Cluster::new(2);
    let disks = [disk(), disk()];
    let [a, b] = ["a", "b"].map(|name| cluster.start(name, disks.get(usize::from(name == "b")).expect("a disk")));
    cluster.produce(500);
    cluster.await_counted(500);
    await_standbys(&a, 1);
    await_standbys(&b, 1);
    a.stop();
    b.stop();
    cluster.begin_anew(&disks[0]);
    let a = cluster.start("a", &disks[0]);
    cluster.produce(100);
    cluster.produce_others(2_000);
    cluster.assert_counted_anew(500, 2_100);
    let b = cluster.start("b", &disks[1]);
    await_tasks(&b, 1);
    cluster.produce(500);
    cluster.assert_counted_anew(500, 2_600);
    await_standbys(&b, 1);
    a.stop();
    await_tasks(&b, 2);
    cluster.produce(500);
    cluster.assert_counted_anew(500, 3_100);
    assert_eq!(b.stop().state, PipelineState::Stopped);
}

/// The host runs no worker, so that nothing keeps a reset from happening.
#[test]
fn a_standby_drops_what_it_followed_when_the_state_is_begun_anew() {
    let cluster = Cluster::new(1);
    let disks = [disk(), disk()];
    let a = cluster.start("a", &disks[0]);
    let follower = Follower::start(cluster.plan(), cluster.host("b", &disks[1]));
    let is_up_to_date = |standby: &StandbyStatus| standby.lag == 0 && standby.position.is_some();
    cluster.produce(500);
    cluster.await_counted(500);
    follower.until("it follows", |standby| is_up_to_date(standby) && standby.records > 0);
    a.stop();
    cluster.begin_anew(&disks[0]);
    let a = cluster.start("a", &disks[0]);
    cluster.produce(100);
    cluster.produce_others(2_000);
    cluster.assert_counted_anew(500, 2_100);
    let end = || cluster.log.topic("counting.count.changelog").expect("readable").expect("there").offsets[0].1;
    follower.until("it follows the new one", |standby| {
        let is_at_the_end = standby.position.is_some_and(|position| end() - position <= 1);
        is_up_to_date(standby) && standby.problem.is_none() && is_at_the_end
    });
    follower.end();
    let b = cluster.start("b", &disks[1]);
    await_standbys(&b, 1);
    a.stop();
    let status = await_tasks(&b, 1);
    let restored = status.tasks.first().and_then(|task| task.restored.as_ref()).expect("it is");
    assert!(restored.from.is_some() && restored.records < KEYS as u64, "{restored:?}");
    cluster.produce(500);
    cluster.assert_counted_anew(500, 2_600);
    assert_eq!(b.stop().state, PipelineState::Stopped);
}

/// A host that only follows.
struct Follower {
    pipeline: ManualPipeline,
    thread: JoinHandle<()>,
}

impl Follower {
    fn start(plan: millstream_pipeline::plan::Plan, host: Host) -> Self {
        let pipeline = ManualPipeline::new(plan, host, 1).expect("started");
        let follows = pipeline.clone();
        Self { pipeline, thread: thread::spawn(move || follows.run_standbys()) }
    }

    fn until(&self, what: &str, is: impl Fn(&StandbyStatus) -> bool) {
        until(what, || matches!(&*self.pipeline.standbys(), [standby] if is(standby)));
    }

    fn end(self) {
        self.pipeline.leave();
        self.thread.join().expect("it ends");
    }
}

#[test]
fn a_standby_never_begins_in_the_middle_of_a_changelog() {
    let scratch = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::new(0);
    let pace = SnapshotPace { interval: Duration::ZERO, bytes: 1, least: Duration::ZERO };
    let operators = Operators::default().with(counter("count@1.0.0", "", 1));
    let world = World { snapshots: Some(shelf.snapshots(scratch.path(), pace)), ..World::new(operators) };
    world.topic("in", 1);
    world.produce("in", numbered(1_000, KEYS));
    assert_eq!(world.run_until_drained(COUNT).state, PipelineState::Finished);
    let changelog = TopicPartition::new("counting.count.changelog", 0);
    let info = world.log.topic(&changelog.topic).expect("readable").expect("there");
    // How much the log has forgotten already depends on how often was committed.
    let [(_, end)] = *info.offsets else { panic!("{info:?}") };
    let spec = SessionSpec {
        group: "other".parse().expect("a name"),
        worker: "w".into(),
        topics: Vec::new(),
        guarantee: DeliveryGuarantee::ExactlyOnce,
        start: StartPosition::Earliest,
        max_batch_records: 1,
        max_batch_bytes: 1,
    };
    world.log.session(&spec).expect("a session").trim_changelog(&changelog, end).expect("trimmed");
    let owner = world.start(COUNT, StartOptions::default());
    let plan = || {
        let spec = millstream_pipeline::parse("pipeline.yaml", COUNT).expect("a valid pipeline");
        millstream_pipeline::plan(&spec, &world.operators).expect("a plan")
    };
    let disk = disk();
    let host = || Host { host_id: "b".into(), backends: disk.clone(), ..world.host() };
    let without = Follower::start(plan(), Host { snapshots: None, ..host() });
    without.until("it says why it waits", |standby| {
        standby.position.is_none() && standby.problem.as_ref().is_some_and(|problem| problem.contains("begins at"))
    });
    without.end();
    let with = Follower::start(plan(), host());
    world.produce("in", numbered(1_000, KEYS));
    with.until("it follows", |standby| standby.lag == 0 && standby.position.is_some() && standby.problem.is_none());
    assert_eq!(shelf.fetched.load(Ordering::Relaxed), 1);
    with.end();
    // A standby is up to date as of what the owner has committed, which may be nothing yet of what was just written.
    until("2000 records", || world.read("out").len() >= 2_000);
    assert_eq!(owner.stop().state, PipelineState::Stopped);
    assert_counted_once(&world.read("out"), 2_000);
}

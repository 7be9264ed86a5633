//! Hosts follow the state of each other's tasks, and take over with almost nothing to replay.
#![allow(clippy::expect_used, clippy::panic, reason = "test code ends where its premises do not hold")]

mod harness;

use std::{
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
    Log, TopicSpec,
    simulated::{RealTime, SimulatedConfig, SimulatedLog},
};
use millstream_runtime::{
    Host, ManualPipeline, PipelineHandle, PipelineState, PipelineStatus, Point, Probe, StandbyStatus, StartOptions,
};
use millstream_state::{MemoryBackends, StateBackends};

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
        let config =
            SimulatedConfig { transaction_timeout_ms: 1_000, session_timeout_ms: 1_000, ..SimulatedConfig::default() };
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

    /// Waits until so many records are in the output, and checks them.
    fn await_counted(&self, records: usize) {
        until(&format!("{records} records"), || {
            let info = self.log.topic("out").expect("readable").expect("there");
            info.offsets.iter().map(|(_, end)| end).sum::<i64>() >= records as i64
                && read(&self.log, "out").len() >= records
        });
        assert_counted_once(&read(&self.log, "out"), records);
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

/// Waits until the host follows so many tasks and has all that is in their changelogs.
fn await_standbys(handle: &PipelineHandle, count: usize) -> Vec<StandbyStatus> {
    let followed = || handle.status().standbys;
    until(&format!("{count} standbys that are up to date"), || {
        let followed = followed();
        followed.len() == count && followed.iter().all(|standby| standby.position.is_some() && standby.lag == 0)
    });
    followed()
}

fn await_tasks(handle: &PipelineHandle, count: usize) -> PipelineStatus {
    until(&format!("{count} tasks"), || {
        let status = handle.status();
        assert!(!status.state.is_final(), "{:?}", status.reason);
        status.tasks.iter().filter(|task| task.restored.is_some()).count() == count
    });
    handle.status()
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
        let spec = millstream_pipeline::parse("pipeline.yaml", COUNT).expect("a valid pipeline");
        let plan = millstream_pipeline::plan(&spec, &cluster.world.operators).expect("a plan");
        let pipeline = ManualPipeline::new(plan, host, 1).expect("started");
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

//! One run: hosts, workers, a director, and what becomes of them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use millstream_log::{
    Log, Routing, TopicSpec,
    simulated::{Breakages, SimulatedConfig, SimulatedLog},
};
use millstream_pipeline::plan::Plan;
use millstream_protocol::{Recovery, Rules, SnapshotPace};
use millstream_runtime::{Failure, Host, LocalFiles, ManualPipeline, OperatorResolver, Snapshots};
use millstream_state::CacheBudget;
use millstream_types::OperatorRef;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    Faults, Violation, checker,
    disk::Disk,
    input::{self, Record},
    operators::Operators,
    scheduler::{Counts, Crash, GivenUp, Scheduler},
    snapshots::{Shelf, SimulatedSnapshots},
    windows,
};

pub(crate) const INPUT: &str = "in";
pub(crate) const FIRST: &str = "first";
pub(crate) const SECOND: &str = "second";
pub(crate) const FIRST_CHANGELOG: &str = "payments.by-user.changelog";
pub(crate) const SECOND_CHANGELOG: &str = "payments.by-shop.changelog";
/// What windows tell, and what is late for them.
pub(crate) const TOLD: &str = "told";
pub(crate) const LATE: &str = "late";
pub(crate) const WINDOWS_CHANGELOG: &str = "payments.windows.changelog";
/// The length of windows.
pub(crate) const WINDOW_MS: i64 = 16;

/// A record crosses a shuffle on its way. Both stages keep state; in some runs the first is a built-in, which has
/// no changelog that would hold up its next owner.
const PIPELINE: &str = "
pipeline: payments
sources: { in: { topic: in, watermark: { idle: never } } }
steps:
  by-user: { from: in, LOGIC }
  by-shop: { from: by-user, key: /shop, operator: totals@1.0.0 }
sinks:
  first: { from: by-user, topic: first }
  second: { from: by-shop, topic: second }
WINDOWS
standby: STANDBYS
commit: { interval: 500ms }
batch: { records: 4 }
";

/// In some runs event time decides behind another shuffle. Each partition of the input is in order, so that nothing is
/// late, and a window ends when all tasks before it have come so far, whoever dies.
const WINDOWS: (&str, &str) = (
    "  windows: { from: by-shop, key: /user, window: { tumbling: 16ms }, aggregate: { n: count(), sum: sum(/amount) } }",
    "  told: { from: windows, topic: told }\n  late: { from: windows.late, topic: late }",
);

/// As in production, so that they relate to the intervals of write-backs and flushes as there.
const TRANSACTION_TIMEOUT_MS: i64 = 15_000;
const SESSION_TIMEOUT_MS: i64 = 10_000;

const SNAPSHOT_PACE: SnapshotPace =
    SnapshotPace { interval: Duration::from_secs(5), bytes: 2_000, least: Duration::from_secs(1) };

/// How a run is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The protocol.
    pub rules: Rules,
    /// What the log does not keep.
    pub breakages: Breakages,
    /// What goes wrong; drawn from the seed unless set.
    pub faults: Option<Faults>,
    /// Whether the last events are kept.
    pub trace: bool,
}

/// What a run was like.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Records of the input.
    pub records: u64,
    /// Commits of the log.
    pub commits: u64,
    /// What went wrong.
    pub faults: Counts,
    /// Members that were taken for dead.
    pub expulsions: u64,
    /// Calls that were refused to those whom somebody had replaced.
    pub fenced: u64,
    /// Times that somebody had to wait for another's open transaction.
    pub waits: u64,
    /// Swaps that were ordered.
    pub swaps: u64,
    /// Tasks that hosts followed, each counted whenever the director looked.
    pub followed: u64,
    /// Stores that went from a standby to a worker.
    pub hand_overs: u64,
    /// Tasks that were laid aside and went on when they came back.
    pub resumed: u64,
    /// Those that somebody else had had meanwhile, and that were opened anew.
    pub reopened: u64,
    /// Results of windows.
    pub windows: u64,
    /// How often the turn went from one to another.
    pub turns: u64,
    /// The same for the same run.
    pub digest: u64,
    /// The last events, where they are kept.
    pub trace: Vec<String>,
    /// What the checker found.
    pub violation: Option<Violation>,
}

/// What all actors share.
struct World {
    scheduler: Arc<Scheduler>,
    log: SimulatedLog,
    hosts: Vec<SimulatedHost>,
    rules: Rules,
    plan: Plan,
    workers: usize,
    first_counts: bool,
    has_windows: bool,
    shelf: Shelf,
    is_ending: AtomicBool,
    swaps: AtomicUsize,
    followed: AtomicUsize,
    /// Of processes that are gone: stores that went from standbys to workers, parked tasks that went on, and that did not.
    counts: Mutex<[u64; 3]>,
}

/// A host: what outlives its process, and the process.
struct SimulatedHost {
    disk: Arc<Disk>,
    process: Mutex<Option<ManualPipeline>>,
    /// Threads of workers and standbys that run in the process.
    running: AtomicUsize,
}

/// Runs a seed.
pub fn run(seed: u64, options: &Options) -> Report {
    let mut random = StdRng::seed_from_u64(seed);
    let faults = options.faults.clone().unwrap_or_else(|| Faults::draw(&mut random));
    let scheduler = Scheduler::new(seed, faults, options.trace);
    let config = SimulatedConfig {
        transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
        session_timeout_ms: SESSION_TIMEOUT_MS,
        // Drawn apart, so that what else is drawn does not depend on it.
        eager: StdRng::seed_from_u64(seed ^ 0xea_6e).random_bool(0.4),
        breakages: options.breakages,
    };
    let log = SimulatedLog::with(config, scheduler.clone());
    let input = input::draw(seed, random.random_range(40..200));
    let mut report = Report { seed, records: input.len() as u64, ..Report::default() };
    // Drawn apart, so that what else is drawn does not depend on it.
    let has_windows = StdRng::seed_from_u64(seed ^ 0x71_3e).random_bool(0.3);
    let world = match set_up(&mut random, has_windows, options.rules, &scheduler, &log) {
        Ok(world) => world,
        Err(error) => {
            report.violation = Some(Violation { reason: format!("cannot begin: {error}") });
            return report;
        }
    };
    act(&world, &input);
    let counts = log.counts();
    report.commits = counts.commits;
    report.expulsions = counts.expulsions;
    report.fenced = counts.fenced_calls + counts.refused_positions;
    report.waits = counts.waits_for_positions + counts.waits_for_changelogs;
    report.faults = scheduler.counts();
    report.swaps = world.swaps.load(Ordering::Relaxed) as u64;
    report.followed = world.followed.load(Ordering::Relaxed) as u64;
    world.processes().for_each(|process| world.count(&process));
    [report.hand_overs, report.resumed, report.reopened] = *world.counts.lock();
    report.windows = if world.has_windows { windows::told(&log) } else { 0 };
    report.turns = scheduler.turns();
    report.digest = scheduler.digest();
    report.trace = scheduler.trace();
    report.violation = match scheduler.given_up() {
        Some(reason) => Some(Violation { reason }),
        None => {
            let disks: Vec<_> = world.hosts.iter().flat_map(|host| host.disk.contents()).collect();
            let checked = checker::check(&log, &input, &disks, world.first_counts);
            let checked = checked.and_then(|()| checker::check_commits(counts.commits_without_positions));
            checked.and_then(|()| if world.has_windows { windows::check(&log, &input) } else { Ok(()) }).err()
        }
    };
    report
}

fn set_up(
    random: &mut StdRng,
    has_windows: bool,
    rules: Rules,
    scheduler: &Arc<Scheduler>,
    log: &SimulatedLog,
) -> anyhow::Result<World> {
    let partitions = random.random_range(1..4);
    for topic in [INPUT, FIRST, SECOND, TOLD, LATE].into_iter().take(if has_windows { 5 } else { 3 }) {
        log.create_topic(&TopicSpec::new(topic, partitions))?;
    }
    let first_counts = random.random_bool(0.6);
    let logic = if first_counts { "operator: totals@1.0.0" } else { "filter: /amount >= 0" };
    let standbys = if random.random_bool(0.5) { 0 } else { random.random_range(1..3) };
    let (step, sinks) = if has_windows { WINDOWS } else { Default::default() };
    let pipeline = PIPELINE.replace("LOGIC", logic).replace("STANDBYS", &standbys.to_string());
    let pipeline = pipeline.replace("sinks:\n", &format!("{step}\nsinks:\n")).replace("WINDOWS", sinks);
    let spec = millstream_pipeline::parse("simulation.yaml", &pipeline).map_err(|error| anyhow::anyhow!("{error}"))?;
    let plan = millstream_pipeline::plan(&spec, &Operators).map_err(|error| anyhow::anyhow!("{error}"))?;
    let hosts = (0..random.random_range(1..4)).map(|_| SimulatedHost {
        disk: Arc::new(Disk::new(scheduler.clone())),
        process: Mutex::new(None),
        running: AtomicUsize::new(0),
    });
    let world = World {
        scheduler: scheduler.clone(),
        log: log.clone(),
        hosts: hosts.collect(),
        rules,
        plan,
        workers: random.random_range(1..3),
        first_counts,
        has_windows,
        shelf: Shelf::default(),
        is_ending: AtomicBool::new(false),
        swaps: AtomicUsize::new(0),
        followed: AtomicUsize::new(0),
        counts: Mutex::default(),
    };
    for host in 0..world.hosts.len() {
        world.boot(host)?;
    }
    Ok(world)
}

/// Lets everybody act until the end.
fn act<'w>(world: &'w World, input: &'w [Record]) {
    thread::scope(|scope| {
        let actor = |name: String, host: Option<usize>, part: Box<dyn FnOnce() + Send + 'w>| {
            let id = world.scheduler.add(name, host);
            scope.spawn(move || {
                world.scheduler.enter(id);
                let outcome = catch_unwind(AssertUnwindSafe(part));
                if let Err(panic) = outcome
                    && !panic.is::<GivenUp>()
                {
                    let what = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".into());
                    world.scheduler.give_up(format!("an actor panicked: {what}"));
                }
                world.scheduler.leave(id);
            });
        };
        for host in 0..world.hosts.len() {
            for worker in 0..world.workers {
                let run = move |process: &ManualPipeline| process.run_worker(worker);
                actor(format!("{host}-{worker}"), Some(host), Box::new(move || world.work(host, run)));
            }
            if world.plan.settings.standby > 0 {
                let run = |process: &ManualPipeline| {
                    process.run_standbys();
                    Ok(())
                };
                actor(format!("{host}-standby"), Some(host), Box::new(move || world.work(host, run)));
            }
        }
        actor("producer".into(), None, Box::new(move || world.produce(input)));
        actor("director".into(), None, Box::new(move || world.direct()));
        world.scheduler.begin();
    });
}

impl World {
    /// Starts the process of a host.
    fn boot(&self, host: usize) -> anyhow::Result<()> {
        let Some(place) = self.hosts.get(host) else { return Ok(()) };
        let parts = Host {
            log: Arc::new(self.log.clone()),
            backends: place.disk.clone(),
            cache: Arc::new(CacheBudget::new(1 << 20)),
            clock: self.scheduler.clone(),
            host_id: format!("host{host}"),
            operators: Arc::new(Operators),
            sinks: Arc::new(LocalFiles::new(std::env::temp_dir())),
            snapshots: Some(Snapshots {
                store: Arc::new(SimulatedSnapshots {
                    shelf: self.shelf.clone(),
                    copies: place.disk.copies(),
                    scheduler: self.scheduler.clone(),
                }),
                pace: SNAPSHOT_PACE,
                keep: 2,
                scratch: "copies".into(),
                background: false,
            }),
            rules: self.rules,
            probe: Some(self.scheduler.clone()),
        };
        *place.process.lock() = Some(ManualPipeline::new(self.plan.clone(), parts, self.workers)?);
        Ok(())
    }

    /// A worker of a host, or its standbys: it runs, dies, and begins again.
    fn work(&self, host: usize, run: impl Fn(&ManualPipeline) -> Result<(), Failure>) {
        let Some(place) = self.hosts.get(host) else { return };
        loop {
            // The process may be down, or take its workers with it at the next call.
            let process = loop {
                let process = place.process.lock().clone();
                match process {
                    Some(process) => break process,
                    None => {
                        let _ = catch_unwind(AssertUnwindSafe(|| self.scheduler.sleep(5))).map_err(pass_given_up);
                    }
                }
            };
            self.scheduler.absolve();
            place.running.fetch_add(1, Ordering::Relaxed);
            let outcome = catch_unwind(AssertUnwindSafe(|| run(&process)));
            drop(process);
            place.running.fetch_sub(1, Ordering::Relaxed);
            let pause = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(failure)) => {
                    self.scheduler.note(|| format!("ends: {} ({:?})", failure.reason, failure.kind));
                    match self.rules.after_step(failure.kind) {
                        Recovery::Stop => {
                            return self
                                .scheduler
                                .give_up(format!("a worker of host {host} stops: {}", failure.reason));
                        }
                        Recovery::Restart => 200,
                        Recovery::Rejoin | Recovery::Again => 0,
                    }
                }
                Err(panic) if panic.is::<Crash>() => {
                    if self.scheduler.take_host_crash(host) {
                        let ended = place.process.lock().take();
                        ended.iter().for_each(|process| self.count(process));
                        drop(ended);
                        self.scheduler.doom(host);
                    }
                    10
                }
                Err(panic) => resume_unwind(panic),
            };
            self.scheduler.absolve();
            let slept = catch_unwind(AssertUnwindSafe(|| self.scheduler.sleep(pause)));
            let _ = slept.map_err(pass_given_up);
        }
    }

    /// Writes the input, a few records at a time.
    fn produce(&self, input: &[Record]) {
        let topic: Arc<str> = INPUT.into();
        let mut rest = input;
        while !rest.is_empty() {
            let (some, after) = rest.split_at((1 + self.scheduler.below(8) as usize).min(rest.len()));
            let written = self.log.writer().and_then(|mut writer| {
                writer.write(&topic, Routing::ByKey, &input::batch(some))?;
                writer.flush()
            });
            if let Err(error) = written {
                return self.scheduler.give_up(format!("the input cannot be written: {error}"));
            }
            rest = after;
            self.scheduler.sleep(self.scheduler.below(2_000) as i64);
        }
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Brings hosts back, swaps operators, and ends the run.
    fn direct(&self) {
        let mut version = 1;
        let mut swap_at = 3_000;
        let mut passed = 0;
        while !self.is_ending.load(Ordering::Relaxed) {
            let pause = 100 + self.scheduler.below(1_000) as i64;
            self.scheduler.sleep(pause);
            passed += pause;
            self.revive(false);
            self.count_standbys();
            if passed >= swap_at {
                version += 1;
                swap_at = passed + 500 + self.scheduler.below(10_000) as i64;
                self.swap(version);
            }
        }
        self.scheduler.set_faults(Faults::none());
        while !self.revive(true) || !self.is_drained() {
            self.scheduler.sleep(20);
        }
        self.processes().for_each(|process| process.leave());
    }

    fn count(&self, process: &ManualPipeline) {
        let (resumed, reopened) = process.parked();
        let counts = [process.hand_overs(), resumed, reopened];
        self.counts.lock().iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }

    fn processes(&self) -> impl Iterator<Item = ManualPipeline> + '_ {
        self.hosts.iter().filter_map(|host| host.process.lock().clone())
    }

    /// Boots hosts that are down, sooner or `all` of them now; whether none is.
    fn revive(&self, all: bool) -> bool {
        let mut none_down = true;
        for (index, host) in self.hosts.iter().enumerate() {
            if host.process.lock().is_some() {
                continue;
            }
            none_down = false;
            let is_empty = host.running.load(Ordering::Relaxed) == 0;
            if is_empty && (all || self.scheduler.chance(0.2)) {
                host.disk.tear();
                if self.scheduler.chance(0.3) {
                    host.disk.lose();
                }
                self.scheduler.note(|| format!("host {index} is back"));
                if let Err(error) = self.boot(index) {
                    self.scheduler.give_up(format!("host {index} cannot start: {error}"));
                }
            }
        }
        none_down
    }

    fn count_standbys(&self) {
        let follows =
            |process: ManualPipeline| process.standbys().iter().filter(|task| task.position.is_some()).count();
        self.followed.fetch_add(self.processes().map(follows).sum(), Ordering::Relaxed);
    }

    fn swap(&self, version: u64) {
        let step = if self.first_counts && version.is_multiple_of(2) { "by-user" } else { "by-shop" };
        let Ok(operator) = format!("totals@{version}.0.0").parse::<OperatorRef>() else { return };
        for process in self.processes() {
            let swapped = Operators
                .resolve(&operator, "")
                .and_then(|factory| process.order_swap(step, factory).map_err(|error| error.to_string()));
            match swapped {
                Ok(()) => self.swaps.fetch_add(1, Ordering::Relaxed),
                Err(error) => return self.scheduler.give_up(format!("a swap was refused: {error}")),
            };
        }
    }

    fn is_drained(&self) -> bool {
        self.log.open_transactions() == 0 && self.processes().next().is_some_and(|process| process.is_drained())
    }
}

/// Whoever is dead already dies no more, but a run that is given up ends for everybody.
fn pass_given_up(panic: Box<dyn std::any::Any + Send>) {
    if !panic.is::<Crash>() {
        resume_unwind(panic);
    }
}

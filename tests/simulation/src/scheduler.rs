//! Decides who runs, what time it is and what goes wrong.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    fmt,
    panic::resume_unwind,
    sync::Arc,
    time::Duration,
};

use millstream_log::simulated::{Call, Hooks, Verdict};
use millstream_protocol::{Point, Probe};
use millstream_types::Clock;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::faults::Faults;

/// The last events that a run remembers.
const TRACE_LENGTH: usize = 2_000;

/// Turns after which a run that has not come to its end hangs.
const MOST_TURNS: u64 = 100_000;

/// The most microseconds that one call or step takes.
const MOST_PASSED_US: i64 = 20_000;

/// What a crashed worker unwinds with.
pub(crate) struct Crash;

/// What everybody unwinds with once the run is given up.
pub(crate) struct GivenUp;

thread_local! {
    static ACTOR: RefCell<Option<usize>> = const { RefCell::new(None) };
}

/// One for each run. All actors run on threads of their own, one at a time.
pub(crate) struct Scheduler {
    inner: Mutex<Inner>,
    /// Raised when an actor's turn has come. They share it: there are few.
    turn: Condvar,
}

struct Inner {
    random: StdRng,
    faults: Faults,
    now_us: i64,
    turns: u64,
    running: Option<usize>,
    actors: Vec<Actor>,
    counts: Counts,
    /// A host crashed at the call of one of its workers; the director brings the rest of it down.
    host_down: BTreeMap<usize, bool>,
    trace: Option<VecDeque<String>>,
    digest: u64,
    given_up: Option<String>,
}

struct Actor {
    name: String,
    host: Option<usize>,
    /// It does not go on before.
    not_before_us: i64,
    is_doomed: bool,
    is_done: bool,
}

/// What went wrong in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Workers that died alone.
    pub worker_crashes: u64,
    /// Hosts that died.
    pub host_crashes: u64,
    /// Workers that stood still.
    pub stalls: u64,
    /// Requests that did not happen.
    pub requests_lost: u64,
    /// Answers that did not come.
    pub answers_lost: u64,
}

impl Scheduler {
    pub(crate) fn new(seed: u64, faults: Faults, traced: bool) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                random: StdRng::seed_from_u64(seed),
                faults,
                now_us: 1_000_000_000,
                turns: 0,
                running: None,
                actors: Vec::new(),
                counts: Counts::default(),
                host_down: BTreeMap::new(),
                trace: traced.then(VecDeque::new),
                digest: 0,
                given_up: None,
            }),
            turn: Condvar::new(),
        })
    }

    /// Adds an actor, whose thread calls [`Self::enter`].
    pub(crate) fn add(&self, name: String, host: Option<usize>) -> usize {
        let mut inner = self.inner.lock();
        inner.actors.push(Actor { name, host, not_before_us: 0, is_doomed: false, is_done: false });
        inner.actors.len() - 1
    }

    /// The actor's thread waits for its first turn.
    pub(crate) fn enter(&self, actor: usize) {
        ACTOR.set(Some(actor));
        let inner = self.inner.lock();
        drop(self.wait_for_turn(inner, actor));
    }

    /// The actor is through, and somebody else goes on.
    pub(crate) fn leave(&self, actor: usize) {
        ACTOR.set(None);
        let mut inner = self.inner.lock();
        if let Some(actor) = inner.actors.get_mut(actor) {
            actor.is_done = true;
        }
        inner.running = None;
        self.pass_on(&mut inner);
    }

    /// Begins: the first turn is given.
    pub(crate) fn begin(&self) {
        let mut inner = self.inner.lock();
        self.pass_on(&mut inner);
    }

    /// From now on these are the faults.
    pub(crate) fn set_faults(&self, faults: Faults) {
        self.inner.lock().faults = faults;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.inner.lock().counts
    }

    pub(crate) fn turns(&self) -> u64 {
        self.inner.lock().turns
    }

    /// A number that two runs share only if they were the same.
    pub(crate) fn digest(&self) -> u64 {
        self.inner.lock().digest
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.inner.lock().trace.iter().flatten().cloned().collect()
    }

    /// Why the run was given up.
    pub(crate) fn given_up(&self) -> Option<String> {
        self.inner.lock().given_up.clone()
    }

    /// A random number below `most`.
    pub(crate) fn below(&self, most: u64) -> u64 {
        self.inner.lock().random.random_range(0..most.max(1))
    }

    pub(crate) fn chance(&self, probability: f64) -> bool {
        self.inner.lock().random.random_bool(probability)
    }

    /// Whether a worker of that host died in a way that takes the host with it. Asked once.
    pub(crate) fn take_host_crash(&self, host: usize) -> bool {
        self.inner.lock().host_down.insert(host, false).unwrap_or(false)
    }

    /// Whether the store of snapshots does not answer.
    pub(crate) fn loses_snapshot(&self) -> bool {
        let mut inner = self.inner.lock();
        let probability = inner.faults.snapshot_lost;
        inner.random.random_bool(probability)
    }

    /// Every actor of a host dies at its next turn.
    pub(crate) fn doom(&self, host: usize) {
        let mut inner = self.inner.lock();
        for actor in inner.actors.iter_mut().filter(|actor| actor.host == Some(host)) {
            actor.is_doomed = true;
            actor.not_before_us = 0;
        }
    }

    /// It was brought to life again, or is dead for another reason.
    pub(crate) fn absolve(&self) {
        let actor = ACTOR.with_borrow(|actor| *actor);
        let mut inner = self.inner.lock();
        if let Some(actor) = actor.and_then(|actor| inner.actors.get_mut(actor)) {
            actor.is_doomed = false;
        }
    }

    /// The calling actor does nothing for a while.
    pub(crate) fn sleep(&self, ms: i64) {
        let actor = ACTOR.with_borrow(|actor| *actor);
        let mut inner = self.inner.lock();
        let until = inner.now_us + ms * 1_000;
        if let Some(actor) = actor.and_then(|actor| inner.actors.get_mut(actor)) {
            actor.not_before_us = until;
        }
        self.switch(inner);
    }

    /// Remembers what happened.
    pub(crate) fn note(&self, event: impl FnOnce() -> String) {
        let actor = ACTOR.with_borrow(|actor| *actor);
        let mut inner = self.inner.lock();
        let name = actor.and_then(|actor| inner.actors.get(actor)).map_or("-", |actor| actor.name.as_str());
        if inner.trace.is_some() {
            let line = format!("{:>9.3} {name:<8} {}", inner.now_us as f64 / 1e6, event());
            if let Some(trace) = &mut inner.trace {
                if trace.len() == TRACE_LENGTH {
                    trace.pop_front();
                }
                trace.push_back(line);
            }
        }
    }

    /// Ends the run: everybody unwinds.
    pub(crate) fn give_up(&self, reason: String) {
        let mut inner = self.inner.lock();
        inner.given_up.get_or_insert(reason);
    }

    /// A moment at which somebody else may go on and something may go wrong.
    fn point(&self, what: impl fmt::Debug) -> Verdict {
        self.note(|| format!("{what:?}"));
        let Some(actor) = ACTOR.with_borrow(|actor| *actor) else { return Verdict::Go };
        let mut inner = self.inner.lock();
        // FNV-1a over who comes by, when.
        let seen = (actor as u64) ^ (inner.now_us as u64).rotate_left(17);
        inner.digest = (inner.digest ^ seen).wrapping_mul(0x0100_0000_01b3);
        let faults = inner.faults.clone();
        let is_worker = inner.actors.get(actor).is_some_and(|actor| actor.host.is_some());
        if is_worker && inner.random.random_bool(faults.stall) {
            let stall = inner.random.random_range(0..=faults.stall_ms) * 1_000;
            let until = inner.now_us + stall;
            inner.counts.stalls += 1;
            if let Some(actor) = inner.actors.get_mut(actor) {
                actor.not_before_us = until;
            }
        }
        let must = inner.actors.get(actor).is_some_and(|actor| actor.not_before_us > inner.now_us);
        let may = inner.random.random_bool(faults.switch);
        let mut inner = if must || may {
            self.switch(inner);
            self.inner.lock()
        } else {
            inner.now_us += inner.random.random_range(0..MOST_PASSED_US);
            inner
        };
        // They may have ended meanwhile.
        let faults = inner.faults.clone();
        if is_worker && inner.random.random_bool(faults.host_crash) {
            if let Some(host) = inner.actors.get(actor).and_then(|actor| actor.host) {
                inner.host_down.insert(host, true);
            }
            inner.counts.host_crashes += 1;
            self.crash(inner);
        }
        if is_worker && inner.random.random_bool(faults.worker_crash) {
            inner.counts.worker_crashes += 1;
            self.crash(inner);
        }
        if inner.random.random_bool(faults.request_lost) {
            return Verdict::RequestLost;
        }
        if inner.random.random_bool(faults.answer_lost) {
            return Verdict::AnswerLost;
        }
        Verdict::Go
    }

    fn crash(&self, inner: MutexGuard<'_, Inner>) -> ! {
        drop(inner);
        self.note(|| "CRASH".into());
        resume_unwind(Box::new(Crash))
    }

    /// Gives the turn to somebody, perhaps to the same actor, and waits until it comes back.
    fn switch(&self, mut inner: MutexGuard<'_, Inner>) {
        let Some(actor) = ACTOR.with_borrow(|actor| *actor) else { return };
        inner.turns += 1;
        if inner.turns > MOST_TURNS {
            inner.given_up.get_or_insert_with(|| format!("no end after {MOST_TURNS} turns"));
        }
        let passed = inner.random.random_range(0..MOST_PASSED_US);
        inner.now_us += passed;
        inner.running = None;
        self.pass_on(&mut inner);
        let inner = self.wait_for_turn(inner, actor);
        if inner.given_up.is_some() {
            drop(inner);
            resume_unwind(Box::new(GivenUp));
        }
        if inner.actors.get(actor).is_some_and(|actor| actor.is_doomed) {
            self.crash(inner);
        }
    }

    fn wait_for_turn<'a>(&self, mut inner: MutexGuard<'a, Inner>, actor: usize) -> MutexGuard<'a, Inner> {
        while inner.running != Some(actor) {
            self.turn.wait(&mut inner);
        }
        inner
    }

    /// Draws who goes on; where everybody waits, time passes until somebody need not.
    fn pass_on(&self, inner: &mut Inner) {
        let waiting = || inner.actors.iter().enumerate().filter(|(_, actor)| !actor.is_done);
        let Some(soonest) = waiting().map(|(_, actor)| actor.not_before_us).min() else { return };
        let now = inner.now_us.max(soonest);
        let ready: Vec<usize> =
            waiting().filter(|(_, actor)| actor.not_before_us <= now).map(|(index, _)| index).collect();
        inner.now_us = now;
        let drawn = inner.random.random_range(0..ready.len());
        inner.running = ready.get(drawn).copied();
        self.turn.notify_all();
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

impl Clock for Scheduler {
    fn now_ms(&self) -> i64 {
        self.inner.lock().now_us / 1_000
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.inner.lock().now_us as u64)
    }

    fn sleep(&self, duration: Duration) {
        self.sleep(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
    }
}

impl Hooks for Scheduler {
    fn now_ms(&self) -> i64 {
        Clock::now_ms(self)
    }

    fn before(&self, _worker: &str, call: Call) -> Verdict {
        let verdict = self.point(call);
        let verdict = match (call, verdict) {
            // A poll that fails is only repeated; what may come late are the group's events.
            (Call::Poll, _) => {
                let late = self.inner.lock().faults.late_rebalance;
                if self.chance(late) { Verdict::Later } else { Verdict::Go }
            }
            (_, verdict) => verdict,
        };
        let mut inner = self.inner.lock();
        match verdict {
            Verdict::RequestLost => inner.counts.requests_lost += 1,
            Verdict::AnswerLost => inner.counts.answers_lost += 1,
            _ => return verdict,
        }
        drop(inner);
        self.note(|| format!("{call:?}: {verdict:?}"));
        verdict
    }

    fn wait(&self, _worker: &str) {
        let ms = 1 + self.below(100) as i64;
        self.sleep(ms);
    }
}

impl Probe for Scheduler {
    fn reached(&self, _worker: &str, point: Point) {
        self.point(point);
    }
}

/// A point of the disks.
pub(crate) fn disk_point(scheduler: &Scheduler, what: &str) {
    scheduler.point(what);
}

//! Standbys: this host follows the state of tasks that other hosts own, so that it can take over any of them with
//! almost nothing to restore.
//!
//! ```text
//!   owner's worker ----- commits deltas -----> changelog
//!                                                  |  committed records only
//!   this host      <----- follows -----------------'
//!     store of the task, in the directory that its worker would use
//!         | the task moves here
//!         v
//!     worker: takes the open store, replays the rest, goes on
//! ```
//!
//! One thread for each pipeline does all of it, in rounds. It owns nothing and decides nothing: whatever fails is shown
//! and tried again, and a worker that wants a task gets its store whatever the standby is doing ([`slots`]).

mod begin;
mod follower;
mod presence;
mod reading;
mod slots;
mod thread;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use millstream_pipeline::plan::StageIndex;
use millstream_protocol::{ErrorKind, follows};
use millstream_types::TopicPartition;

use crate::{
    Failure, StandbyStatus,
    shared::{Shared, TaskId},
    topology::Topology,
};

use self::{begin::Fetch, presence::Presence, reading::Reading};

pub(crate) use self::{
    follower::Follower,
    slots::{Ownership, Slots},
    thread::{StandbyThread, run},
};

/// The pause after a round that found nothing.
const IDLE: Duration = Duration::from_millis(100);

/// Bytes of changelogs a second, so that a host that catches up has something left for its own tasks.
const RATE: u64 = 64 << 20;

/// The pause before something is tried again that failed.
const RETRY: Duration = Duration::from_secs(5);

/// How long a standby is kept that nobody wants any more: tasks come back, and hosts too.
const LINGER: Duration = Duration::from_secs(10);

/// How often ends of changelogs are asked for, and the status is written.
const LOOK: Duration = Duration::from_secs(2);

/// The standbys of one pipeline on this host.
pub(crate) struct Standbys {
    shared: Arc<Shared>,
    topology: Arc<Topology>,
    presence: Option<Presence>,
    tasks: BTreeMap<TaskId, Standby>,
    reading: Reading,
    fetch: Option<Fetch>,
    /// Nothing is asked of the log before.
    not_before: Duration,
    /// What is wrong with the log.
    problem: Option<String>,
    looked: Option<Duration>,
}

/// A task that this host follows, or wants to.
struct Standby {
    changelog: TopicPartition,
    /// `stage/partition`.
    name: String,
    unwanted_since: Option<Duration>,
    /// What is wrong with it, and when it is tried again.
    problem: Option<(String, Duration)>,
    /// The first position of its changelog and the one after the last committed record, as they were last seen.
    bounds: (i64, i64),
    records: u64,
}

impl Standbys {
    pub(crate) fn new(shared: Arc<Shared>, topology: Arc<Topology>) -> Self {
        Self {
            shared,
            topology,
            presence: None,
            tasks: BTreeMap::new(),
            reading: Reading::default(),
            fetch: None,
            not_before: Duration::ZERO,
            problem: None,
            looked: None,
        }
    }

    /// Does what there is to do and returns how long to wait before the next round.
    pub(crate) fn round(&mut self) -> Duration {
        let now = self.shared.now();
        if now < self.not_before {
            return IDLE;
        }
        match self.try_round(now) {
            Ok(bytes) => {
                self.problem = None;
                if bytes == 0 { IDLE } else { Duration::from_millis(bytes * 1_000 / RATE) }
            }
            Err(failure) => {
                if self.problem.as_ref() != Some(&failure.reason) {
                    let pipeline = &self.topology.plan.pipeline;
                    tracing::warn!(%pipeline, reason = failure.reason, "standbys stand still; trying again");
                }
                self.problem = Some(failure.reason);
                self.not_before = now + RETRY;
                // Clients may be what is broken.
                self.presence = None;
                self.reading.end();
                self.looked = None;
                if failure.kind != ErrorKind::Retriable {
                    // Changelogs may be others under the same names, which is asked where a standby begins.
                    self.tasks.keys().for_each(|id| self.let_go(*id));
                }
                self.show();
                IDLE
            }
        }
    }

    fn try_round(&mut self, now: Duration) -> Result<u64, Failure> {
        self.meet(now)?;
        self.choose(now);
        if self.looked.is_none_or(|looked| now.saturating_sub(looked) >= LOOK) {
            self.look()?;
            self.looked = Some(now);
            self.show();
        }
        self.begin(now)?;
        let bytes = self.read(now)?;
        self.keep(now);
        Ok(bytes)
    }

    /// Tells the other hosts what this one has, and hears what they have.
    fn meet(&mut self, now: Duration) -> Result<(), Failure> {
        let own: BTreeSet<String> =
            self.shared.standbys.owned().into_iter().filter_map(|id| self.name_of(id)).collect();
        let host = &self.shared.host;
        let presence = match &mut self.presence {
            Some(presence) => presence,
            None => {
                let pipeline = &self.topology.plan.pipeline;
                self.presence.insert(Presence::open(pipeline, &host.host_id, host.log.as_ref())?)
            }
        };
        Ok(presence.exchange(now, host.clock.now_ms(), own)?)
    }

    fn name_of(&self, (stage, partition): TaskId) -> Option<String> {
        self.topology.plan.stages.get(stage.0).map(|stage| format!("{}/{partition}", stage.name))
    }

    /// Which tasks to follow: those of others that fall to this host, and for a while those that fell to it before.
    fn choose(&mut self, now: Duration) {
        let Some(presence) = &self.presence else { return };
        let host = self.shared.host.host_id.as_str();
        let owned: BTreeSet<TaskId> = self.shared.standbys.owned().into_iter().collect();
        // A worker that has the task has its store, too.
        self.tasks.retain(|id, _| !owned.contains(id));
        let (mut unwanted, mut owners) = (Vec::new(), BTreeMap::new());
        for (index, (stage, &partitions)) in self.topology.plan.stages.iter().zip(&self.topology.partitions).enumerate()
        {
            let Some(topic) = &stage.changelog else { continue };
            for partition in 0..partitions {
                let id = (StageIndex(index), partition);
                let name = format!("{}/{partition}", stage.name);
                let owner = presence.owner(&name);
                owners.extend(owner.map(|owner| (id, owner.to_owned())));
                let falls_here = !owned.contains(&id)
                    && follows(host, &name, owner, presence.others(), self.topology.plan.settings.standby);
                match self.tasks.get_mut(&id) {
                    Some(standby) if falls_here => standby.unwanted_since = None,
                    // Between two owners nothing changes.
                    Some(_) if owner.is_none() => {}
                    Some(standby) => {
                        let since = *standby.unwanted_since.get_or_insert(now);
                        unwanted.extend((now.saturating_sub(since) >= LINGER).then_some(id));
                    }
                    None if falls_here && owner.is_some() => {
                        let changelog = TopicPartition::new(topic.clone(), partition);
                        let standby = Standby {
                            changelog,
                            name,
                            unwanted_since: None,
                            problem: None,
                            bounds: (0, 0),
                            records: 0,
                        };
                        self.tasks.insert(id, standby);
                        // Its bounds are needed first.
                        self.looked = None;
                    }
                    None => {}
                }
            }
        }
        *self.shared.owners.lock() = owners;
        for id in unwanted {
            self.tasks.remove(&id);
            self.let_go(id);
        }
    }

    /// Closes the store of a task.
    fn let_go(&self, id: TaskId) {
        let Some(mut slot) = self.shared.standbys.check_out(id) else { return };
        if let Some(mut follower) = slot.follower.take()
            && let Err(error) = follower.flush()
        {
            tracing::warn!(task = self.name_of(id), %error, "a standby is closed as it was written last");
        }
    }

    /// Asks for the bounds of the changelogs, and gives up followers that are no longer within them.
    fn look(&mut self) -> Result<(), Failure> {
        let log = &self.shared.host.log;
        let mut topics = BTreeMap::new();
        for standby in self.tasks.values() {
            let topic = &standby.changelog.topic;
            if !topics.contains_key(topic) {
                topics.insert(topic.clone(), log.topic(topic)?);
            }
        }
        let positions = self.shared.standbys.parked(Follower::position);
        for (id, standby) in &mut self.tasks {
            let info = topics.get(&standby.changelog.topic).and_then(Option::as_ref);
            let Some(&bounds) = info.and_then(|info| info.offsets.get(standby.changelog.partition as usize)) else {
                continue;
            };
            standby.bounds = bounds;
            let position = positions.get(id).map(|position| position.unwrap_or(0));
            if position.is_some_and(|position| !(bounds.0..=bounds.1).contains(&position)) {
                // How it goes on is decided where it begins again.
                self.reading.end();
                drop(self.shared.standbys.check_out(*id).and_then(|mut slot| slot.follower.take()));
            }
        }
        Ok(())
    }

    /// Writes back what is due.
    fn keep(&mut self, now: Duration) {
        for (id, standby) in &mut self.tasks {
            let Some(mut slot) = self.shared.standbys.check_out(*id) else { continue };
            let Some(mut follower) = slot.follower.take() else { continue };
            match follower.keep(now) {
                Ok(()) => slot.park(follower),
                Err(error) => standby.fail(error.to_string(), now),
            }
        }
    }

    fn show(&self) {
        let parked = self.shared.standbys.parked(|follower| (follower.position(), follower.size_bytes()));
        let statuses = self.tasks.iter().map(|(id, standby)| {
            let store = parked.get(id);
            let position = store.and_then(|(position, _)| *position);
            let reached = self.reading.position(&standby.changelog).max(position).unwrap_or(standby.bounds.0);
            let own = standby.problem.as_ref().map(|(reason, _)| reason.clone());
            StandbyStatus {
                stage: self.topology.plan.stages.get(id.0.0).map_or_else(String::new, |stage| stage.name.clone()),
                partition: id.1,
                position,
                lag: standby.bounds.1.saturating_sub(if store.is_some() { reached } else { standby.bounds.0 }).max(0),
                records: standby.records,
                state_bytes: store.map_or(0, |(_, bytes)| *bytes),
                problem: own.or_else(|| self.problem.clone()),
            }
        });
        *self.shared.standby_status.lock() = statuses.collect();
    }

    /// Closes everything.
    pub(crate) fn close(mut self) {
        for id in std::mem::take(&mut self.tasks).into_keys() {
            self.let_go(id);
        }
        self.show();
    }
}

impl Standby {
    fn fail(&mut self, reason: String, now: Duration) {
        if self.problem.as_ref().is_none_or(|(before, _)| *before != reason) {
            tracing::warn!(task = self.name, reason, "a standby stands still; trying again");
        }
        self.problem = Some((reason, now + RETRY));
    }
}

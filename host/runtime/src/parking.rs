//! Tasks that were laid aside while their group shares everything out anew.
//!
//! ```text
//!   running --park_tasks--> parked --assigned again, nothing has moved--> running
//!                             |  '--assigned again, something has-------> opened from its store
//!                             '---- its time is over: flushed, closed
//! ```
//!
//! They are the host's and not a worker's: whichever worker of it gets the task takes it up.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use millstream_log::{ErrorKind, LogError, LogSession};
use millstream_pipeline::plan::{InputKind, StageInput};
use millstream_protocol::{Resume, Standing};
use millstream_state::TaskState;
use millstream_types::TopicPartition;
use parking_lot::Mutex;

use crate::{
    Failure, RestoreProgress,
    identity::is_of_another,
    metrics::Counter,
    shared::{Shared, TaskId},
    snapshots::TaskSnapshots,
    standby::Ownership,
    task::Task,
    worker::Worker,
};

/// How long a task is kept after a worker of the host has got its share, since others get theirs a little later.
const GRACE: Duration = Duration::from_secs(10);

/// How long it is kept where nobody gets anything: a rebalance lasts until every member has been heard of or given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A task that has nothing uncommitted, without what is opened anew in any case: its readers and sinks.
pub(crate) struct Parked {
    pub(crate) state: Box<TaskState>,
    /// Keeps the standby of this host away from the store. Dropped after it.
    pub(crate) ownership: Option<Ownership>,
    pub(crate) restored: Option<RestoreProgress>,
    pub(crate) snapshots: TaskSnapshots,
    changelog: TopicPartition,
    standing: Standing,
    /// When it is closed.
    until: Duration,
}

/// A task that was laid aside.
enum Place {
    Parked(Box<Parked>),
    /// Its time is over, and its store is not closed yet.
    Closing,
}

/// The parked tasks of a pipeline on this host.
#[derive(Default)]
pub(crate) struct ParkedTasks {
    tasks: Mutex<BTreeMap<TaskId, Place>>,
    resumed: Counter,
    reopened: Counter,
}

impl ParkedTasks {
    /// Takes a task up; who does has it. While its store is being closed, `wait` is called, since it cannot be opened.
    pub(crate) fn take(&self, id: TaskId, mut wait: impl FnMut()) -> Option<Box<Parked>> {
        loop {
            match self.tasks.lock().entry(id) {
                Entry::Vacant(_) => return None,
                Entry::Occupied(place) if matches!(place.get(), Place::Parked(_)) => {
                    return match place.remove() {
                        Place::Parked(parked) => Some(parked),
                        Place::Closing => None,
                    };
                }
                Entry::Occupied(_) => {}
            }
            wait();
        }
    }

    /// Takes out a task whose time is over.
    fn take_over_due(&self, now: Duration) -> Option<Closing<'_>> {
        let mut tasks = self.tasks.lock();
        let is_over = |place: &Place| matches!(place, Place::Parked(parked) if parked.until <= now);
        let (&id, place) = tasks.iter_mut().find(|(_, place)| is_over(place))?;
        match std::mem::replace(place, Place::Closing) {
            Place::Parked(parked) => Some(Closing { tasks: self, id, parked: Some(parked) }),
            Place::Closing => None,
        }
    }

    /// A worker has got its share: what is not taken up soon was given to another host.
    fn shared_out(&self, now: Duration) {
        for place in self.tasks.lock().values_mut() {
            if let Place::Parked(parked) = place {
                parked.until = parked.until.min(now + GRACE);
            }
        }
    }

    /// Closes everything.
    pub(crate) fn clear(&self) {
        // Closed without the lock: stores take their time.
        let parked = std::mem::take(&mut *self.tasks.lock());
        drop(parked);
    }

    /// How many tasks went on, and how many were opened from their stores instead.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.resumed.get(), self.reopened.get())
    }
}

impl Worker {
    /// Lays the tasks aside that have one of these partitions. To be called with nothing uncommitted; what cannot be gone
    /// on with is closed.
    pub(crate) fn park_tasks(&mut self, partitions: &[TopicPartition]) {
        let now = self.shared.now();
        for (id, task) in self.give_up_tasks(partitions) {
            if let Some(parked) = Parked::of(task, now + PATIENCE) {
                // There is none, since each store is open once.
                let before = self.shared.parked.tasks.lock().insert(id, Place::Parked(Box::new(parked)));
                drop(before);
            }
        }
    }

    /// The group has given out what it has.
    pub(crate) fn note_shared_out(&self) {
        self.shared.parked.shared_out(self.shared.now());
    }

    /// Closes parked tasks whose time is over, as they would have been when they were given back.
    pub(crate) fn close_parked(&self) {
        let now = self.shared.now();
        while let Some(mut closing) = self.shared.parked.take_over_due(now) {
            if let Some(Err(error)) = closing.parked.as_mut().map(|parked| parked.state.flush()) {
                tracing::warn!(task = ?closing.id, %error, "a parked task is closed as it was written last");
            }
        }
    }
}

/// A task whose time is over. When it is dropped its store is closed, and may be opened.
struct Closing<'a> {
    tasks: &'a ParkedTasks,
    id: TaskId,
    parked: Option<Box<Parked>>,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.parked = None;
        self.tasks.tasks.lock().remove(&self.id);
    }
}

impl Parked {
    fn of(task: Task, until: Duration) -> Option<Self> {
        let Task { state, changelog, inputs, ownership, restored, snapshots, .. } = task;
        let (state, changelog) = (state?, changelog?);
        let is_committed = state.uncommitted_bytes() == 0 && state.committed_position().is_some();
        let standing = Standing {
            positions: inputs.iter().map(|input| input.committed.filter(|_| input.split.is_none())).collect(),
            changelog: state.committed_position(),
        };
        is_committed.then_some(Self { state, ownership, restored, snapshots, changelog, standing, until })
    }

    /// Whether the task goes on with this. Waits, as for any task that is opened, until nothing is open that somebody
    /// else may have done.
    ///
    /// # Errors
    /// When the log cannot be asked.
    pub(crate) fn goes_on(
        &mut self,
        inputs: &[StageInput],
        shared: &Shared,
        session: &mut dyn LogSession,
    ) -> Result<bool, Failure> {
        let changelog = match is_of_another(&mut self.state, &self.changelog, session)? {
            true => None,
            false => last_change(&self.changelog, self.standing.changelog, session)?,
        };
        let at = |input: &StageInput| TopicPartition::new(input.kind.topic().clone(), self.changelog.partition);
        let mut positions = session.committed(&inputs.iter().map(at).collect::<Vec<_>>())?;
        for (position, input) in positions.iter_mut().zip(inputs) {
            // What is read of connectors is part of the state; the empty topic that places them says nothing.
            *position = position.filter(|_| !matches!(input.kind, InputKind::Connector { .. }));
        }
        let now = Standing { positions, changelog };
        let decision = shared.host.rules.resume(&self.standing, &now);
        tracing::debug!(changelog = %self.changelog, parked = ?self.standing, ?now, ?decision, "a parked task");
        let counter = if decision == Resume::GoOn { &shared.parked.resumed } else { &shared.parked.reopened };
        counter.add(1);
        Ok(decision == Resume::GoOn)
    }
}

/// The position after the last change of a changelog, as far as it matters: `from` where nothing came after it, a
/// later one where something did, and none where it does not reach so far.
fn last_change(
    changelog: &TopicPartition,
    from: Option<i64>,
    session: &mut dyn LogSession,
) -> Result<Option<i64>, Failure> {
    let mut last = from;
    let mut has_changed = false;
    let read = session.restore(changelog, from, &mut |_, position, _| {
        last = Some(position);
        has_changed = true;
        Err(LogError::new(ErrorKind::Fatal, "somebody has changed something"))
    });
    match read {
        Err(_) if has_changed => Ok(last),
        Err(error) if error.kind == ErrorKind::User => Ok(None),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(last),
    }
}

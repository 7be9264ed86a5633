//! Takes the steps that the protocol says, in its order.

use std::time::Duration;

use millstream_connector::CommitKind;
use millstream_log::Committed;
use millstream_pipeline::plan::StageIndex;
use millstream_protocol::{ErrorKind, Occasion, Point, Recovery, Step};
use millstream_types::TopicPartition;

use crate::{Failure, opening::Opening, shared::TaskId, task::Task, worker::Worker};

/// What the steps of one occasion have in common.
struct Round<'a> {
    /// The partitions that are given back, if any.
    partitions: &'a [TopicPartition],
    occasion: Occasion,
    began: Duration,
    /// Something happened since the last commit.
    is_dirty: bool,
    changes: usize,
    committed: Committed,
}

impl Worker {
    /// Takes the steps of an occasion that concerns all tasks; `partitions` are those that are given back.
    ///
    /// # Errors
    /// When a step failed and the protocol does not go on after it. The worker then ends, and begins again
    /// from what the log says.
    pub(crate) fn take_steps(&mut self, occasion: Occasion, partitions: &[TopicPartition]) -> Result<(), Failure> {
        let rules = self.shared.host.rules;
        self.ask_sinks(occasion, partitions);
        let mut round = Round {
            partitions,
            occasion,
            began: self.shared.now(),
            is_dirty: self.uncommitted_since.is_some(),
            changes: 0,
            committed: Committed::default(),
        };
        for step in rules.steps(occasion) {
            self.reached(Point::Before(step));
            if let Err(failure) = self.take(step, &mut round) {
                if rules.after_step(failure.kind) != Recovery::Again {
                    return Err(failure);
                }
                if failure.kind == ErrorKind::Aborted {
                    self.session.abort()?;
                }
            }
            self.reached(Point::After(step));
        }
        Ok(())
    }

    /// Asks the sinks whether they want a commit although nothing was written.
    pub(crate) fn ask_sinks(&mut self, occasion: Occasion, partitions: &[TopicPartition]) {
        let now = self.shared.now();
        for task in self.tasks.values_mut() {
            if task.sinks_want_commit(kind_of_commit(task, occasion, partitions)) {
                task.dirty = true;
                self.uncommitted_since.get_or_insert(now);
            }
        }
    }

    fn take(&mut self, step: Step, round: &mut Round<'_>) -> Result<(), Failure> {
        let session = self.session.as_mut();
        let dirty = self.tasks.values_mut().filter(|task| task.dirty && round.is_dirty);
        match step {
            Step::PrepareSinks => {
                for task in dirty {
                    let kind = kind_of_commit(task, round.occasion, round.partitions);
                    task.prepare_sinks(kind, &self.topology)?;
                }
            }
            Step::AppendDeltas => {
                let now_ms = self.shared.host.clock.now_ms();
                for task in dirty {
                    round.changes += task.append_delta(&self.topology, session, now_ms)?;
                }
            }
            Step::CommitLog if round.is_dirty => {
                let positions: Vec<_> = dirty.flat_map(|task| task.positions()).collect();
                round.committed = session.commit(&positions).inspect_err(|_| self.shared.metrics.aborts.add(1))?;
            }
            Step::ApplyDeltas => dirty.for_each(|task| task.apply(&round.committed.changelogs)),
            Step::FinishSinks if round.is_dirty => {
                for task in dirty {
                    task.finish_commit()?;
                }
                self.count_commit(round);
            }
            Step::CommitLog | Step::FinishSinks => {}
            Step::SwitchVersions => self.switch_versions(round.began)?,
            Step::WriteBack | Step::Flush => {
                let now = self.shared.now();
                // Where partitions are given back, the tasks that stay are left alone.
                let concerned = |task: &&mut Task| round.partitions.is_empty() || task.reads_any(round.partitions);
                for task in self.tasks.values_mut().filter(concerned) {
                    task.write_back(session, now, step == Step::Flush)?;
                }
            }
            Step::TakeSnapshots => {
                for task in self.tasks.values_mut() {
                    task.take_snapshot(&self.shared);
                }
            }
            Step::CloseTasks => drop(self.give_up_tasks(round.partitions)),
            Step::ParkTasks => self.park_tasks(round.partitions),
            Step::Release => session.release(round.partitions)?,
            // Those of a task: see `open_task`.
            Step::OpenStore
            | Step::RestoreChangelog
            | Step::ReadPositions
            | Step::OpenConnectors
            | Step::StartReading => {}
        }
        Ok(())
    }

    fn count_commit(&mut self, round: &Round<'_>) {
        self.uncommitted_since = None;
        self.uncommitted_bytes = 0;
        let metrics = &self.shared.metrics;
        metrics.commits.add(1);
        metrics.state_changes.add(round.changes as u64);
        metrics.commit_latency.record(self.shared.now().saturating_sub(round.began));
        if self.tasks.values().any(Task::finished) {
            self.write_status();
        }
    }

    /// Opens a task that has all of its partitions.
    pub(crate) fn open_task(&mut self, id: (StageIndex, u32)) -> Result<(), Failure> {
        let topology = self.topology.clone();
        let shared = self.shared.clone();
        let mut opening = Opening::new(id, &topology)?;
        shared.tasks.lock().insert(id, opening.status(self.index));
        for step in shared.host.rules.steps(Occasion::TaskAssigned) {
            self.reached(Point::Before(step));
            opening
                .take(step, &shared, self.session.as_mut())
                .map_err(|failure| failure.context(format_args!("task {}", opening.name())))?;
            self.reached(Point::After(step));
        }
        let task = opening.finish(&shared)?;
        shared.tasks.lock().insert(id, task.status(&topology, self.index, &[]));
        if task.dirty {
            self.uncommitted_since.get_or_insert_with(|| shared.now());
        }
        self.tasks.insert(id, task);
        shared.heartbeat(self.index);
        Ok(())
    }

    /// The tasks that have one of these partitions, which are this worker's no more. To drop them closes them, and drops
    /// what they have uncommitted.
    pub(crate) fn give_up_tasks(&mut self, partitions: &[TopicPartition]) -> Vec<(TaskId, Task)> {
        let mut statuses = self.shared.tasks.lock();
        let given_up: Vec<_> = self.tasks.extract_if(.., |_, task| task.reads_any(partitions)).collect();
        for (id, _) in &given_up {
            if statuses.get(id).is_some_and(|status| status.worker == self.index) {
                statuses.remove(id);
            }
        }
        for partition in partitions {
            self.assigned.remove(partition);
        }
        given_up
    }

    fn reached(&self, point: Point) {
        if let Some(probe) = &self.shared.host.probe {
            probe.reached(&self.name, point);
        }
    }
}

/// A task that is closed here may be opened nowhere for a while, so that its sinks complete what they have begun.
fn kind_of_commit(task: &Task, occasion: Occasion, partitions: &[TopicPartition]) -> CommitKind {
    if occasion == Occasion::Leaving || task.reads_any(partitions) { CommitKind::Final } else { CommitKind::Periodic }
}

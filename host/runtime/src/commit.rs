//! The commit of a worker: outputs, state and positions of all its tasks in one atomic step.

use crate::{Failure, host::monotonic, worker::Worker};

impl Worker {
    /// Commits what happened since the last commit; does nothing where nothing did.
    ///
    /// # Errors
    /// When it did not happen, or nobody knows. The worker then ends, and begins again from what the log says.
    pub(crate) fn commit(&mut self) -> Result<(), Failure> {
        if self.uncommitted_since.is_none() {
            return Ok(());
        }
        let started = monotonic();
        let mut positions = Vec::new();
        let mut changes = 0;
        for task in self.tasks.values_mut().filter(|task| task.dirty) {
            changes += task.prepare_commit(&self.topology, self.session.as_mut(), &mut positions)?;
        }
        let committed = self.session.commit(&positions).inspect_err(|_| self.shared.metrics.aborts.add(1))?;
        for task in self.tasks.values_mut().filter(|task| task.dirty) {
            task.finish_commit(&committed.changelogs)?;
        }
        self.uncommitted_since = None;
        self.uncommitted_bytes = 0;
        let metrics = &self.shared.metrics;
        metrics.commits.add(1);
        metrics.state_changes.add(changes as u64);
        metrics.commit_latency.record(started.elapsed());
        if self.tasks.values().any(crate::task::Task::finished) {
            self.write_status();
        }
        Ok(())
    }
}

//! The stores of a savepoint on the local disk.

use std::path::Path;

use millstream_state::{StateBackend, snapshot::Savepoint};
use millstream_types::PipelineName;

use super::SavepointError;
use crate::{Failure, Host, Snapshots, snapshots::remove};

/// Below it are the stores of savepoints that are being restored, beside those of pipelines, whose names never
/// begin with a dot.
const PLACE: &str = ".savepoints";

/// The stores of all tasks of a savepoint, fetched and checked. They go when this does.
pub(super) struct Copies<'a> {
    host: &'a Host,
    /// `.savepoints/PIPELINE`.
    place: String,
    pub(super) tasks: Vec<TaskCopy>,
}

/// The store of one task of a savepoint.
pub(super) struct TaskCopy {
    /// Its stage then.
    pub(super) stage: String,
    pub(super) partition: u32,
    store: String,
}

impl<'a> Copies<'a> {
    /// Fetches the stores of `savepoint` for `pipeline`.
    ///
    /// # Errors
    /// When one cannot be fetched, or is not what was kept.
    pub(super) fn fetch(
        host: &'a Host,
        snapshots: &Snapshots,
        pipeline: &PipelineName,
        savepoint: &Savepoint,
    ) -> Result<Self, SavepointError> {
        let mut copies = Self { host, place: format!("{PLACE}/{pipeline}"), tasks: Vec::new() };
        // What an earlier attempt left.
        host.backends.remove(&copies.place)?;
        let directory = snapshots.scratch.join(format!("savepoint-of-{pipeline}"));
        for task in &savepoint.tasks {
            let reuse = host.backends.path_of(&task.task).unwrap_or_default();
            let fetched = snapshots.store.fetch(task, &directory, &reuse);
            let (stage, partition) = (task.about.stage.clone(), task.about.partition);
            let store = format!("{}/{stage}/{partition}", copies.place);
            let installed = match fetched {
                Ok(()) => host.backends.install(&store, &directory).map_err(SavepointError::from),
                Err(error) => Err(error.into()),
            };
            if installed.is_err() {
                remove(Path::new(&directory));
            }
            installed?;
            copies.tasks.push(TaskCopy { stage, partition, store });
        }
        Ok(copies)
    }

    pub(super) fn open(&self, task: &TaskCopy) -> Result<Box<dyn StateBackend>, Failure> {
        Ok(self.host.backends.open(&task.store)?)
    }
}

impl Drop for Copies<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.host.backends.remove(&self.place) {
            tracing::warn!(stores = self.place, %error, "the stores of a savepoint that was restored are still there");
        }
    }
}

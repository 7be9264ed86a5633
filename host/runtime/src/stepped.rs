//! A worker that its caller steps, on the caller's thread: for tests that own the clock.

use std::time::Duration;

use millstream_pipeline::plan::InputKind;
use millstream_protocol::Occasion;
use millstream_state::{StateHandle, StateKind, TaskState};
use millstream_types::BytesColumn;

use crate::{Failure, ManualPipeline, TaskStatus, shared::TaskId, worker::Worker};

/// Turns after which a pipeline that is still busy counts as one that never rests.
const MOST_TURNS: usize = 1_000_000;

/// A worker whose turns its caller takes. It waits for nothing and nobody: what is not there now does not come.
///
/// Dropping it is the crash of the worker: what it had not committed is gone.
pub struct SteppedWorker {
    worker: Worker,
}

impl std::fmt::Debug for SteppedWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SteppedWorker").field("name", &self.worker.name).finish_non_exhaustive()
    }
}

/// What a state has for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateContent {
    /// The value of a value state.
    Value(Vec<u8>),
    /// The fields of a map state and their values, in ascending order.
    Map(Vec<(Vec<u8>, Vec<u8>)>),
    /// The elements of a list state, in the order of appending.
    List(Vec<Vec<u8>>),
}

impl ManualPipeline {
    /// Opens a worker that the caller steps.
    ///
    /// # Errors
    /// When the log or an operator refuses.
    pub fn open_worker(&self, worker: usize) -> Result<SteppedWorker, Failure> {
        let orders = self.shared.enlist(worker);
        let worker = Worker::open(worker, self.shared.clone(), self.topology.clone(), orders)?;
        Ok(SteppedWorker { worker })
    }

    /// The tasks of all workers as they are now.
    pub fn tasks(&self) -> Vec<TaskStatus> {
        self.shared.tasks.lock().values().cloned().collect()
    }
}

impl SteppedWorker {
    /// Reads, processes and commits until there is nothing left to do at this moment.
    ///
    /// # Errors
    /// When the worker cannot go on, or never comes to rest; what it had not committed is then gone.
    pub fn settle(&mut self) -> Result<(), Failure> {
        for _ in 0..MOST_TURNS {
            if self.worker.turn(Duration::ZERO)? {
                continue;
            }
            if self.worker.uncommitted_since.is_none() && self.worker.swaps.is_empty() {
                self.worker.write_status();
                return Ok(());
            }
            self.worker.take_steps(Occasion::CommitDue, &[])?;
        }
        Err(Failure::stop(format!("the pipeline did not come to rest in {MOST_TURNS} turns: does it feed itself?")))
    }

    /// Lets event time go on in a partition of a source without a record: its watermark is `watermark_ms` at least;
    /// `i64::MAX`: nothing comes any more. Nothing happens where the partition is not this worker's.
    ///
    /// # Errors
    /// When something that is due then fails.
    pub fn advance_watermark(&mut self, source: &str, partition: u32, watermark_ms: i64) -> Result<(), Failure> {
        let topology = self.worker.topology.clone();
        let now = self.worker.shared.now();
        for (&id, task) in self.worker.tasks.iter_mut().filter(|(id, _)| id.1 == partition) {
            let inputs = topology.plan.stages.get(id.0.0).map(|stage| stage.inputs.as_slice()).unwrap_or_default();
            for (index, input) in inputs.iter().enumerate() {
                if input.name == source && !matches!(input.kind, InputKind::Repartition { .. }) {
                    task.time.advance_source(index, watermark_ms, now);
                }
            }
        }
        let ids: Vec<TaskId> = self.worker.tasks.keys().copied().filter(|id| id.1 == partition).collect();
        ids.into_iter().try_for_each(|id| self.worker.advance_time(id))
    }

    /// How long until the next timer of processing time; `None`: there is none within `within`.
    ///
    /// # Errors
    /// When a store cannot be read.
    pub fn until_next_timer(&mut self, within: Duration) -> Result<Option<Duration>, Failure> {
        let beyond = within.saturating_add(Duration::from_millis(1));
        let left = self.worker.until_next_timer(beyond)?;
        Ok((left < beyond).then_some(left))
    }

    /// What a state of a step has for a key, for each task that has something: its partition and the content.
    ///
    /// # Errors
    /// When there is no such state, or a store cannot be read.
    pub fn state(&mut self, step: &str, state: &str, key: &[u8]) -> Result<Vec<(u32, StateContent)>, Failure> {
        let (stage, handle) = self.handle_of(step, state)?;
        let now_ms = self.worker.shared.host.clock.now_ms();
        let mut found = Vec::new();
        for (id, task) in self.worker.tasks.iter_mut().filter(|(id, _)| id.0 == stage) {
            let Some(state) = task.state.as_deref_mut() else { continue };
            state.begin_call(now_ms);
            let content = read(state, &handle, key);
            state.undo_call();
            found.extend(content?.map(|content| (id.1, content)));
        }
        Ok(found)
    }

    fn handle_of(
        &self,
        step: &str,
        state: &str,
    ) -> Result<(millstream_pipeline::plan::StageIndex, StateHandle), Failure> {
        let instance = self.worker.instances.iter().find(|(_, instance)| instance.version.step == step);
        let Some((id, instance)) = instance else { return Err(Failure::stop(format!("there is no step `{step}`"))) };
        let declared = &instance.version.factory.description().states;
        let handle = declared.iter().zip(&instance.version.states).find(|(declared, _)| declared.name == state);
        match handle {
            Some((_, handle)) => Ok((id.0, handle.clone())),
            None => {
                let names: Vec<&str> = declared.iter().map(|declared| declared.name.as_str()).collect();
                let names = if names.is_empty() { "none".into() } else { names.join(", ") };
                Err(Failure::stop(format!("step `{step}` has no state `{state}`; it has {names}")))
            }
        }
    }

    /// Commits what there is, gives everything back and leaves the group.
    ///
    /// # Errors
    /// When a step of that fails.
    pub fn close(mut self) -> Result<(), Failure> {
        let outcome = self.worker.leave();
        self.worker.close(outcome)
    }
}

fn read(state: &mut TaskState, handle: &StateHandle, key: &[u8]) -> Result<Option<StateContent>, Failure> {
    let bytes = |column: &BytesColumn| column.iter().map(|value| value.unwrap_or_default().to_vec()).collect();
    let content = match handle.kind {
        StateKind::Value => {
            let values = state.get_many(handle, &std::iter::once(Some(key)).collect())?;
            values.get(0).map(|value| StateContent::Value(value.to_vec()))
        }
        StateKind::Map => {
            let page = state.map_scan(handle, key, b"", None, usize::MAX)?;
            let (fields, values): (Vec<_>, Vec<_>) = (bytes(&page.fields), bytes(&page.values));
            (!fields.is_empty()).then(|| StateContent::Map(fields.into_iter().zip(values).collect()))
        }
        StateKind::List => {
            let elements: Vec<Vec<u8>> = bytes(&state.list_read(handle, key, 0, usize::MAX)?);
            (!elements.is_empty()).then_some(StateContent::List(elements))
        }
    };
    Ok(content)
}

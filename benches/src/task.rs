//! One task: an operator with its state, driven as the runtime drives it.

use std::sync::Arc;

use millstream_operator::{Operator, OperatorError, OperatorFactory, ProcessInput, ProcessOutput, StateSlot};
use millstream_state::{CacheBudget, KeyGroups, MemoryBackend, StateHandle, TaskState};
use millstream_types::{RecordBatch, UNKNOWN_WATERMARK};

/// An operator with the state of one task in memory. Nothing is committed: that is the log's cost.
pub struct Task {
    operator: Box<dyn Operator>,
    handles: Vec<StateHandle>,
    state: StateSlot,
    batches: u64,
}

impl Task {
    /// A task of an operator, with empty state.
    ///
    /// # Errors
    /// When the operator cannot be made.
    pub fn new(factory: &dyn OperatorFactory) -> Result<Self, OperatorError> {
        let handles = factory.description().states.iter().map(|state| StateHandle::new("bench", state)).collect();
        let budget = Arc::new(CacheBudget::new(256 << 20));
        let state = Some(Box::new(TaskState::new(Box::new(MemoryBackend::new()), budget)));
        Ok(Self { operator: factory.instantiate("bench")?, handles, state, batches: 0 })
    }

    /// Memory that the operator holds in its sandbox, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.operator.memory_bytes()
    }

    /// Groups a batch by key, processes it and applies what it changed.
    ///
    /// # Errors
    /// As the operator's.
    pub fn process(&mut self, batch: &RecordBatch) -> Result<ProcessOutput, OperatorError> {
        self.batches += 1;
        let now_ms = 1_700_000_000_000;
        let groups = if self.handles.is_empty() { KeyGroups::default() } else { KeyGroups::of(&batch.keys) };
        let input =
            ProcessInput { batch, groups: &groups, now_ms, watermark_ms: UNKNOWN_WATERMARK, seed: self.batches };
        if let Some(state) = &mut self.state {
            state.begin_call(now_ms);
        }
        let result = self.operator.process(&input, &mut self.state);
        let Some(state) = &mut self.state else { return result };
        match &result {
            Ok(output) => {
                for change in &output.changes {
                    if let Some(handle) = self.handles.get(change.state) {
                        state.put_groups(handle, &groups, &change.groups, &change.values)?;
                    }
                }
                state.keep_call();
            }
            Err(_) => state.undo_call(),
        }
        result
    }
}

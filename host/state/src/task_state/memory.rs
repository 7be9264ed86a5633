//! What operators remember of a task beside its state.

use std::{any::Any, collections::HashMap};

use super::TaskState;
use crate::StateId;

/// Things derived from state, by the state that they belong to. Those that were touched in a call that is
/// undone are forgotten, and made again from the state.
#[derive(Default)]
pub(super) struct Memories {
    kept: HashMap<StateId, Box<dyn Any + Send>>,
    touched: Vec<StateId>,
}

impl Memories {
    pub(super) fn keep_call(&mut self) {
        self.touched.clear();
    }

    pub(super) fn undo_call(&mut self) {
        for id in self.touched.drain(..) {
            self.kept.remove(&id);
        }
    }
}

impl TaskState {
    /// What was remembered for a state; `None`: nothing, or it was forgotten, and has to be derived from the
    /// state again.
    pub fn memory<T: Any + Send>(&self, id: StateId) -> Option<&T> {
        self.memories.kept.get(&id)?.downcast_ref()
    }

    /// As [`Self::memory`], to be changed or kept elsewhere during a call; [`Self::put_memory`] brings it back.
    pub fn take_memory<T: Any + Send>(&mut self, id: StateId) -> Option<Box<T>> {
        let memory = self.memories.kept.remove(&id)?;
        memory.downcast().ok()
    }

    /// Remembers something that is derived from the state, until the call is undone or the task is closed. It must be
    /// possible to do without: memory is never written anywhere.
    pub fn put_memory<T: Any + Send>(&mut self, id: StateId, memory: Box<T>) {
        if self.in_call && !self.memories.touched.contains(&id) {
            self.memories.touched.push(id);
        }
        self.memories.kept.insert(id, memory);
    }
}

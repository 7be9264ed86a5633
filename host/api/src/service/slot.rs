//! One pipeline on this host.

use std::sync::Arc;

use millstream_checkpoint::PipelineRecord;
use millstream_runtime::{CommitStatus, PipelineHandle, PipelineState, PipelineStatus};
use millstream_types::PipelineName;
use parking_lot::Mutex;

/// What runs, or ran last, for one pipeline.
#[derive(Default)]
pub(super) struct Slot {
    /// Held over every change of the pipeline, so that they come one after the other.
    pub(super) lifecycle: Arc<tokio::sync::Mutex<()>>,
    current: Mutex<Current>,
}

/// A registered pipeline that nobody else changes meanwhile.
pub(super) struct Claim {
    pub(super) slot: Arc<Slot>,
    /// As registered, read under the lock.
    pub(super) record: PipelineRecord,
    pub(super) _changing: tokio::sync::OwnedMutexGuard<()>,
}

#[derive(Default)]
enum Current {
    /// It was not started since the server was.
    #[default]
    Never,
    /// It was started; it may have come to its end since.
    Started(PipelineHandle),
    /// It could not be started.
    Refused(String),
}

impl Slot {
    pub(super) fn started(&self, handle: PipelineHandle) {
        *self.current.lock() = Current::Started(handle);
    }

    pub(super) fn refused(&self, reason: String) {
        *self.current.lock() = Current::Refused(reason);
    }

    /// The handle, unless the pipeline has come to an end.
    pub(super) fn running(&self) -> Option<PipelineHandle> {
        let handle = self.handle()?;
        (!handle.status().state.is_final()).then_some(handle)
    }

    fn handle(&self) -> Option<PipelineHandle> {
        match &*self.current.lock() {
            Current::Started(handle) => Some(handle.clone()),
            Current::Never | Current::Refused(_) => None,
        }
    }

    /// What it is doing, or did last.
    pub(super) fn status(&self, name: &PipelineName) -> PipelineStatus {
        if let Some(handle) = self.handle() {
            return handle.status();
        }
        match &*self.current.lock() {
            Current::Refused(reason) => idle(name, PipelineState::Failed, Some(reason.clone())),
            Current::Never | Current::Started(_) => idle(name, PipelineState::Stopped, None),
        }
    }
}

/// The status of a pipeline that has no workers.
fn idle(name: &PipelineName, state: PipelineState, reason: Option<String>) -> PipelineStatus {
    PipelineStatus {
        pipeline: name.to_string(),
        state,
        reason,
        records_in: 0,
        bytes_in: 0,
        records_out: 0,
        bytes_out: 0,
        commits: CommitStatus { count: 0, aborted: 0, state_changes: 0, p50_ms: 0.0, p99_ms: 0.0, max_ms: 0.0 },
        restarts: 0,
        workers: Vec::new(),
        steps: Vec::new(),
        tasks: Vec::new(),
        standbys: Vec::new(),
    }
}

//! What the host keeps for one instance: the data of its store.

use std::sync::Arc;

use millstream_state::{StateDeclaration, StateError, StateHandle, TaskState};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use crate::{
    Limits, guest_log::GuestLog, interfaces::BatchMetrics, limiter::MemoryLimiter, randomness::Randomness, wasi,
};

/// The most resources (streams, pollables) that a guest may hold; it needs three or four.
const RESOURCES: usize = 1024;

/// A declared state with its place in the task's store.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredState {
    pub(crate) declaration: StateDeclaration,
    pub(crate) handle: StateHandle,
}

/// The data of a guest's store.
pub(crate) struct GuestData {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) limiter: MemoryLimiter,
    pub(crate) log: Arc<GuestLog>,
    pub(crate) metrics: BatchMetrics,
    pub(crate) now_ms: i64,
    pub(crate) random: Randomness,
    pub(crate) states: Arc<[DeclaredState]>,
    /// Lent for the duration of a call of `process`.
    pub(crate) state: Option<Box<TaskState>>,
    /// Bytes that the call may still write through host calls.
    pub(crate) state_write_bytes_left: usize,
    /// Why the host ended the call, where it did.
    pub(crate) ended: Option<Ended>,
}

/// Why the host ended a call from within a host function.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The state store failed.
    State(StateError),
    /// A limit was reached.
    Limit(String),
}

impl GuestData {
    pub(crate) fn new(
        log: Arc<GuestLog>,
        metrics: BatchMetrics,
        states: Arc<[DeclaredState]>,
        limits: &Limits,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self {
            wasi: wasi::nothing_granted(),
            table,
            limiter: MemoryLimiter::new(limits),
            log,
            metrics,
            now_ms: 0,
            random: Randomness::default(),
            states,
            state: None,
            state_write_bytes_left: 0,
            ended: None,
        }
    }
}

impl WasiView for GuestData {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

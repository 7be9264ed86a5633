//! The thread that standbys live on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::Standbys;
use crate::{shared::Shared, topology::Topology};

/// Lives as long as the workers do. Dropping it waits until every store is closed.
pub(crate) struct StandbyThread {
    is_ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StandbyThread {
    /// Starts it where the pipeline wants standbys and there can be other hosts.
    pub(crate) fn start(shared: &Arc<Shared>, topology: &Arc<Topology>) -> Self {
        let is_ending = Arc::new(AtomicBool::new(false));
        let pipeline = &topology.plan.pipeline;
        let mut thread = None;
        if topology.plan.settings.standby > 0 && !shared.host.log.is_shared() {
            tracing::warn!(
                %pipeline,
                "`standby` does nothing here: the {} log has one host, and nobody to follow",
                shared.host.log.kind()
            );
        } else if topology.plan.settings.standby > 0 {
            let standbys = Standbys::new(shared.clone(), topology.clone());
            let ending = is_ending.clone();
            let shared = shared.clone();
            let run = move || run(standbys, &shared, || ending.load(Ordering::Acquire));
            match thread::Builder::new().name(format!("{pipeline}/standby")).spawn(run) {
                Ok(started) => thread = Some(started),
                Err(error) => tracing::warn!(%pipeline, %error, "no thread for standbys"),
            }
        }
        Self { is_ending, thread }
    }
}

impl Drop for StandbyThread {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Release);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of standbys has panicked, which is a defect of Millstream");
        }
    }
}

/// Rounds until `is_ending`.
pub(crate) fn run(mut standbys: Standbys, shared: &Shared, is_ending: impl Fn() -> bool) {
    while !is_ending() {
        let pause = standbys.round();
        shared.host.clock.sleep(pause);
    }
    standbys.close();
}

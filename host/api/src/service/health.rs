//! Health and readiness, told as they are.

use millstream_checkpoint::Desired;
use millstream_runtime::PipelineState;

use super::Server;
use crate::{HealthView, ReadyView, StatusView};

impl Server {
    /// Whether every pipeline that should run does, on workers that answer.
    pub fn health(&self) -> HealthView {
        let stuck_after_ms = u64::try_from(self.limits.stuck_after.as_millis()).unwrap_or(u64::MAX);
        let problems: Vec<_> = self.statuses().iter().flat_map(|view| problems_of(view, stuck_after_ms)).collect();
        HealthView { status: if problems.is_empty() { "ok" } else { "failing" }, problems }
    }

    /// Whether the server has taken up its work after its start.
    pub fn readiness(&self) -> ReadyView {
        let mut waiting_for = Vec::new();
        if self.is_shutting_down() {
            waiting_for.push("the server is shutting down".into());
        } else if !self.is_reconciled() {
            waiting_for.push("the registered pipelines are being started".into());
        }
        let starting = self.statuses().into_iter().filter(|view| view.status.state == PipelineState::Starting);
        waiting_for.extend(starting.map(|view| match view.status.reason {
            Some(reason) => format!("pipeline `{}` is starting: {reason}", view.status.pipeline),
            None => format!("pipeline `{}` is starting", view.status.pipeline),
        }));
        ReadyView { status: if waiting_for.is_empty() { "ready" } else { "starting" }, waiting_for }
    }
}

fn problems_of(view: &StatusView, stuck_after_ms: u64) -> Vec<String> {
    let (status, name) = (&view.status, &view.status.pipeline);
    match status.state {
        PipelineState::Failed if view.desired != Desired::Stopped => {
            vec![format!("pipeline `{name}` failed: {}", status.reason.as_deref().unwrap_or("no reason was given"))]
        }
        PipelineState::Running => status
            .workers
            .iter()
            .filter_map(|worker| {
                if !worker.alive {
                    let reason = status.reason.as_deref().unwrap_or("it is being started again");
                    Some(format!("worker {} of pipeline `{name}` is down: {reason}", worker.worker))
                } else if worker.silent_ms > stuck_after_ms {
                    Some(format!(
                        "worker {} of pipeline `{name}` is stuck: silent for {} s",
                        worker.worker,
                        worker.silent_ms / 1000
                    ))
                } else {
                    None
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}

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
                if let Some(reason) = &worker.reason {
                    Some(format!("worker {} of pipeline `{name}` is down: {reason}", worker.worker))
                } else if worker.alive && worker.silent_ms > stuck_after_ms {
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

#[cfg(test)]
mod tests {
    use millstream_runtime::{CommitStatus, PipelineStatus, WorkerStatus};

    use super::*;

    fn worker(worker: usize, alive: bool, reason: Option<&str>, silent_ms: u64) -> WorkerStatus {
        let (reason, guest_bytes) = (reason.map(str::to_owned), Default::default());
        WorkerStatus { worker, alive, reason, silent_ms, guest_bytes }
    }

    fn running(workers: Vec<WorkerStatus>) -> StatusView {
        let commits = CommitStatus { count: 0, aborted: 0, state_changes: 0, p50_ms: 0.0, p99_ms: 0.0, max_ms: 0.0 };
        let status = PipelineStatus {
            pipeline: "tags".into(),
            state: PipelineState::Running,
            reason: None,
            records_in: 0,
            bytes_in: 0,
            records_out: 0,
            bytes_out: 0,
            commits,
            restarts: 0,
            workers,
            steps: Vec::new(),
            tasks: Vec::new(),
            standbys: Vec::new(),
        };
        StatusView { desired: Desired::Running, generation: 1, status }
    }

    #[test]
    fn a_worker_that_fell_is_a_problem_and_one_that_left_is_none() {
        let view = running(vec![
            worker(0, false, Some("the log does not answer"), 10),
            worker(1, true, None, 10),
            // It left, since the pipeline pauses or has read all of its input, and is silent for good.
            worker(2, false, None, 7_000),
            worker(3, true, None, 7_000),
        ]);
        assert_eq!(
            problems_of(&view, 5_000),
            [
                "worker 0 of pipeline `tags` is down: the log does not answer",
                "worker 3 of pipeline `tags` is stuck: silent for 7 s"
            ]
        );
    }
}

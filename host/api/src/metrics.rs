//! Metrics in Prometheus' text format. Names and labels are part of the API.

use std::fmt::{Display, Write};

use millstream_runtime::{MetricStatus, PipelineState, RestoreProgress, StandbyStatus, StepStatus};

use crate::StatusView;

/// All states, so that each has a sample and an alert on one never lacks it.
const STATES: [(PipelineState, &str); 7] = [
    (PipelineState::Starting, "starting"),
    (PipelineState::Running, "running"),
    (PipelineState::Paused, "paused"),
    (PipelineState::Stopping, "stopping"),
    (PipelineState::Stopped, "stopped"),
    (PipelineState::Finished, "finished"),
    (PipelineState::Failed, "failed"),
];

/// The metrics of all pipelines of this host.
pub(crate) fn render(views: &[StatusView]) -> String {
    let mut text = Exposition::default();
    text.family("millstream_build_info", "gauge", "The version of the server; always 1.");
    text.sample("millstream_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    pipelines(&mut text, views);
    workers(&mut text, views);
    steps(&mut text, views);
    guests(&mut text, views);
    tasks(&mut text, views);
    standbys(&mut text, views);
    text.0
}

fn pipelines(text: &mut Exposition, views: &[StatusView]) {
    text.family("millstream_pipeline_state", "gauge", "1 for the state that the pipeline is in.");
    for view in views {
        for (state, name) in STATES {
            let labels = [("pipeline", view.status.pipeline.as_str()), ("state", name)];
            text.sample("millstream_pipeline_state", &labels, u8::from(view.status.state == state));
        }
    }
    type Read = fn(&StatusView) -> u64;
    let counters: [(&str, &str, Read); 8] = [
        ("records_in_total", "Records read from sources and repartition topics.", |view| view.status.records_in),
        ("bytes_in_total", "Bytes of the records read.", |view| view.status.bytes_in),
        ("records_out_total", "Records given to sinks and repartition topics.", |view| view.status.records_out),
        ("bytes_out_total", "Bytes of the records given.", |view| view.status.bytes_out),
        ("commits_total", "Commits.", |view| view.status.commits.count),
        ("commits_aborted_total", "Commits that were aborted instead.", |view| view.status.commits.aborted),
        ("state_changes_total", "Keys of state that commits changed.", |view| view.status.commits.state_changes),
        ("worker_restarts_total", "How often a worker was started again.", |view| view.status.restarts),
    ];
    for (name, help, read) in counters {
        let name = format!("millstream_{name}");
        text.family(&name, "counter", help);
        for view in views {
            text.sample(&name, &[("pipeline", &view.status.pipeline)], read(view));
        }
    }
    let name = "millstream_commit_latency_seconds";
    text.family(
        name,
        "gauge",
        "From the last batch before a commit to the first that may follow; quantile 1 is the longest.",
    );
    for view in views {
        let commits = &view.status.commits;
        for (quantile, ms) in [("0.5", commits.p50_ms), ("0.99", commits.p99_ms), ("1", commits.max_ms)] {
            text.sample(name, &[("pipeline", &view.status.pipeline), ("quantile", quantile)], seconds(ms));
        }
    }
}

fn workers(text: &mut Exposition, views: &[StatusView]) {
    let workers = || views.iter().flat_map(|view| view.status.workers.iter().map(move |worker| (view, worker)));
    text.family("millstream_worker_alive", "gauge", "1 where the worker's thread runs.");
    for (view, worker) in workers() {
        let labels = [("pipeline", view.status.pipeline.as_str()), ("worker", &worker.worker.to_string())];
        text.sample("millstream_worker_alive", &labels, u8::from(worker.alive));
    }
    text.family("millstream_worker_silent_seconds", "gauge", "Time since the worker last came round its loop.");
    for (view, worker) in workers() {
        let labels = [("pipeline", view.status.pipeline.as_str()), ("worker", &worker.worker.to_string())];
        text.sample("millstream_worker_silent_seconds", &labels, seconds(worker.silent_ms as f64));
    }
    text.family("millstream_worker_guest_bytes", "gauge", "Memory in the sandbox of the step's guest.");
    for (view, worker) in workers() {
        let index = worker.worker.to_string();
        for (step, bytes) in &worker.guest_bytes {
            let labels = [("pipeline", view.status.pipeline.as_str()), ("worker", &index), ("step", step)];
            text.sample("millstream_worker_guest_bytes", &labels, *bytes as f64);
        }
    }
}

fn steps(text: &mut Exposition, views: &[StatusView]) {
    type Read = fn(&StepStatus) -> f64;
    let counters: [(&str, &str, Read); 9] = [
        ("records_in_total", "Records that the step was given.", |step| step.records_in as f64),
        ("records_out_total", "Records that the step emitted.", |step| step.records_out as f64),
        ("records_dropped_total", "Records that the step emitted nothing for.", |step| step.records_dropped as f64),
        ("records_skipped_total", "Failed records that were skipped.", |step| step.records_skipped as f64),
        ("records_dead_lettered_total", "Failed records that went to the dead-letter topic.", |step| {
            step.records_dead_lettered as f64
        }),
        ("batches_total", "Batches that the step was given.", |step| step.batches as f64),
        ("batch_failures_total", "Batches that failed as a whole and were split.", |step| step.batch_failures as f64),
        ("timers_fired_total", "Timers that fired.", |step| step.timers_fired as f64),
        ("busy_seconds_total", "Time spent in the step's operator, state reads included.", |step| step.busy_seconds),
    ];
    for (name, help, read) in counters {
        let name = format!("millstream_step_{name}");
        text.family(&name, "counter", help);
        for view in views {
            for step in &view.status.steps {
                text.sample(&name, &[("pipeline", &view.status.pipeline), ("step", &step.step)], read(step));
            }
        }
    }
    text.family("millstream_step_operator_info", "gauge", "The operator in force; always 1.");
    for view in views {
        for step in &view.status.steps {
            let labels = [
                ("pipeline", view.status.pipeline.as_str()),
                ("step", &step.step),
                ("operator", &step.operator),
                ("digest", step.digest.as_deref().unwrap_or_default()),
            ];
            text.sample("millstream_step_operator_info", &labels, 1);
        }
    }
}

/// What operators report themselves. Their names are a label, so that no guest can take a name of the host's.
fn guests(text: &mut Exposition, views: &[StatusView]) {
    let metrics = || {
        views.iter().flat_map(|view| {
            view.status.steps.iter().flat_map(move |step| {
                step.metrics.iter().map(move |(name, metric)| {
                    ([("pipeline", view.status.pipeline.as_str()), ("step", &step.step), ("name", name)], metric)
                })
            })
        })
    };
    text.family("millstream_guest_counter_total", "counter", "Counters that operators report.");
    for (labels, metric) in metrics() {
        if let MetricStatus::Counter { value } = metric {
            text.sample("millstream_guest_counter_total", &labels, value);
        }
    }
    text.family("millstream_guest_gauge", "gauge", "Gauges that operators report.");
    for (labels, metric) in metrics() {
        if let MetricStatus::Gauge { value } = metric {
            text.sample("millstream_guest_gauge", &labels, value);
        }
    }
    text.family("millstream_guest_observations", "summary", "Histograms that operators report.");
    for (labels, metric) in metrics() {
        if let MetricStatus::Histogram { count, sum } = metric {
            text.sample("millstream_guest_observations_count", &labels, count);
            text.sample("millstream_guest_observations_sum", &labels, sum);
        }
    }
}

fn tasks(text: &mut Exposition, views: &[StatusView]) {
    let tasks = || views.iter().flat_map(|view| view.status.tasks.iter().map(move |task| (view, task)));
    text.family("millstream_task_lag_records", "gauge", "Records of a topic that the task has not read yet.");
    for (view, task) in tasks() {
        for (topic, lag) in &task.lag {
            let labels = [
                ("pipeline", view.status.pipeline.as_str()),
                ("stage", &task.stage),
                ("partition", &task.partition.to_string()),
                ("topic", topic),
            ];
            text.sample("millstream_task_lag_records", &labels, lag);
        }
    }
    text.family("millstream_task_state_bytes", "gauge", "Bytes of the task's state, in memory and on disk.");
    for (view, task) in tasks() {
        let labels = [
            ("pipeline", view.status.pipeline.as_str()),
            ("stage", &task.stage),
            ("partition", &task.partition.to_string()),
        ];
        text.sample("millstream_task_state_bytes", &labels, task.state_bytes);
    }
    let name = "millstream_task_watermark_seconds";
    text.family(
        name,
        "gauge",
        "Event time that a step of the task has reached, seconds since 1970; none where unknown.",
    );
    for (view, task) in tasks() {
        for (watermark, ms) in task.watermarks.iter().filter_map(|watermark| Some((watermark, watermark.watermark_ms?)))
        {
            let labels = [
                ("pipeline", view.status.pipeline.as_str()),
                ("stage", &task.stage),
                ("partition", &task.partition.to_string()),
                ("step", &watermark.step),
            ];
            text.sample(name, &labels, seconds(ms as f64));
        }
    }
    let name = "millstream_task_restore_remaining";
    text.family(name, "gauge", "Positions of its changelog that a task has still to restore; 0 once it runs.");
    for (view, task) in tasks() {
        let labels = [
            ("pipeline", view.status.pipeline.as_str()),
            ("stage", &task.stage),
            ("partition", &task.partition.to_string()),
        ];
        let passed = task.restoring.as_ref().and_then(RestoreProgress::passed);
        text.sample(name, &labels, passed.map_or(0, |(passed, all)| all - passed));
    }
}

/// Tasks of other hosts whose state this host follows.
fn standbys(text: &mut Exposition, views: &[StatusView]) {
    type Read = fn(&StandbyStatus) -> i64;
    let families: [(&str, &str, &str, Read); 4] = [
        ("lag", "gauge", "Positions of its changelog that a standby is behind.", |standby| standby.lag),
        ("records_total", "counter", "Changes that a standby took in.", |standby| clamp(standby.records)),
        ("state_bytes", "gauge", "Bytes of a standby's copy of the state.", |standby| clamp(standby.state_bytes)),
        ("stands_still", "gauge", "1 where a standby does not follow; the status says why.", |standby| {
            i64::from(standby.problem.is_some())
        }),
    ];
    for (name, kind, help, read) in families {
        let name = format!("millstream_standby_{name}");
        text.family(&name, kind, help);
        for view in views {
            for standby in &view.status.standbys {
                let labels = [
                    ("pipeline", view.status.pipeline.as_str()),
                    ("stage", &standby.stage),
                    ("partition", &standby.partition.to_string()),
                ];
                text.sample(&name, &labels, read(standby));
            }
        }
    }
}

fn clamp(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Milliseconds as seconds, to the microsecond.
fn seconds(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1_000_000.0
}

/// Text in the making. Writing to a string cannot fail.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if index == 0 { '{' } else { ',' });
            for character in text.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests;

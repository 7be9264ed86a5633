use std::collections::BTreeMap;

use millstream_checkpoint::Desired;
use millstream_runtime::{
    CommitStatus, PipelineStatus, RestoreProgress, StandbyStatus, TaskStatus, WatermarkStatus, WorkerStatus,
};

use super::*;

fn view() -> StatusView {
    let metrics = BTreeMap::from([
        ("alerts".to_owned(), MetricStatus::Counter { value: 3 }),
        ("score \"x\"".to_owned(), MetricStatus::Histogram { count: 2, sum: 1.5 }),
        ("threshold".to_owned(), MetricStatus::Gauge { value: 0.85 }),
    ]);
    let step = StepStatus {
        step: "score".into(),
        stage: "velocity".into(),
        operator: "score@1.0.0".into(),
        digest: Some("sha256:ab".into()),
        records_in: 10,
        records_out: 9,
        records_dropped: 1,
        records_skipped: 0,
        records_dead_lettered: 0,
        batches: 2,
        batch_failures: 0,
        timers_fired: 0,
        busy_seconds: 0.25,
        metrics,
    };
    let task = TaskStatus {
        stage: "velocity".into(),
        partition: 3,
        worker: 0,
        positions: BTreeMap::from([("payments".into(), 12)]),
        lag: BTreeMap::from([("payments".into(), 5)]),
        state_bytes: 4096,
        finished: false,
        snapshot: None,
        snapshot_failure: None,
        restoring: Some(RestoreProgress {
            from: Some(100),
            position: Some(143),
            end: Some(200),
            ..RestoreProgress::default()
        }),
        restored: None,
        watermarks: vec![
            WatermarkStatus { step: "score".into(), watermark_ms: Some(1500), slowest: Some("payments".into()) },
            WatermarkStatus { step: "later".into(), watermark_ms: None, slowest: None },
        ],
    };
    let standby = StandbyStatus {
        stage: "velocity".into(),
        partition: 4,
        position: Some(90),
        lag: 7,
        records: 80,
        state_bytes: 2048,
        problem: None,
    };
    StatusView {
        desired: Desired::Running,
        generation: 1,
        status: PipelineStatus {
            pipeline: "fraud".into(),
            state: PipelineState::Running,
            reason: None,
            records_in: 10,
            bytes_in: 1000,
            records_out: 9,
            bytes_out: 900,
            commits: CommitStatus { count: 4, aborted: 1, state_changes: 7, p50_ms: 2.0, p99_ms: 8.5, max_ms: 9.0 },
            restarts: 0,
            workers: vec![WorkerStatus {
                worker: 0,
                alive: true,
                reason: None,
                silent_ms: 20,
                guest_bytes: [("score".to_owned(), 1 << 20)].into(),
            }],
            steps: vec![step],
            tasks: vec![task],
            standbys: vec![standby],
        },
    }
}

/// Dashboards and alerts are built on these names: one that goes missing here is a breaking change.
#[test]
fn names_and_labels_stay_as_they_are() {
    let text = render(&[view()]);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = include_str!("exposition.txt");
    assert_eq!(samples.join("\n"), expected.trim_end());
}

#[test]
fn every_sample_belongs_to_a_family_that_was_declared() {
    let text = render(&[view()]);
    let mut family = String::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split(' ').next().expect("a name").to_owned();
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&family), "{line} under {family}");
        }
    }
}

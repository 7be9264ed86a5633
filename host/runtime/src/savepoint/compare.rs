//! What a savepoint has and what a pipeline wants, side by side.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use millstream_pipeline::plan::InputKind;
use millstream_state::{
    StateDeclaration, StateKind,
    snapshot::{Savepoint, SnapshotState},
};
use millstream_types::TopicPartition;

use super::{PositionOrigin, RestoreOrder, RestoreReport, RestoredPosition, StateMatch, StateOutcome};
use crate::{
    ResetTo,
    continuity::Look,
    topology::Topology,
    version::{StateRecord, StepId, StepVersion, incompatibilities},
};

/// The versions that a pipeline begins with.
pub(super) type Versions = BTreeMap<StepId, Arc<StepVersion>>;

/// A state of a savepoint.
struct Saved<'a> {
    stage: &'a str,
    operator: &'a str,
    state: &'a SnapshotState,
}

/// Compares a savepoint with a pipeline.
pub(super) fn compare(order: &RestoreOrder, topology: &Topology, versions: &Versions, look: &Look) -> RestoreReport {
    let mut report = RestoreReport {
        savepoint: order.name.clone(),
        from: order.savepoint.pipeline.clone(),
        pipeline: topology.plan.pipeline.clone(),
        states: Vec::new(),
        positions: Vec::new(),
        notes: Vec::new(),
        refused: Vec::new(),
        restored: false,
        entries: 0,
    };
    states(order, topology, versions, &mut report);
    operators(&order.savepoint, versions, &mut report);
    positions(order, topology, look, &mut report);
    report
}

fn states(order: &RestoreOrder, topology: &Topology, versions: &Versions, report: &mut RestoreReport) {
    let mut saved = saved_states(&order.savepoint);
    for (&(stage, _), version) in versions {
        let stage_name = topology.plan.stages.get(stage.0).map_or("", |stage| stage.name.as_str());
        let tasks = topology.partitions.get(stage.0).copied().unwrap_or_default();
        for state in &version.factory.description().states {
            let mut found = StateMatch {
                step: version.step.clone(),
                state: state.name.clone(),
                outcome: StateOutcome::New,
                was: None,
                is: Some(version.label()),
                detail: None,
            };
            if let Some(before) = saved.remove(&(version.step.as_str(), state.name.as_str())) {
                found.was = Some(before.operator.to_owned());
                let stored = [StateRecord::of(&declaration(before.state))];
                let reasons = incompatibilities(&stored, version.factory.description());
                if reasons.is_empty() {
                    found.outcome = StateOutcome::Matched;
                    found.detail = moved(&order.savepoint, before.stage, stage_name, tasks);
                } else {
                    found.outcome = StateOutcome::Incompatible;
                    let reason = reasons.join("; ");
                    report.refused.push(format!("step {}: {}: {reason}", version.step, version.label()));
                    found.detail = Some(reason);
                }
            }
            report.states.push(found);
        }
    }
    for ((step, state), before) in saved {
        dropped(step, state, Some(before.operator), order, versions, report);
    }
}

/// Notes that a state of the savepoint has no place in the pipeline, which is refused unless it is asked for.
pub(super) fn dropped(
    step: &str,
    state: &str,
    operator: Option<&str>,
    order: &RestoreOrder,
    versions: &Versions,
    report: &mut RestoreReport,
) {
    let is = versions.values().find(|version| version.step == step).map(|version| version.label());
    if !order.allow_dropped_state {
        let why = match &is {
            Some(operator) => format!("{operator} does not declare it"),
            None => "the pipeline has no such step".to_owned(),
        };
        report.refused.push(format!(
            "step {step}: state `{state}` of the savepoint would be dropped, since {why}; name the step as it was, or \
             allow it with --allow-dropped-state"
        ));
    }
    report.states.push(StateMatch {
        step: step.to_owned(),
        state: state.to_owned(),
        outcome: StateOutcome::Dropped,
        was: operator.map(str::to_owned),
        is,
        detail: None,
    });
}

/// Each state that the operators of a savepoint declared, by step and name.
fn saved_states(savepoint: &Savepoint) -> BTreeMap<(&str, &str), Saved<'_>> {
    let mut states = BTreeMap::new();
    for about in savepoint.tasks.iter().map(|task| &task.about) {
        for operator in &about.operators {
            for state in &operator.states {
                let saved = Saved { stage: &about.stage, operator: &operator.operator, state };
                states.insert((operator.step.as_str(), state.name.as_str()), saved);
            }
        }
    }
    states
}

/// How many tasks a stage had, as far as it is known.
pub(super) fn tasks_of(savepoint: &Savepoint, stage: &str) -> Option<u32> {
    savepoint.stages.iter().find(|of| of.stage == stage).map(|of| of.tasks)
}

fn moved(savepoint: &Savepoint, before: &str, now: &str, tasks: u32) -> Option<String> {
    let were = tasks_of(savepoint, before).unwrap_or(tasks);
    match (before == now, were == tasks) {
        (true, true) => None,
        (false, true) => Some(format!("from stage {before} to stage {now}")),
        (true, false) => Some(format!("by key from {were} tasks to {tasks}")),
        (false, false) => Some(format!("from stage {before} to stage {now}, by key from {were} tasks to {tasks}")),
    }
}

fn declaration(state: &SnapshotState) -> StateDeclaration {
    StateDeclaration {
        name: state.name.clone(),
        kind: state.kind,
        schema_version: state.schema_version,
        ttl: state.ttl_ms.map(Duration::from_millis),
        prefetch: state.kind == StateKind::Value,
    }
}

fn operators(savepoint: &Savepoint, versions: &Versions, report: &mut RestoreReport) {
    for version in versions.values() {
        let (Some(before), Some(now)) = (savepoint.operators.get(&version.step), version.factory.operator()) else {
            continue;
        };
        if before.operator != *now {
            report.notes.push(format!("step {} runs {now} instead of {}", version.step, before.operator));
        }
    }
}

fn positions(order: &RestoreOrder, topology: &Topology, look: &Look, report: &mut RestoreReport) {
    let mut saved: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    for position in &order.savepoint.positions {
        saved.insert(TopicPartition::new(position.topic.as_str(), position.partition), position.offset);
    }
    let topics: BTreeSet<Arc<str>> = saved.keys().map(|at| at.topic.clone()).collect();
    let mut read: BTreeSet<Arc<str>> = BTreeSet::new();
    for (stage, &partitions) in topology.plan.stages.iter().zip(&topology.partitions) {
        for input in &stage.inputs {
            let InputKind::Topic { topic, latest, .. } = &input.kind else { continue };
            if !read.insert(topic.clone()) {
                continue;
            }
            if !topics.contains(topic) {
                let begin = if *latest { "its end" } else { "its first record" };
                report.notes.push(format!("topic {topic} was not read then, and is read from {begin}"));
            }
            for partition in 0..partitions {
                let at = TopicPartition::new(topic.clone(), partition);
                let bounds = look.bounds(&at).unwrap_or_default();
                let (to, origin) = match saved.get(&at) {
                    Some(&position) if (bounds.0..=bounds.1).contains(&position) => {
                        (position, PositionOrigin::Savepoint)
                    }
                    Some(&position) => {
                        lost(&input.name, &at, position, bounds, order.lost_positions, report);
                        let to_end = order.lost_positions == Some(ResetTo::Latest);
                        (if to_end { bounds.1 } else { bounds.0 }, PositionOrigin::Lost)
                    }
                    // Of a topic that has more partitions than it had, everything.
                    None if *latest && !topics.contains(topic) => (bounds.1, PositionOrigin::New),
                    None => (bounds.0, PositionOrigin::New),
                };
                let from = look.positions.get(&at).copied();
                report.positions.push(RestoredPosition { topic: topic.clone(), partition, from, to, origin });
            }
            if let Some(beyond) = saved.keys().find(|at| at.topic == *topic && at.partition >= partitions) {
                report.refused.push(format!(
                    "source {}: topic {topic} has {partitions} partitions, and the savepoint has a position of partition \
                     {}: it is not the topic that was read",
                    input.name, beyond.partition
                ));
            }
        }
    }
    for topic in topics.difference(&read) {
        report.notes.push(format!("topic {topic} was read then, and is read no more"));
    }
}

fn lost(
    source: &str,
    at: &TopicPartition,
    position: i64,
    (first, end): (i64, i64),
    lost_positions: Option<ResetTo>,
    report: &mut RestoreReport,
) {
    if lost_positions.is_some() {
        return;
    }
    let what = if position < first {
        format!("{} records after it were deleted, by retention or by somebody", first - position)
    } else {
        "the topic was truncated, or deleted and created again".to_owned()
    };
    report.refused.push(format!(
        "source {source}: the savepoint's position of {at} is {position}, and the partition has {first} to {end}: {what}; \
         read it from its first record with --lost-positions earliest, or from its end with --lost-positions latest"
    ));
}

//! Putting a stopped pipeline to where it can go on from.

use std::sync::Arc;

use millstream_log::StateDelta;
use millstream_pipeline::plan::{InputKind, Plan};
use millstream_protocol::ErrorKind;
use millstream_types::TopicPartition;
use serde::{Deserialize, Serialize};

use crate::{Failure, Host, claim::claim, continuity::Look, identity::format_entry, topology::Topology};

/// Names its session within the group.
const CLAIM: &str = "reset";

/// Which end of a topic it is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetTo {
    /// The first record there is.
    Earliest,
    /// What comes from now on.
    Latest,
}

/// Which state a reset drops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetState {
    /// None.
    #[default]
    Keep,
    /// The copy on this host, which is then restored from the changelog.
    Local,
    /// All of it. With [`Reset::to`] what is in the topics between the stages, too.
    All,
}

/// What [`reset`] changes. What is not asked for stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// Where topics are read from.
    pub to: Option<ResetTo>,
    /// Which state is dropped.
    pub state: ResetState,
    /// Only what cannot be gone on with: positions that are not there or outside of their topics, state whose
    /// changelog is not there or empty.
    pub lost_only: bool,
}

/// What [`reset`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ResetReport {
    /// Each partition that is read from elsewhere: topic, partition, position before, position now.
    pub positions: Vec<MovedPosition>,
    /// Tasks whose state is empty now: `stage/partition`.
    pub emptied: Vec<String>,
}

/// A position that [`reset`] moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MovedPosition {
    /// The topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: u32,
    /// The committed position before; `None`: there was none.
    pub from: Option<i64>,
    /// The committed position now.
    pub to: i64,
}

/// Moves the positions and empties the state of a pipeline that runs nowhere, so that it can go on. The new
/// positions and the beginnings of new changelogs are one commit; where it fails before that, the pipeline may not
/// start, and the call is to be repeated.
///
/// # Errors
/// When there is nothing to do by `reset`, when the pipeline runs on some host, when a topic of its sources is
/// missing, or when the log or a store refuses.
pub fn reset(plan: Plan, host: &Host, reset: Reset) -> Result<ResetReport, Failure> {
    if reset.to.is_none() && reset.state == ResetState::Keep {
        return Err(Failure::stop("nothing is asked for: say where to read from, or which state to drop"));
    }
    let topology = Topology::count(plan, host)?;
    let plan = &topology.plan;
    let look = Look::take(plan, host)?;
    let anew = reset.to.is_some() && reset.state == ResetState::All && !reset.lost_only;
    if anew {
        // Where it has members the pipeline runs on another host, and this is refused.
        host.log.delete_group(plan.pipeline.as_str())?;
        for stage in &plan.stages {
            let own = stage.inputs.iter().filter(|input| !matches!(input.kind, InputKind::Topic { .. }));
            for topic in own.map(|input| input.kind.topic()) {
                host.log.delete_topic(topic)?;
            }
        }
    } else if let Some(finding) = look.findings(&topology).iter().find(|finding| finding.needs_all_anew()) {
        return Err(Failure::stop(finding.explain(&plan.pipeline)));
    }
    // Without the group nobody else can have it, either.
    let owner = if anew { None } else { Some(claim(&topology, host, CLAIM)?) };
    if reset.state == ResetState::Local {
        drop_local_state(&topology, &look, host)?;
    }
    let emptied = if reset.state == ResetState::All { tasks_to_empty(&topology, &look, reset) } else { Vec::new() };
    empty(&topology, &emptied, reset, host)?;
    topology.create_topics(host)?;
    let moved = match reset.to {
        Some(to) => positions_to_move(&topology, &look, &Look::take(plan, host)?, to, reset),
        None => Vec::new(),
    };
    let mut session = match owner {
        Some(session) => session,
        None => claim(&topology, host, CLAIM)?,
    };
    for task in &emptied {
        let (key, value) = format_entry(&task.changelog, host);
        let delta = StateDelta { keys: [Some(key)].into_iter().collect(), values: [Some(value)].into_iter().collect() };
        session.append_changelog(&task.changelog, &delta)?;
    }
    let positions: Vec<_> =
        moved.iter().map(|moved| (TopicPartition::new(moved.topic.clone(), moved.partition), moved.to)).collect();
    session.commit(&positions)?;
    session.close()?;
    Ok(ResetReport { positions: moved, emptied: emptied.iter().map(EmptiedTask::name).collect() })
}

struct EmptiedTask {
    stage: String,
    changelog: TopicPartition,
}

impl EmptiedTask {
    fn name(&self) -> String {
        format!("{}/{}", self.stage, self.changelog.partition)
    }
}

fn tasks_to_empty(topology: &Topology, look: &Look, reset: Reset) -> Vec<EmptiedTask> {
    let mut tasks = Vec::new();
    for (stage, &partitions) in topology.plan.stages.iter().zip(&topology.partitions) {
        let Some(topic) = &stage.changelog else { continue };
        for partition in 0..partitions {
            let changelog = TopicPartition::new(topic.clone(), partition);
            // Nothing was ever written: neither trimming nor compaction moves an end.
            let is_empty = look.bounds(&changelog).is_none_or(|(_, end)| end == 0);
            if !reset.lost_only || (is_empty && look.has_run(stage, Some(partition))) {
                tasks.push(EmptiedTask { stage: stage.name.clone(), changelog });
            }
        }
    }
    tasks
}

/// Deletes what there is of the state of `tasks`.
fn empty(topology: &Topology, tasks: &[EmptiedTask], reset: Reset, host: &Host) -> Result<(), Failure> {
    let pipeline = &topology.plan.pipeline;
    if let Some(snapshots) = host.snapshots.as_ref().filter(|_| !tasks.is_empty()) {
        // They are of changelogs that begin anew. Those of tasks that stay are taken again.
        snapshots.store.remove(pipeline.as_str()).map_err(|error| Failure {
            reason: format!("the snapshots of pipeline {pipeline} cannot be removed: {error}"),
            kind: ErrorKind::Retriable,
        })?;
    }
    for task in tasks {
        host.backends.remove(&format!("{pipeline}/{}", task.name()))?;
    }
    // The changelogs of those that are lost hold nothing.
    if reset.state == ResetState::All && !reset.lost_only {
        for topic in topology.plan.stages.iter().filter_map(|stage| stage.changelog.as_ref()) {
            host.log.delete_topic(topic)?;
        }
        // Tasks that there are no more, too.
        host.backends.remove(pipeline.as_str())?;
    }
    Ok(())
}

/// Drops this host's copy of the state, unless it is the only one.
fn drop_local_state(topology: &Topology, look: &Look, host: &Host) -> Result<(), Failure> {
    let pipeline = &topology.plan.pipeline;
    for (stage, &partitions) in topology.plan.stages.iter().zip(&topology.partitions) {
        let changelogs = stage
            .changelog
            .iter()
            .flat_map(|topic| (0..partitions).map(|partition| TopicPartition::new(topic.clone(), partition)));
        for changelog in changelogs {
            if let Some((first, _)) = look.bounds(&changelog).filter(|(first, _)| *first > 0) {
                return Err(Failure::stop(format!(
                    "changelog {changelog} begins at {first}: what was before is in the copy on this host alone, which is \
                     not dropped; begin with empty state by `millstream pipeline reset {pipeline} --state`"
                )));
            }
        }
    }
    Ok(host.backends.remove(pipeline.as_str())?)
}

/// `before` is how things were, `now` has the topics that were made anew.
fn positions_to_move(topology: &Topology, before: &Look, now: &Look, to: ResetTo, reset: Reset) -> Vec<MovedPosition> {
    let mut moved = Vec::new();
    for (stage, &partitions) in topology.plan.stages.iter().zip(&topology.partitions) {
        for input in &stage.inputs {
            let is_moved = match input.kind {
                InputKind::Topic { .. } => true,
                // What is between the stages is part of what was done, unless all of that is undone or it is lost.
                InputKind::Repartition { .. } => reset.lost_only || reset.state == ResetState::All,
                InputKind::Connector { .. } => false,
            };
            for partition in (0..partitions).filter(|_| is_moved) {
                let at = TopicPartition::new(input.kind.topic().clone(), partition);
                let Some((first, end)) = now.bounds(&at) else { continue };
                let from = before.positions.get(&at).copied();
                let is_lost = from.is_none_or(|position| !(first..=end).contains(&position));
                if is_lost || !reset.lost_only {
                    let to = if to == ResetTo::Earliest { first } else { end };
                    moved.push(MovedPosition { topic: at.topic, partition, from, to });
                }
            }
        }
    }
    moved
}

//! Taking a savepoint.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use millstream_log::LogSession;
use millstream_pipeline::plan::{InputKind, Plan, StageIndex};
use millstream_protocol::Step;
use millstream_state::snapshot::{
    Savepoint, SavepointOperator, SavepointPosition, SavepointStage, SnapshotAbout, SnapshotError, SnapshotInfo,
};
use millstream_types::{PipelineName, TopicPartition};

use super::{SavepointError, drain::claim_drained, snapshots_of};
use crate::{
    Failure, Host, PipelineHandle, PipelineState, Snapshots,
    continuity::{self, Look},
    handle::versions_of,
    opening::Opening,
    shared::{Shared, TaskId},
    snapshots::{about, remove},
    topology::Topology,
};

/// How often it is looked whether tasks are here.
const TICK: Duration = Duration::from_millis(50);

/// Numbers the directories of copies.
static COPIES: AtomicU64 = AtomicU64::new(0);

/// What is to be taken.
#[derive(Clone, Debug)]
pub struct SavepointOrder {
    /// Its name, which no other savepoint of the pipeline has.
    pub name: String,
    /// The pipeline's text.
    pub spec_text: String,
    /// How often it was applied.
    pub generation: u64,
}

/// Waits until a running pipeline has all of its tasks on this host, so that it may be stopped for a savepoint.
///
/// # Errors
/// When it has not within `patience`, since another host has some of them.
pub fn await_tasks(handle: &PipelineHandle, host: &Host, patience: Duration) -> Result<(), Failure> {
    let all = Topology::count(handle.plan().clone(), host)?.task_count();
    let begun = host.clock.monotonic();
    loop {
        let status = handle.status();
        let here = status.tasks.len();
        if here >= all || !matches!(status.state, PipelineState::Running | PipelineState::Starting) {
            return Ok(());
        }
        if host.clock.monotonic().saturating_sub(begun) > patience {
            return Err(Failure::stop(format!(
                "{} of the {all} tasks of pipeline {} are not on this host, and a savepoint needs all of them: stop the \
                 pipeline on the other hosts first, or wait until it has started",
                all - here,
                handle.plan().pipeline
            )));
        }
        thread::park_timeout(TICK);
    }
}

/// Takes a savepoint of a pipeline that does not run on this host. Blocks until everything is kept. Where it fails
/// there is none, and the pipeline may go on.
///
/// # Errors
/// When the pipeline runs elsewhere, what it has does not fit together, or the store of savepoints does not answer.
pub fn create_savepoint(plan: Plan, host: &Host, order: &SavepointOrder) -> Result<Savepoint, SavepointError> {
    let snapshots = snapshots_of(host)?;
    refuse_taken(snapshots, &plan.pipeline, &order.name)?;
    let topology = Topology::count(plan, host)?;
    continuity::check(&topology, host)?;
    topology.create_topics(host)?;
    let shared = Shared::new(host.clone(), topology.plan.clone(), versions_of(&topology.plan, host)?);
    let mut session = claim_drained(&topology, host)?;
    let created_ms = host.clock.now_ms();
    let cut = Cut::take(&topology, &shared, snapshots, session.as_mut())?;
    session.close().map_err(Failure::from)?;
    let savepoint = Savepoint {
        pipeline: topology.plan.pipeline.clone(),
        created_ms,
        spec_text: order.spec_text.clone(),
        generation: order.generation,
        operators: operators(&shared),
        stages: stages(&topology),
        positions: cut.positions,
        tasks: cut.copies.iter().map(|copy| copy.keep(snapshots)).collect::<Result<_, _>>()?,
    };
    snapshots.store.create_savepoint(&order.name, &savepoint)?;
    tracing::info!(
        pipeline = %savepoint.pipeline, name = order.name, tasks = savepoint.tasks.len(), bytes = savepoint.size_bytes(),
        "kept a savepoint"
    );
    Ok(savepoint)
}

/// Before the pipeline is held up for nothing.
fn refuse_taken(snapshots: &Snapshots, pipeline: &PipelineName, name: &str) -> Result<(), SnapshotError> {
    match snapshots.store.get_savepoint(pipeline.as_str(), name) {
        Err(SnapshotError::UnknownSavepoint { .. }) => Ok(()),
        Ok(_) => Err(SnapshotError::SavepointExists { pipeline: pipeline.to_string(), name: name.to_owned() }),
        Err(error) => Err(error),
    }
}

fn operators(shared: &Shared) -> BTreeMap<String, SavepointOperator> {
    let versions = shared.versions.read();
    let named = versions.values().filter_map(|version| {
        let (operator, digest) = (version.factory.operator()?.clone(), version.factory.digest()?);
        Some((version.step.clone(), SavepointOperator { operator, digest }))
    });
    named.collect()
}

fn stages(topology: &Topology) -> Vec<SavepointStage> {
    let counted = topology.plan.stages.iter().zip(&topology.partitions);
    counted.map(|(stage, &tasks)| SavepointStage { stage: stage.name.clone(), tasks }).collect()
}

/// Everything at one moment.
struct Cut {
    positions: Vec<SavepointPosition>,
    copies: Vec<StoreCopy>,
}

impl Cut {
    /// Copies stores and reads positions, and makes sure that nobody committed anything meanwhile.
    fn take(
        topology: &Topology,
        shared: &Shared,
        snapshots: &Snapshots,
        session: &mut dyn LogSession,
    ) -> Result<Self, SavepointError> {
        let before = Commits::read(topology, &shared.host, session)?;
        let mut copies = Vec::new();
        for (stage, &partitions) in topology.partitions.iter().enumerate() {
            for partition in 0..partitions {
                copies.extend(copy((StageIndex(stage), partition), topology, shared, snapshots, session)?);
            }
        }
        if Commits::read(topology, &shared.host, session)? != before {
            return Err(Failure::stop(format!(
                "pipeline {} was started on another host while the savepoint was taken; stop it there and try again",
                topology.plan.pipeline
            ))
            .into());
        }
        Ok(Self { positions: before.positions(topology, &shared.host)?, copies })
    }
}

/// Copies the store of a task, as of the end of its changelog. `None`: it never kept anything.
fn copy(
    id: TaskId,
    topology: &Topology,
    shared: &Shared,
    snapshots: &Snapshots,
    session: &mut dyn LogSession,
) -> Result<Option<StoreCopy>, SavepointError> {
    let mut opening = Opening::new(id, topology)?;
    for step in [Step::OpenStore, Step::RestoreChangelog, Step::ReadPositions] {
        let taken = opening.take(step, shared, session);
        taken.map_err(|failure| failure.context(format_args!("task {}", opening.name())))?;
    }
    let mut task = opening.finish(shared)?;
    let (Some(state), Some(changelog)) = (&mut task.state, &task.changelog) else { return Ok(None) };
    let Some(about) = about(shared, id.0, changelog) else { return Ok(None) };
    let directory = snapshots.scratch.join(format!("savepoint-{}", COPIES.fetch_add(1, Ordering::Relaxed)));
    let position = state.checkpoint(&directory)?;
    Ok(position.map(|position| StoreCopy { directory, position, about }))
}

/// What every commit moves.
#[derive(PartialEq)]
struct Commits {
    positions: Vec<(TopicPartition, Option<i64>)>,
    changelogs: Vec<(TopicPartition, Option<i64>)>,
}

impl Commits {
    fn read(topology: &Topology, host: &Host, session: &mut dyn LogSession) -> Result<Self, Failure> {
        let look = Look::take(&topology.plan, host)?;
        let (mut inputs, mut changelogs) = (Vec::new(), Vec::new());
        for (stage, &partitions) in topology.plan.stages.iter().zip(&topology.partitions) {
            for partition in 0..partitions {
                let at = |topic: &Arc<str>| TopicPartition::new(topic.clone(), partition);
                inputs.extend(stage.inputs.iter().map(|input| at(input.kind.topic())));
                changelogs.extend(stage.changelog.iter().map(at));
            }
        }
        let positions = session.committed(&inputs)?;
        let ends = changelogs.into_iter().map(|at| (look.bounds(&at).map(|(_, end)| end), at));
        Ok(Self {
            changelogs: ends.map(|(end, at)| (at, end)).collect(),
            positions: inputs.into_iter().zip(positions).collect(),
        })
    }

    /// Where the topics of the sources are read on.
    fn positions(&self, topology: &Topology, host: &Host) -> Result<Vec<SavepointPosition>, Failure> {
        let look = Look::take(&topology.plan, host)?;
        let mut positions = BTreeMap::new();
        for kind in topology.inputs() {
            let InputKind::Topic { topic, latest, .. } = kind else { continue };
            for (at, committed) in self.positions.iter().filter(|(at, _)| at.topic == *topic) {
                // What was never read begins where it would begin now.
                let begins = look.bounds(at).map(|(first, end)| if *latest { end } else { first });
                if let Some(offset) = committed.or(begins) {
                    positions.insert(at.clone(), offset);
                }
            }
        }
        let position = |(at, offset): (TopicPartition, i64)| SavepointPosition {
            topic: at.topic.to_string(),
            partition: at.partition,
            offset,
        };
        Ok(positions.into_iter().map(position).collect())
    }
}

/// A copy of a store on its way. Its directory goes with it.
struct StoreCopy {
    directory: PathBuf,
    position: i64,
    about: SnapshotAbout,
}

impl StoreCopy {
    fn keep(&self, snapshots: &Snapshots) -> Result<SnapshotInfo, SnapshotError> {
        let SnapshotAbout { pipeline, stage, partition, .. } = &self.about;
        let task = format!("{pipeline}/{stage}/{partition}");
        snapshots.store.save(&task, &self.directory, self.position, &self.about)
    }
}

impl Drop for StoreCopy {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

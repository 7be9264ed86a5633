//! Restoring a savepoint.

use std::{collections::BTreeSet, sync::Arc};

use millstream_log::LogSession;
use millstream_pipeline::plan::{InputKind, Plan, StageIndex};
use millstream_protocol::Step;
use millstream_state::{encoding, snapshot::Savepoint};
use millstream_types::TopicPartition;

use super::{
    MARK, RestoreReport, SavepointError,
    compare::compare,
    copies::Copies,
    routes::{Place, Routes, Target},
    snapshots_of,
    writer::ChangelogWriter,
};
use crate::{
    Failure, Host, ResetTo,
    claim::claim,
    continuity::{Finding, Look},
    handle::versions_of,
    identity::format_entry,
    opening::{Opening, end_of},
    shared::Shared,
    task::{Task, input_key},
    topology::Topology,
};

/// What is to be restored, and how much may be lost by it.
#[derive(Clone, Debug)]
pub struct RestoreOrder {
    /// The savepoint's name.
    pub name: String,
    /// The savepoint; perhaps of another pipeline.
    pub savepoint: Savepoint,
    /// State that the pipeline has no place for may be dropped.
    pub allow_dropped_state: bool,
    /// Where a topic is read on that does not have the savepoint's position any more; `None`: that is refused.
    pub lost_positions: Option<ResetTo>,
    /// Only compare.
    pub dry_run: bool,
}

/// Puts a pipeline that runs nowhere back to a savepoint: its state and the positions of its sources become those of
/// the savepoint, and what is on its way between its stages is passed over. Blocks until it is done. Until the last
/// of several commits the pipeline does not start, and the call is to be repeated.
///
/// # Errors
/// [`SavepointError::Refused`] where the savepoint does not fit, and nothing is changed; otherwise when the pipeline
/// runs elsewhere, a file of the savepoint is damaged, or the log or a store refuses.
pub fn restore_savepoint(plan: Plan, host: &Host, order: &RestoreOrder) -> Result<RestoreReport, SavepointError> {
    let snapshots = snapshots_of(host)?;
    let topology = Topology::count(plan, host)?;
    let look = Look::take(&topology.plan, host)?;
    let versions = versions_of(&topology.plan, host)?;
    let mut report = compare(order, &topology, &versions, &look);
    for finding in look.findings(&topology).iter().filter(|finding| matches!(finding, Finding::Partitions { .. })) {
        report.refused.push(finding.explain(&topology.plan.pipeline));
    }
    if order.dry_run {
        return Ok(report);
    }
    refuse(&report)?;
    let copies = Copies::fetch(host, snapshots, &topology.plan.pipeline, &order.savepoint)?;
    let target = Target { topology: &topology, versions: &versions, order };
    let routes = find_routes(&copies, &target, &mut report)?;
    refuse(&report)?;
    topology.create_topics(host)?;
    let shared = Shared::new(host.clone(), topology.plan.clone(), versions.clone());
    let mut session = claim(&topology, host, "savepoint")?;
    let tasks = Tasks { topology: &topology, shared: &shared };
    // Before anything is changed, since a task whose state cannot be read must be reset first.
    tasks.for_each(session.as_mut(), &mut |_, _| Ok(()))?;
    mark(&tasks, session.as_mut(), order)?;
    delete_state(&tasks, session.as_mut())?;
    report.entries = write_state(&copies, &routes, &target, session.as_mut())?;
    finish(&tasks, session.as_mut(), &report)?;
    session.close().map_err(Failure::from)?;
    report.restored = true;
    tracing::info!(
        pipeline = %report.pipeline, savepoint = report.savepoint, from = %report.from, entries = report.entries,
        "restored a savepoint"
    );
    Ok(report)
}

fn refuse(report: &RestoreReport) -> Result<(), SavepointError> {
    if report.refused.is_empty() { Ok(()) } else { Err(SavepointError::Refused(Box::new(report.clone()))) }
}

/// Where the entries of each stage of the savepoint go.
fn find_routes(
    copies: &Copies<'_>,
    target: &Target<'_>,
    report: &mut RestoreReport,
) -> Result<Vec<(String, Routes)>, SavepointError> {
    let stages: BTreeSet<&String> = copies.tasks.iter().map(|task| &task.stage).collect();
    let mut all = Vec::new();
    for stage in stages {
        let tasks = copies.tasks.iter().filter(|task| task.stage == *stage);
        let mut stores = tasks.map(|task| Ok((task, copies.open(task)?)));
        all.push((stage.clone(), Routes::find(stage, &mut stores, target, report)?));
    }
    Ok(all)
}

/// The tasks of a pipeline that keep state.
struct Tasks<'a> {
    topology: &'a Topology,
    shared: &'a Shared,
}

impl Tasks<'_> {
    /// The changelog of every task.
    fn changelogs(&self) -> impl Iterator<Item = TopicPartition> {
        let stages = self.topology.plan.stages.iter().zip(&self.topology.partitions);
        stages.flat_map(|(stage, &partitions)| {
            let topic = stage.changelog.iter();
            topic.flat_map(move |topic| (0..partitions).map(|partition| TopicPartition::new(topic.clone(), partition)))
        })
    }

    /// Opens every task at the end of its changelog, one after the other, and hands it on.
    fn for_each(
        &self,
        session: &mut dyn LogSession,
        visit: &mut dyn FnMut(&mut Task, &mut dyn LogSession) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for (index, (stage, &partitions)) in self.topology.plan.stages.iter().zip(&self.topology.partitions).enumerate()
        {
            for partition in (0..partitions).filter(|_| stage.changelog.is_some()) {
                let mut opening = Opening::new((StageIndex(index), partition), self.topology)?;
                for step in [Step::OpenStore, Step::RestoreChangelog] {
                    let taken = opening.take(step, self.shared, session);
                    taken.map_err(|failure| {
                        failure.context(format_args!("the state of task {} as it is now", opening.name()))
                    })?;
                }
                let mut task = opening.finish(self.shared)?;
                if let Some(state) = &mut task.state {
                    // So that the next opening has nothing to do.
                    state.flush()?;
                }
                visit(&mut task, session)?;
            }
        }
        Ok(())
    }
}

/// Marks every task, so that none is opened until the restore is finished.
fn mark(tasks: &Tasks<'_>, session: &mut dyn LogSession, order: &RestoreOrder) -> Result<(), Failure> {
    let name = format!("{} {}", order.savepoint.pipeline, order.name);
    let key = encoding::runtime_key(MARK);
    let mut writer = ChangelogWriter::as_one_commit(session, tasks.topology);
    for changelog in tasks.changelogs() {
        if end_of(&changelog, tasks.shared)? == 0 {
            let (format_key, format) = format_entry(&changelog, &tasks.shared.host);
            writer.put(&changelog, &format_key, Some(&format))?;
        }
        writer.put(&changelog, &key, Some(name.as_bytes()))?;
    }
    writer.commit(&[])
}

/// Deletes what the tasks have.
fn delete_state(tasks: &Tasks<'_>, session: &mut dyn LogSession) -> Result<(), Failure> {
    let keep = [encoding::runtime_key(MARK), encoding::format_key().to_vec()];
    tasks.for_each(session, &mut |task, session| {
        let (Some(state), Some(changelog)) = (&mut task.state, &task.changelog) else { return Ok(()) };
        let mut writer = ChangelogWriter::new(session, tasks.topology);
        let mut outcome = Ok(());
        state.scan_committed(&mut |key, _| {
            if !keep.iter().any(|kept| kept == key) {
                outcome = writer.put(changelog, key, None);
            }
            outcome.is_ok()
        })?;
        outcome?;
        writer.commit(&[])
    })
}

/// Writes what the savepoint has; returns how many entries that were.
fn write_state(
    copies: &Copies<'_>,
    routes: &[(String, Routes)],
    target: &Target<'_>,
    session: &mut dyn LogSession,
) -> Result<u64, Failure> {
    let format_key = encoding::format_key();
    let mut writer = ChangelogWriter::new(session, target.topology);
    let mut entries = 0;
    // What every task of a stage gets is in many stores, and is written once.
    let mut shared: BTreeSet<(usize, Vec<u8>)> = BTreeSet::new();
    for task in &copies.tasks {
        let Some((_, routes)) = routes.iter().find(|(stage, _)| *stage == task.stage) else { continue };
        let store = copies.open(task)?;
        let mut outcome = Ok(());
        let mut write = |key: &[u8], value: &[u8]| -> Result<(), Failure> {
            if key == format_key {
                return Ok(());
            }
            let key = &*target.renamed(key);
            let (stage, partitions) = match routes.place(&task.stage, task.partition, key, target) {
                Place::Task(stage, partition) => (stage, partition..partition + 1),
                Place::AllTasks(stage) if shared.insert((stage.0, key.to_vec())) => {
                    (stage, 0..target.topology.partitions.get(stage.0).copied().unwrap_or_default())
                }
                Place::AllTasks(_) | Place::Nowhere => return Ok(()),
            };
            let changelog = target.topology.plan.stages.get(stage.0).and_then(|stage| stage.changelog.clone());
            let Some(topic) = changelog else {
                return Err(Failure::stop(format!("stage {} of the pipeline keeps no state", stage.0)));
            };
            for partition in partitions {
                entries += 1;
                writer.put(&TopicPartition::new(topic.clone(), partition), key, Some(value))?;
            }
            Ok(())
        };
        store.scan_once(&[], &encoding::END, &mut |key, value| {
            outcome = write(key, value);
            outcome.is_ok()
        })?;
        outcome?;
    }
    writer.commit(&[])?;
    Ok(entries)
}

/// The commit with which everything is as the savepoint says.
fn finish(tasks: &Tasks<'_>, session: &mut dyn LogSession, report: &RestoreReport) -> Result<(), Failure> {
    let mut positions: Vec<_> = (report.positions.iter())
        .map(|position| (TopicPartition::new(position.topic.clone(), position.partition), position.to))
        .collect();
    positions.extend(ends_between_stages(tasks, session)?);
    let mark = encoding::runtime_key(MARK);
    let mut writer = ChangelogWriter::as_one_commit(session, tasks.topology);
    for (stage, &partitions) in tasks.topology.plan.stages.iter().zip(&tasks.topology.partitions) {
        let Some(topic) = &stage.changelog else { continue };
        for partition in 0..partitions {
            let changelog = TopicPartition::new(topic.clone(), partition);
            writer.put(&changelog, &mark, None)?;
            let mut read: BTreeSet<&Arc<str>> = BTreeSet::new();
            for input in &stage.inputs {
                let is_topic = !matches!(input.kind, InputKind::Connector { .. });
                // Its position is committed now.
                if is_topic && read.insert(input.kind.topic()) {
                    writer.put(&changelog, &encoding::runtime_key(&input_key(input.kind.topic())), Some(b"1"))?;
                }
            }
        }
    }
    writer.commit(&positions)
}

/// The ends of the topics between the stages: what is before came of records that are read again.
fn ends_between_stages(tasks: &Tasks<'_>, session: &mut dyn LogSession) -> Result<Vec<(TopicPartition, i64)>, Failure> {
    let mut ends = Vec::new();
    for topic in tasks.topology.repartition_topics() {
        let log = &tasks.shared.host.log;
        let gone = || Failure::stop(format!("topic {topic} is gone"));
        for (partition, (_, end)) in (0..).zip(log.topic(topic)?.ok_or_else(gone)?.offsets) {
            // A transaction that a dead owner left open may hide what others committed behind it.
            session.restore(&TopicPartition::new(topic.clone(), partition), Some(end), &mut |_, _, _| Ok(()))?;
        }
        let settled = log.topic(topic)?.ok_or_else(gone)?.offsets;
        ends.extend(
            (0..).zip(settled).map(|(partition, (_, end))| (TopicPartition::new(topic.clone(), partition), end)),
        );
    }
    Ok(ends)
}

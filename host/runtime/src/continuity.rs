//! Whether a pipeline can go on where it stopped: what its topics, positions and state say is compared before
//! anything is touched. What does not fit stops the pipeline with what was found, what that means for the data
//! and the command that resolves it; nothing is ever reset silently.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use millstream_log::{LogError, TopicInfo};
use millstream_pipeline::plan::{InputKind, Plan, Stage};
use millstream_types::{PipelineName, TopicPartition};

use crate::{Failure, Host, topology::Topology};

/// Findings that a failure tells one by one.
const TOLD: usize = 4;

/// Something that the pipeline needs and that is not as the last commit left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The committed position is outside of its partition.
    Position { input: String, at: TopicPartition, position: i64, first: i64, end: i64 },
    /// The state says that a position was committed, and there is none.
    NoPosition { input: String, at: TopicPartition },
    /// The stage has run before, and its changelog is not there.
    NoChangelog { stage: String, topic: Arc<str> },
    /// A position of the task's inputs is committed, and its changelog holds nothing.
    EmptyChangelog { task: String, changelog: TopicPartition },
    /// Restoring a savepoint has begun and was not finished.
    HalfRestored { task: String, savepoint: String },
    /// A topic that the pipeline made has another number of partitions than its stage has tasks.
    Partitions { stage: String, topic: Arc<str>, found: u32, wanted: u32 },
}

impl Finding {
    /// Whether positions and state must both go.
    pub(crate) fn needs_all_anew(&self) -> bool {
        matches!(self, Self::Partitions { .. })
    }

    /// What was found, what it means and what to do.
    pub(crate) fn explain(&self, pipeline: &PipelineName) -> String {
        let reset = format!("millstream pipeline reset {pipeline}");
        match self {
            Self::Position { input, at, position, first, end } => {
                format!("{input}: {}", LogError::outside_topic(pipeline, at, *position, *first, *end))
            }
            Self::NoPosition { input, at } => format!(
                "{input}: the state has what was read of {at}, and its committed position is gone: the topic was deleted \
                 and created again, or the log forgot the group (Kafka does when nobody runs the pipeline for \
                 offsets.retention.minutes); read all that the partition has, which repeats what was read of it before, \
                 by `{reset} --to earliest --lost-only`, or only what comes from now on by `{reset} --to latest \
                 --lost-only`"
            ),
            Self::NoChangelog { stage, topic } => format!(
                "stage {stage}: it has run before, and its changelog {topic} is not there, so that its state is lost, \
                 unless the stage has only now begun to keep any; {}",
                begin_empty(&reset)
            ),
            Self::EmptyChangelog { task, changelog } => format!(
                "task {task}: a position is committed, and its changelog {changelog} is empty, so that its state is \
                 lost; {}",
                begin_empty(&reset)
            ),
            Self::HalfRestored { task, savepoint } => {
                let (from, name) = savepoint.split_once(' ').unwrap_or((pipeline.as_str(), savepoint));
                let from = if from == pipeline.as_str() { String::new() } else { format!(" --from {from}") };
                format!(
                    "task {task}: restoring savepoint {name} was interrupted, so that its state is neither the one before \
                     nor the savepoint's; repeat it by `millstream savepoint restore {pipeline} {name}{from}`"
                )
            }
            Self::Partitions { stage, topic, found, wanted } => format!(
                "stage {stage}: topic {topic} has {found} partitions where {wanted} are needed, so that keys would be \
                 with other tasks than their state; give the inputs {found} partitions again, or begin with empty state \
                 and read everything that the sources still have, which repeats outputs, by `{reset} --state --to \
                 earliest`"
            ),
        }
    }
}

fn begin_empty(reset: &str) -> String {
    format!(
        "go on with empty state by `{reset} --state --lost-only`, or build the state again from everything that the \
         sources still have, which repeats outputs, by `{reset} --state --to earliest`"
    )
}

/// The failure of findings; none: no failure.
pub(crate) fn verdict(findings: &[Finding], pipeline: &PipelineName) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    let mut reasons: Vec<String> = findings.iter().take(TOLD).map(|finding| finding.explain(pipeline)).collect();
    if findings.len() > TOLD {
        reasons.push(format!("and {} more of the kind", findings.len() - TOLD));
    }
    Err(Failure::stop(reasons.join("; ")))
}

/// What the log has of a pipeline.
pub(crate) struct Look {
    pub(crate) positions: BTreeMap<TopicPartition, i64>,
    topics: HashMap<Arc<str>, TopicInfo>,
}

impl Look {
    pub(crate) fn take(plan: &Plan, host: &Host) -> Result<Self, Failure> {
        let read: Vec<Arc<str>> = inputs(plan).map(|(_, kind)| kind.topic().clone()).collect();
        // Before the ends, which only grow.
        let positions = host.log.group_positions(plan.pipeline.as_str(), &read)?.into_iter().collect();
        let mut topics = HashMap::new();
        for topic in read.into_iter().chain(plan.stages.iter().filter_map(|stage| stage.changelog.clone())) {
            if let Some(info) = host.log.topic(&topic)? {
                topics.insert(topic, info);
            }
        }
        Ok(Self { positions, topics })
    }

    /// The first offset of a partition and the one after its last committed record.
    pub(crate) fn bounds(&self, at: &TopicPartition) -> Option<(i64, i64)> {
        self.topics.get(&at.topic)?.offsets.get(at.partition as usize).copied()
    }

    /// Whether the stage, or its task on `partition`, has run before: a position of its inputs is committed, or a
    /// topic is there that is made after its changelog.
    pub(crate) fn has_run(&self, stage: &Stage, partition: Option<u32>) -> bool {
        let is_here = |at: &TopicPartition| partition.is_none_or(|partition| partition == at.partition);
        stage.inputs.iter().any(|input| match &input.kind {
            InputKind::Connector { placement, .. } => self.topics.contains_key(placement),
            kind => self.positions.keys().any(|at| at.topic == *kind.topic() && is_here(at)),
        })
    }

    /// Everything that is not as it should be.
    pub(crate) fn findings(&self, topology: &Topology) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (stage, &wanted) in topology.plan.stages.iter().zip(&topology.partitions) {
            let own = stage.inputs.iter().filter(|input| !matches!(input.kind, InputKind::Topic { .. }));
            for topic in stage.changelog.iter().chain(own.map(|input| input.kind.topic())) {
                let found = self.topics.get(topic).map(TopicInfo::partitions);
                if let Some(found) = found.filter(|found| *found != wanted) {
                    findings.push(Finding::Partitions {
                        stage: stage.name.clone(),
                        topic: topic.clone(),
                        found,
                        wanted,
                    });
                }
            }
            if let Some(topic) = stage.changelog.as_ref().filter(|topic| !self.topics.contains_key(*topic))
                && self.has_run(stage, None)
            {
                findings.push(Finding::NoChangelog { stage: stage.name.clone(), topic: topic.clone() });
            }
        }
        for (at, &position) in &self.positions {
            if let Some((first, end)) = self.bounds(at).filter(|(first, end)| !(*first..=*end).contains(&position)) {
                let input = input_of(&topology.plan, &at.topic);
                findings.push(Finding::Position { input, at: at.clone(), position, first, end });
            }
        }
        findings
    }
}

/// Checks what can be checked before a task is opened.
///
/// # Errors
/// With every finding.
pub(crate) fn check(topology: &Topology, host: &Host) -> Result<(), Failure> {
    let mut findings = Look::take(&topology.plan, host)?.findings(topology);
    if !findings.is_empty() {
        // Another host may have gone on between the two questions, and what it consumed been deleted.
        let now = Look::take(&topology.plan, host)?.positions;
        findings.retain(|finding| match finding {
            Finding::Position { at, position, .. } => now.get(at) == Some(position),
            _ => true,
        });
    }
    verdict(&findings, &topology.plan.pipeline)
}

/// The inputs of all stages with their names.
fn inputs(plan: &Plan) -> impl Iterator<Item = (&str, &InputKind)> {
    plan.stages.iter().flat_map(|stage| stage.inputs.iter().map(|input| (input.name.as_str(), &input.kind)))
}

/// Who reads a topic, for messages.
pub(crate) fn input_of(plan: &Plan, topic: &str) -> String {
    let input = inputs(plan).find(|(_, kind)| **kind.topic() == *topic);
    match input {
        Some((name, InputKind::Repartition { .. })) => format!("the shuffle before {name}"),
        Some((name, _)) => format!("source {name}"),
        None => format!("topic {topic}"),
    }
}

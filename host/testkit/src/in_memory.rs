//! Puts topics in memory in the place of whatever a plan reads and writes. Stages, shuffles and state stay as they are.

use std::{collections::BTreeMap, sync::Arc};

use millstream_pipeline::{
    plan::{InputKind, Plan, PlannedSink, SinkKind, SourceConnector, StepLogic, Target},
    spec::FileInput,
};

use crate::{Options, Output, TestError};

/// The topics of a plan in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topics {
    /// Of each source its topic and how many partitions it has.
    pub sources: BTreeMap<String, (Arc<str>, u32)>,
    /// Of each sink its topic.
    pub sinks: BTreeMap<String, Arc<str>>,
    /// Of each output of a step its topic, as `step.output`.
    pub outputs: BTreeMap<String, Arc<str>>,
    /// Those of the pipeline itself.
    pub others: Vec<Arc<str>>,
}

impl Topics {
    /// Where an output can be read.
    pub fn of(&self, output: &Output) -> Option<&Arc<str>> {
        match output {
            Output::Sink(sink) => self.sinks.get(sink),
            Output::Step(step) if step.contains('.') => self.outputs.get(step),
            Output::Step(step) => self.outputs.get(&format!("{step}.main")),
            Output::Topic(topic) => {
                let sources = self.sources.values().map(|(topic, _)| topic);
                let known = sources.chain(self.sinks.values()).chain(&self.others);
                known.into_iter().find(|known| ***known == **topic)
            }
        }
    }
}

/// Replaces the sources and sinks of `plan`, and adds a sink to every output of a step.
///
/// # Errors
/// When the options name a source that there is not.
pub(crate) fn replace(plan: &mut Plan, options: &Options) -> Result<Topics, TestError> {
    let mut topics = Topics::default();
    topics.others.extend(plan.dead_letter.clone());
    for stage in &mut plan.stages {
        for input in &mut stage.inputs {
            let (topic, timestamp, watermarks, usual) = match &input.kind {
                InputKind::Repartition { topic, .. } => {
                    topics.others.push(topic.clone());
                    continue;
                }
                InputKind::Topic { topic, timestamp, watermarks, .. } => {
                    (topic.clone(), timestamp.clone(), watermarks.clone(), None)
                }
                InputKind::Connector { connector, timestamp, watermarks, .. } => {
                    let topic = format!("test.source.{}", input.name).into();
                    (topic, timestamp.clone(), watermarks.clone(), usual_partitions(connector))
                }
            };
            let partitions = options.source_partitions.get(&input.name).copied();
            let partitions = partitions.or(usual).unwrap_or(options.partitions).max(1);
            input.kind = InputKind::Topic { topic: topic.clone(), timestamp, watermarks, latest: false };
            topics.sources.insert(input.name.clone(), (topic, partitions));
        }
        for sink in &mut stage.sinks {
            let topic = match &sink.kind {
                SinkKind::Topic { topic, .. } => topic.clone(),
                SinkKind::File(_) | SinkKind::Files(_) | SinkKind::Stdout(_) => {
                    format!("test.sink.{}", sink.name).into()
                }
            };
            let partitions = match &sink.kind {
                SinkKind::Topic { partitions, .. } => *partitions,
                _ => None,
            };
            sink.kind = SinkKind::Topic { topic: topic.clone(), partitions };
            topics.sinks.insert(sink.name.clone(), topic);
        }
        // A rekey may stand in several stages, and says nothing that its shuffle does not.
        for step in stage.steps.iter_mut().filter(|step| !matches!(step.logic, StepLogic::Rekey { .. })) {
            for output in &mut step.outputs {
                let name = format!("{}.{}", step.name, output.name);
                let topic: Arc<str> = format!("test.output.{name}").into();
                output.targets.push(Target::Sink(stage.sinks.len()));
                let kind = SinkKind::Topic { topic: topic.clone(), partitions: None };
                stage.sinks.push(PlannedSink { name: format!("test.{name}"), kind });
                topics.outputs.insert(name, topic);
            }
        }
    }
    match options.source_partitions.keys().find(|source| !topics.sources.contains_key(*source)) {
        Some(source) => Err(TestError::Unknown { what: "source", name: source.clone() }),
        None => Ok(topics),
    }
}

/// How many partitions a source has that is no topic, where that is known.
fn usual_partitions(connector: &SourceConnector) -> Option<u32> {
    match connector {
        SourceConnector::Generator(generator) => Some(generator.partitions),
        SourceConnector::File(file) => (!matches!(file.input, FileInput::Glob(_))).then_some(1),
    }
}

//! A plan resolved against the topics that are there: how many tasks each stage has, which topics are
//! read, and which have to be made.

use std::{collections::HashMap, sync::Arc};

use millstream_connector::{Sink, Source, open_sink, open_source};
use millstream_log::TopicSpec;
use millstream_pipeline::plan::{InputKind, Plan, SinkKind, StageIndex, Target};

use crate::{Failure, Host, continuity, event_time::StageReach};

/// A plan with everything that running it needs to know.
pub(crate) struct Topology {
    pub(crate) plan: Plan,
    /// Tasks of each stage.
    pub(crate) partitions: Vec<u32>,
    /// For each stage what its inputs reach; empty where event time does not matter.
    pub(crate) reach: Vec<StageReach>,
    /// A source says how far a partition may be ahead of others.
    pub(crate) is_aligned: bool,
    /// For each stage and input the connector, where it is one.
    pub(crate) sources: Vec<Vec<Option<Arc<dyn Source>>>>,
    /// For each stage and sink the connector, where it is one.
    pub(crate) sinks: Vec<Vec<Option<Arc<dyn Sink>>>>,
    /// Topics that workers subscribe to.
    pub(crate) subscriptions: Vec<Arc<str>>,
    /// Which inputs read a topic: stage and place in its inputs.
    pub(crate) readers: HashMap<Arc<str>, Vec<(StageIndex, usize)>>,
}

impl Topology {
    /// Looks at the log's topics, checks them against the plan and creates what the pipeline owns.
    ///
    /// # Errors
    /// Every topic that is missing or does not fit, in one failure.
    pub(crate) fn resolve(plan: Plan, host: &Host) -> Result<Self, Failure> {
        let mut topology = Self::count(plan, host)?;
        continuity::check(&topology, host)?;
        topology.create_topics(host)?;
        topology.open_sinks(host)?;
        for (stage_index, stage) in topology.plan.stages.iter().enumerate() {
            for (input_index, input) in stage.inputs.iter().enumerate() {
                let topic = input.kind.topic();
                if !topology.subscriptions.contains(topic) {
                    topology.subscriptions.push(topic.clone());
                }
                topology.readers.entry(topic.clone()).or_default().push((StageIndex(stage_index), input_index));
            }
        }
        Ok(topology)
    }

    /// How many tasks each stage has; nothing is made yet.
    ///
    /// # Errors
    /// Every topic of a source that is missing or does not fit, in one failure.
    pub(crate) fn count(plan: Plan, host: &Host) -> Result<Self, Failure> {
        let mut topology = Self {
            partitions: Vec::with_capacity(plan.stages.len()),
            reach: Vec::new(),
            is_aligned: false,
            sources: Vec::new(),
            sinks: Vec::new(),
            subscriptions: Vec::new(),
            readers: HashMap::new(),
            plan,
        };
        topology.count_partitions(host)?;
        if topology.plan.event_time {
            topology.reach = StageReach::of_plan(&topology.plan, &topology.partitions);
            let is_aligned = topology.inputs().any(|kind| match kind {
                InputKind::Topic { watermarks, .. } | InputKind::Connector { watermarks, .. } => {
                    watermarks.align.is_some()
                }
                InputKind::Repartition { .. } => false,
            });
            topology.is_aligned = is_aligned;
        }
        Ok(topology)
    }

    /// What an input of a stage is.
    pub(crate) fn input(&self, stage: StageIndex, input: usize) -> Option<&InputKind> {
        Some(&self.plan.stages.get(stage.0)?.inputs.get(input)?.kind)
    }

    /// Tasks of all stages together.
    pub(crate) fn task_count(&self) -> usize {
        self.partitions.iter().map(|&count| count as usize).sum()
    }

    /// Topics that are read to their end where the pipeline is to stop at the end of its input.
    pub(crate) fn user_topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.inputs().filter(|kind| matches!(kind, InputKind::Topic { .. })).map(InputKind::topic)
    }

    /// Topics between the stages.
    pub(crate) fn repartition_topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.inputs().filter(|kind| matches!(kind, InputKind::Repartition { .. })).map(InputKind::topic)
    }

    /// What all stages read.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &InputKind> {
        self.plan.stages.iter().flat_map(|stage| stage.inputs.iter().map(|input| &input.kind))
    }

    fn count_partitions(&mut self, host: &Host) -> Result<(), Failure> {
        let mut wrong = Vec::new();
        for (stage_index, stage) in self.plan.stages.iter().enumerate() {
            let mut counts: Vec<(String, u32)> = Vec::new();
            let mut sources = Vec::new();
            for (input_index, input) in stage.inputs.iter().enumerate() {
                let mut connector = None;
                match &input.kind {
                    InputKind::Topic { topic, .. } => match host.log.topic(topic)? {
                        Some(info) => counts.push((format!("topic {topic}"), info.partitions())),
                        None => wrong.push(format!(
                            "source {}: there is no topic `{topic}` on the {} log; create it with `millstream topic create {topic} --partitions N`",
                            input.name,
                            host.log.kind()
                        )),
                    },
                    InputKind::Repartition { partitions, .. } => {
                        let count = partitions
                            .or(self.plan.settings.partitions)
                            .unwrap_or_else(|| self.widest_writer(StageIndex(stage_index), input_index));
                        counts.push((format!("the shuffle before {}", input.name), count));
                    }
                    InputKind::Connector { connector: spec, timestamp, .. } => {
                        let source = open_source(spec, timestamp.as_ref(), host.clock.clone())
                            .map_err(|error| Failure::from(error).context(format_args!("source {}", input.name)))?;
                        counts.push((format!("source {}", input.name), source.splits()));
                        connector = Some(Arc::from(source));
                    }
                }
                sources.push(connector);
            }
            self.sources.push(sources);
            let partitions = counts.first().map_or(1, |(_, count)| *count);
            if counts.iter().any(|(_, count)| *count != partitions) {
                let list: Vec<_> = counts.iter().map(|(name, count)| format!("{name} has {count}")).collect();
                wrong.push(format!(
                    "stage {}: its inputs must have the same number of partitions, but {}; give them the same number, or set `key:` on the step that joins them",
                    stage.name,
                    list.join(", ")
                ));
            }
            if counts.len() > 1 && !host.log.places_topics_alike() {
                wrong.push(format!(
                    "stage {}: it reads several topics together, which `kafka.assignor: cooperative-sticky` places on different workers; set `range`, or `kafka.group-protocol: consumer`",
                    stage.name
                ));
            }
            self.partitions.push(partitions);
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::stop(wrong.join("; "))) }
    }

    /// The most partitions among the stages that write to a repartition input.
    fn widest_writer(&self, reader: StageIndex, input: usize) -> u32 {
        let writes = Target::Shuffle { stage: reader, input };
        self.plan
            .stages
            .iter()
            .zip(&self.partitions)
            .filter(|(stage, _)| {
                let step_targets = stage.steps.iter().flat_map(|step| &step.outputs).map(|output| &output.targets);
                let input_targets = stage.inputs.iter().map(|input| &input.targets);
                step_targets.chain(input_targets).any(|targets| targets.contains(&writes))
            })
            .map(|(_, &partitions)| partitions)
            .max()
            .unwrap_or(1)
    }

    /// Creates what the pipeline owns and is not there.
    ///
    /// # Errors
    /// When the log refuses.
    pub(crate) fn create_topics(&self, host: &Host) -> Result<(), Failure> {
        let mut specs = Vec::new();
        for (stage, &partitions) in self.plan.stages.iter().zip(&self.partitions) {
            // First, so that where a topic of the others is there and this one is not, this one was deleted.
            specs.extend(stage.changelog.iter().map(|topic| TopicSpec::new(topic.clone(), partitions).compacted()));
            for input in &stage.inputs {
                match &input.kind {
                    InputKind::Topic { .. } => {}
                    InputKind::Repartition { topic, .. } => {
                        let mut spec = TopicSpec::new(topic.clone(), partitions);
                        spec.settings.insert("purge".into(), "consumed".into());
                        specs.push(spec);
                    }
                    InputKind::Connector { placement, .. } => specs.push(TopicSpec::new(placement.clone(), partitions)),
                }
            }
            for sink in &stage.sinks {
                if let SinkKind::Topic { topic, partitions: wanted } = &sink.kind
                    && (wanted.is_some() || host.log.topic(topic)?.is_none())
                {
                    specs.push(TopicSpec::new(topic.clone(), wanted.unwrap_or(partitions)));
                }
            }
        }
        if let Some(topic) = &self.plan.dead_letter
            && host.log.topic(topic)?.is_none()
        {
            specs.push(TopicSpec::new(topic.clone(), 1));
        }
        for spec in specs {
            if host.log.create_topic(&spec)? {
                tracing::info!(pipeline = %self.plan.pipeline, topic = %spec.name, partitions = spec.partitions, "created topic");
            }
        }
        Ok(())
    }

    fn open_sinks(&mut self, host: &Host) -> Result<(), Failure> {
        for stage in &self.plan.stages {
            let mut sinks = Vec::new();
            for sink in &stage.sinks {
                let opened = open_sink(&sink.name, &sink.kind, host.clock.clone(), &host.sinks)
                    .map_err(|error| Failure::from(error).context(format_args!("sink {}", sink.name)))?;
                sinks.push(opened.map(Arc::from));
            }
            self.sinks.push(sinks);
        }
        Ok(())
    }
}

//! What can be wrong with stages as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millstream_operator::OperatorDescription;
use millstream_state::StateId;

use crate::{
    plan::{InputKind, OnError, SourceConnector, Stage},
    spec::FileInput,
};

use super::Planner;

impl Planner<'_> {
    /// Gives the shuffles that feed one stage the same number of partitions, where one is asked for.
    pub(super) fn align_partitions(&mut self, stages: &mut [Stage]) {
        for stage in stages {
            let known: Vec<(String, u32)> =
                stage.inputs.iter().filter_map(|input| Some((input.name.clone(), partitions(&input.kind)?))).collect();
            let Some((_, count)) = known.first().cloned() else { continue };
            if known.iter().any(|(_, other)| *other != count) {
                let list: Vec<_> = known.iter().map(|(name, count)| format!("`{name}` has {count}")).collect();
                let message = format!(
                    "everything that stage `{}` reads must have the same number of partitions, but {}; \
                     a `key` on the step that joins them makes them one stream",
                    stage.name,
                    list.join(" and ")
                );
                self.error(&format!("steps.{}", stage.name), message, None);
                continue;
            }
            for input in &mut stage.inputs {
                if let InputKind::Repartition { partitions: partitions @ None, .. } = &mut input.kind {
                    *partitions = Some(count);
                }
            }
        }
    }

    /// Refuses two states of one stage with the same id, which is a hash of their names.
    pub(super) fn check_states(&mut self, stages: &[Stage], descriptions: &BTreeMap<String, OperatorDescription>) {
        for stage in stages {
            let mut ids: BTreeMap<StateId, String> = BTreeMap::new();
            for step in &stage.steps {
                let states = descriptions.get(&step.name).map(|description| description.states.as_slice());
                for state in states.unwrap_or_default() {
                    let name = format!("{}/{}", step.name, state.name);
                    if let Some(other) = ids.insert(StateId::of(&step.name, &state.name), name.clone()) {
                        let message = format!("states `{other}` and `{name}` get the same id; rename the step");
                        self.error(&format!("steps.{}.operator", step.name), message, None);
                    }
                }
            }
        }
    }

    /// Keeps the topics that the pipeline makes for itself apart from those that it is given.
    pub(super) fn check_topics(&mut self, stages: &[Stage]) {
        let own: BTreeSet<Arc<str>> = stages.iter().flat_map(own_topics).collect();
        let spec = self.spec;
        let mut given: Vec<(String, &str)> = Vec::new();
        for source in &spec.sources {
            given.extend(source.topic.as_deref().map(|topic| (format!("sources.{}.topic", source.name), topic)));
        }
        for sink in &spec.sinks {
            given.extend(sink.topic.as_deref().map(|topic| (format!("sinks.{}.topic", sink.name), topic)));
        }
        given.extend(spec.dead_letter.as_ref().map(|it| ("dead-letter.topic".to_owned(), it.topic.as_str())));
        for (path, topic) in given {
            if own.contains(topic) {
                let message = format!("the pipeline makes a topic `{topic}` for itself; use another name");
                self.error(&path, message, None);
            }
        }
        self.warn_of_topics(stages);
    }

    fn warn_of_topics(&mut self, stages: &[Stage]) {
        let spec = self.spec;
        let read: BTreeSet<&str> = spec.sources.iter().filter_map(|source| source.topic.as_deref()).collect();
        for sink in &spec.sinks {
            if let Some(topic) = sink.topic.as_deref().filter(|topic| read.contains(topic)) {
                let warning = format!("sink `{}` writes to topic `{topic}`, which the pipeline reads", sink.name);
                self.warnings.push(warning);
            }
        }
        if let Some(dead_letter) = &spec.dead_letter {
            let topic = dead_letter.topic.as_str();
            if read.contains(topic) {
                self.warnings.push(format!("dead letters go to topic `{topic}`, which the pipeline reads"));
            }
            let mut steps = stages.iter().flat_map(|stage| &stage.steps);
            if !steps.any(|step| step.on_error == OnError::DeadLetter) {
                self.warnings.push("`dead-letter` is not used: no step says `on-error: dead-letter`".into());
            }
        }
    }
}

/// Partitions of an input, where they are known before the pipeline runs.
fn partitions(input: &InputKind) -> Option<u32> {
    match input {
        InputKind::Topic { .. } => None,
        InputKind::Repartition { partitions, .. } => *partitions,
        InputKind::Connector { connector: SourceConnector::Generator(generator), .. } => Some(generator.partitions),
        InputKind::Connector { connector: SourceConnector::File(file), .. } => {
            (!matches!(file.input, FileInput::Glob(_))).then_some(1)
        }
    }
}

/// The topics that a stage makes for itself.
fn own_topics(stage: &Stage) -> Vec<Arc<str>> {
    let inputs = stage.inputs.iter().filter(|input| !matches!(input.kind, InputKind::Topic { .. }));
    inputs.map(|input| input.kind.topic().clone()).chain(stage.changelog.clone()).collect()
}

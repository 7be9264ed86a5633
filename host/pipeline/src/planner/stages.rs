//! From the graph to stages.

use std::collections::{BTreeMap, BTreeSet};

use millstream_operator::OperatorDescription;

use crate::{
    plan::{
        InputKind, PlannedSink, PlannedStep, SinkKind, SourceConnector, Stage, StageIndex, StageInput, StepLogic,
        Target,
    },
    spec::{FileInput, Sink, Source, Start, Step, Upstream},
};

use super::{
    Planner,
    graph::Live,
    steps::{keeps_state, on_error, output, planned_step},
    time::watermarks,
};

/// Stages being drawn up. Stages that are joined share a root; everything else keeps the place that it got.
#[derive(Default)]
pub(super) struct Draft {
    /// For each stage the one that it was joined to; itself where it was not.
    parents: Vec<usize>,
    /// For each stage its tasks, where they are known before it runs.
    tasks: Vec<Option<u32>>,
    inputs: Vec<Placed<StageInput>>,
    steps: Vec<Placed<PlannedStep>>,
    sinks: Vec<Placed<PlannedSink>>,
    /// The steps of the pipeline file in the order in which they were placed; a stage is named by its first.
    names: Vec<Placed<String>>,
    /// Who gets what.
    wires: Vec<(Emitter, Receiver)>,
}

struct Placed<T> {
    stage: usize,
    item: T,
}

/// Where records come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Emitter {
    Input(usize),
    Output { step: usize, output: usize },
}

/// Where records go in.
#[derive(Clone, Copy, Debug)]
enum Receiver {
    Step(usize),
    Sink(usize),
    /// Through a shuffle.
    Input(usize),
}

/// What stands behind a name that one can read from.
#[derive(Clone, Copy)]
enum Origin {
    Input(usize),
    Step(usize),
}

impl Planner<'_> {
    /// The stages of what is live, each after those that feed it.
    pub(super) fn stages(&mut self, live: &Live, descriptions: &BTreeMap<String, OperatorDescription>) -> Vec<Stage> {
        let spec = self.spec;
        let mut draft = Draft::default();
        let mut origins: BTreeMap<&str, Origin> = BTreeMap::new();
        for source in live.sources.iter().filter_map(|&index| spec.sources.get(index)) {
            origins.insert(&source.name, Origin::Input(draft.source(&self.topic(&source.name, "splits"), source)));
        }
        for step in live.steps.iter().filter_map(|&index| spec.steps.get(index)) {
            let emitters = draft.emitters(&step.from, &origins, descriptions);
            let origin = match &step.key {
                Some(path) => {
                    let topic = self.topic(&step.name, "repartition");
                    let input = draft.shuffle_by_key(&topic, step, path, &emitters, spec.partitions);
                    let stage = draft.stage_of(Emitter::Input(input));
                    draft.name(stage, &step.name);
                    match planned_step(step, descriptions) {
                        Some(planned) => Origin::Step(draft.step(stage, planned, &[Emitter::Input(input)])),
                        None => Origin::Input(input),
                    }
                }
                None => {
                    let stage = self.joined_stage(&mut draft, step, &emitters);
                    draft.name(stage, &step.name);
                    match planned_step(step, descriptions) {
                        Some(planned) => Origin::Step(draft.step(stage, planned, &emitters)),
                        // A step that neither shuffles nor does anything is refused when it is parsed.
                        None => continue,
                    }
                }
            };
            origins.insert(&step.name, origin);
        }
        for sink in live.sinks.iter().filter_map(|&index| spec.sinks.get(index)) {
            let emitters = draft.emitters(&sink.from, &origins, descriptions);
            let topic = self.topic(&format!("{}.sink", sink.name), "repartition");
            draft.sink(&topic, sink, &emitters, spec.partitions);
        }
        draft.finish(|stage| self.topic(stage, "changelog"))
    }

    pub(super) fn topic(&self, of: &str, kind: &str) -> String {
        format!("{}.{of}.{kind}", self.spec.pipeline)
    }

    /// The one stage of everything that a step without a key reads from.
    fn joined_stage(&mut self, draft: &mut Draft, step: &Step, emitters: &[Emitter]) -> usize {
        let mut joined: Option<(usize, &Upstream)> = None;
        for (emitter, upstream) in emitters.iter().zip(&step.from) {
            let stage = draft.stage_of(*emitter);
            match joined {
                None => joined = Some((stage, upstream)),
                Some((first, _)) if first == stage => {}
                Some((first, other)) => {
                    if draft.feeds(first, stage) || draft.feeds(stage, first) {
                        let message = format!(
                            "`{other}` and `{upstream}` are before and behind the same shuffle, so that one step \
                             cannot read both as they are; give `{}` a `key` of its own",
                            step.name
                        );
                        self.error(&format!("steps.{}.from", step.name), message, None);
                    } else {
                        draft.join(first, stage);
                        joined = Some((draft.root(first), other));
                    }
                }
            }
        }
        joined.map_or_else(|| draft.new_stage(None), |(stage, _)| stage)
    }
}

impl Draft {
    fn new_stage(&mut self, tasks: Option<u32>) -> usize {
        self.parents.push(self.parents.len());
        self.tasks.push(tasks);
        self.parents.len() - 1
    }

    fn root(&self, mut stage: usize) -> usize {
        while let Some(&parent) = self.parents.get(stage)
            && parent != stage
        {
            stage = parent;
        }
        stage
    }

    /// Makes two stages one, under the root that came first.
    fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.root(left), self.root(right));
        let (first, second) = (left.min(right), left.max(right));
        let known = self.known_tasks(first).or(self.known_tasks(second));
        if let Some(parent) = self.parents.get_mut(second) {
            *parent = first;
        }
        if let Some(tasks) = self.tasks.get_mut(first) {
            *tasks = known;
        }
    }

    fn known_tasks(&self, stage: usize) -> Option<u32> {
        self.tasks.get(self.root(stage)).copied().flatten()
    }

    fn stage_of(&self, emitter: Emitter) -> usize {
        let stage = match emitter {
            Emitter::Input(input) => self.inputs.get(input).map(|placed| placed.stage),
            Emitter::Output { step, .. } => self.steps.get(step).map(|placed| placed.stage),
        };
        self.root(stage.unwrap_or_default())
    }

    /// The stages of emitters, each once, in order.
    fn stages_of(&self, emitters: &[Emitter]) -> Vec<usize> {
        let mut stages = Vec::new();
        for emitter in emitters {
            let stage = self.stage_of(*emitter);
            if !stages.contains(&stage) {
                stages.push(stage);
            }
        }
        stages
    }

    /// The shuffles as pairs of stages, from and to.
    fn shuffles(&self) -> Vec<(usize, usize)> {
        let pairs = self.wires.iter().filter_map(|(emitter, receiver)| match receiver {
            Receiver::Input(input) => Some((self.stage_of(*emitter), self.stage_of(Emitter::Input(*input)))),
            _ => None,
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// Whether records of stage `from` reach stage `to` through shuffles.
    fn feeds(&self, from: usize, to: usize) -> bool {
        let shuffles = self.shuffles();
        let mut reached = vec![self.root(from)];
        let mut next = 0;
        while let Some(&stage) = reached.get(next) {
            next += 1;
            for (_, below) in shuffles.iter().filter(|(above, _)| *above == stage) {
                if *below == self.root(to) {
                    return true;
                }
                if !reached.contains(below) {
                    reached.push(*below);
                }
            }
        }
        false
    }

    fn name(&mut self, stage: usize, name: &str) {
        self.names.push(Placed { stage, item: name.into() });
    }

    fn emitters(
        &self,
        from: &[Upstream],
        origins: &BTreeMap<&str, Origin>,
        descriptions: &BTreeMap<String, OperatorDescription>,
    ) -> Vec<Emitter> {
        let emitter = |upstream: &Upstream| match origins.get(upstream.name.as_str())? {
            Origin::Input(input) => Some(Emitter::Input(*input)),
            Origin::Step(step) => {
                let description = descriptions.get(&upstream.name);
                let output = match (&upstream.output, description) {
                    (Some(output), Some(description)) => description.outputs.iter().position(|name| name == output)?,
                    _ => 0,
                };
                Some(Emitter::Output { step: *step, output })
            }
        };
        from.iter().filter_map(emitter).collect()
    }

    fn source(&mut self, placement: &str, source: &Source) -> usize {
        let timestamp = source.timestamp.clone();
        let watermarks = watermarks(source.watermark.as_ref());
        let (kind, tasks) = match (&source.topic, &source.file, &source.generator) {
            (Some(topic), ..) => {
                let latest = source.start.unwrap_or_default() == Start::Latest;
                (InputKind::Topic { topic: topic.as_str().into(), timestamp, watermarks, latest }, None)
            }
            (None, file, generator) => {
                let (connector, tasks) = match (file, generator) {
                    (Some(file), _) => {
                        let is_one = !matches!(file.input, FileInput::Glob(_));
                        (SourceConnector::File(file.clone()), is_one.then_some(1))
                    }
                    (None, generator) => {
                        let generator = generator.clone().unwrap_or_default();
                        let tasks = generator.partitions;
                        (SourceConnector::Generator(generator), Some(tasks))
                    }
                };
                (InputKind::Connector { connector, placement: placement.into(), timestamp, watermarks }, tasks)
            }
        };
        let stage = self.new_stage(tasks);
        self.inputs.push(Placed { stage, item: StageInput { name: source.name.clone(), kind, targets: Vec::new() } });
        self.inputs.len() - 1
    }

    /// A new stage behind a shuffle that `emitters` write to.
    fn shuffle(
        &mut self,
        topic: &str,
        name: String,
        partitions: Option<u32>,
        default: Option<u32>,
        emitters: &[Emitter],
    ) -> usize {
        let writers: Option<Vec<u32>> =
            self.stages_of(emitters).into_iter().map(|stage| self.known_tasks(stage)).collect();
        let tasks = partitions.or(default).or_else(|| writers.and_then(|writers| writers.into_iter().max()));
        let stage = self.new_stage(tasks);
        let kind = InputKind::Repartition { topic: topic.into(), partitions };
        self.inputs.push(Placed { stage, item: StageInput { name, kind, targets: Vec::new() } });
        let input = self.inputs.len() - 1;
        self.wires.extend(emitters.iter().map(|emitter| (*emitter, Receiver::Input(input))));
        input
    }

    /// Takes keys in every stage that writes, then shuffles.
    fn shuffle_by_key(
        &mut self,
        topic: &str,
        step: &Step,
        path: &str,
        emitters: &[Emitter],
        default: Option<u32>,
    ) -> usize {
        let name = format!("{}.key", step.name);
        let mut keyed = Vec::new();
        for stage in self.stages_of(emitters) {
            let here: Vec<_> = emitters.iter().copied().filter(|emitter| self.stage_of(*emitter) == stage).collect();
            let planned = PlannedStep {
                name: name.clone(),
                logic: StepLogic::Rekey { path: path.into() },
                on_error: on_error(step.on_error),
                outputs: vec![output("main")],
            };
            keyed.push(Emitter::Output { step: self.step(stage, planned, &here), output: 0 });
        }
        self.shuffle(topic, name, step.partitions, default, &keyed)
    }

    fn step(&mut self, stage: usize, step: PlannedStep, emitters: &[Emitter]) -> usize {
        self.steps.push(Placed { stage, item: step });
        let step = self.steps.len() - 1;
        self.wires.extend(emitters.iter().map(|emitter| (*emitter, Receiver::Step(step))));
        step
    }

    fn sink(&mut self, topic: &str, sink: &Sink, emitters: &[Emitter], default: Option<u32>) {
        let kind = match (&sink.topic, &sink.file, &sink.files) {
            (Some(topic), ..) => SinkKind::Topic { topic: topic.as_str().into(), partitions: sink.partitions },
            (None, Some(file), _) => SinkKind::File(file.clone()),
            (None, None, Some(files)) => SinkKind::Files(files.clone()),
            (None, None, None) => SinkKind::Stdout(sink.stdout.unwrap_or_default()),
        };
        let stages = self.stages_of(emitters);
        if sink.file.is_some() || sink.files.is_some() {
            // One file has one writer, and files that are named by their task are written by one stage.
            let is_one_file = sink.file.as_ref().is_some_and(|file| !file.path.contains("{partition}"));
            let has_one_task = matches!(stages.as_slice(), [stage] if self.known_tasks(*stage) == Some(1));
            if stages.len() > 1 || (is_one_file && !has_one_task) {
                let name = sink.from.first().map(ToString::to_string).unwrap_or_default();
                let input = self.shuffle(topic, name, is_one_file.then_some(1), default, emitters);
                let stage = self.stage_of(Emitter::Input(input));
                self.name(stage, &format!("{}.sink", sink.name));
                self.planned_sink(stage, sink, kind, &[Emitter::Input(input)]);
                return;
            }
        }
        for stage in stages {
            let here: Vec<_> = emitters.iter().copied().filter(|emitter| self.stage_of(*emitter) == stage).collect();
            self.planned_sink(stage, sink, kind.clone(), &here);
        }
    }

    fn planned_sink(&mut self, stage: usize, sink: &Sink, kind: SinkKind, emitters: &[Emitter]) {
        self.sinks.push(Placed { stage, item: PlannedSink { name: sink.name.clone(), kind } });
        let place = self.sinks.len() - 1;
        self.wires.extend(emitters.iter().map(|emitter| (*emitter, Receiver::Sink(place))));
    }

    /// Puts everything into the stages that it belongs to.
    fn finish(self, changelog: impl Fn(&str) -> String) -> Vec<Stage> {
        let order = self.order();
        let place_of = |stage: usize| order.iter().position(|root| *root == self.root(stage)).unwrap_or_default();
        let inputs = local(&self.inputs, place_of);
        let steps = local(&self.steps, place_of);
        let sinks = local(&self.sinks, place_of);
        let mut targets: BTreeMap<Emitter, Vec<Target>> = BTreeMap::new();
        for (emitter, receiver) in &self.wires {
            let target = match receiver {
                Receiver::Step(step) => steps.get(*step).map(|(_, at)| Target::Step(*at)),
                Receiver::Sink(sink) => sinks.get(*sink).map(|(_, at)| Target::Sink(*at)),
                Receiver::Input(input) => {
                    inputs.get(*input).map(|(stage, at)| Target::Shuffle { stage: StageIndex(*stage), input: *at })
                }
            };
            targets.entry(*emitter).or_default().extend(target);
        }
        let names: Vec<String> = order.iter().map(|root| self.stage_name(*root)).collect();
        let mut stages: Vec<Stage> = names.into_iter().map(empty_stage).collect();
        for (index, (placed, (stage, _))) in self.inputs.into_iter().zip(inputs).enumerate() {
            let mut input = placed.item;
            input.targets = targets.remove(&Emitter::Input(index)).unwrap_or_default();
            stages.get_mut(stage).into_iter().for_each(|stage| stage.inputs.push(input.clone()));
        }
        for (index, (placed, (stage, _))) in self.steps.into_iter().zip(steps).enumerate() {
            let mut step = placed.item;
            for (at, output) in step.outputs.iter_mut().enumerate() {
                output.targets = targets.remove(&Emitter::Output { step: index, output: at }).unwrap_or_default();
            }
            stages.get_mut(stage).into_iter().for_each(|stage| stage.steps.push(step.clone()));
        }
        for (placed, (stage, _)) in self.sinks.into_iter().zip(sinks) {
            stages.get_mut(stage).into_iter().for_each(|stage| stage.sinks.push(placed.item.clone()));
        }
        for stage in &mut stages {
            stage.changelog = keeps_state(stage).then(|| changelog(&stage.name).into());
        }
        stages
    }

    /// The roots, each after those that feed it, otherwise in the order in which they began.
    fn order(&self) -> Vec<usize> {
        let mut above: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (from, to) in self.shuffles() {
            above.entry(to).or_default().insert(from);
        }
        let mut waiting: Vec<usize> = (0..self.parents.len()).filter(|stage| self.root(*stage) == *stage).collect();
        let mut done: BTreeSet<usize> = BTreeSet::new();
        let mut order: Vec<usize> = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let is_ready = |stage: &usize| above.get(stage).is_none_or(|above| above.is_subset(&done));
            // There are no circles, so that one is always ready; if not, the file's order will do.
            let stage = waiting.remove(waiting.iter().position(is_ready).unwrap_or_default());
            done.insert(stage);
            order.push(stage);
        }
        order
    }

    fn stage_name(&self, root: usize) -> String {
        let here = |stage: usize| self.root(stage) == root;
        let named = self.names.iter().find(|placed| here(placed.stage)).map(|placed| placed.item.clone());
        let source = || self.inputs.iter().find(|placed| here(placed.stage)).map(|placed| placed.item.name.clone());
        named.or_else(source).unwrap_or_default()
    }
}

/// For each item its stage and its place within that stage.
fn local<T>(items: &[Placed<T>], place_of: impl Fn(usize) -> usize) -> Vec<(usize, usize)> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let place = |placed: &Placed<T>| {
        let stage = place_of(placed.stage);
        let count = counts.entry(stage).or_default();
        *count += 1;
        (stage, *count - 1)
    };
    items.iter().map(place).collect()
}

fn empty_stage(name: String) -> Stage {
    Stage { name, inputs: Vec::new(), steps: Vec::new(), sinks: Vec::new(), changelog: None }
}

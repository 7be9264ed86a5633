//! Which inputs of a stage decide what time it is where.

use std::sync::Arc;

use millstream_pipeline::plan::{Plan, Stage, StageIndex, Target};

/// What the inputs of a stage reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct StageReach {
    /// For each step the inputs whose records come to it.
    pub(crate) steps: Vec<Vec<usize>>,
    /// The shuffles that the stage writes to.
    pub(crate) shuffles: Vec<ShuffleReach>,
    /// For each input, where it is a repartition topic, the stages that write to it and how many tasks each has.
    pub(crate) writers: Vec<Vec<(Arc<str>, u32)>>,
}

/// A shuffle that a stage writes to.
#[derive(Clone, Debug)]
pub(crate) struct ShuffleReach {
    /// The stage behind it.
    pub(crate) stage: StageIndex,
    /// Which of that stage's inputs it is.
    pub(crate) input: usize,
    /// The inputs of the writing stage whose records come to it.
    pub(crate) inputs: Vec<usize>,
}

impl StageReach {
    /// That of each stage of a plan whose stages have so many tasks.
    pub(crate) fn of_plan(plan: &Plan, tasks: &[u32]) -> Vec<Self> {
        let mut reaches: Vec<Self> = plan.stages.iter().map(Self::within).collect();
        for (writer, &tasks) in (0..reaches.len()).zip(tasks) {
            let name: Arc<str> = plan.stages.get(writer).map_or("", |stage| stage.name.as_str()).into();
            let shuffles = reaches.get(writer).map(|reach| reach.shuffles.clone()).unwrap_or_default();
            for shuffle in shuffles {
                let input = reaches.get_mut(shuffle.stage.0).and_then(|reach| reach.writers.get_mut(shuffle.input));
                input.into_iter().for_each(|writers| writers.push((name.clone(), tasks)));
            }
        }
        reaches
    }

    fn within(stage: &Stage) -> Self {
        let mut reach = Self {
            steps: vec![Vec::new(); stage.steps.len()],
            shuffles: Vec::new(),
            writers: vec![Vec::new(); stage.inputs.len()],
        };
        for (index, input) in stage.inputs.iter().enumerate() {
            reach.spread(&input.targets, &[index]);
        }
        // Each step stands after those that feed it.
        for (index, step) in stage.steps.iter().enumerate() {
            let inputs = reach.steps.get(index).cloned().unwrap_or_default();
            for output in &step.outputs {
                reach.spread(&output.targets, &inputs);
            }
        }
        reach
    }

    fn spread(&mut self, targets: &[Target], from: &[usize]) {
        for target in targets {
            match *target {
                Target::Step(step) => self.steps.get_mut(step).into_iter().for_each(|inputs| add(inputs, from)),
                Target::Shuffle { stage, input } => {
                    let known =
                        self.shuffles.iter_mut().find(|shuffle| (shuffle.stage, shuffle.input) == (stage, input));
                    match known {
                        Some(shuffle) => add(&mut shuffle.inputs, from),
                        None => self.shuffles.push(ShuffleReach { stage, input, inputs: from.to_vec() }),
                    }
                }
                Target::Sink(_) => {}
            }
        }
    }
}

fn add(inputs: &mut Vec<usize>, from: &[usize]) {
    for input in from {
        if !inputs.contains(input) {
            inputs.push(*input);
        }
    }
}

//! Who reads from whom, and what of it matters.

use std::collections::{BTreeMap, BTreeSet};

use millstream_operator::OperatorDescription;

use crate::{
    error::nearest,
    references::upstream_path,
    spec::{Sink, Step},
};

use super::Planner;

/// The sources, steps and sinks that a plan has, by their places in the spec.
pub(super) struct Live {
    pub sources: Vec<usize>,
    /// Each after those that it reads from; otherwise in the order of the file.
    pub steps: Vec<usize>,
    pub sinks: Vec<usize>,
}

impl Planner<'_> {
    /// Checks that every output that is read from exists.
    pub(super) fn check_outputs(&mut self, descriptions: &BTreeMap<String, OperatorDescription>) {
        let steps = self.spec.steps.iter().map(|Step { name, from, .. }| ("steps", name, from));
        let sinks = self.spec.sinks.iter().map(|Sink { name, from, .. }| ("sinks", name, from));
        for (section, name, from) in steps.chain(sinks) {
            for (index, upstream) in from.iter().enumerate() {
                let (Some(description), Some(output)) = (descriptions.get(&upstream.name), &upstream.output) else {
                    continue;
                };
                if !description.outputs.contains(output) {
                    let outputs: Vec<_> = description.outputs.iter().map(String::as_str).collect();
                    let path = upstream_path(&self.spec.positions, section, name, index);
                    let known = crate::decode::list(&outputs);
                    let message = format!("step `{}` has no output `{output}`; it has {known}", upstream.name);
                    let suggestion = nearest(output, outputs.iter().copied());
                    self.error(&path, message, suggestion.map(|output| format!("{}.{output}", upstream.name)));
                }
            }
        }
    }

    /// What leads to a sink or to an operator. Of the rest there is a warning.
    pub(super) fn live(&mut self) -> Live {
        let spec = self.spec;
        let mut read: BTreeSet<&str> = BTreeSet::new();
        read.extend(spec.sinks.iter().flat_map(|sink| &sink.from).map(|upstream| upstream.name.as_str()));
        let mut steps = Vec::new();
        for index in self.step_order().into_iter().rev() {
            let Some(step) = spec.steps.get(index) else { continue };
            let is_read = read.contains(step.name.as_str());
            // An operator may be there for its logs, metrics or state.
            if is_read || step.operator.is_some() {
                steps.push(index);
                read.extend(step.from.iter().map(|upstream| upstream.name.as_str()));
            }
            if !is_read {
                let consequence = if step.operator.is_some() { "what it emits is dropped" } else { "it is left out" };
                self.warnings.push(format!("nothing reads from step `{}`; {consequence}", step.name));
            }
        }
        steps.reverse();
        self.warnings.reverse();
        let mut sources = Vec::new();
        for (index, source) in spec.sources.iter().enumerate() {
            if read.contains(source.name.as_str()) {
                sources.push(index);
            } else {
                self.warnings.push(format!("nothing reads from source `{}`; it is left out", source.name));
            }
        }
        if sources.is_empty() {
            self.error("sources", "nothing that is read reaches a sink or an operator", None);
        }
        Live { sources, steps, sinks: (0..spec.sinks.len()).collect() }
    }

    /// All steps, each after those that it reads from, otherwise in the order of the file.
    fn step_order(&self) -> Vec<usize> {
        let places: BTreeMap<&str, usize> =
            self.spec.steps.iter().enumerate().map(|(index, step)| (step.name.as_str(), index)).collect();
        let mut waiting: Vec<usize> = Vec::with_capacity(self.spec.steps.len());
        let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, step) in self.spec.steps.iter().enumerate() {
            let above: BTreeSet<usize> =
                step.from.iter().filter_map(|upstream| places.get(upstream.name.as_str()).copied()).collect();
            waiting.push(above.len());
            for upstream in above {
                readers.entry(upstream).or_default().push(index);
            }
        }
        let mut ready: BTreeSet<usize> =
            waiting.iter().enumerate().filter(|(_, count)| **count == 0).map(|(index, _)| index).collect();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(index) = ready.pop_first() {
            order.push(index);
            for &reader in readers.get(&index).map(Vec::as_slice).unwrap_or_default() {
                if let Some(count) = waiting.get_mut(reader) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(reader);
                    }
                }
            }
        }
        order
    }
}

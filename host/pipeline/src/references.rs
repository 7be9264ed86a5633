//! What a pipeline's parts say about each other: references, circles, and what needs what.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    decode::Decoder,
    error::nearest,
    spec::{FileInput, OnErrorSpec, PipelineSpec, Step, Upstream},
};

/// Checks a decoded pipeline as a whole.
pub(crate) fn check(spec: &PipelineSpec, decoder: &mut Decoder) {
    let mut check = Check { spec, decoder };
    check.names();
    check.upstreams();
    check.circles();
    check.dead_letters();
    check.files();
    check.operators();
    check.keys();
    if spec.sinks.is_empty() && spec.steps.is_empty() && !spec.sources.is_empty() {
        check.error("sources", "nothing reads the sources; a pipeline needs at least one sink or step");
    }
}

struct Check<'a> {
    spec: &'a PipelineSpec,
    decoder: &'a mut Decoder,
}

impl Check<'_> {
    fn error(&mut self, path: &str, message: impl Into<String>) {
        self.error_with(path, message, None);
    }

    fn error_with(&mut self, path: &str, message: impl Into<String>, suggestion: Option<String>) {
        let position = self.spec.positions.of(path);
        self.decoder.error_with(position, path, message, suggestion);
    }

    fn names(&mut self) {
        for step in &self.spec.steps {
            if self.spec.sources.iter().any(|source| source.name == step.name) {
                let message = format!("there is a source of the name `{}` already", step.name);
                self.error(&format!("steps.{}", step.name), message);
            }
        }
    }

    fn upstreams(&mut self) {
        let steps = self.spec.steps.iter().map(|step| ("steps", &step.name, &step.from));
        let sinks = self.spec.sinks.iter().map(|sink| ("sinks", &sink.name, &sink.from));
        for (section, name, from) in steps.chain(sinks) {
            for (index, upstream) in from.iter().enumerate() {
                let path = upstream_path(&self.spec.positions, section, name, index);
                self.upstream(&path, section, name, upstream);
            }
        }
    }

    fn upstream(&mut self, path: &str, section: &str, reader: &str, upstream: &Upstream) {
        let Upstream { name, output } = upstream;
        if let Some(step) = self.spec.steps.iter().find(|step| step.name == *name) {
            if section == "steps" && name == reader {
                self.error(path, "a step cannot read from itself");
            } else if let Some(output) = output
                && step.operator.is_none()
                && output != "main"
                && (output != "late" || !step.has_late_output())
            {
                let message = if step.has_late_output() {
                    format!("step `{name}` has the outputs `main` and `late`, not `{output}`")
                } else {
                    format!("step `{name}` is no operator and has one output, `main`, not `{output}`")
                };
                self.error(path, message);
            }
        } else if self.spec.sources.iter().any(|source| source.name == *name) {
            if let Some(output) = output {
                self.error(path, format!("`{name}` is a source, which has no outputs such as `{output}`"));
            }
        } else if self.spec.sinks.iter().any(|sink| sink.name == *name) {
            self.error(path, format!("`{name}` is a sink, which nothing can read from"));
        } else {
            let sources = self.spec.sources.iter().map(|source| source.name.as_str());
            let known = sources.chain(self.spec.steps.iter().map(|step| step.name.as_str()));
            let known = known.filter(|known| section != "steps" || *known != reader);
            let suggestion = nearest(name, known);
            self.error_with(path, format!("there is no source or step `{name}`"), suggestion);
        }
    }

    /// Says of each circle of steps once that it is one.
    fn circles(&mut self) {
        let steps: BTreeMap<&str, &Step> = self.spec.steps.iter().map(|step| (step.name.as_str(), step)).collect();
        let mut finished: BTreeSet<&str> = BTreeSet::new();
        for step in &self.spec.steps {
            // Depth first with a stack of its own: steps may be many.
            let mut stack: Vec<(&Step, usize)> = vec![(step, 0)];
            while let Some((step, next)) = stack.last_mut() {
                if finished.contains(step.name.as_str()) {
                    stack.pop();
                    continue;
                }
                let Some(upstream) = step.from.get(*next) else {
                    finished.insert(&step.name);
                    stack.pop();
                    continue;
                };
                *next += 1;
                let Some(above) = steps.get(upstream.name.as_str()) else { continue };
                match stack.iter().position(|(open, _)| open.name == above.name) {
                    // Reading from oneself has been said.
                    Some(start) if start + 1 == stack.len() => {}
                    Some(start) => {
                        let circle: Vec<&str> =
                            stack.iter().skip(start).rev().map(|(step, _)| step.name.as_str()).collect();
                        let last = circle.last().copied().unwrap_or_default();
                        let message =
                            format!("steps read from each other in a circle: {last} -> {}", circle.join(" -> "));
                        self.error(&format!("steps.{last}.from"), message);
                    }
                    None => stack.push((above, 0)),
                }
            }
        }
    }

    fn dead_letters(&mut self) {
        for step in &self.spec.steps {
            if step.on_error == OnErrorSpec::DeadLetter && self.spec.dead_letter.is_none() {
                let message = "the pipeline has no `dead-letter: { topic: NAME }` that records could go to";
                // A section that is there and wrong has been complained about.
                if !self.decoder.errors.iter().any(|error| error.path.starts_with("dead-letter")) {
                    self.error(&format!("steps.{}.on-error", step.name), message);
                }
            }
        }
    }

    fn files(&mut self) {
        let mut stdin = None;
        for source in &self.spec.sources {
            if let Some(file) = &source.file
                && matches!(file.input, FileInput::Stdin(_))
            {
                if let Some(first) = stdin {
                    let message = format!("source `{first}` reads standard input already");
                    self.error(&format!("sources.{}.file.stdin", source.name), message);
                }
                stdin = Some(&source.name);
            }
        }
        let mut written: BTreeMap<&str, &str> = BTreeMap::new();
        for sink in &self.spec.sinks {
            if let Some(file) = &sink.file
                && let Some(first) = written.insert(&file.path, &sink.name)
            {
                let message = format!("sink `{first}` writes this file already; one sink can read from several steps");
                self.error(&format!("sinks.{}.file.path", sink.name), message);
            }
        }
    }

    fn operators(&mut self) {
        for entry in &self.spec.operators {
            let used = self.spec.used_operators();
            if !used.iter().any(|(_, operator)| **operator == entry.operator) {
                let path = format!("operators.{}", entry.operator);
                let used: Vec<String> = used.iter().map(|(_, operator)| operator.to_string()).collect();
                let suggestion = nearest(&entry.operator.to_string(), used.iter().map(String::as_str));
                self.error_with(&path, format!("nothing uses the operator `{}`", entry.operator), suggestion);
            }
        }
    }
}

/// Windows and rolling features are made for each key.
impl Check<'_> {
    fn keys(&mut self) {
        for step in self.spec.steps.iter().filter(|step| step.has_late_output() && step.key.is_none()) {
            if let Some(source) = self.keyless_source(step) {
                let what = if step.window.is_some() { "windows" } else { "rolling features" };
                let message = format!(
                    "{what} are made for each key, and the records of source `{source}` have none; give the step a \
                     `key`, such as `key: /user_id`"
                );
                self.error(&format!("steps.{}", step.name), message);
            }
        }
    }

    /// A source whose records reach the step without ever getting a key.
    fn keyless_source<'s>(&'s self, step: &'s Step) -> Option<&'s str> {
        let mut waiting: Vec<&Upstream> = step.from.iter().collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        while let Some(upstream) = waiting.pop() {
            if !seen.insert(&upstream.name) {
                continue;
            }
            if let Some(source) = self.spec.sources.iter().find(|source| source.name == upstream.name) {
                let of_file = source.file.as_ref().is_some_and(|file| file.key.is_none());
                let of_generator = source.generator.as_ref().is_some_and(|generator| generator.key.is_none());
                if of_file || of_generator {
                    return Some(&source.name);
                }
            }
            let above = self.spec.steps.iter().find(|above| above.name == upstream.name);
            // An operator may give keys to what it emits.
            if let Some(above) = above.filter(|above| above.key.is_none() && above.operator.is_none()) {
                waiting.extend(&above.from);
            }
        }
        None
    }
}

/// The path of one of the things that a step or sink reads from.
pub(crate) fn upstream_path(positions: &crate::position::Positions, section: &str, name: &str, index: usize) -> String {
    let list_item = format!("{section}.{name}.from[{index}]");
    if positions.contains(&list_item) { list_item } else { format!("{section}.{name}.from") }
}

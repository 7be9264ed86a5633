//! What the entries of the control log add up to.

use std::collections::BTreeMap;

use millstream_types::{Digest, OperatorRef, PipelineName};
use serde::{Deserialize, Serialize};

use crate::entry::{Desired, Entry, LogRecord, SpecFormat};

/// A registered plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// Its name and version.
    pub operator: OperatorRef,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// The length of its bytes.
    pub size_bytes: u64,
    /// The world that it exports.
    pub kind: String,
    /// When it was registered, milliseconds since 1970.
    pub created_ms: i64,
    /// What it declares about itself.
    pub description: serde_json::Value,
}

impl PluginRecord {
    /// The interpreter that runs it, where it is a script: `source.interpreter` of its description.
    pub fn interpreter(&self) -> Option<Digest> {
        self.description.pointer("/source/interpreter")?.as_str()?.parse().ok()
    }
}

/// An applied pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineRecord {
    /// Its name.
    pub name: PipelineName,
    /// How often it was applied, removed ones of the same name included.
    pub generation: u64,
    /// As the user wrote it.
    pub spec_text: String,
    /// The language of the text.
    pub spec_format: SpecFormat,
    /// What it should be doing.
    pub desired: Desired,
    /// The operators that the text names, by step.
    pub declared: BTreeMap<String, OperatorRef>,
    /// The operators that were swapped in since, by step.
    pub swaps: BTreeMap<String, OperatorRef>,
    /// When it was last applied, milliseconds since 1970.
    pub applied_ms: i64,
}

impl PipelineRecord {
    /// The operator that a step runs: the one swapped in, else the declared one.
    pub fn operator(&self, step: &str) -> Option<&OperatorRef> {
        self.swaps.get(step).or_else(|| self.declared.get(step))
    }

    /// Whether the pipeline needs the operator. What its text declares is needed even while something else
    /// is swapped in: the text must stay valid.
    pub fn uses(&self, operator: &OperatorRef) -> bool {
        self.declared.values().chain(self.swaps.values()).any(|used| used == operator)
    }
}

/// An entry that cannot follow the ones before it: the log was tampered with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {sequence} cannot follow: {reason}")]
pub struct FoldError {
    /// The entry's place.
    pub sequence: u64,
    /// Why not.
    pub reason: String,
}

/// Everything that is registered, after some entry of the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RegistryState {
    sequence: u64,
    plugins: BTreeMap<OperatorRef, PluginRecord>,
    pipelines: BTreeMap<PipelineName, PipelineRecord>,
    /// The last generation of pipelines that were removed, so that a number never comes back.
    removed_generations: BTreeMap<PipelineName, u64>,
}

impl RegistryState {
    /// The number of entries that this is the sum of.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The plugins, by name and version.
    pub fn plugins(&self) -> impl ExactSizeIterator<Item = &PluginRecord> {
        self.plugins.values()
    }

    /// One plugin.
    pub fn plugin(&self, operator: &OperatorRef) -> Option<&PluginRecord> {
        self.plugins.get(operator)
    }

    /// The pipelines, by name.
    pub fn pipelines(&self) -> impl ExactSizeIterator<Item = &PipelineRecord> {
        self.pipelines.values()
    }

    /// One pipeline.
    pub fn pipeline(&self, name: &PipelineName) -> Option<&PipelineRecord> {
        self.pipelines.get(name)
    }

    /// The last generation that had this name; 0 where there was none.
    pub(crate) fn last_generation(&self, name: &PipelineName) -> u64 {
        match self.pipelines.get(name) {
            Some(pipeline) => pipeline.generation,
            None => self.removed_generations.get(name).copied().unwrap_or(0),
        }
    }

    /// Adds the next entry of the log. Leaves the state as it was on an error.
    ///
    /// # Errors
    /// When no host that went by the rules can have appended it here.
    pub fn apply(&mut self, record: &LogRecord) -> Result<(), FoldError> {
        let refuse = |reason: String| Err(FoldError { sequence: record.sequence, reason });
        if record.sequence != self.sequence + 1 {
            return refuse(format!("the one before it is {}", self.sequence));
        }
        match &record.entry {
            Entry::PluginRegistered { operator, digest, size_bytes, kind, created_ms, description } => {
                if self.plugins.contains_key(operator) {
                    return refuse(format!("{operator} is registered already"));
                }
                let plugin = PluginRecord {
                    operator: operator.clone(),
                    digest: *digest,
                    size_bytes: *size_bytes,
                    kind: kind.clone(),
                    created_ms: *created_ms,
                    description: description.clone(),
                };
                self.plugins.insert(operator.clone(), plugin);
            }
            Entry::PluginRemoved { operator } => {
                if self.plugins.remove(operator).is_none() {
                    return refuse(format!("{operator} is not registered"));
                }
            }
            Entry::PipelineApplied { name, generation, spec_text, spec_format, operators, applied_ms } => {
                let last = self.last_generation(name);
                if *generation != last + 1 {
                    return refuse(format!("pipeline `{name}` is at generation {last}"));
                }
                let desired = self.pipelines.get(name).map(|pipeline| pipeline.desired).unwrap_or_default();
                let pipeline = PipelineRecord {
                    name: name.clone(),
                    generation: *generation,
                    spec_text: spec_text.clone(),
                    spec_format: *spec_format,
                    desired,
                    declared: operators.clone(),
                    swaps: BTreeMap::new(),
                    applied_ms: *applied_ms,
                };
                self.pipelines.insert(name.clone(), pipeline);
                self.removed_generations.remove(name);
            }
            Entry::PipelineDesired { name, desired } => match self.pipelines.get_mut(name) {
                Some(pipeline) => pipeline.desired = *desired,
                None => return refuse(format!("there is no pipeline `{name}`")),
            },
            Entry::StepSwapped { name, step, operator } => {
                let Some(pipeline) = self.pipelines.get_mut(name) else {
                    return refuse(format!("there is no pipeline `{name}`"));
                };
                match pipeline.declared.get(step) {
                    None => return refuse(format!("pipeline `{name}` has no step `{step}`")),
                    Some(declared) if declared == operator => drop(pipeline.swaps.remove(step)),
                    Some(_) => drop(pipeline.swaps.insert(step.clone(), operator.clone())),
                }
            }
            Entry::PipelineRemoved { name } => match self.pipelines.remove(name) {
                Some(pipeline) => drop(self.removed_generations.insert(name.clone(), pipeline.generation)),
                None => return refuse(format!("there is no pipeline `{name}`")),
            },
        }
        self.sequence = record.sequence;
        Ok(())
    }
}

//! The entries of the control log.

use std::collections::BTreeMap;

use millstream_types::{Digest, OperatorRef, PipelineName};
use serde::{Deserialize, Serialize};

/// The language of a pipeline's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpecFormat {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// What a pipeline should be doing.
///
/// ```text
///   Stopped <-> Running <-> Paused      any to any; a new pipeline is Stopped
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// Does nothing.
    #[default]
    Stopped,
    /// Runs, again after every restart of a host.
    Running,
    /// Keeps its tasks but reads nothing.
    Paused,
}

/// A change of the registry. Persisted: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Entry {
    /// A plugin was registered; its blob exists.
    PluginRegistered {
        /// Under which name.
        operator: OperatorRef,
        /// The SHA-256 of its bytes.
        digest: Digest,
        /// The length of its bytes.
        size_bytes: u64,
        /// The world that it exports, for instance `operator`.
        kind: String,
        /// When, milliseconds since 1970.
        created_ms: i64,
        /// What it declares about itself, for people and tools; not interpreted here.
        description: serde_json::Value,
    },
    /// A plugin was removed. Its blob is collected later.
    PluginRemoved {
        /// Which one.
        operator: OperatorRef,
    },
    /// A pipeline was created or changed. Takes back every swap of its steps.
    PipelineApplied {
        /// Its name.
        name: PipelineName,
        /// One more than the last of this name, removed ones included.
        generation: u64,
        /// As the user wrote it.
        spec_text: String,
        /// The language of the text.
        spec_format: SpecFormat,
        /// The operator of each step that has one.
        operators: BTreeMap<String, OperatorRef>,
        /// When, milliseconds since 1970.
        applied_ms: i64,
    },
    /// A pipeline should start, stop or pause.
    PipelineDesired {
        /// Its name.
        name: PipelineName,
        /// What it should be doing.
        desired: Desired,
    },
    /// A step runs another operator from now on.
    StepSwapped {
        /// The pipeline.
        name: PipelineName,
        /// The step.
        step: String,
        /// The operator.
        operator: OperatorRef,
    },
    /// A pipeline was removed.
    PipelineRemoved {
        /// Its name.
        name: PipelineName,
    },
}

/// An entry at its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// The place, from 1.
    pub sequence: u64,
    /// Who wrote it: unique for each attempt to append, so that a writer whose answer was lost knows its own.
    pub writer: String,
    /// The change.
    pub entry: Entry,
}

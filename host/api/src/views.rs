//! What the API answers, as JSON.

use std::collections::BTreeMap;

use millstream_checkpoint::{Desired, PipelineRecord, PluginRecord, SpecFormat};
use millstream_operator::{FieldDeclaration, OperatorDescription};
use millstream_runtime::{PipelineState, PipelineStatus};
use millstream_state::StateKind;
use millstream_types::{Digest, OperatorRef, PipelineName};
use serde::Serialize;
use serde_json::{Value, json};

use crate::LoadedPlugin;

/// A registered plugin.
#[derive(Clone, Debug, Serialize)]
pub struct PluginView {
    /// `name@version`.
    pub operator: OperatorRef,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// The length of its bytes.
    pub size_bytes: u64,
    /// The world that it exports.
    pub world: String,
    /// When it was registered, milliseconds since 1970.
    pub created_ms: i64,
    /// What it declares; see [`describe_operator`].
    pub description: Value,
    /// The pipelines that use it.
    pub used_by: Vec<PipelineName>,
}

impl PluginView {
    pub(crate) fn new<'a>(record: &PluginRecord, pipelines: impl Iterator<Item = &'a PipelineRecord>) -> Self {
        Self {
            operator: record.operator.clone(),
            name: record.operator.name().into(),
            version: record.operator.version().into(),
            digest: record.digest,
            size_bytes: record.size_bytes,
            world: record.kind.clone(),
            created_ms: record.created_ms,
            description: record.description.clone(),
            used_by: pipelines.filter(|pipeline| pipeline.uses(&record.operator)).map(|p| p.name.clone()).collect(),
        }
    }
}

/// What a plugin declares about itself, and which source it is, where it is a script, as JSON.
pub fn describe_plugin(plugin: &dyn LoadedPlugin) -> Value {
    let mut description = describe_operator(plugin.description(), &plugin.imports());
    if let (Some(script), Some(members)) = (plugin.script(), description.as_object_mut()) {
        let files: Vec<_> = script.files().iter().map(|file| &file.path).collect();
        let source = json!({
            "language": script.language(), "main": script.main(), "files": files,
            "interpreter": script.interpreter(),
        });
        members.insert("source".into(), source);
    }
    description
}

/// What an operator declares about itself, as JSON.
pub fn describe_operator(description: &OperatorDescription, imports: &[String]) -> Value {
    let field =
        |field: &FieldDeclaration| json!({ "path": field.path, "type": field.kind.name(), "optional": field.optional });
    let states: Vec<Value> = description
        .states
        .iter()
        .map(|state| {
            let kind = match state.kind {
                StateKind::Value => "value",
                StateKind::Map => "map",
                StateKind::List => "list",
            };
            json!({
                "name": state.name,
                "kind": kind,
                "schema_version": state.schema_version,
                "ttl_ms": state.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
                "prefetch": state.prefetch,
            })
        })
        .collect();
    let schema = description.config_schema.as_ref().map(|text| {
        // A schema that is not JSON is shown as it is rather than hidden.
        serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
    });
    json!({
        "outputs": description.outputs,
        "states": states,
        "reads": description.reads.iter().map(field).collect::<Vec<_>>(),
        "writes": description.writes.iter().map(field).collect::<Vec<_>>(),
        "config_schema": schema,
        "imports": imports,
    })
}

/// A pipeline in a list.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineSummary {
    /// Its name.
    pub pipeline: PipelineName,
    /// How often it was applied.
    pub generation: u64,
    /// What it should be doing.
    pub desired: Desired,
    /// What it is doing.
    pub state: PipelineState,
    /// Why it failed, or what it is waiting for.
    pub reason: Option<String>,
    /// The operator of each step that has one.
    pub operators: BTreeMap<String, OperatorRef>,
}

/// A pipeline as it is registered.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineView {
    /// As in a list.
    #[serde(flatten)]
    pub summary: PipelineSummary,
    /// The steps whose operator was swapped since the pipeline was applied, with what runs there now.
    pub swaps: BTreeMap<String, OperatorRef>,
    /// When it was last applied, milliseconds since 1970.
    pub applied_ms: i64,
    /// The language of the text.
    pub format: SpecFormat,
    /// As its author wrote it.
    pub spec: String,
}

/// The operator that each step of a pipeline runs.
pub(crate) fn operators_in_force(record: &PipelineRecord) -> BTreeMap<String, OperatorRef> {
    let steps = record.declared.keys();
    steps.filter_map(|step| Some((step.clone(), record.operator(step)?.clone()))).collect()
}

/// What a pipeline is doing.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// What it should be doing.
    pub desired: Desired,
    /// How often it was applied.
    pub generation: u64,
    /// What it is doing.
    #[serde(flatten)]
    pub status: PipelineStatus,
}

/// A topic.
#[derive(Clone, Debug, Serialize)]
pub struct TopicView {
    /// Its name.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Records between the first offset and the last, gaps included.
    pub records: i64,
    /// For each partition its first offset and the one after its last committed record.
    pub offsets: Vec<(i64, i64)>,
}

impl TopicView {
    /// What the log says of a topic.
    pub fn new(info: &millstream_log::TopicInfo) -> Self {
        Self {
            topic: info.name.to_string(),
            partitions: info.partitions(),
            records: info.offsets.iter().map(|(first, next)| next.saturating_sub(*first)).sum(),
            offsets: info.offsets.clone(),
        }
    }
}

/// Whether everything that should run does.
#[derive(Clone, Debug, Serialize)]
pub struct HealthView {
    /// `ok` or `failing`.
    pub status: &'static str,
    /// What is wrong, one sentence each.
    pub problems: Vec<String>,
}

/// Whether the server has taken up its work.
#[derive(Clone, Debug, Serialize)]
pub struct ReadyView {
    /// `ready` or `starting`.
    pub status: &'static str,
    /// What is not ready yet.
    pub waiting_for: Vec<String>,
}

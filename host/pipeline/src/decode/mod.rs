//! The tree of a file to a [`PipelineSpec`]: names, types and ranges. All errors are gathered, so that
//! something wrong in one place hides nothing in another.

mod case;
mod connector;
mod files;
mod generator;
mod graph;
mod rolling;
mod scalar;
mod trigger;
mod watermark;
mod window;

use std::{sync::Arc, time::Duration};

use graph::given;

use millstream_types::PipelineName;

use crate::{
    document::{Entry, Kind, Node, Style},
    error::{SpecError, nearest},
    position::{Position, Positions},
    spec::{BatchSpec, CommitSpec, DeadLetter, Delivery, OperatorPath, PipelineSpec, RetrySpec},
};

/// Most partitions of a topic.
const MAX_PARTITIONS: u64 = 10_000;
/// Most sources, steps or sinks.
const MAX_NAMED: usize = 1000;

/// Gathers errors and the places of values.
pub(crate) struct Decoder {
    pub positions: Positions,
    pub errors: Vec<SpecError>,
}

/// A value and its path.
#[derive(Clone, Debug)]
pub(crate) struct Field<'n> {
    pub node: &'n Node,
    pub path: String,
}

/// The members of a map. Those that were never asked for are not known.
pub(crate) struct Members<'n> {
    path: String,
    position: Position,
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

impl Decoder {
    pub fn new(file: &str) -> Self {
        Self { positions: Positions::new(file), errors: Vec::new() }
    }

    pub fn error(&mut self, position: Position, path: &str, message: impl Into<String>) {
        self.error_with(position, path, message, None);
    }

    pub fn error_with(
        &mut self,
        position: Position,
        path: &str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        let message = message.into();
        let Position { line, column } = position;
        let file = self.positions.file.clone();
        self.errors.push(SpecError { file, line, column, path: path.into(), message, suggestion });
    }

    pub fn error_at(&mut self, field: &Field<'_>, message: impl Into<String>) {
        self.error(field.node.position, &field.path, message);
    }

    /// Says that something else was expected than what stands there.
    pub fn expected(&mut self, field: &Field<'_>, what: &str) {
        let found = describe(field.node);
        self.error_at(field, format!("expected {what}, found {found}"));
    }

    /// The members of a map; nothing at all counts as an empty one where `may_be_empty`.
    fn members<'n>(&mut self, field: &Field<'n>, what: &str, may_be_empty: bool) -> Option<Members<'n>> {
        let entries: &'n [Entry] = match &field.node.kind {
            Kind::Map(entries) => entries,
            _ if may_be_empty && field.node.is_null() => &[],
            _ => {
                self.expected(field, what);
                return None;
            }
        };
        let position = self.positions.of(&field.path);
        Some(Members { path: field.path.clone(), position, entries, known: Vec::new() })
    }

    /// The member `name`.
    fn take<'n>(&mut self, members: &mut Members<'n>, name: &'static str) -> Option<Field<'n>> {
        members.known.push(name);
        let entry = members.entries.iter().find(|entry| entry.name == name)?;
        Some(self.field(&members.path, entry))
    }

    /// The member `name`, and an error where there is none.
    fn require<'n>(&mut self, members: &mut Members<'n>, name: &'static str) -> Option<Field<'n>> {
        let field = self.take(members, name);
        if field.is_none() {
            self.error(members.position, &members.path, format!("`{name}` is missing"));
        }
        field
    }

    /// Says which members are not known, once all that are have been asked for.
    fn finish(&mut self, members: Members<'_>) {
        for entry in members.entries {
            if !members.known.contains(&entry.name.as_str()) {
                let path = join(&members.path, &entry.name);
                let suggestion = nearest(&entry.name, members.known.iter().copied());
                let message = match suggestion {
                    Some(_) => format!("unknown field `{}`", entry.name),
                    None => format!("unknown field `{}`; known here: {}", entry.name, list(&members.known)),
                };
                self.error_with(entry.position, &path, message, suggestion);
            }
        }
    }

    /// The entries of a map from names that the author chose.
    fn named<'n>(&mut self, field: &Field<'n>, what: &str) -> Vec<(&'n str, Field<'n>)> {
        match &field.node.kind {
            Kind::Map(entries) if entries.len() > MAX_NAMED => {
                self.error_at(field, format!("has {} entries where {MAX_NAMED} are allowed", entries.len()));
                Vec::new()
            }
            Kind::Map(entries) => {
                let mut fields = Vec::with_capacity(entries.len());
                for entry in entries {
                    let path = join(&field.path, &entry.name);
                    self.positions.insert(&path, entry.position);
                    fields.push((entry.name.as_str(), Field { node: &entry.value, path }));
                }
                fields
            }
            _ if field.node.is_null() => Vec::new(),
            _ => {
                self.expected(field, what);
                Vec::new()
            }
        }
    }

    fn field<'n>(&mut self, path: &str, entry: &'n Entry) -> Field<'n> {
        let path = join(path, &entry.name);
        // Of a map the name is the better place to point at: that is where one looks for it.
        let is_map = matches!(entry.value.kind, Kind::Map(_));
        self.positions.insert(&path, if is_map { entry.position } else { entry.value.position });
        Field { node: &entry.value, path }
    }

    /// The items of a list.
    fn items<'n>(&mut self, field: &Field<'n>, what: &str) -> Vec<Field<'n>> {
        let Kind::List(items) = &field.node.kind else {
            self.expected(field, what);
            return Vec::new();
        };
        let fields =
            items.iter().enumerate().map(|(index, node)| Field { node, path: format!("{}[{index}]", field.path) });
        let fields: Vec<_> = fields.collect();
        for field in &fields {
            self.positions.insert(&field.path, field.node.position);
        }
        fields
    }

    /// Everything.
    pub fn pipeline(mut self, root: &Node) -> (Option<PipelineSpec>, Vec<SpecError>) {
        let root = Field { node: root, path: String::new() };
        if root.node.is_null() {
            let message = "the file is empty; a pipeline begins with `pipeline: NAME`";
            self.error(root.node.position, "", message);
            return (None, self.errors);
        }
        let spec = self.top(&root);
        (spec, self.errors)
    }

    fn top(&mut self, root: &Field<'_>) -> Option<PipelineSpec> {
        let mut members = self.members(root, "a map with `pipeline`, `sources` and `sinks`", false)?;
        let name = self.require(&mut members, "pipeline").and_then(|field| self.name(&field));
        let sources = self.require(&mut members, "sources").map(|field| self.sources(&field));
        let steps = self.take(&mut members, "steps").map(|field| self.steps(&field));
        let sinks = self.take(&mut members, "sinks").map(|field| self.sinks(&field));
        let dead_letter = self.take(&mut members, "dead-letter").and_then(|field| self.dead_letter(&field));
        let operators = self.take(&mut members, "operators").map(|field| self.operators(&field));
        let delivery = self.take(&mut members, "delivery").and_then(|field| {
            let known = [("exactly-once", Delivery::ExactlyOnce), ("at-least-once", Delivery::AtLeastOnce)];
            self.choice(&field, &known)
        });
        let workers = self.take(&mut members, "workers").and_then(|field| self.integer(&field, 1, 1024));
        let standby = self.take(&mut members, "standby").and_then(|field| self.integer(&field, 0, 16));
        let commit = self.take(&mut members, "commit").and_then(|field| self.commit(&field));
        let batch = self.take(&mut members, "batch").and_then(|field| self.batch(&field));
        let retry = self.take(&mut members, "retry").and_then(|field| self.retry(&field));
        let partitions = self.take(&mut members, "partitions").and_then(|field| self.partitions(&field));
        self.finish(members);
        Some(PipelineSpec {
            pipeline: name.or_else(unnamed)?,
            sources: sources.unwrap_or_default(),
            steps: steps.unwrap_or_default(),
            sinks: sinks.unwrap_or_default(),
            dead_letter,
            operators: operators.unwrap_or_default(),
            delivery: delivery.unwrap_or_default(),
            workers: workers.map(|workers| workers as u32),
            standby: standby.map_or(0, |standby| standby as u32),
            commit: commit.unwrap_or_default(),
            batch: batch.unwrap_or_default(),
            retry: retry.unwrap_or_default(),
            partitions,
            positions: Arc::new(std::mem::take(&mut self.positions)),
        })
    }

    fn dead_letter(&mut self, field: &Field<'_>) -> Option<DeadLetter> {
        let mut members = self.members(field, "a map such as { topic: NAME }", false)?;
        let topic = self.require(&mut members, "topic").and_then(|field| self.topic(&field));
        self.finish(members);
        Some(DeadLetter { topic: topic? })
    }

    fn operators(&mut self, field: &Field<'_>) -> Vec<OperatorPath> {
        let mut paths = Vec::new();
        for (name, field) in self.named(field, "a map from NAME@VERSION to a path") {
            let operator = match name.parse() {
                Ok(operator) => Some(operator),
                Err(reason) => {
                    self.error(self.positions.of(&field.path), &field.path, format!("{reason}"));
                    None
                }
            };
            let path = self.text(&field, "the path of a component or of an operator's project");
            paths.extend(operator.zip(path).map(|(operator, path)| OperatorPath { operator, path }));
        }
        paths
    }

    fn commit(&mut self, field: &Field<'_>) -> Option<CommitSpec> {
        let mut members = self.members(field, "a map such as { interval: 100ms, bytes: 32MiB }", false)?;
        let default = CommitSpec::default();
        let interval = self
            .take(&mut members, "interval")
            .and_then(|field| self.duration_within(&field, Duration::from_millis(1), Duration::from_secs(3600)));
        let bytes = self.take(&mut members, "bytes").and_then(|field| self.byte_size(&field));
        self.finish(members);
        Some(CommitSpec { interval: interval.unwrap_or(default.interval), bytes: bytes.unwrap_or(default.bytes) })
    }

    fn batch(&mut self, field: &Field<'_>) -> Option<BatchSpec> {
        let mut members = self.members(field, "a map such as { records: 4096, bytes: 1MiB }", false)?;
        let default = BatchSpec::default();
        let records = self.take(&mut members, "records").and_then(|field| self.integer(&field, 1, 1_000_000));
        let bytes = self.take(&mut members, "bytes").and_then(|field| self.byte_size(&field));
        self.finish(members);
        let records = records.map_or(default.records, |records| records as usize);
        Some(BatchSpec { records, bytes: bytes.unwrap_or(default.bytes) })
    }

    fn retry(&mut self, field: &Field<'_>) -> Option<RetrySpec> {
        let mut members = self.members(field, "a map such as { attempts: 8, backoff: 500ms }", false)?;
        let default = RetrySpec::default();
        let attempts = self.take(&mut members, "attempts").and_then(|field| self.integer(&field, 0, 1_000_000));
        let backoff = self
            .take(&mut members, "backoff")
            .and_then(|field| self.duration_within(&field, Duration::from_millis(1), Duration::from_secs(3600)));
        self.finish(members);
        let attempts = attempts.map_or(default.attempts, |attempts| attempts as u32);
        Some(RetrySpec { attempts, backoff: backoff.unwrap_or(default.backoff) })
    }

    fn partitions(&mut self, field: &Field<'_>) -> Option<u32> {
        self.integer(field, 1, MAX_PARTITIONS).map(|partitions| partitions as u32)
    }
}

/// A name to go on with where the file's own cannot be used, which has been said.
fn unnamed() -> Option<PipelineName> {
    "pipeline".parse().ok()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// What stands there, for messages.
fn describe(node: &Node) -> String {
    match &node.kind {
        _ if node.is_null() => "nothing".into(),
        Kind::Scalar { text, style: Style::Plain } => shorten(text),
        Kind::Scalar { text, .. } => format!("{:?}", shorten(text)),
        Kind::List(_) => "a list".into(),
        Kind::Map(_) => "a map".into(),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.into(),
    }
}

/// Names as a message lists them.
pub(crate) fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".into(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

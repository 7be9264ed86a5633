//! Sources, steps and sinks.

use crate::{
    document::{Kind, Style},
    planner::steps::key_field,
    spec::{MapFields, OnErrorSpec, Sink, Source, Start, Step, Upstream},
};

use super::{Decoder, Field, Members, list};

impl Decoder {
    pub(super) fn sources(&mut self, field: &Field<'_>) -> Vec<Source> {
        let what = "a map of sources, for instance { payments: { topic: payments } }";
        let sources =
            self.named(field, what).into_iter().filter_map(|(name, field)| self.source(name, &field)).collect();
        if field.node.is_null() || matches!(&field.node.kind, Kind::Map(entries) if entries.is_empty()) {
            self.error_at(field, "a pipeline needs at least one source");
        }
        sources
    }

    fn source(&mut self, name: &str, field: &Field<'_>) -> Option<Source> {
        self.check_name(field, name);
        let mut members = self.members(field, "a map with one of `topic`, `file` and `generator`", false)?;
        let topic = self.take(&mut members, "topic");
        let file = self.take(&mut members, "file");
        let generator = self.take(&mut members, "generator");
        self.exactly_one(&members, &[("topic", &topic), ("file", &file), ("generator", &generator)]);
        let start = self.take(&mut members, "start");
        self.only_with(&start, "start", "topic", topic.is_some());
        let source = Source {
            name: name.into(),
            topic: topic.and_then(|field| self.topic(&field)),
            start: start
                .and_then(|field| self.choice(&field, &[("earliest", Start::Earliest), ("latest", Start::Latest)])),
            file: file.and_then(|field| self.file_source(&field)),
            generator: generator.and_then(|field| self.generator(&field)),
            timestamp: self.take(&mut members, "timestamp").and_then(|field| self.timestamp(&field)),
            watermark: self.take(&mut members, "watermark").and_then(|field| self.watermark(&field)),
        };
        self.finish(members);
        Some(source)
    }

    pub(super) fn steps(&mut self, field: &Field<'_>) -> Vec<Step> {
        let what = "a map of steps, for instance { parse: { from: payments, operator: parse@1.0.0 } }";
        self.named(field, what).into_iter().filter_map(|(name, field)| self.step(name, &field)).collect()
    }

    fn step(&mut self, name: &str, field: &Field<'_>) -> Option<Step> {
        self.check_name(field, name);
        let mut members = self.members(field, "a map with `from` and what the step does", false)?;
        let from = self.require(&mut members, "from").map(|field| self.from(&field));
        let key = self.take(&mut members, "key");
        let partitions = self.take(&mut members, "partitions");
        self.only_with(&partitions, "partitions", "key", key.is_some());
        let operator = self.take(&mut members, "operator");
        let config = self.take(&mut members, "config");
        let filter = self.take(&mut members, "filter");
        let map = self.take(&mut members, "map");
        let window = self.take(&mut members, "window");
        let rolling = self.take(&mut members, "rolling");
        let [aggregate, aggregator, process] =
            ["aggregate", "aggregator", "process"].map(|name| self.take(&mut members, name));
        let functions = [("aggregate", &aggregate), ("aggregator", &aggregator), ("process", &process)];
        if window.is_some() {
            self.window_function(&members, &functions);
        }
        for (name, function) in functions {
            self.only_with(function, name, "window", window.is_some());
        }
        let takes_config = [&operator, &aggregator, &process].iter().any(|field| field.is_some());
        self.only_with(&config, "config", "operator`, `aggregator` or `process", takes_config);
        let logic =
            [("operator", &operator), ("filter", &filter), ("map", &map), ("window", &window), ("rolling", &rolling)];
        let given = given(&logic);
        if given.len() > 1 {
            let message = format!("has {}; a step does one thing", list(&given));
            self.error(members.position, &members.path, message);
        }
        let has_nothing = given.is_empty() && key.is_none();
        let key = key.and_then(|field| self.field_path(&field));
        let key_field = key_field(key.as_deref());
        let step = Step {
            name: name.into(),
            from: from.unwrap_or_default(),
            key,
            partitions: partitions.and_then(|field| self.partitions(&field)),
            operator: operator.and_then(|field| self.operator(&field)),
            config: config.map(|field| field.node.to_json()),
            window: window.and_then(|field| self.window(&field)),
            aggregate: aggregate.and_then(|field| self.aggregates(&field, key_field.as_deref())),
            aggregator: aggregator.and_then(|field| self.operator(&field)),
            process: process.and_then(|field| self.operator(&field)),
            rolling: rolling.and_then(|field| self.rolling(&field)),
            filter: filter.and_then(|field| self.expression(&field)),
            map: map.and_then(|field| self.map_fields(&field)),
            on_error: self
                .take(&mut members, "on-error")
                .and_then(|field| {
                    let known = [
                        ("fail", OnErrorSpec::Fail),
                        ("skip", OnErrorSpec::Skip),
                        ("dead-letter", OnErrorSpec::DeadLetter),
                    ];
                    self.choice(&field, &known)
                })
                .unwrap_or_default(),
        };
        let unknown = members.entries.iter().any(|entry| !members.known.contains(&entry.name.as_str()));
        // A typo in `operator` is one error and not two.
        if has_nothing && !unknown {
            let message = "does nothing; it needs one of `operator`, `filter`, `map`, `window`, `rolling` and `key`";
            self.error(members.position, &members.path, message);
        }
        self.finish(members);
        Some(step)
    }

    fn map_fields(&mut self, field: &Field<'_>) -> Option<MapFields> {
        let members = self.named(field, "a map from names to expressions");
        if members.is_empty() {
            if matches!(field.node.kind, Kind::Map(_)) || field.node.is_null() {
                self.error_at(field, "a map needs at least one field");
            }
            return None;
        }
        let mut fields = Vec::with_capacity(members.len());
        for (name, field) in members {
            fields.extend(self.expression(&field).map(|expression| (name.to_owned(), expression)));
        }
        Some(MapFields(fields))
    }

    pub(super) fn sinks(&mut self, field: &Field<'_>) -> Vec<Sink> {
        let what = "a map of sinks, for instance { scored: { from: score, topic: scores } }";
        self.named(field, what).into_iter().filter_map(|(name, field)| self.sink(name, &field)).collect()
    }

    fn sink(&mut self, name: &str, field: &Field<'_>) -> Option<Sink> {
        self.check_name(field, name);
        let mut members =
            self.members(field, "a map with `from` and one of `topic`, `file`, `files` and `stdout`", false)?;
        let from = self.require(&mut members, "from").map(|field| self.from(&field));
        let topic = self.take(&mut members, "topic");
        let file = self.take(&mut members, "file");
        let files = self.take(&mut members, "files");
        let stdout = self.take(&mut members, "stdout");
        let choices = [("topic", &topic), ("file", &file), ("files", &files), ("stdout", &stdout)];
        self.exactly_one(&members, &choices);
        let partitions = self.take(&mut members, "partitions");
        self.only_with(&partitions, "partitions", "topic", topic.is_some());
        let sink = Sink {
            name: name.into(),
            from: from.unwrap_or_default(),
            topic: topic.and_then(|field| self.topic(&field)),
            partitions: partitions.and_then(|field| self.partitions(&field)),
            file: file.and_then(|field| self.file_sink(&field)),
            files: files.and_then(|field| self.files_sink(&field)),
            stdout: stdout.and_then(|field| self.stdout_sink(&field)),
        };
        self.finish(members);
        Some(sink)
    }

    fn from(&mut self, field: &Field<'_>) -> Vec<Upstream> {
        let what = "a source, a step or step.output, or a list of them";
        let fields = match &field.node.kind {
            Kind::List(items) if !items.is_empty() => self.items(field, what),
            Kind::Scalar { text, .. } if !text.is_empty() => vec![field.clone()],
            _ => {
                self.expected(field, what);
                return Vec::new();
            }
        };
        let mut upstreams: Vec<Upstream> = Vec::with_capacity(fields.len());
        for field in fields {
            // The names `true`, `null` and `1` cannot be given, so that whatever stands here is text.
            let text = match &field.node.kind {
                Kind::Scalar { text, style: Style::Plain | Style::Quoted } => text.clone(),
                _ => {
                    self.expected(&field, what);
                    continue;
                }
            };
            let upstream = Upstream::new(&text);
            if upstreams.contains(&upstream) {
                self.error_at(&field, format!("`{text}` stands here twice"));
            } else {
                upstreams.push(upstream);
            }
        }
        upstreams
    }

    pub(super) fn exactly_one(&mut self, members: &Members<'_>, choices: &[(&str, &Option<Field<'_>>)]) {
        let given = given(choices);
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let near_miss = members.entries.iter().any(|entry| {
            !names.contains(&entry.name.as_str()) && crate::error::nearest(&entry.name, names.iter().copied()).is_some()
        });
        match given.len() {
            0 if near_miss => {}
            0 => self.error(members.position, &members.path, format!("needs one of {}", list(&names))),
            1 => {}
            _ => self.error(members.position, &members.path, format!("has {}; it needs one of them", list(&given))),
        }
    }

    pub(super) fn only_with(&mut self, field: &Option<Field<'_>>, name: &str, other: &str, has_other: bool) {
        if let Some(field) = field
            && !has_other
        {
            let position = self.positions.of(&field.path);
            self.error(position, &field.path, format!("`{name}` needs `{other}` beside it"));
        }
    }
}

/// The names of those that are there.
pub(super) fn given<'a>(choices: &[(&'a str, &Option<Field<'_>>)]) -> Vec<&'a str> {
    choices.iter().filter(|(_, field)| field.is_some()).map(|(name, _)| *name).collect()
}

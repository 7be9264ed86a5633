//! Draws a plan as text.

mod time;

use std::fmt::{self, Write as _};

use millstream_state::{StateDeclaration, StateKind};

use crate::{
    plan::{InputKind, OnError, Plan, PlannedSink, PlannedStep, SinkKind, SourceConnector, Stage, StepLogic, Target},
    spec::{
        Aggregates, Compression, FileInput, FileSource, FilesFormat, FilesPlace, FilesSink, Generator, LineFormat,
        TimeUnit, TimestampSpec, format_byte_size, format_duration,
    },
};

/// Draws a plan: its stages with their sources, steps and sinks, the shuffles between them, and the topics
/// that it needs and makes.
pub fn explain(plan: &Plan) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{}", Drawing(plan));
    text
}

struct Drawing<'a>(&'a Plan);

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.0;
        self.settings(f)?;
        for stage in &plan.stages {
            writeln!(f)?;
            self.stage(f, stage)?;
        }
        self.topics(f)?;
        if !plan.warnings.is_empty() {
            writeln!(f, "\nWarnings")?;
            plan.warnings.iter().try_for_each(|warning| writeln!(f, "  {warning}"))?;
        }
        Ok(())
    }
}

impl Drawing<'_> {
    fn settings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.0.settings;
        let delivery = if settings.exactly_once { "exactly once" } else { "at least once" };
        writeln!(f, "Pipeline {}", self.0.pipeline)?;
        writeln!(f, "  {delivery}, {} on each host", counted(settings.workers, "worker"))?;
        if settings.standby > 0 {
            writeln!(f, "  {} of each task on other hosts", counted(settings.standby, "standby"))?;
        }
        let interval = format_duration(settings.commit_interval);
        writeln!(f, "  commits every {interval}, or after {}", format_byte_size(settings.commit_bytes))?;
        let bytes = format_byte_size(settings.batch_bytes);
        writeln!(f, "  batches of at most {} or {bytes}", counted(settings.batch_records, "record"))?;
        match settings.retries {
            0 => writeln!(f, "  no retries"),
            retries => {
                let retries = if retries == 1 { "1 retry".into() } else { format!("{retries} retries") };
                writeln!(f, "  {retries}, the first after {}", format_duration(settings.retry_backoff))
            }
        }
    }

    fn stage(&self, f: &mut fmt::Formatter<'_>, stage: &Stage) -> fmt::Result {
        let mut branches: Vec<Vec<String>> = Vec::new();
        for input in &stage.inputs {
            let mut lines = input_lines(&input.name, &input.kind);
            if let InputKind::Topic { watermarks, .. } | InputKind::Connector { watermarks, .. } = &input.kind
                && self.0.event_time
            {
                lines.extend(time::watermark_lines(watermarks));
            }
            lines.push(format!("-> {}", self.targets(stage, &input.targets)));
            branches.push(lines);
        }
        branches.extend(stage.steps.iter().map(|step| self.step_lines(stage, step)));
        branches.extend(stage.sinks.iter().map(sink_lines));
        branches.extend(stage.changelog.iter().map(|topic| vec![format!("changelog {topic}")]));

        writeln!(f, "Stage {}: {}", stage.name, self.tasks(stage))?;
        if let inputs @ 2.. = stage.inputs.len()
            && !stage
                .inputs
                .iter()
                .all(|input| matches!(input.kind, InputKind::Repartition { partitions: Some(_), .. }))
        {
            writeln!(f, "│  its {inputs} inputs must have the same number of partitions")?;
        }
        let last = branches.len().saturating_sub(1);
        for (index, lines) in branches.iter().enumerate() {
            let (branch, trunk) = if index == last { ("└─", "  ") } else { ("├─", "│ ") };
            for (at, line) in lines.iter().enumerate() {
                if at == 0 {
                    writeln!(f, "{branch} {line}")?;
                } else {
                    writeln!(f, "{trunk}   {line}")?;
                }
            }
        }
        Ok(())
    }

    /// How many tasks a stage has, as far as the plan knows.
    fn tasks(&self, stage: &Stage) -> String {
        let Some(input) = stage.inputs.first() else { return "no tasks".into() };
        match &input.kind {
            InputKind::Topic { topic, .. } => format!("one task for each partition of topic {topic}"),
            InputKind::Connector { connector: SourceConnector::Generator(generator), .. } => {
                counted(generator.partitions as usize, "task")
            }
            InputKind::Connector { connector: SourceConnector::File(file), .. } => match &file.input {
                FileInput::Glob(pattern) => format!("one task for each file of {pattern}"),
                FileInput::Path(_) | FileInput::Stdin(_) => "1 task".into(),
            },
            InputKind::Repartition { partitions, .. } => match partitions.or(self.0.settings.partitions) {
                Some(partitions) => counted(partitions as usize, "task"),
                None => match self.writers(stage).as_slice() {
                    [writer] => format!("as many tasks as stage {writer}"),
                    writers => format!("as many tasks as the largest of stages {}", writers.join(", ")),
                },
            },
        }
    }

    /// The stages that shuffle into `reader`.
    fn writers(&self, reader: &Stage) -> Vec<&str> {
        let is_into = |target: &Target| match target {
            Target::Shuffle { stage, .. } => self.0.stages.get(stage.0).is_some_and(|stage| stage.name == reader.name),
            _ => false,
        };
        let writes = |stage: &&Stage| {
            let outputs = stage.steps.iter().flat_map(|step| &step.outputs).flat_map(|output| &output.targets);
            outputs.chain(stage.inputs.iter().flat_map(|input| &input.targets)).any(is_into)
        };
        self.0.stages.iter().filter(writes).map(|stage| stage.name.as_str()).collect()
    }

    fn targets(&self, stage: &Stage, targets: &[Target]) -> String {
        let name = |target: &Target| match target {
            Target::Step(step) => stage.steps.get(*step).map(|step| step.name.clone()),
            Target::Sink(sink) => stage.sinks.get(*sink).map(|sink| format!("sink {}", sink.name)),
            Target::Shuffle { stage, input } => {
                let stage = self.0.stages.get(stage.0)?;
                let topic = stage.inputs.get(*input)?.kind.topic();
                Some(format!("shuffle to stage {} by topic {topic}", stage.name))
            }
        };
        let names: Vec<String> = targets.iter().filter_map(name).collect();
        if names.is_empty() { "nobody, dropped".into() } else { names.join(", ") }
    }

    fn step_lines(&self, stage: &Stage, step: &PlannedStep) -> Vec<String> {
        let mut lines = vec![format!("step {}", step.name)];
        match &step.logic {
            StepLogic::Operator { operator, config } => {
                lines.push(format!("operator {operator}"));
                if config != "{}" {
                    lines.push(format!("config {config}"));
                }
            }
            StepLogic::Filter(expression) => lines.push(format!("filter {}", one_line(expression))),
            StepLogic::Map(fields) => {
                lines.push("map".into());
                lines.extend(fields.0.iter().map(|(name, expression)| format!("  {name}: {}", one_line(expression))));
            }
            StepLogic::Window(window) => lines.extend(time::window_lines(window)),
            StepLogic::Rolling(rolling) => lines.extend(time::rolling_lines(rolling)),
            StepLogic::Rekey { path } => lines.push(format!("key {path}")),
        }
        if let Some(description) = self.0.descriptions.get(&step.name) {
            lines.extend(description.states.iter().map(state_line));
        }
        match step.on_error {
            OnError::Fail => {}
            OnError::Skip => lines.push("failed records: skipped".into()),
            OnError::DeadLetter => {
                let topic = self.0.dead_letter.as_deref().unwrap_or("-");
                lines.push(format!("failed records: to topic {topic}"));
            }
        }
        match step.outputs.as_slice() {
            [only] => lines.push(format!("-> {}", self.targets(stage, &only.targets))),
            outputs => lines.extend(
                outputs.iter().map(|output| format!("{} -> {}", output.name, self.targets(stage, &output.targets))),
            ),
        }
        lines
    }

    fn topics(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut topics: Vec<(&str, &str)> = Vec::new();
        for stage in &self.0.stages {
            for input in &stage.inputs {
                let use_of = match &input.kind {
                    InputKind::Topic { .. } => "read; must exist",
                    InputKind::Repartition { .. } => "shuffle; made by the pipeline",
                    InputKind::Connector { .. } => "places the splits of a source; made by the pipeline",
                };
                topics.push((input.kind.topic(), use_of));
            }
            topics.extend(stage.changelog.as_deref().map(|topic| (topic, "state; made by the pipeline, compacted")));
            for sink in &stage.sinks {
                if let SinkKind::Topic { topic, .. } = &sink.kind {
                    topics.push((topic, "written; made where it is missing"));
                }
            }
        }
        topics.extend(self.0.dead_letter.as_deref().map(|topic| (topic, "dead letters; made where it is missing")));
        topics.sort_unstable();
        topics.dedup();
        if topics.is_empty() {
            return Ok(());
        }
        let width = topics.iter().map(|(topic, _)| topic.chars().count()).max().unwrap_or_default();
        writeln!(f, "\nTopics")?;
        topics.iter().try_for_each(|(topic, use_of)| writeln!(f, "  {topic:width$}  {use_of}"))
    }
}

fn input_lines(name: &str, kind: &InputKind) -> Vec<String> {
    let mut lines = match kind {
        InputKind::Topic { topic, latest, .. } => {
            let start = if *latest { "from its end on" } else { "from its beginning on" };
            vec![format!("source {name}"), format!("topic {topic}, {start}")]
        }
        InputKind::Repartition { topic, .. } => vec![format!("shuffle from {name}"), format!("topic {topic}")],
        InputKind::Connector { connector: SourceConnector::File(file), .. } => {
            vec![format!("source {name}"), file_line(file)]
        }
        InputKind::Connector { connector: SourceConnector::Generator(generator), .. } => {
            vec![format!("source {name}"), generator_line(generator)]
        }
    };
    if let InputKind::Topic { timestamp: Some(timestamp), .. }
    | InputKind::Connector { timestamp: Some(timestamp), .. } = kind
    {
        lines.push(timestamp_line(timestamp));
    }
    lines
}

fn timestamp_line(timestamp: &TimestampSpec) -> String {
    let unit = match timestamp.unit {
        TimeUnit::S => "seconds",
        TimeUnit::Ms => "milliseconds",
        TimeUnit::Us => "microseconds",
        TimeUnit::Ns => "nanoseconds",
        TimeUnit::Rfc3339 => "RFC 3339",
    };
    format!("event time from {}, {unit}", timestamp.field)
}

fn file_line(file: &FileSource) -> String {
    let format = format!("{:?}", file.format).to_uppercase();
    let input = match &file.input {
        FileInput::Path(path) => format!("file {path}"),
        FileInput::Glob(pattern) => format!("files {pattern}"),
        FileInput::Stdin(_) => "standard input".into(),
    };
    let key = file.key.as_ref().map(|path| format!(", key {path}")).unwrap_or_default();
    format!("{input}, {format}{key}")
}

fn generator_line(generator: &Generator) -> String {
    let count = generator.count.map_or_else(|| "endless".into(), |count| format!("{count} records"));
    let rate = generator.rate.map_or_else(|| "as fast as possible".into(), |rate| format!("{rate} a second"));
    let key = generator.key.as_ref().map(|field| format!(", key {field}")).unwrap_or_default();
    format!("generator of {}, {count}, {rate}{key}", counted(generator.fields.len(), "field"))
}

fn sink_lines(sink: &PlannedSink) -> Vec<String> {
    let what = match &sink.kind {
        SinkKind::Topic { topic, partitions: None } => format!("topic {topic}"),
        SinkKind::Topic { topic, partitions: Some(partitions) } => {
            format!("topic {topic}, {}", counted(*partitions as usize, "partition"))
        }
        SinkKind::File(file) => format!("file {}, {}", file.path, lines_of(file.format)),
        SinkKind::Files(files) => return files_lines(&sink.name, files),
        SinkKind::Stdout(stdout) => format!("standard output, {}", lines_of(stdout.format)),
    };
    vec![format!("sink {}", sink.name), what]
}

fn lines_of(format: LineFormat) -> &'static str {
    match format {
        LineFormat::Value => "JSON lines of values",
        LineFormat::Record => "JSON lines of whole records",
    }
}

fn files_lines(name: &str, files: &FilesSink) -> Vec<String> {
    let place = match &files.place {
        FilesPlace::Directory(directory) => format!("files in {directory}"),
        // What follows may be secret.
        FilesPlace::Url(url) => format!("files at {}", url.split('?').next().unwrap_or_default()),
    };
    let format = match files.format {
        FilesFormat::Jsonl => lines_of(files.line).into(),
        FilesFormat::Csv => format!("CSV of {}", counted(files.columns.len(), "column")),
        FilesFormat::Parquet if files.columns.is_empty() => "Parquet of whole records".into(),
        FilesFormat::Parquet => format!("Parquet of {}", counted(files.columns.len(), "column")),
    };
    let compression = match files.compression() {
        Compression::None => String::new(),
        compression => format!(", {}", format!("{compression:?}").to_lowercase()),
    };
    let roll = &files.roll;
    let mut after = vec![format_byte_size(roll.size), format_duration(roll.age)];
    after.extend(roll.records.map(|records| format!("{records} records")));
    let rolled = format!("a new one after {}", after.join(" or "));
    vec![format!("sink {name}"), format!("{place}, {format}{compression}"), rolled]
}

fn state_line(state: &StateDeclaration) -> String {
    let kind = match state.kind {
        StateKind::Value => "value",
        StateKind::Map => "map",
        StateKind::List => "list",
    };
    let ttl = state.ttl.map(|ttl| format!(", kept {} after the last write", format_duration(ttl))).unwrap_or_default();
    let prefetch = if state.prefetch { ", read ahead" } else { "" };
    format!("state {}: {kind}, version {}{ttl}{prefetch}", state.name, state.schema_version)
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn aggregate_lines(aggregates: &Aggregates) -> Vec<String> {
    aggregates.0.iter().map(|(name, function)| format!("  {name}: {}", one_line(function))).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

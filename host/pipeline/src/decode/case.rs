//! Test cases.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    case::{CaseAction, CaseOutput, CaseRecord, CaseStep, CaseValue, ExpectedRecord, ExpectedRecords, TestCase},
    document::{Kind, Node, Style},
    error::{SpecError, nearest},
    spec::{PipelineSpec, Upstream, parse_duration},
};

use super::{Decoder, Field, MAX_PARTITIONS, list, window::MAX};

/// What a step of a case may be.
const ACTIONS: [&str; 8] =
    ["push", "advance", "watermark", "restart", "expect", "expect-state", "expect-watermark", "expect-failure"];

impl Decoder {
    /// A case of a pipeline.
    pub fn case(mut self, root: &Node, spec: &PipelineSpec) -> (Option<TestCase>, Vec<SpecError>) {
        let root = Field { node: root, path: String::new() };
        let case = self.case_at(&root, spec);
        (case, self.errors)
    }

    fn case_at(&mut self, root: &Field<'_>, spec: &PipelineSpec) -> Option<TestCase> {
        let mut members = self.members(root, "a map with `steps`", false)?;
        let name = self.take(&mut members, "case").and_then(|field| self.text(&field, "what the case is called"));
        let start = self.take(&mut members, "start").and_then(|field| self.moment(&field, 0));
        let start_ms = start.unwrap_or(0);
        let mut case = TestCase { name, partitions: 1, source_partitions: Vec::new(), start_ms, steps: Vec::new() };
        if let Some(field) = self.take(&mut members, "partitions") {
            self.case_partitions(&field, spec, &mut case);
        }
        let steps = self.require(&mut members, "steps").map(|field| self.items(&field, "a list of steps"));
        for field in steps.unwrap_or_default() {
            if let Some(action) = self.case_step(&field, spec, start_ms) {
                case.steps.push(CaseStep { line: field.node.position.line, action });
            }
        }
        self.finish(members);
        Some(case)
    }

    /// A number for all sources, or a map from sources to numbers.
    fn case_partitions(&mut self, field: &Field<'_>, spec: &PipelineSpec, case: &mut TestCase) {
        if !matches!(field.node.kind, Kind::Map(_)) {
            case.partitions = self.partitions(field).unwrap_or(1);
            return;
        }
        for (name, field) in self.named(field, "a number, or a map from sources to numbers") {
            let position = self.positions.of(&field.path);
            self.known_source(name, position, &field.path, spec);
            let partitions = self.integer(&field, 1, MAX_PARTITIONS);
            case.source_partitions.extend(partitions.map(|partitions| (name.to_owned(), partitions as u32)));
        }
    }

    fn case_step(&mut self, field: &Field<'_>, spec: &PipelineSpec, start_ms: i64) -> Option<CaseAction> {
        let mut members = self.members(field, "a map such as { push: { source: payments, records: [] } }", false)?;
        let actions = ACTIONS.map(|action| (action, self.take(&mut members, action)));
        let given: Vec<_> = actions.iter().filter(|(_, field)| field.is_some()).collect();
        let action = match given.as_slice() {
            [(action, Some(field))] => match *action {
                "push" => self.push(field, spec, start_ms),
                "advance" => self.duration_within(field, Duration::ZERO, MAX).map(CaseAction::Advance),
                "watermark" => self.case_watermark(field, spec, start_ms),
                "restart" => self.restart(field),
                "expect" => self.expect(field, spec, start_ms),
                "expect-state" => self.expect_state(field, spec),
                "expect-watermark" => self.expect_watermark(field, spec, start_ms),
                _ => self.text(field, "a part of the reason").map(CaseAction::ExpectFailure),
            },
            [] => {
                if members.entries.is_empty() {
                    self.error(members.position, &members.path, format!("needs one of {}", list(&ACTIONS)));
                }
                None
            }
            several => {
                let names: Vec<_> = several.iter().map(|(name, _)| *name).collect();
                self.error(members.position, &members.path, format!("has {}; a step is one of them", list(&names)));
                None
            }
        };
        self.finish(members);
        action
    }

    fn push(&mut self, field: &Field<'_>, spec: &PipelineSpec, start_ms: i64) -> Option<CaseAction> {
        let what = "a map such as { source: payments, records: [{ key: a, value: { amount: 1 } }] }";
        let mut members = self.members(field, what, false)?;
        let source = self.require(&mut members, "source").and_then(|field| self.source_name(&field, spec));
        let partition = self.take(&mut members, "partition").and_then(|field| self.partition(&field));
        let records = self.require(&mut members, "records").map(|field| self.items(&field, "a list of records"));
        let records = records.unwrap_or_default().iter().filter_map(|field| self.pushed(field, start_ms)).collect();
        self.finish(members);
        Some(CaseAction::Push { source: source?, partition, records })
    }

    fn pushed(&mut self, field: &Field<'_>, start_ms: i64) -> Option<CaseRecord> {
        let mut members = self.members(field, "a record such as { key: a, value: { amount: 1 } }", false)?;
        let record = CaseRecord {
            partition: self.take(&mut members, "partition").and_then(|field| self.partition(&field)),
            key: self.take(&mut members, "key").and_then(|field| self.key(&field)).flatten(),
            value: self.require(&mut members, "value").map_or(CaseValue::Null, |field| value(field.node)),
            timestamp_ms: self.take(&mut members, "timestamp").and_then(|field| self.moment(&field, start_ms)),
            headers: self.take(&mut members, "headers").map(|field| self.headers(&field)).unwrap_or_default(),
        };
        self.finish(members);
        Some(record)
    }

    fn headers(&mut self, field: &Field<'_>) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for (name, field) in self.named(field, "a map from names to text") {
            match &field.node.kind {
                Kind::Scalar { text, .. } => headers.push((name.to_owned(), text.clone())),
                _ => self.expected(&field, "text"),
            }
        }
        headers
    }

    fn partition(&mut self, field: &Field<'_>) -> Option<u32> {
        self.integer(field, 0, MAX_PARTITIONS).map(|partition| partition as u32)
    }

    /// A key: the text that stands there, or none.
    fn key(&mut self, field: &Field<'_>) -> Option<Option<Vec<u8>>> {
        match &field.node.kind {
            _ if field.node.is_null() => Some(None),
            Kind::Scalar { text, .. } => Some(Some(text.clone().into_bytes())),
            _ => {
                self.expected(field, "a key, or null");
                None
            }
        }
    }

    /// A moment: milliseconds since 1970, an instant, or a duration since the case's start.
    fn moment(&mut self, field: &Field<'_>, start_ms: i64) -> Option<i64> {
        let moment = match (field.node.to_json(), &field.node.kind) {
            (Value::Number(number), _) => number.as_i64(),
            (_, Kind::Scalar { text, .. }) => match parse_duration(text) {
                Some(since) => i64::try_from(since.as_millis()).ok().and_then(|since| start_ms.checked_add(since)),
                None => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
            },
            _ => None,
        };
        if moment.is_none() {
            self.expected(field, "milliseconds since 1970, an instant such as 2025-06-01T00:00:00Z, or a duration such as 10s since the start");
        }
        moment
    }

    fn case_watermark(&mut self, field: &Field<'_>, spec: &PipelineSpec, start_ms: i64) -> Option<CaseAction> {
        let mut members = self.members(field, "a map such as { source: payments, time: 1h }", false)?;
        let source = self.require(&mut members, "source").and_then(|field| self.source_name(&field, spec));
        let partition = self.take(&mut members, "partition").and_then(|field| self.partition(&field));
        let time = self.require(&mut members, "time").and_then(|field| match &field.node.kind {
            Kind::Scalar { text, .. } if text == "end" => Some(i64::MAX),
            _ => self.moment(&field, start_ms),
        });
        self.finish(members);
        Some(CaseAction::Watermark { source: source?, partition, watermark_ms: time? })
    }

    fn restart(&mut self, field: &Field<'_>) -> Option<CaseAction> {
        let mut members = self.members(field, "a map such as { crash: true }", true)?;
        let crash = self.take(&mut members, "crash").and_then(|field| self.boolean(&field));
        self.finish(members);
        Some(CaseAction::Restart { crash: crash.unwrap_or_default() })
    }

    fn expect(&mut self, field: &Field<'_>, spec: &PipelineSpec, start_ms: i64) -> Option<CaseAction> {
        let mut members = self.members(field, "a map such as { sink: hourly, records: [] }", false)?;
        let sink = self.take(&mut members, "sink");
        let output = self.take(&mut members, "output");
        let topic = self.take(&mut members, "topic");
        self.exactly_one(&members, &[("sink", &sink), ("output", &output), ("topic", &topic)]);
        let sink = sink.and_then(|field| self.sink_name(&field, spec)).map(CaseOutput::Sink);
        let output = output.and_then(|field| self.output_name(&field, spec)).map(CaseOutput::Step);
        let topic = topic.and_then(|field| self.topic(&field)).map(CaseOutput::Topic);
        let records = self.take(&mut members, "records");
        let golden = self.take(&mut members, "golden");
        self.exactly_one(&members, &[("records", &records), ("golden", &golden)]);
        let any_order = self.take(&mut members, "in-any-order");
        self.only_with(&any_order, "in-any-order", "records", records.is_some());
        let in_any_order = any_order.and_then(|field| self.boolean(&field)).unwrap_or_default();
        let golden = golden.and_then(|field| self.text(&field, "a file")).map(ExpectedRecords::Golden);
        let records = records.map(|field| {
            let items = self.items(&field, "a list of records");
            ExpectedRecords::Given(items.iter().filter_map(|item| self.expected_record(item, start_ms)).collect())
        });
        self.finish(members);
        Some(CaseAction::Expect { output: sink.or(output).or(topic)?, records: records.or(golden)?, in_any_order })
    }

    fn expected_record(&mut self, field: &Field<'_>, start_ms: i64) -> Option<ExpectedRecord> {
        let mut members = self.members(field, "a record such as { key: a, value: { amount: 1 } }", false)?;
        let record = ExpectedRecord {
            partition: self.take(&mut members, "partition").and_then(|field| self.partition(&field)),
            key: self.take(&mut members, "key").and_then(|field| self.key(&field)),
            value: self.take(&mut members, "value").map(|field| value(field.node)),
            timestamp_ms: self.take(&mut members, "timestamp").and_then(|field| self.moment(&field, start_ms)),
            headers: self.take(&mut members, "headers").map(|field| self.headers(&field)).unwrap_or_default(),
        };
        self.finish(members);
        Some(record)
    }

    fn expect_state(&mut self, field: &Field<'_>, spec: &PipelineSpec) -> Option<CaseAction> {
        let mut members =
            self.members(field, "a map such as { step: score, state: total, key: a, value: 1 }", false)?;
        let step = self.require(&mut members, "step").and_then(|field| self.step_name(&field, spec));
        let state = self.require(&mut members, "state").and_then(|field| self.text(&field, "the name of a state"));
        let key = self.require(&mut members, "key").and_then(|field| self.key(&field));
        let value = self.require(&mut members, "value").map(|field| value(field.node));
        self.finish(members);
        Some(CaseAction::ExpectState { step: step?, state: state?, key: key?.unwrap_or_default(), value: value? })
    }

    fn expect_watermark(&mut self, field: &Field<'_>, spec: &PipelineSpec, start_ms: i64) -> Option<CaseAction> {
        let mut members = self.members(field, "a map such as { step: hourly, time: 1h }", false)?;
        let step = self.require(&mut members, "step").and_then(|field| self.step_name(&field, spec));
        let time = self.require(&mut members, "time").and_then(|field| match &field.node.kind {
            _ if field.node.is_null() => Some(None),
            Kind::Scalar { text, .. } if text == "end" => Some(Some(i64::MAX)),
            _ => self.moment(&field, start_ms).map(Some),
        });
        self.finish(members);
        Some(CaseAction::ExpectWatermark { step: step?, watermark_ms: time? })
    }

    fn source_name(&mut self, field: &Field<'_>, spec: &PipelineSpec) -> Option<String> {
        let name = self.text(field, "the name of a source")?;
        self.known_source(&name, field.node.position, &field.path, spec).then_some(name)
    }

    fn known_source(&mut self, name: &str, at: crate::position::Position, path: &str, spec: &PipelineSpec) -> bool {
        let known: Vec<&str> = spec.sources.iter().map(|source| source.name.as_str()).collect();
        self.known_name("source", name, &known, at, path)
    }

    fn sink_name(&mut self, field: &Field<'_>, spec: &PipelineSpec) -> Option<String> {
        let name = self.text(field, "the name of a sink")?;
        let known: Vec<&str> = spec.sinks.iter().map(|sink| sink.name.as_str()).collect();
        self.known_name("sink", &name, &known, field.node.position, &field.path).then_some(name)
    }

    fn step_name(&mut self, field: &Field<'_>, spec: &PipelineSpec) -> Option<String> {
        let name = self.text(field, "the name of a step")?;
        let known: Vec<&str> = spec.steps.iter().map(|step| step.name.as_str()).collect();
        self.known_name("step", &name, &known, field.node.position, &field.path).then_some(name)
    }

    /// `step` or `step.output`. Whether there is such an output is known when the pipeline is planned.
    fn output_name(&mut self, field: &Field<'_>, spec: &PipelineSpec) -> Option<String> {
        let name = self.text(field, "a step, or step.output")?;
        let known: Vec<&str> = spec.steps.iter().map(|step| step.name.as_str()).collect();
        let step = Upstream::new(&name).name;
        self.known_name("step", &step, &known, field.node.position, &field.path).then_some(name)
    }

    fn known_name(
        &mut self,
        what: &str,
        name: &str,
        known: &[&str],
        at: crate::position::Position,
        path: &str,
    ) -> bool {
        let is_known = known.contains(&name);
        if !is_known {
            let suggestion = nearest(name, known.iter().copied());
            self.error_with(at, path, format!("the pipeline has no {what} `{name}`"), suggestion);
        }
        is_known
    }
}

fn value(node: &Node) -> CaseValue {
    match (&node.kind, node.to_json()) {
        (_, Value::Null) => CaseValue::Null,
        (Kind::Scalar { style: Style::Plain, .. }, json @ (Value::Number(_) | Value::Bool(_))) => CaseValue::Json(json),
        (Kind::Scalar { text, .. }, _) => CaseValue::Text(text.clone()),
        (_, json) => CaseValue::Json(json),
    }
}

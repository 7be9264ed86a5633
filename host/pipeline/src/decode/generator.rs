//! Templates of made-up records.

use serde_json::Value;

use crate::{
    document::Kind,
    error::nearest,
    spec::{Bursts, Choices, EventTime, FieldTemplate, Generator, SizeRange},
};

use super::{Decoder, Field, Members, list};

const TEMPLATES: [&str; 12] = [
    "sequence",
    "zipf",
    "uniform",
    "normal",
    "log-normal",
    "one-of",
    "boolean",
    "uuid",
    "text",
    "constant",
    "event-time",
    "object",
];

/// The most levels of objects within objects; generation recurses over them.
const MAX_OBJECT_DEPTH: usize = 8;

impl Decoder {
    pub(super) fn generator(&mut self, field: &Field<'_>) -> Option<Generator> {
        let mut members = self.members(field, "a map with `fields`", false)?;
        let rate = self.take(&mut members, "rate").filter(|field| !field.node.is_null());
        let count = self.take(&mut members, "count").filter(|field| !field.node.is_null());
        let partitions = self.take(&mut members, "partitions").and_then(|field| self.partitions(&field));
        let seed = self.take(&mut members, "seed").and_then(|field| self.integer(&field, 0, u64::MAX));
        let key = self.take(&mut members, "key");
        let fields = self.require(&mut members, "fields");
        let bursts = self.take(&mut members, "bursts");
        let rate = rate.and_then(|field| self.float(&field, 0.001, 1e9));
        let count = count.and_then(|field| self.integer(&field, 0, u64::MAX));
        let generator = Generator {
            rate,
            count,
            partitions: partitions.unwrap_or(1),
            seed: seed.unwrap_or_default(),
            fields: fields.as_ref().map(|field| self.templates(field, 0)).unwrap_or_default(),
            key: key.as_ref().and_then(|field| self.text(field, "the name of a field")),
            bursts: bursts.and_then(|field| self.bursts(&field, fields.as_ref())),
        };
        self.finish(members);
        if let (Some(field), Some(key), Some(fields)) = (key, &generator.key, &fields) {
            self.expect_field(&field, key, fields);
        }
        if let Some(fields) = fields {
            let times = event_times(&generator.fields);
            if times > 1 {
                let position = self.positions.of(&fields.path);
                self.error(
                    position,
                    &fields.path,
                    format!("has {times} fields of `event-time`; a record has one event time"),
                );
            }
        }
        Some(generator)
    }

    /// Checks that `name`, which stands at `field`, is one of the generator's fields.
    fn expect_field(&mut self, field: &Field<'_>, name: &str, fields: &Field<'_>) {
        let Kind::Map(entries) = &fields.node.kind else { return };
        if !entries.iter().any(|entry| entry.name == name) {
            let suggestion = nearest(name, entries.iter().map(|entry| entry.name.as_str()));
            let position = self.positions.of(&field.path);
            self.error_with(position, &field.path, format!("the generator has no field `{name}`"), suggestion);
        }
    }

    fn templates(&mut self, field: &Field<'_>, depth: usize) -> Vec<(String, FieldTemplate)> {
        if depth > MAX_OBJECT_DEPTH {
            self.error_at(field, format!("objects are nested deeper than {MAX_OBJECT_DEPTH} levels"));
            return Vec::new();
        }
        let what = "a map from names to templates, for instance { id: { sequence: {} } }";
        let named = self.named(field, what);
        if named.is_empty() && (field.node.is_null() || matches!(field.node.kind, Kind::Map(_))) {
            self.error_at(field, "needs at least one field");
        }
        let mut templates = Vec::with_capacity(named.len());
        for (name, field) in named {
            templates.extend(self.template(&field, depth).map(|template| (name.to_owned(), template)));
        }
        templates
    }

    fn template(&mut self, field: &Field<'_>, depth: usize) -> Option<FieldTemplate> {
        let what = "a template such as { sequence: {} }";
        let entries = match &field.node.kind {
            Kind::Map(entries) => entries,
            _ => {
                self.expected(field, what);
                return None;
            }
        };
        let [entry] = entries.as_slice() else {
            let position = self.positions.of(&field.path);
            self.error(position, &field.path, format!("needs exactly one of {}", list(&TEMPLATES)));
            return None;
        };
        let inner = self.field(&field.path, entry);
        match entry.name.as_str() {
            "constant" => return Some(FieldTemplate::Constant(inner.node.to_json())),
            "object" => return Some(FieldTemplate::Object(self.templates(&inner, depth + 1))),
            "one-of" => return self.choices(&inner).map(FieldTemplate::OneOf),
            name if !TEMPLATES.contains(&name) => {
                let suggestion = nearest(name, TEMPLATES);
                let message = match suggestion {
                    Some(_) => format!("unknown template `{name}`"),
                    None => format!("unknown template `{name}`; known here: {}", list(&TEMPLATES)),
                };
                self.error_with(entry.position, &inner.path, message, suggestion);
                return None;
            }
            _ => {}
        }
        let mut members = self.members(&inner, "a map of the template's settings", true)?;
        let template = match entry.name.as_str() {
            "sequence" => self.sequence(&mut members),
            "zipf" => self.zipf(&mut members),
            "uniform" => self.uniform(&inner, &mut members),
            "normal" => self.normal(&mut members),
            "log-normal" => self.log_normal(&mut members),
            "boolean" => Some(FieldTemplate::Boolean { probability: self.share(&mut members, "probability", 0.5) }),
            "text" => {
                let length = self.require(&mut members, "length").and_then(|field| self.integer(&field, 0, 65_536));
                length.map(|length| FieldTemplate::Text { length: length as u32 })
            }
            "event-time" => Some(FieldTemplate::EventTime(self.event_time(&mut members))),
            _ => Some(FieldTemplate::Uuid {}),
        };
        self.finish(members);
        template
    }

    fn sequence(&mut self, members: &mut Members<'_>) -> Option<FieldTemplate> {
        let start = self.take(members, "start").and_then(|field| self.integer(&field, 0, u64::MAX / 2));
        let (prefix, width) = self.naming(members);
        Some(FieldTemplate::Sequence { start: start.unwrap_or_default(), prefix, width })
    }

    fn zipf(&mut self, members: &mut Members<'_>) -> Option<FieldTemplate> {
        let n = self.require(members, "n").and_then(|field| self.integer(&field, 1, 1 << 50));
        let exponent = self.take(members, "exponent").and_then(|field| self.float(&field, 0.0, 10.0));
        let (prefix, width) = self.naming(members);
        Some(FieldTemplate::Zipf { n: n?, exponent: exponent.unwrap_or(1.0), prefix, width })
    }

    fn uniform(&mut self, field: &Field<'_>, members: &mut Members<'_>) -> Option<FieldTemplate> {
        let min = self.take(members, "min").and_then(|field| self.float(&field, -1e15, 1e15)).unwrap_or_default();
        let max = self.require(members, "max").and_then(|field| self.float(&field, -1e15, 1e15));
        let decimals = self.decimals(members);
        let max = max?;
        if min > max {
            let position = self.positions.of(&field.path);
            self.error(position, &field.path, format!("`min` is {min}, more than `max`, which is {max}"));
        }
        Some(FieldTemplate::Uniform { min, max, decimals })
    }

    fn normal(&mut self, members: &mut Members<'_>) -> Option<FieldTemplate> {
        let mean = self.require(members, "mean").and_then(|field| self.float(&field, -1e15, 1e15));
        let sigma = self.require(members, "sigma").and_then(|field| self.float(&field, 0.0, 1e15));
        let decimals = self.decimals(members);
        Some(FieldTemplate::Normal { mean: mean?, sigma: sigma?, decimals })
    }

    fn log_normal(&mut self, members: &mut Members<'_>) -> Option<FieldTemplate> {
        let median = self.require(members, "median").and_then(|field| self.float(&field, 1e-9, 1e15));
        let sigma = self.require(members, "sigma").and_then(|field| self.float(&field, 0.0, 10.0));
        let decimals = self.decimals(members);
        Some(FieldTemplate::LogNormal { median: median?, sigma: sigma?, decimals })
    }

    fn naming(&mut self, members: &mut Members<'_>) -> (Option<String>, u32) {
        let prefix = self.take(members, "prefix").and_then(|field| match &field.node.kind {
            Kind::Scalar { text, .. } => Some(text.clone()),
            _ => {
                self.expected(&field, "text");
                None
            }
        });
        let width = self.take(members, "width").and_then(|field| self.integer(&field, 0, 20));
        (prefix, width.unwrap_or_default() as u32)
    }

    fn decimals(&mut self, members: &mut Members<'_>) -> u32 {
        let decimals = self.take(members, "decimals").and_then(|field| self.integer(&field, 0, 9));
        decimals.unwrap_or_default() as u32
    }

    fn share(&mut self, members: &mut Members<'_>, name: &'static str, default: f64) -> f64 {
        self.take(members, name).and_then(|field| self.float(&field, 0.0, 1.0)).unwrap_or(default)
    }

    fn event_time(&mut self, members: &mut Members<'_>) -> EventTime {
        let out_of_order = self.take(members, "out-of-order").and_then(|field| self.duration(&field));
        let unit = self.take(members, "unit").and_then(|field| self.time_unit(&field));
        let start = self.take(members, "start").and_then(|field| {
            let text = self.text(&field, "an instant such as 2025-06-01T00:00:00Z")?;
            let instant = text.parse::<jiff::Timestamp>().ok().map(|instant| instant.as_millisecond());
            if instant.is_none() {
                self.expected(&field, "an instant such as 2025-06-01T00:00:00Z");
            }
            instant
        });
        let step = self.take(members, "step");
        self.only_with(&step, "step", "start", start.is_some());
        let step = step.and_then(|field| self.duration(&field));
        let out_of_order = out_of_order.unwrap_or_default();
        EventTime { out_of_order, unit: unit.unwrap_or_default(), start, step }
    }

    fn choices(&mut self, field: &Field<'_>) -> Option<Choices> {
        let choices: Vec<(Value, f64)> = match &field.node.kind {
            Kind::List(items) => items.iter().map(|item| (item.to_json(), 1.0)).collect(),
            Kind::Map(_) => {
                let mut choices = Vec::new();
                for (name, field) in self.named(field, "weights") {
                    match self.number(&field).and_then(|number| number.as_f64()) {
                        Some(weight) if weight > 0.0 && weight <= 1e9 => choices.push((name.into(), weight)),
                        _ => self.expected(&field, "a weight above 0"),
                    }
                }
                choices
            }
            _ => Vec::new(),
        };
        if choices.is_empty() {
            if !matches!(&field.node.kind, Kind::Map(entries) if !entries.is_empty()) {
                self.expected(field, "a list of values, or a map from strings to weights");
            }
            return None;
        }
        Some(Choices(choices))
    }

    fn bursts(&mut self, field: &Field<'_>, fields: Option<&Field<'_>>) -> Option<Bursts> {
        let mut members = self.members(field, "a map with `share`", false)?;
        let share = self.require(&mut members, "share").and_then(|field| self.float(&field, 0.0, 1.0));
        let size = self.take(&mut members, "size").and_then(|field| {
            let size = match &field.node.kind {
                Kind::Scalar { text, .. } => text.parse::<SizeRange>().ok(),
                _ => None,
            };
            if size.is_none() {
                self.expected(&field, "a number or a range such as 5..20");
            }
            size
        });
        let fixed = self.take(&mut members, "fixed").map(|field| {
            let items = self.items(&field, "a list of the generator's fields");
            let named = items.into_iter().filter_map(|item| {
                let name = self.text(&item, "the name of a field")?;
                if let Some(fields) = fields {
                    self.expect_field(&item, &name, fields);
                }
                Some(name)
            });
            named.collect()
        });
        let set = self.take(&mut members, "set");
        let templates = set.as_ref().map(|field| self.templates(field, 0)).unwrap_or_default();
        if let Some(set) = &set {
            if let (Some(fields), Kind::Map(entries)) = (fields, &set.node.kind) {
                for entry in entries {
                    let field = self.field(&set.path, entry);
                    self.expect_field(&field, &entry.name, fields);
                }
            }
            if event_times(&templates) > 0 {
                let position = self.positions.of(&set.path);
                self.error(position, &set.path, "a burst cannot set the event time");
            }
        }
        let mark = self.take(&mut members, "mark").and_then(|field| {
            let name = self.text(&field, "the name of a field")?;
            if let Some(Kind::Map(entries)) = fields.map(|fields| &fields.node.kind)
                && entries.iter().any(|entry| entry.name == name)
            {
                self.error_at(&field, format!("the generator has a field `{name}` already"));
            }
            Some(name)
        });
        self.finish(members);
        Some(Bursts {
            share: share?,
            size: size.unwrap_or_default(),
            fixed: fixed.unwrap_or_default(),
            set: templates,
            mark,
        })
    }
}

/// How many templates of event time there are.
fn event_times(fields: &[(String, FieldTemplate)]) -> usize {
    let count = |template: &FieldTemplate| match template {
        FieldTemplate::EventTime(_) => 1,
        FieldTemplate::Object(fields) => event_times(fields),
        _ => 0,
    };
    fields.iter().map(|(_, template)| count(template)).sum()
}

//! The fields of a record, in order, ready to be written.

use std::ops::Range;

use millstream_pipeline::spec::{Bursts, FieldTemplate, Generator};

use super::{
    field::Maker,
    random::{derive, salt},
};
use crate::json::push_string;

/// What the values of a record depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The record's seed.
    pub seed: u64,
    /// Its number over all splits.
    pub overall: u64,
    pub now_ms: i64,
}

impl Moment {
    #[inline]
    pub fn new(split_seed: u64, index: u64, splits: u64, split: u64, now_ms: i64) -> Self {
        let overall = index.wrapping_mul(splits).wrapping_add(split);
        Self { seed: derive(split_seed, index), overall, now_ms }
    }
}

/// What is known about a record after its text was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    /// Its event time, where it has one.
    pub timestamp_ms: Option<i64>,
    /// Where the key's JSON text is, where there is a key.
    pub key: Option<Range<usize>>,
}

#[derive(Clone, Debug)]
struct Step {
    /// What stands before the value: `{"a":` or `,"b":`.
    label: Box<[u8]>,
    maker: Maker,
    salt: u64,
    /// Keeps the value of the burst's first record.
    is_fixed: bool,
    is_key: bool,
}

/// Writes one JSON object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    steps: Vec<Step>,
    ending: Box<[u8]>,
}

impl Program {
    /// Records outside bursts.
    pub fn calm(spec: &Generator) -> Result<Self, String> {
        let mark = spec.bursts.as_ref().and_then(|bursts| bursts.mark.as_deref());
        Self::top(spec, &[], &[], mark.map(|mark| (mark, false)))
    }

    /// Records within bursts.
    pub fn burst(spec: &Generator, bursts: &Bursts) -> Result<Self, String> {
        for name in bursts.fixed.iter().chain(bursts.set.iter().map(|(name, _)| name)) {
            if spec.fields.iter().all(|(field, _)| field != name) {
                return Err(format!("generator bursts: there is no field `{name}`"));
            }
        }
        Self::top(spec, &bursts.fixed, &bursts.set, bursts.mark.as_deref().map(|mark| (mark, true)))
    }

    /// The fields of an object within a record.
    pub fn object(path: &str, fields: &[(String, FieldTemplate)], rate: Option<f64>) -> Result<Self, String> {
        let mut program = Self::default();
        for (name, template) in fields {
            program.add(&format!("{path}/{name}"), name, template, rate)?;
        }
        Ok(program.end())
    }

    fn top(
        spec: &Generator,
        fixed: &[String],
        set: &[(String, FieldTemplate)],
        mark: Option<(&str, bool)>,
    ) -> Result<Self, String> {
        let mut program = Self::default();
        for (name, template) in &spec.fields {
            let template = set.iter().find(|(changed, _)| changed == name).map_or(template, |(_, other)| other);
            let step = program.add(&format!("/{name}"), name, template, spec.rate)?;
            step.is_key = spec.key.as_ref() == Some(name);
            step.is_fixed = fixed.contains(name);
            if step.is_fixed && step.maker.depends_on_clock() {
                return Err(format!(
                    "generator bursts: `{name}` cannot be fixed, because it is taken from the clock; give its event time a start"
                ));
            }
        }
        if let Some(key) = spec.key.as_ref().filter(|_| program.steps.iter().all(|step| !step.is_key)) {
            return Err(format!("generator key: there is no field `{key}`"));
        }
        if let Some((mark, is_burst)) = mark {
            program.add("", mark, &FieldTemplate::Constant(is_burst.into()), None)?;
        }
        Ok(program.end())
    }

    fn add(
        &mut self,
        path: &str,
        name: &str,
        template: &FieldTemplate,
        rate: Option<f64>,
    ) -> Result<&mut Step, String> {
        let mut label = vec![if self.steps.is_empty() { b'{' } else { b',' }];
        push_string(&mut label, name);
        label.push(b':');
        let maker = Maker::new(path, template, rate)?;
        self.steps.push(Step { label: label.into(), maker, salt: salt(path), is_fixed: false, is_key: false });
        self.steps.last_mut().ok_or_else(String::new)
    }

    fn end(mut self) -> Self {
        self.ending = if self.steps.is_empty() { Box::from(*b"{}") } else { Box::from(*b"}") };
        self
    }

    /// Appends a record's JSON. `first` is the burst's first record.
    #[inline]
    pub fn push(&self, out: &mut Vec<u8>, moment: &Moment, first: &Moment, made: &mut Made) {
        for step in &self.steps {
            out.extend_from_slice(&step.label);
            let start = out.len();
            step.maker.push(out, if step.is_fixed { first } else { moment }, step.salt, made);
            if step.is_key {
                made.key = Some(start..out.len());
            }
        }
        out.extend_from_slice(&self.ending);
    }

    fn depends_on_clock(&self) -> bool {
        self.steps.iter().any(|step| step.maker.depends_on_clock())
    }
}

impl Maker {
    fn depends_on_clock(&self) -> bool {
        match self {
            Self::EventTime(times) => !times.is_reproducible(),
            Self::Object(program) => program.depends_on_clock(),
            _ => false,
        }
    }
}

//! How the values of one field are made.

use millstream_pipeline::spec::{EventTime, FieldTemplate, TimeUnit};
use rand_distr::{Distribution, StandardNormal, Zipf};

use super::{
    alias::AliasTable,
    calendar::push_time,
    program::{Made, Moment, Program},
    random::Random,
};
use crate::json::{push_decimal, push_integer, push_padded, push_string};

/// Up to so many items a distribution is kept as a table.
const MAX_TABLE: u64 = 1 << 20;
/// The most decimals: `i64` has 18 digits.
const MAX_DECIMALS: u32 = 9;

/// Makes the values of one field.
#[derive(Clone, Debug)]
pub(crate) enum Maker {
    Sequence { start: u64, style: Numbered },
    Table { table: AliasTable, style: Numbered },
    Zipf { zipf: Zipf<f64>, style: Numbered },
    Uniform { low: i64, count: u64, decimals: u32 },
    Normal { mean: f64, sigma: f64, decimals: u32 },
    LogNormal { median: f64, sigma: f64, decimals: u32 },
    OneOf { table: AliasTable, values: Vec<Box<[u8]>> },
    Boolean { probability: f64 },
    Uuid,
    Text { length: u32 },
    Constant(Box<[u8]>),
    EventTime(EventTimes),
    Object(Program),
}

/// How a number is written: as it is, or as a string with a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    /// With the opening quote; empty for a number.
    prefix: Box<[u8]>,
    width: usize,
}

impl Numbered {
    fn new(prefix: Option<&str>, width: u32) -> Self {
        let mut opening = Vec::new();
        if prefix.is_some() || width > 0 {
            push_string(&mut opening, prefix.unwrap_or_default());
            opening.pop();
        }
        Self { prefix: opening.into(), width: width as usize }
    }

    #[inline]
    fn push(&self, out: &mut Vec<u8>, number: u64) {
        if self.prefix.is_empty() {
            push_integer(out, number);
        } else {
            out.extend_from_slice(&self.prefix);
            push_padded(out, number, self.width);
            out.push(b'"');
        }
    }
}

/// Where event times come from.
#[derive(Clone, Debug)]
pub(crate) struct EventTimes {
    unit: TimeUnit,
    out_of_order_ms: u64,
    progress: Progress,
}

#[derive(Clone, Debug)]
enum Progress {
    Clock,
    Steps { start_ms: i64, step_ns: u128 },
    Rate { start_ms: i64, ms_per_record: f64 },
}

impl EventTimes {
    fn new(spec: &EventTime, rate: Option<f64>) -> Self {
        let progress = match (spec.start, spec.step, rate) {
            (None, ..) => Progress::Clock,
            (Some(start_ms), Some(step), _) => Progress::Steps { start_ms, step_ns: step.as_nanos() },
            (Some(start_ms), None, Some(rate)) => Progress::Rate { start_ms, ms_per_record: 1000.0 / rate },
            (Some(start_ms), None, None) => Progress::Steps { start_ms, step_ns: 1_000_000 },
        };
        let out_of_order_ms = u64::try_from(spec.out_of_order.as_millis()).unwrap_or(u64::MAX);
        Self { unit: spec.unit, out_of_order_ms, progress }
    }

    /// Whether the times are the same in every run.
    pub fn is_reproducible(&self) -> bool {
        !matches!(self.progress, Progress::Clock)
    }

    #[inline]
    fn time_ms(&self, moment: &Moment, random: &mut Random) -> i64 {
        let newest = match &self.progress {
            Progress::Clock => moment.now_ms,
            Progress::Steps { start_ms, step_ns } => {
                let passed_ms = u128::from(moment.overall).saturating_mul(*step_ns) / 1_000_000;
                start_ms.saturating_add(i64::try_from(passed_ms).unwrap_or(i64::MAX))
            }
            Progress::Rate { start_ms, ms_per_record } => {
                start_ms.saturating_add((moment.overall as f64 * ms_per_record) as i64)
            }
        };
        let behind = if self.out_of_order_ms == 0 { 0 } else { random.below(self.out_of_order_ms.saturating_add(1)) };
        newest.saturating_sub_unsigned(behind)
    }
}

impl Maker {
    pub fn new(path: &str, template: &FieldTemplate, rate: Option<f64>) -> Result<Self, String> {
        let refused = |reason: &str| Err(format!("generator field {path}: {reason}"));
        let checked = |decimals: u32| decimals.min(MAX_DECIMALS);
        Ok(match template {
            FieldTemplate::Sequence { start, prefix, width } => {
                Self::Sequence { start: *start, style: Numbered::new(prefix.as_deref(), *width) }
            }
            FieldTemplate::Zipf { n, exponent, prefix, width } => {
                let style = Numbered::new(prefix.as_deref(), *width);
                if *n == 0 || !exponent.is_finite() || *exponent < 0.0 {
                    return refused("zipf needs at least one item and an exponent from 0");
                }
                if *n <= MAX_TABLE {
                    let weights: Vec<f64> = (1..=*n).map(|item| (item as f64).powf(-exponent)).collect();
                    match AliasTable::new(&weights) {
                        Some(table) => Self::Table { table, style },
                        None => return refused("zipf cannot be computed"),
                    }
                } else {
                    match Zipf::new(*n as f64, *exponent) {
                        Ok(zipf) => Self::Zipf { zipf, style },
                        Err(error) => return refused(&error.to_string()),
                    }
                }
            }
            FieldTemplate::Uniform { min, max, decimals } => {
                let decimals = checked(*decimals);
                let scale = 10_f64.powi(decimals as i32);
                // Half a unit in the last place of play, so that 0.1 has one decimal whatever f64 makes of it.
                let (low, high) = ((min * scale - 1e-6).ceil(), (max * scale + 1e-6).floor());
                if !(low <= high && low >= -9e18 && high <= 9e18) {
                    return refused("there is no number from min to max with so many decimals");
                }
                Self::Uniform { low: low as i64, count: (high as i64).abs_diff(low as i64) + 1, decimals }
            }
            FieldTemplate::Normal { mean, sigma, decimals } => {
                Self::Normal { mean: *mean, sigma: *sigma, decimals: checked(*decimals) }
            }
            FieldTemplate::LogNormal { median, sigma, decimals } => {
                Self::LogNormal { median: *median, sigma: *sigma, decimals: checked(*decimals) }
            }
            FieldTemplate::OneOf(choices) => {
                let weights: Vec<f64> = choices.0.iter().map(|(_, weight)| *weight).collect();
                let values = choices.0.iter().map(|(value, _)| value.to_string().into_bytes().into()).collect();
                match AliasTable::new(&weights) {
                    Some(table) => Self::OneOf { table, values },
                    None => return refused("one-of needs at least one value, and weights more than 0"),
                }
            }
            FieldTemplate::Boolean { probability } => Self::Boolean { probability: *probability },
            FieldTemplate::Uuid {} => Self::Uuid,
            FieldTemplate::Text { length } => Self::Text { length: *length },
            FieldTemplate::Constant(value) => Self::Constant(value.to_string().into_bytes().into()),
            FieldTemplate::EventTime(spec) => Self::EventTime(EventTimes::new(spec, rate)),
            FieldTemplate::Object(fields) => Self::Object(Program::object(path, fields, rate)?),
        })
    }

    /// Appends a value as JSON.
    #[inline]
    pub fn push(&self, out: &mut Vec<u8>, moment: &Moment, salt: u64, made: &mut Made) {
        let mut random = Random::new(moment.seed ^ salt);
        match self {
            Self::Sequence { start, style } => style.push(out, start.wrapping_add(moment.overall)),
            Self::Table { table, style } => style.push(out, table.choose(&mut random) as u64 + 1),
            Self::Zipf { zipf, style } => style.push(out, zipf.sample(&mut random) as u64),
            Self::Uniform { low, count, decimals } => {
                push_decimal(out, low.wrapping_add_unsigned(random.below(*count)), *decimals as usize);
            }
            Self::Normal { mean, sigma, decimals } => {
                let normal: f64 = StandardNormal.sample(&mut random);
                push_rounded(out, mean + sigma * normal, *decimals);
            }
            Self::LogNormal { median, sigma, decimals } => {
                let normal: f64 = StandardNormal.sample(&mut random);
                push_rounded(out, median * (sigma * normal).exp(), *decimals);
            }
            Self::OneOf { table, values } => match values.get(table.choose(&mut random)) {
                Some(value) => out.extend_from_slice(value),
                None => out.extend_from_slice(b"null"),
            },
            Self::Boolean { probability } => {
                out.extend_from_slice(if random.fraction() < *probability { b"true" } else { b"false" });
            }
            Self::Uuid => push_uuid(out, &mut random),
            Self::Text { length } => push_letters(out, *length, &mut random),
            Self::Constant(value) => out.extend_from_slice(value),
            Self::EventTime(times) => {
                let time_ms = times.time_ms(moment, &mut random);
                made.timestamp_ms = Some(time_ms);
                push_time(out, time_ms, times.unit);
            }
            Self::Object(program) => program.push(out, moment, moment, made),
        }
    }
}

/// Numbers beyond 64 bits become the largest ones.
fn push_rounded(out: &mut Vec<u8>, value: f64, decimals: u32) {
    push_decimal(out, (value * 10_f64.powi(decimals as i32)).round() as i64, decimals as usize);
}

fn push_uuid(out: &mut Vec<u8>, random: &mut Random) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let high = (random.next() & !0xf000) | 0x4000;
    let low = (random.next() & !(3 << 62)) | (2 << 62);
    out.push(b'"');
    for (position, shift) in (0..32_u32).zip((0..16).rev().cycle()) {
        if matches!(position, 8 | 12 | 16 | 20) {
            out.push(b'-');
        }
        let half = if position < 16 { high } else { low };
        out.extend(HEX.get((half >> (shift * 4)) as usize & 15));
    }
    out.push(b'"');
}

fn push_letters(out: &mut Vec<u8>, length: u32, random: &mut Random) {
    out.push(b'"');
    let mut bits = 0_u64;
    for position in 0..length {
        // 26^12 is below 2^57: a number is good for twelve letters.
        if position % 12 == 0 {
            bits = random.next() >> 7;
        }
        out.push(b'a' + (bits % 26) as u8);
        bits /= 26;
    }
    out.push(b'"');
}

//! Guests as parts of window steps, and as watermark generators.

mod aggregator;
mod assigner;
mod process;
mod trigger;
mod watermark;

use millstream_operator::{OperatorError, RecordFailure, window::Window};
use serde_json::json;

use crate::{
    columns::i64s,
    generated::millstream::window::types::{FailureColumn, WindowColumnParam, WindowColumnResult},
    output::{failures, malformed},
    plugin::Configured,
};

/// A component with a step's configuration, as a part of the step.
#[derive(Debug)]
pub(crate) struct Part {
    configured: Configured,
    definition: String,
}

impl Part {
    pub(crate) fn new(configured: Configured) -> Self {
        let plugin = &configured.plugin;
        // What state is made by: the part by its name, whatever its version, and the format that it says.
        let definition = json!({
            plugin.world().name(): configured.operator.name().to_string(),
            "schema_version": plugin.described().schema_version,
        });
        let definition = definition.to_string();
        Self { configured, definition }
    }
}

/// Windows as columns.
struct Windows {
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl Windows {
    fn of(windows: &[Window]) -> Self {
        let (starts, ends) = windows.iter().map(|window| (window.start_ms, window.end_ms)).unzip();
        Self { starts, ends }
    }

    fn lower(&self) -> WindowColumnParam<'_> {
        lower_windows(&self.starts, &self.ends)
    }
}

fn lower_windows<'a>(starts: &'a [i64], ends: &'a [i64]) -> WindowColumnParam<'a> {
    WindowColumnParam { starts: bytemuck::cast_slice(starts), ends: bytemuck::cast_slice(ends) }
}

/// Checks a guest's column of windows. That they begin before they end is checked where they are used.
fn lift_windows(column: &WindowColumnResult) -> Result<Vec<Window>, OperatorError> {
    match (i64s(&column.starts), i64s(&column.ends)) {
        (Some(starts), Some(ends)) if starts.len() == ends.len() => {
            let windows = starts.into_iter().zip(ends);
            Ok(windows.map(|(start_ms, end_ms)| Window { start_ms, end_ms }).collect())
        }
        _ => malformed(format_args!("{} bytes of starts and {} of ends", column.starts.len(), column.ends.len())),
    }
}

/// Checks a guest's column of times, of which `expected` are asked for.
fn lift_times(name: &str, times: &[u8], expected: usize) -> Result<Vec<i64>, OperatorError> {
    match i64s(times).filter(|times| times.len() == expected) {
        Some(times) => Ok(times),
        None => malformed(format_args!("{} bytes of {name} for {expected} of them", times.len())),
    }
}

fn lift_failures(column: FailureColumn, records: usize) -> Result<Vec<RecordFailure>, OperatorError> {
    failures(&column.records, column.reasons, records)
}

#[cfg(test)]
mod tests;

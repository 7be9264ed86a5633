//! The status of a pipeline, for people.

use std::{thread, time::Duration};

use anyhow::Result;
use millstream_types::PipelineName;
use serde_json::Value;

use crate::{
    args::Output,
    client::Client,
    output::{self, Table},
};

/// Shows a status once, or again and again.
pub(super) fn show(client: &Client, name: &PipelineName, watch: Option<u64>, output: Output) -> Result<()> {
    loop {
        let status: Value = client.get(&format!("pipelines/{name}/status"))?;
        match output {
            Output::Json => output::json(&status)?,
            Output::Text => print(&status)?,
        }
        let Some(seconds) = watch else { return Ok(()) };
        thread::sleep(Duration::from_secs(seconds.max(1)));
        if output == Output::Text {
            output::line("")?;
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn float(value: &Value, name: &str) -> f64 {
    value.get(name).and_then(Value::as_f64).unwrap_or_default()
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What a task is doing.
fn task_state(task: &Value) -> String {
    let Some(restoring) = task.get("restoring").filter(|restoring| !restoring.is_null()) else {
        let finished = task.get("finished").and_then(Value::as_bool) == Some(true);
        return if finished { "finished" } else { "running" }.into();
    };
    let at = |name: &str| restoring.get(name).and_then(Value::as_i64);
    match (at("position"), at("end")) {
        (Some(position), Some(end)) => output::restoring(at("from").unwrap_or(0), position, end),
        _ => "restoring".into(),
    }
}

fn print(status: &Value) -> Result<()> {
    let state = text(status, "state");
    match status.get("reason").and_then(Value::as_str) {
        Some(reason) => output::line(format_args!("{} is {state}: {reason}", text(status, "pipeline")))?,
        None => output::line(format_args!("{} is {state}", text(status, "pipeline")))?,
    }
    output::line(format_args!(
        "records in {}, out {}; bytes in {}, out {}; restarts {}",
        output::count(number(status, "records_in")),
        output::count(number(status, "records_out")),
        output::bytes(number(status, "bytes_in")),
        output::bytes(number(status, "bytes_out")),
        number(status, "restarts"),
    ))?;
    if let Some(commits) = status.get("commits") {
        output::line(format_args!(
            "commits {}, aborted {}; latency p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
            output::count(number(commits, "count")),
            number(commits, "aborted"),
            float(commits, "p50_ms"),
            float(commits, "p99_ms"),
            float(commits, "max_ms"),
        ))?;
    }
    let mut steps = Table::new(&["step", "operator", "in", "out", "dropped", "skipped", "dead", "busy s"]);
    for step in items(status, "steps") {
        steps.row([
            text(step, "step").into(),
            text(step, "operator").into(),
            output::count(number(step, "records_in")),
            output::count(number(step, "records_out")),
            output::count(number(step, "records_dropped")),
            output::count(number(step, "records_skipped")),
            output::count(number(step, "records_dead_lettered")),
            format!("{:.1}", float(step, "busy_seconds")),
        ]);
    }
    if !items(status, "steps").is_empty() {
        output::line("")?;
        steps.print()?;
    }
    let mut tasks = Table::new(&["stage", "partition", "worker", "lag", "state", "task"]);
    for task in items(status, "tasks") {
        let lag = task.get("lag").and_then(Value::as_object);
        let lag: i64 = lag.map(|topics| topics.values().filter_map(Value::as_i64).sum()).unwrap_or_default();
        tasks.row([
            text(task, "stage").into(),
            number(task, "partition").to_string(),
            number(task, "worker").to_string(),
            lag.to_string(),
            output::bytes(number(task, "state_bytes")),
            task_state(task),
        ]);
    }
    if !items(status, "tasks").is_empty() {
        output::line("")?;
        tasks.print()?;
    }
    watermarks(status)?;
    let mut standbys = Table::new(&["standby of", "partition", "behind", "state", ""]);
    for standby in items(status, "standbys") {
        let position = standby.get("position").and_then(Value::as_i64);
        let doing = if position.is_some() { "follows" } else { "waits for its store" };
        standbys.row([
            text(standby, "stage").into(),
            number(standby, "partition").to_string(),
            output::count(number(standby, "lag")),
            output::bytes(number(standby, "state_bytes")),
            standby.get("problem").and_then(Value::as_str).unwrap_or(doing).into(),
        ]);
    }
    if !items(status, "standbys").is_empty() {
        output::line("")?;
        standbys.print()?;
    }
    Ok(())
}

/// For each step the task whose watermark is the earliest, and what holds it back.
fn watermarks(status: &Value) -> Result<()> {
    let mut slowest: Vec<(&Value, &Value)> = Vec::new();
    for task in items(status, "tasks") {
        for watermark in items(task, "watermarks") {
            match slowest.iter_mut().find(|(_, known)| text(known, "step") == text(watermark, "step")) {
                Some(known) if at(watermark) < at(known.1) => *known = (task, watermark),
                Some(_) => {}
                None => slowest.push((task, watermark)),
            }
        }
    }
    if slowest.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["step", "watermark", "task", "held back by"]);
    for (task, watermark) in slowest {
        let time = match at(watermark) {
            None => "unknown".into(),
            Some(i64::MAX) => "end of input".into(),
            Some(ms) => jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |at| at.to_string()),
        };
        let by = watermark.get("slowest").and_then(Value::as_str).unwrap_or("nothing: all idle");
        let task = format!("{}/{}", text(task, "stage"), number(task, "partition"));
        table.row([text(watermark, "step").into(), time, task, by.into()]);
    }
    output::line("")?;
    table.print()
}

/// A watermark, milliseconds; `None`: unknown, which is the earliest.
fn at(watermark: &Value) -> Option<i64> {
    watermark.get("watermark_ms").and_then(Value::as_i64)
}

//! `millstream state`: what the steps of a running pipeline keep.

use std::fmt::Write as _;

use anyhow::Result;
use clap::{Args, Subcommand};
use millstream_types::PipelineName;
use serde_json::Value;

use crate::{
    args::{Output, ServerArgs},
    client::Client,
    output::{self, Table},
};

/// Keys of a page.
const PAGE: usize = 1_000;

#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Lists the states of a pipeline's steps, or the keys of one state.
    ///
    /// The pipeline must run. What is shown is committed, and what this server's tasks have: other hosts of the pipeline
    /// are asked for themselves.
    #[command(after_help = "\
Examples:
  millstream state list fraud
  millstream state list fraud velocity
  millstream state list fraud velocity spend --limit 20")]
    List(ListArgs),
    /// Shows what a state has for a key: its value, or the fields of its map, or the elements of its list.
    #[command(after_help = "\
Examples:
  millstream state get fraud velocity spend user-17
  millstream state get fraud velocity spend 00ff --hex")]
    Get(GetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The pipeline.
    pipeline: PipelineName,
    /// The step; all unless given.
    step: Option<String>,
    /// The state whose keys are listed.
    #[arg(requires = "step")]
    state: Option<String>,
    /// Only keys of this partition.
    #[arg(long, requires = "state")]
    partition: Option<u32>,
    /// Stop after so many keys.
    #[arg(long, short = 'n', requires = "state", default_value_t = 100, value_name = "KEYS")]
    limit: usize,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The pipeline.
    pipeline: PipelineName,
    /// The step.
    step: String,
    /// The state.
    state: String,
    /// The key.
    key: String,
    /// The key is given in hexadecimal.
    #[arg(long)]
    hex: bool,
    /// The partition that has the key; that of its hash unless given.
    #[arg(long)]
    partition: Option<u32>,
    /// Stop after so many fields or elements.
    #[arg(long, short = 'n', default_value_t = 1_000, value_name = "ENTRIES")]
    limit: usize,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(command: StateCommand, output: Output) -> Result<()> {
    match command {
        StateCommand::List(list) => {
            let client = Client::new(&list.server.url)?;
            match (&list.step, &list.state) {
                (Some(step), Some(state)) => keys(&client, &list, step, state, output),
                (step, _) => states(&client, &list.pipeline, step.as_deref(), output),
            }
        }
        StateCommand::Get(get) => content(&Client::new(&get.server.url)?, &get, output),
    }
}

/// The states of one step, or of all.
fn states(client: &Client, pipeline: &PipelineName, step: Option<&str>, output: Output) -> Result<()> {
    let steps = match step {
        Some(step) => vec![step.to_owned()],
        None => {
            let status: Value = client.get(&format!("pipelines/{pipeline}/status"))?;
            items(&status, "steps").iter().map(|step| text(step, "step").to_owned()).collect()
        }
    };
    let mut found = Vec::new();
    for step in steps {
        found.push(client.get::<Value>(&path(pipeline, &step, &[]))?);
    }
    if output == Output::Json {
        return output::json(&found);
    }
    let mut table = Table::new(&["step", "state", "kind", "version", "time to live", "partitions here"]);
    for step in &found {
        let here: Vec<String> = items(step, "here").iter().map(Value::to_string).collect();
        let of = step.get("partitions").and_then(Value::as_u64).unwrap_or_default();
        for state in items(step, "states") {
            let internal = state.get("internal").and_then(Value::as_bool).unwrap_or_default();
            let ttl = state.get("ttl_ms").and_then(Value::as_u64);
            table.row([
                text(step, "step").into(),
                text(state, "name").into(),
                format!("{}{}", text(state, "kind"), if internal { " (internal)" } else { "" }),
                state.get("schema_version").map_or_else(String::new, Value::to_string),
                ttl.map_or_else(String::new, |ttl| format!("{} s", ttl / 1000)),
                format!("{} of {of}", if here.is_empty() { "none".into() } else { here.join(",") }),
            ]);
        }
    }
    if table.is_empty() {
        return output::line("no step keeps state");
    }
    table.print()
}

/// Keys of a state, page after page.
fn keys(client: &Client, list: &ListArgs, step: &str, state: &str, output: Output) -> Result<()> {
    let mut found: Vec<Value> = Vec::new();
    let mut place = list.partition.map_or_else(String::new, |partition| format!("&partition={partition}"));
    loop {
        let limit = (list.limit - found.len()).min(PAGE);
        if limit == 0 {
            break;
        }
        let page: Value = client.get(&format!("{}?limit={limit}{place}", path(&list.pipeline, step, &[state])))?;
        let partition = page.get("partition").cloned().unwrap_or_default();
        for key in items(&page, "keys") {
            let mut key = key.clone();
            if let Some(fields) = key.as_object_mut() {
                fields.insert("partition".into(), partition.clone());
            }
            found.push(key);
        }
        let Some(next) = page.get("next").filter(|next| !next.is_null()) else { break };
        if list.partition.is_some() && next.get("partition") != Some(&partition) {
            break;
        }
        place = format!("&partition={}", next.get("partition").and_then(Value::as_u64).unwrap_or_default());
        if let Some(after) = next.get("after").filter(|after| !after.is_null()) {
            place.push_str(&after_parameter(after));
        }
    }
    if output == Output::Json {
        return output::json(&found);
    }
    let mut table = Table::new(&["partition", "key", "value"]);
    for key in &found {
        let shown = |name: &str| key.get(name).map_or_else(String::new, plain);
        table.row([shown("partition"), shown("key"), shown("value")]);
    }
    table.print()
}

/// What a state has for a key, page after page.
fn content(client: &Client, get: &GetArgs, output: Output) -> Result<()> {
    // In hexadecimal whatever it is, since a field at which the next page begins may be no text.
    let key = if get.hex { get.key.clone() } else { hex_of(&get.key.as_str().into()) };
    let mut base = path(&get.pipeline, &get.step, &[&get.state, &key]);
    base.push_str("?hex=true");
    if let Some(partition) = get.partition {
        let _ = write!(base, "&partition={partition}");
    }
    let mut found: Option<Value> = None;
    let mut after = String::new();
    loop {
        let have = found.as_ref().map_or(0, |found| entries(found).len());
        let limit = (get.limit.max(1) - have).min(PAGE);
        if limit == 0 {
            break;
        }
        let page: Value = client.get(&format!("{base}&limit={limit}{after}"))?;
        let next = page.get("next").filter(|next| !next.is_null()).cloned();
        after = match &next {
            Some(Value::Number(start)) => format!("&start={start}"),
            Some(field) => format!("&after={}", hex_of(field)),
            None => String::new(),
        };
        match &mut found {
            None => found = Some(page),
            Some(found) => extend(found, &page),
        }
        if next.is_none() {
            break;
        }
    }
    let found = found.unwrap_or_default();
    if output == Output::Json {
        return output::json(&found);
    }
    match text(&found, "kind") {
        "map" => {
            let mut table = Table::new(&["field", "value"]);
            for field in entries(&found) {
                table.row(["field", "value"].map(|name| field.get(name).map_or_else(String::new, plain)));
            }
            table.print()
        }
        "list" => entries(&found).iter().map(plain).try_for_each(output::line),
        _ => output::line(found.get("value").map_or_else(String::new, plain)),
    }
}

/// Fields or elements of an answer.
fn entries(answer: &Value) -> &[Value] {
    let name = if text(answer, "kind") == "map" { "fields" } else { "elements" };
    items(answer, name)
}

/// Takes in what the next page has.
fn extend(found: &mut Value, page: &Value) {
    let more = entries(page).to_vec();
    let name = if text(page, "kind") == "map" { "fields" } else { "elements" };
    if let Some(entries) = found.get_mut(name).and_then(Value::as_array_mut) {
        entries.extend(more);
    }
    if let (Some(answer), Some(next)) = (found.as_object_mut(), page.get("next")) {
        answer.insert("next".into(), next.clone());
    }
}

fn path(pipeline: &PipelineName, step: &str, rest: &[&str]) -> String {
    let mut path = format!("pipelines/{pipeline}/steps/{}/state", encoded(step));
    for part in rest {
        let _ = write!(path, "/{}", encoded(part));
    }
    path
}

/// The parameters that say after which key a page begins.
fn after_parameter(after: &Value) -> String {
    match after {
        Value::String(text) => format!("&after={}", encoded(text)),
        other => format!("&hex=true&after={}", hex_of(other)),
    }
}

/// Text or `{"hex": ...}` in hexadecimal.
fn hex_of(shown: &Value) -> String {
    match shown {
        Value::String(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        other => text(other, "hex").to_owned(),
    }
}

/// Percent-encoded, as a part of a path or a parameter.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            other => {
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

/// Bytes for people: text as it is, others as `0x00ff`; numbers, which are often stored as bytes, look like text with
/// control characters.
fn plain(shown: &Value) -> String {
    match shown {
        Value::String(text) if text.chars().any(char::is_control) => format!("0x{}", hex_of(shown)),
        Value::String(text) => text.clone(),
        Value::Object(object) => format!("0x{}", object.get("hex").and_then(Value::as_str).unwrap_or_default()),
        other => other.to_string(),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_survive_their_way_into_a_path() {
        let pipeline: PipelineName = "p".parse().expect("a name");
        assert_eq!(path(&pipeline, "s", &["total", "a/b ü%?"]), "pipelines/p/steps/s/state/total/a%2Fb%20%C3%BC%25%3F");
        assert_eq!(after_parameter(&json!("a b")), "&after=a%20b");
        assert_eq!(after_parameter(&json!({ "hex": "00ff" })), "&hex=true&after=00ff");
        assert_eq!((hex_of(&json!("az")), hex_of(&json!({ "hex": "00ff" }))), ("617a".into(), "00ff".into()));
        let shown = [json!("a ü"), json!({ "hex": "00ff" }), json!("\u{1}\0")].map(|value| plain(&value));
        assert_eq!(shown, ["a ü", "0x00ff", "0x0100"]);
    }
}

//! `millstream savepoint`: named copies of what a pipeline is at one moment.

use anyhow::Result;
use clap::Subcommand;
use millstream_types::PipelineName;
use serde_json::{Value, json};

use crate::{
    args::{Output, ServerArgs},
    client::Client,
    failure::{FAILED, Failure},
    output::{self, Table},
    pipeline::ResetEnd,
    plugin::done,
};

#[derive(Debug, Subcommand)]
pub(crate) enum SavepointCommand {
    /// Keeps the state of a pipeline and the positions of its sources under a name.
    ///
    /// A pipeline that runs stops for it: what is on its way between its stages is processed, everything is copied to
    /// where the server keeps snapshots, and it goes on. All of its tasks must be on the server.
    #[command(after_help = "\
Examples:
  millstream savepoint create fraud
  millstream savepoint create fraud --name before-2.0 --stop")]
    Create {
        /// The pipeline.
        pipeline: PipelineName,
        /// What it is called; savepoint-1, savepoint-2 and so on unless given.
        #[arg(long)]
        name: Option<String>,
        /// Leave the pipeline stopped, for instance to change it.
        #[arg(long)]
        stop: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Lists savepoints.
    List {
        /// Only those of this pipeline.
        pipeline: Option<PipelineName>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Shows what a savepoint has.
    Show(NamedArgs),
    /// Puts a stopped pipeline back to a savepoint, or another pipeline to where this one was.
    ///
    /// Says first, for every state, whether it is matched, new (it starts empty), dropped (the pipeline has no such state
    /// any more) or incompatible. Outputs since the savepoint are made again.
    #[command(after_help = "\
Examples:
  millstream savepoint restore fraud before-2.0 --dry-run
  millstream savepoint restore fraud before-2.0
  millstream savepoint restore fraud-test before-2.0 --from fraud   # another pipeline begins there")]
    Restore {
        /// The pipeline.
        pipeline: PipelineName,
        /// The savepoint.
        name: String,
        /// The pipeline that the savepoint is of, where it is another.
        #[arg(long, value_name = "PIPELINE")]
        from: Option<PipelineName>,
        /// Go on although the pipeline has no place for some of the state.
        #[arg(long)]
        allow_dropped_state: bool,
        /// Where to read topics on that do not have the savepoint's position any more.
        #[arg(long, value_name = "END")]
        lost_positions: Option<ResetEnd>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Removes a savepoint.
    Rm(NamedArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct NamedArgs {
    /// The pipeline that it is of.
    pipeline: PipelineName,
    /// The savepoint.
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(command: SavepointCommand, output: Output) -> Result<()> {
    match command {
        SavepointCommand::Create { pipeline, name, stop, server } => {
            let body = json!({ "name": name, "stop": stop }).to_string();
            let path = format!("pipelines/{pipeline}/savepoints");
            let savepoint = Client::new(&server.url)?.post(&path, "application/json", body.as_bytes())?;
            let name = text(&savepoint, "name");
            let bytes = output::bytes(number(&savepoint, "bytes"));
            let line = format!("savepoint `{name}` of pipeline `{pipeline}` has {bytes} of state");
            done(output, savepoint.clone(), &line)
        }
        SavepointCommand::List { pipeline, server } => list(&Client::new(&server.url)?, pipeline.as_ref(), output),
        SavepointCommand::Show(NamedArgs { pipeline, name, server }) => {
            let savepoint: Value = Client::new(&server.url)?.get(&format!("pipelines/{pipeline}/savepoints/{name}"))?;
            if output == Output::Json { output::json(&savepoint) } else { show(&savepoint) }
        }
        SavepointCommand::Restore { pipeline, name, from, allow_dropped_state, lost_positions, dry_run, server } => {
            let wanted = json!({
                "from": from,
                "allow_dropped_state": allow_dropped_state,
                "lost_positions": lost_positions.map(ResetEnd::word),
            });
            restore(&Client::new(&server.url)?, &pipeline, &name, wanted, dry_run, output)
        }
        SavepointCommand::Rm(NamedArgs { pipeline, name, server }) => {
            Client::new(&server.url)?.delete(&format!("pipelines/{pipeline}/savepoints/{name}"))?;
            done(
                output,
                json!({ "pipeline": pipeline, "removed": name }),
                &format!("removed savepoint `{name}` of pipeline `{pipeline}`"),
            )
        }
    }
}

fn list(client: &Client, pipeline: Option<&PipelineName>, output: Output) -> Result<()> {
    let path = pipeline.map_or_else(|| "savepoints".into(), |pipeline| format!("pipelines/{pipeline}/savepoints"));
    let savepoints: Vec<Value> = client.get(&path)?;
    if output == Output::Json {
        return output::json(&savepoints);
    }
    let mut table = Table::new(&["pipeline", "savepoint", "taken", "generation", "tasks", "state", "problem"]);
    for savepoint in &savepoints {
        table.row([
            text(savepoint, "pipeline").into(),
            text(savepoint, "name").into(),
            taken(savepoint),
            number(savepoint, "generation").to_string(),
            number(savepoint, "tasks").to_string(),
            output::bytes(number(savepoint, "bytes")),
            text(savepoint, "problem").into(),
        ]);
    }
    table.print()
}

fn show(savepoint: &Value) -> Result<()> {
    output::line(format_args!(
        "savepoint `{}` of pipeline `{}`, generation {}, taken {}, {} of state",
        text(savepoint, "name"),
        text(savepoint, "pipeline"),
        number(savepoint, "generation"),
        taken(savepoint),
        output::bytes(number(savepoint, "bytes")),
    ))?;
    let mut stages = Table::new(&["stage", "tasks", "with state", "state"]);
    for stage in items(savepoint, "stages") {
        stages.row([
            text(stage, "stage").into(),
            number(stage, "tasks").to_string(),
            number(stage, "tasks_with_state").to_string(),
            output::bytes(number(stage, "bytes")),
        ]);
    }
    section(&stages)?;
    let mut operators = Table::new(&["step", "operator", "digest"]);
    for (step, operator) in savepoint.get("operators").and_then(Value::as_object).into_iter().flatten() {
        operators.row([step.clone(), text(operator, "operator").into(), text(operator, "digest").into()]);
    }
    section(&operators)?;
    let mut states = Table::new(&["step", "state", "kind", "version", "time to live"]);
    for state in items(savepoint, "states") {
        let ttl = state.get("ttl_ms").and_then(Value::as_u64);
        states.row([
            text(state, "step").into(),
            text(state, "name").into(),
            text(state, "kind").into(),
            number(state, "schema_version").to_string(),
            ttl.map_or_else(String::new, |ttl| format!("{} s", ttl / 1000)),
        ]);
    }
    section(&states)?;
    let mut positions = Table::new(&["topic", "partition", "position"]);
    for position in items(savepoint, "positions") {
        positions.row([
            text(position, "topic").into(),
            number(position, "partition").to_string(),
            number(position, "offset").to_string(),
        ]);
    }
    section(&positions)
}

/// Shows what a restore would do, and does it unless something stands against it.
fn restore(
    client: &Client,
    pipeline: &PipelineName,
    name: &str,
    mut wanted: Value,
    dry_run: bool,
    output: Output,
) -> Result<()> {
    let path = format!("pipelines/{pipeline}/savepoints/{name}/restore");
    let mut post = |dry_run: bool| -> Result<Value> {
        if let Some(wanted) = wanted.as_object_mut() {
            wanted.insert("dry_run".into(), dry_run.into());
        }
        client.post(&path, "application/json", wanted.to_string().as_bytes())
    };
    let mut report = post(true)?;
    if output == Output::Text {
        print(&report)?;
    }
    let refused: Vec<String> = strings(&report, "refused").map(str::to_owned).collect();
    if !refused.is_empty() {
        if output == Output::Json {
            output::json(&report)?;
        }
        let message = format!("savepoint `{name}` does not fit pipeline `{pipeline}`; nothing was changed");
        return Err(Failure::new(FAILED, message).details(refused).into());
    }
    if !dry_run {
        report = post(false)?;
    }
    let line = match dry_run {
        true => format!("savepoint `{name}` fits pipeline `{pipeline}`; nothing was changed"),
        false => format!(
            "restored savepoint `{name}`: {} entries of state; start the pipeline with `millstream pipeline start \
             {pipeline}`",
            output::count(number(&report, "entries"))
        ),
    };
    done(output, report, &line)
}

fn print(report: &Value) -> Result<()> {
    let mut states = Table::new(&["step", "state", "", "operator then", "operator now", "detail"]);
    for state in items(report, "states") {
        let column = |name: &str| text(state, name).to_owned();
        states.row(["step", "state", "outcome", "was", "is", "detail"].map(column));
    }
    if !items(report, "states").is_empty() {
        states.print()?;
    }
    for position in items(report, "positions") {
        let at = |name: &str| position.get(name).and_then(Value::as_i64);
        let before = at("from").map_or_else(|| "none".into(), |from| from.to_string());
        let origin = match text(position, "origin") {
            "new" => " (not in the savepoint)",
            "lost" => " (the savepoint's is gone)",
            _ => "",
        };
        output::line(format_args!(
            "{}-{}: position {} instead of {before}{origin}",
            text(position, "topic"),
            number(position, "partition"),
            at("to").unwrap_or_default()
        ))?;
    }
    strings(report, "notes").try_for_each(output::line)
}

fn section(table: &Table) -> Result<()> {
    if table.is_empty() {
        return Ok(());
    }
    output::line("")?;
    table.print()
}

/// When a savepoint was taken, as people write it.
fn taken(savepoint: &Value) -> String {
    savepoint.get("created_ms").and_then(Value::as_i64).map_or_else(String::new, output::moment)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn strings<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    items(value, name).iter().filter_map(Value::as_str)
}

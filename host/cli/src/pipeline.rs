//! `millstream pipeline`: checking pipeline files and managing pipelines on a server.

mod status;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::Subcommand;
use millstream_pipeline::{PipelineSpec, Plan, explain, plan};
use millstream_types::{OperatorRef, PipelineName};
use serde_json::{Value, json};

use crate::{
    args::{HostArgs, Output, ServerArgs},
    client::Client,
    components,
    config::HostConfig,
    failure::{FAILED, Failure, INVALID},
    output::{self, Table},
    plugin::{self, done},
    wiring,
};

#[derive(Debug, Subcommand)]
pub(crate) enum PipelineCommand {
    /// Checks a pipeline file with its operators and changes nothing.
    #[command(after_help = "\
Operators come from the file's `operators:` section (projects are built) or from the registry of the data directory.
With --server they are those of the server.

Examples:
  millstream pipeline check pipeline.yaml
  millstream pipeline check pipeline.yaml --server http://127.0.0.1:8080")]
    Check(CheckArgs),
    /// Draws the plan of a pipeline file: stages, tasks, shuffles, state and topics.
    Explain(CheckArgs),
    /// Registers a pipeline file on a server, with the operators that its `operators:` section names.
    #[command(
        after_help = "Examples:\n  millstream pipeline apply pipeline.yaml\n  millstream pipeline apply pipeline.yaml --start"
    )]
    Apply {
        /// The pipeline file.
        file: PathBuf,
        /// Start it, too.
        #[arg(long)]
        start: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Lists the pipelines of a server.
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Shows what a pipeline is doing.
    Status {
        /// Which one.
        name: PipelineName,
        /// Show it again every so many seconds.
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1")]
        watch: Option<u64>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Starts a pipeline, or lets a paused one go on.
    Start(NamedArgs),
    /// Stops a pipeline after a last commit.
    Stop(NamedArgs),
    /// Makes a pipeline commit and read nothing more until it is started again.
    Pause(NamedArgs),
    /// Moves the positions, or drops the state, of a stopped pipeline that cannot go on as it is.
    ///
    /// Where a topic was deleted, truncated or changed under it, a pipeline stops and says which of these to use. Nothing
    /// but what is asked for is changed.
    #[command(after_help = "\
Examples:
  millstream pipeline reset fraud --to earliest --lost-only   # go on at the first record that is left
  millstream pipeline reset fraud --state --lost-only         # go on without state that is lost
  millstream pipeline reset fraud --local-state               # restore this host's copy of the state again
  millstream pipeline reset fraud --state --to earliest       # begin anew, which repeats outputs")]
    Reset {
        /// Which one.
        name: PipelineName,
        /// Read all topics of its sources from their first records, or from their ends.
        #[arg(long, value_name = "END")]
        to: Option<ResetEnd>,
        /// Drop its state; with --to also what is on its way between stages.
        #[arg(long)]
        state: bool,
        /// Drop the server's local copy of its state, which is then restored from the changelog.
        #[arg(long, conflicts_with = "state")]
        local_state: bool,
        /// Only what is lost: positions that are gone or outside of their topics, state whose changelog is gone.
        #[arg(long)]
        lost_only: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Replaces the operator of a step while the pipeline runs; its state stays.
    #[command(
        after_help = "Examples:\n  millstream pipeline swap fraud score score@2.0.0\n  millstream pipeline swap fraud score score@1.0.0   # and back"
    )]
    Swap {
        /// The pipeline.
        name: PipelineName,
        /// The step.
        step: String,
        /// The new operator.
        #[arg(value_name = "NAME@VERSION")]
        operator: OperatorRef,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Removes a stopped pipeline with its positions, state and internal topics.
    Rm(NamedArgs),
}

/// An end of a topic.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum ResetEnd {
    /// The first record there is.
    Earliest,
    /// What comes from now on.
    Latest,
}

impl ResetEnd {
    /// As the API calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Earliest => "earliest",
            Self::Latest => "latest",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The pipeline file.
    file: PathBuf,
    /// Check against the plugins of this server.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NamedArgs {
    /// Which one.
    name: PipelineName,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(command: PipelineCommand, output: Output) -> Result<()> {
    match command {
        PipelineCommand::Check(args) => {
            let (name, _) = check(&args)?;
            done(output, json!({ "pipeline": name, "valid": true }), &format!("pipeline `{name}` is valid"))
        }
        PipelineCommand::Explain(args) => {
            let (name, plan) = check(&args)?;
            done(output, json!({ "pipeline": name, "plan": plan }), plan.trim_end())
        }
        PipelineCommand::Apply { file, start, server } => apply(&Client::new(&server.url)?, &file, start, output),
        PipelineCommand::List { server } => list(&Client::new(&server.url)?, output),
        PipelineCommand::Status { name, watch, server } => {
            status::show(&Client::new(&server.url)?, &name, watch, output)
        }
        PipelineCommand::Start(args) => act(&args, "start", output),
        PipelineCommand::Stop(args) => act(&args, "stop", output),
        PipelineCommand::Pause(args) => act(&args, "pause", output),
        PipelineCommand::Reset { name, to, state, local_state, lost_only, server } => {
            let to = to.map(ResetEnd::word);
            let state = match (state, local_state) {
                (true, _) => "all",
                (_, true) => "local",
                _ => "keep",
            };
            let wanted = json!({ "to": to, "state": state, "lost_only": lost_only });
            reset(&Client::new(&server.url)?, &name, &wanted, output)
        }
        PipelineCommand::Swap { name, step, operator, server } => {
            swap(&Client::new(&server.url)?, &name, &step, &operator, output)
        }
        PipelineCommand::Rm(NamedArgs { name, server }) => {
            Client::new(&server.url)?.delete(&format!("pipelines/{name}"))?;
            done(output, json!({ "removed": name }), &format!("removed pipeline `{name}`"))
        }
    }
}

/// Reads and parses a pipeline file.
pub(crate) fn read(file: &Path) -> Result<(String, PipelineSpec)> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(INVALID, format!("cannot read {}: {error}", file.display())))?;
    let spec = millstream_pipeline::parse(&file.display().to_string(), &text).map_err(invalid)?;
    Ok((text, spec))
}

/// Errors of a pipeline file, each with its place.
pub(crate) fn invalid(errors: millstream_pipeline::SpecErrors) -> anyhow::Error {
    let details: Vec<_> = errors.to_string().lines().map(str::to_owned).collect();
    Failure::new(INVALID, "the pipeline is not valid").details(details).into()
}

/// The plan of a pipeline on `operators`.
pub(crate) fn planned(spec: &PipelineSpec, operators: &components::Operators) -> Result<Plan> {
    plan(spec, operators).map_err(invalid)
}

fn check(args: &CheckArgs) -> Result<(PipelineName, String)> {
    let (text, spec) = read(&args.file)?;
    if let Some(url) = &args.server {
        let path = format!("pipelines/{}?dry-run=true", spec.pipeline);
        let (_, answer) = Client::new(url)?.put(&path, content_type(&args.file), text.as_bytes())?;
        let plan = answer.get("plan").and_then(Value::as_str).unwrap_or_default();
        return Ok((spec.pipeline, plan.into()));
    }
    let config = HostConfig::load(&args.host)?;
    let operators = wiring::operators(&spec, &args.file, &wiring::loader(&config, false)?, &config)?;
    let plan = planned(&spec, &operators)?;
    Ok((spec.pipeline, explain(&plan)))
}

fn content_type(file: &Path) -> &'static str {
    if file.extension().is_some_and(|extension| extension == "json") { "application/json" } else { "application/yaml" }
}

fn apply(client: &Client, file: &Path, start: bool, output: Output) -> Result<()> {
    let (text, spec) = read(file)?;
    let used: BTreeSet<_> = spec.used_operators().into_iter().map(|(_, operator)| operator.clone()).collect();
    let mut pushed = Vec::new();
    for (operator, path) in components::named_in(&spec, file) {
        // A registered version does not change, so that one which is there need not be built again.
        if !used.contains(&operator) || is_registered(client, &operator)? {
            continue;
        }
        let (bytes, _) = components::component(&path)?;
        plugin::upload(client, &operator, &bytes)?;
        eprintln!("registered {operator}");
        pushed.push(operator);
    }
    let name = &spec.pipeline;
    let (created, mut pipeline) = client.put(&format!("pipelines/{name}"), content_type(file), text.as_bytes())?;
    if start {
        pipeline = client.post_empty(&format!("pipelines/{name}/start"))?;
    }
    let what = if created { "registered" } else { "applied" };
    let state = pipeline.get("state").and_then(Value::as_str).unwrap_or_default();
    let text = format!("{what} pipeline `{name}`; it is {state}");
    done(output, json!({ "created": created, "registered": pushed, "pipeline": pipeline }), &text)
}

fn is_registered(client: &Client, operator: &OperatorRef) -> Result<bool> {
    let plugins: Vec<Value> = client.get("plugins")?;
    let name = operator.to_string();
    Ok(plugins.iter().any(|plugin| plugin.get("operator").and_then(Value::as_str) == Some(&name)))
}

fn list(client: &Client, output: Output) -> Result<()> {
    let pipelines: Vec<Value> = client.get("pipelines")?;
    if output == Output::Json {
        return output::json(&pipelines);
    }
    let mut table = Table::new(&["pipeline", "state", "desired", "generation", "operators", "reason"]);
    for pipeline in &pipelines {
        let text = |name: &str| pipeline.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operators = pipeline
            .get("operators")
            .and_then(Value::as_object)
            .map(|steps| steps.values().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
        let generation = pipeline.get("generation").and_then(Value::as_u64).unwrap_or_default();
        table.row([
            text("pipeline"),
            text("state"),
            text("desired"),
            generation.to_string(),
            operators.unwrap_or_default(),
            text("reason"),
        ]);
    }
    table.print()
}

fn act(args: &NamedArgs, verb: &str, output: Output) -> Result<()> {
    let status = Client::new(&args.server.url)?.post_empty(&format!("pipelines/{}/{verb}", args.name))?;
    let state = status.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    let reason = status.get("reason").and_then(Value::as_str).map(str::to_owned);
    if state == "failed" && verb != "stop" {
        let reason = reason.unwrap_or_else(|| "no reason was given".into());
        return Err(Failure::new(FAILED, format!("pipeline `{}` failed: {reason}", args.name)).into());
    }
    let text = match reason {
        Some(reason) => format!("pipeline `{}` is {state}: {reason}", args.name),
        None => format!("pipeline `{}` is {state}", args.name),
    };
    done(output, status, &text)
}

fn reset(client: &Client, name: &PipelineName, wanted: &Value, output: Output) -> Result<()> {
    let report = client.post(&format!("pipelines/{name}/reset"), "application/json", wanted.to_string().as_bytes())?;
    let items = |of: &str| report.get(of).and_then(Value::as_array).cloned().unwrap_or_default();
    let (positions, emptied) = (items("positions"), items("emptied"));
    let mut lines = Vec::new();
    for moved in &positions {
        let at = |of: &str| moved.get(of).and_then(Value::as_i64).map_or_else(|| "none".into(), |at| at.to_string());
        let topic = moved.get("topic").and_then(Value::as_str).unwrap_or_default();
        lines.push(format!("{topic}-{}: position {} instead of {}", at("partition"), at("to"), at("from")));
    }
    lines.extend(emptied.iter().filter_map(Value::as_str).map(|task| format!("{task}: state is empty")));
    lines.push(match wanted.get("state").and_then(Value::as_str) {
        Some("local") => format!("dropped the server's copy of the state of pipeline `{name}`"),
        _ if positions.is_empty() && emptied.is_empty() => format!("nothing of pipeline `{name}` is lost"),
        _ => format!("reset pipeline `{name}`; start it with `millstream pipeline start {name}`"),
    });
    done(output, report.clone(), &lines.join("\n"))
}

fn swap(client: &Client, name: &PipelineName, step: &str, operator: &OperatorRef, output: Output) -> Result<()> {
    let body = json!({ "operator": operator, "mode": "immediate" }).to_string();
    let report = client.post(&format!("pipelines/{name}/steps/{step}/swap"), "application/json", body.as_bytes())?;
    let from = report.get("from").and_then(Value::as_str).unwrap_or_default();
    let pause_ms = report.get("pause_ms").and_then(Value::as_f64).unwrap_or_default();
    let workers = report.get("workers").and_then(Value::as_u64).unwrap_or_default();
    let text =
        format!("step `{step}` runs {operator} instead of {from} ({workers} workers, longest pause {pause_ms:.1} ms)");
    done(output, report.clone(), &text)
}

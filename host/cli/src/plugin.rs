//! `millstream plugin`: building operators and managing them on a server.

mod watch;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use millstream_api::{PluginLoader, describe_plugin};
use millstream_script::Script;
use millstream_types::OperatorRef;
use millstream_wasm::{EngineConfig, Limits, WasmHost};
use serde_json::{Value, json};

use crate::{
    args::{Output, ServerArgs},
    client::Client,
    components::{self, WasmLoader},
    failure::{Failure, INVALID},
    interpreters::{self, Interpreters},
    output::{self, Table},
    project,
};

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Builds an operator project and checks what comes of it.
    #[command(after_help = "\
Examples:
  millstream plugin build operators/score
  millstream plugin build . --to score.wasm
  millstream plugin build . --watch --push --swap fraud/score")]
    Build {
        /// The project's directory.
        #[arg(default_value = ".")]
        directory: PathBuf,
        /// Also copy the component here.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Build again whenever a source file is saved.
        #[arg(long)]
        watch: bool,
        /// Register each build on a server, under a version of its own: 0.1.0-dev.TIME.
        #[arg(long, requires = "watch")]
        push: bool,
        /// Swap each build into a running pipeline; PIPELINE/ may be left out where only one has such a step.
        #[arg(long, requires = "push", value_name = "[PIPELINE/]STEP")]
        swap: Option<String>,
        /// Register under this name and version instead of the project's own.
        #[arg(long = "as", requires = "push", value_name = "NAME@VERSION")]
        operator: Option<OperatorRef>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Registers a component on a server; a project is built first.
    #[command(after_help = "\
A version never changes: pushing other bytes under the same name and version is refused.

Examples:
  millstream plugin push operators/score
  millstream plugin push score.wasm --as score@2.0.0")]
    Push {
        /// A component (.wasm) or a project's directory.
        path: PathBuf,
        /// Name and version; those of the package where a project is given.
        #[arg(long = "as", value_name = "NAME@VERSION")]
        operator: Option<OperatorRef>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Lists the plugins of a server.
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Shows what a plugin declares: one of a server, or a file.
    #[command(
        after_help = "Examples:\n  millstream plugin inspect score@1.0.0\n  millstream plugin inspect ./score.wasm"
    )]
    Inspect {
        /// NAME@VERSION, or a component (.wasm) or project directory.
        plugin: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Removes a plugin that no pipeline uses.
    Rm {
        /// Which one.
        #[arg(value_name = "NAME@VERSION")]
        operator: OperatorRef,
        #[command(flatten)]
        server: ServerArgs,
    },
}

pub(crate) fn run(command: PluginCommand, output: Output) -> Result<()> {
    match command {
        PluginCommand::Build { directory, to, watch: false, .. } => build(&directory, to.as_deref(), output),
        PluginCommand::Build { directory, to, push, swap, operator, server, .. } => {
            let server = if push { Some(Client::new(&server.url)?) } else { None };
            watch::Watch { directory, to, server, swap, operator }.run(&loader()?, output)
        }
        PluginCommand::Push { path, operator, server } => push(&Client::new(&server.url)?, &path, operator, output),
        PluginCommand::List { server } => list(&Client::new(&server.url)?, output),
        PluginCommand::Inspect { plugin, server } => inspect(&plugin, &server, output),
        PluginCommand::Rm { operator, server } => {
            Client::new(&server.url)?.delete(&path_of(&operator))?;
            done(output, json!({ "removed": operator }), &format!("removed {operator}"))
        }
    }
}

/// Says what was done.
pub(crate) fn done(output: Output, value: Value, text: &str) -> Result<()> {
    match output {
        Output::Json => output::json(&value),
        Output::Text => output::line(text),
    }
}

fn path_of(operator: &OperatorRef) -> String {
    format!("plugins/{}/{}", operator.name(), operator.version())
}

/// An engine for looking at single components, with compiled code in the user's cache.
pub(crate) fn loader() -> Result<WasmLoader> {
    let engine = EngineConfig { cache_dir: interpreters::code_cache(), ..EngineConfig::default() };
    let loader = WasmLoader::new(WasmHost::new(engine)?, Limits::default(), Interpreters::of_process(None));
    loader.tidy(&|_| false);
    Ok(loader)
}

fn build(directory: &Path, to: Option<&Path>, output: Output) -> Result<()> {
    let project = project::build(directory)?;
    let bytes = &project.built.bytes;
    let plugin = components::load(&loader()?, bytes, &directory.display().to_string())?;
    if let Some(to) = to {
        std::fs::write(to, bytes)
            .map_err(|error| Failure::new(INVALID, format!("cannot write {}: {error}", to.display())))?;
    }
    let path = to.unwrap_or(&project.built.path);
    let (identity, imports) = (&project.identity, plugin.imports());
    let description = describe_plugin(&*plugin);
    if output == Output::Json {
        return output::json(&json!({
            "path": path, "name": identity.name, "version": identity.version, "language": project.language,
            "digest": plugin.digest(), "size_bytes": bytes.len(), "world": plugin.world(), "description": description,
        }));
    }
    let mut facts = vec![
        ("component", path.display().to_string()),
        ("size", output::bytes(bytes.len() as u64)),
        ("digest", plugin.digest().to_string()),
        ("world", plugin.world().to_owned()),
    ];
    facts.extend(described(&description));
    match plugin.script() {
        // What its interpreter imports says nothing about the program.
        Some(script) => {
            facts.extend(script.files().iter().map(|file| ("files", file.path.clone())));
            facts.extend(script.interpreter().map(|digest| ("runs in", format!("{} {digest}", script.language()))));
        }
        None => facts.extend(imports.into_iter().map(|import| ("imports", import))),
    }
    let mut last = "";
    for (name, fact) in facts {
        output::line(format_args!("{:<9}  {fact}", if name == last { "" } else { name }))?;
        last = name;
    }
    Ok(())
}

/// The outputs and states that a description names, a line each.
fn described(description: &Value) -> Vec<(&'static str, String)> {
    let list = |name: &str| description.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut lines: Vec<(&str, String)> = Vec::new();
    let outputs: Vec<&str> = list("outputs").iter().filter_map(Value::as_str).collect();
    if !outputs.is_empty() {
        lines.push(("outputs", outputs.join(", ")));
    }
    for state in list("states") {
        let text = |name: &str| state.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| state.get(name).and_then(Value::as_u64);
        let version = number("schema_version").unwrap_or_default();
        let ttl = number("ttl_ms").map(|ttl_ms| format!(", kept {ttl_ms} ms")).unwrap_or_default();
        lines.push(("states", format!("{}: {}, version {version}{ttl}", text("name"), text("kind"))));
    }
    for (name, shown) in [("reads", "reads"), ("writes", "writes")] {
        for field in list(name) {
            let text = |name: &str| field.get(name).and_then(Value::as_str).unwrap_or_default();
            let optional = field.get("optional").and_then(Value::as_bool).unwrap_or_default();
            let optional = if optional { ", optional" } else { "" };
            lines.push((shown, format!("{}: {}{optional}", text("path"), text("type"))));
        }
    }
    lines
}

fn push(client: &Client, path: &Path, operator: Option<OperatorRef>, output: Output) -> Result<()> {
    let (bytes, own_name) = if path.is_dir() {
        let project = project::build(path)?;
        let own_name = if operator.is_none() { Some(project.operator()?) } else { None };
        (project.built.bytes, own_name)
    } else {
        (components::component(path)?.0, None)
    };
    let operator = operator.or(own_name).ok_or_else(|| {
        Failure::new(INVALID, "a component has no name of its own").hint("give one with --as NAME@VERSION")
    })?;
    let (created, plugin) = upload(client, &operator, &bytes)?;
    let digest = plugin.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text = if created {
        format!("registered {operator} ({digest})")
    } else {
        format!("{operator} is registered already ({digest})")
    };
    done(output, plugin, &text)
}

/// Registers a component or a packed script, and tells whether it is new.
pub(crate) fn upload(client: &Client, operator: &OperatorRef, bytes: &[u8]) -> Result<(bool, Value)> {
    let media_type = if Script::is_packed(bytes) { "application/x-tar" } else { "application/wasm" };
    client.put(&path_of(operator), media_type, bytes)
}

fn list(client: &Client, output: Output) -> Result<()> {
    let plugins: Vec<Value> = client.get("plugins")?;
    if output == Output::Json {
        return output::json(&plugins);
    }
    let mut table = Table::new(&["plugin", "world", "size", "states", "used by", "digest"]);
    for plugin in &plugins {
        let names = |value: Option<&Value>| {
            let list = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let names: Vec<_> =
                list.iter().filter_map(|item| item.as_str().or_else(|| item.get("name")?.as_str())).collect();
            if names.is_empty() { "-".into() } else { names.join(",") }
        };
        let text = |name: &str| plugin.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        table.row([
            text("operator"),
            text("world"),
            output::bytes(plugin.get("size_bytes").and_then(Value::as_u64).unwrap_or_default()),
            names(plugin.get("description").and_then(|description| description.get("states"))),
            names(plugin.get("used_by")),
            text("digest").chars().take("sha256:".len() + 12).collect(),
        ]);
    }
    table.print()
}

fn inspect(plugin: &str, server: &ServerArgs, output: Output) -> Result<()> {
    let value = match plugin.parse::<OperatorRef>() {
        Ok(operator) => Client::new(&server.url)?.get(&path_of(&operator))?,
        Err(_) => {
            let (bytes, file) = components::component(Path::new(plugin))?;
            let loaded = components::load(&loader()?, &bytes, plugin)?;
            json!({
                "path": file, "digest": loaded.digest(), "size_bytes": bytes.len(), "world": loaded.world(),
                "description": describe_plugin(&*loaded),
            })
        }
    };
    match output {
        Output::Json => output::json(&value),
        Output::Text => output::line(format_args!("{value:#}")),
    }
}

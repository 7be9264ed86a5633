//! `millstream plugin build --watch`: builds again whenever a source file is saved.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use millstream_api::PluginLoader;
use millstream_types::{Digest, OperatorRef};
use serde_json::{Value, json};

use super::upload;
use crate::{
    args::Output,
    client::Client,
    components,
    failure::{self, Failure, INVALID},
    output, project,
};

/// How often the source files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What tools write beside the source.
const IGNORED: [&str; 8] =
    ["target", "node_modules", "__pycache__", "build", "dist", "venv", ".venv", "millstream.wasm"];

/// What is done with each build.
pub(super) struct Watch {
    /// The project.
    pub(super) directory: PathBuf,
    /// Also copied here.
    pub(super) to: Option<PathBuf>,
    /// Registered here.
    pub(super) server: Option<Client>,
    /// `[PIPELINE/]STEP`: swapped into it.
    pub(super) swap: Option<String>,
    /// Name and version under which it is registered, instead of the project's own.
    pub(super) operator: Option<OperatorRef>,
}

/// Where a build is swapped into.
struct Target {
    pipeline: String,
    step: String,
}

impl Watch {
    /// Builds, and again with every change, until the process is ended. What fails is told and waits for the next
    /// change.
    pub(super) fn run(&self, loader: &dyn PluginLoader, output: Output) -> Result<()> {
        let target = match (&self.server, &self.swap) {
            (Some(client), Some(swap)) => Some(target(client, swap)?),
            _ => None,
        };
        let mut last: Option<(Digest, OperatorRef)> = None;
        loop {
            let seen = sources(&self.directory);
            match self.round(loader, target.as_ref(), &mut last, output) {
                Ok(()) => {}
                Err(error) => drop(failure::report(&error)),
            }
            while sources(&self.directory) == seen {
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }

    fn round(
        &self,
        loader: &dyn PluginLoader,
        target: Option<&Target>,
        last: &mut Option<(Digest, OperatorRef)>,
        output: Output,
    ) -> Result<()> {
        let begin = Instant::now();
        let project = project::build(&self.directory)?;
        let bytes = &project.built.bytes;
        let plugin = components::load(loader, bytes, &self.directory.display().to_string())?;
        if last.as_ref().is_some_and(|(digest, _)| *digest == plugin.digest()) {
            return output::line("nothing has changed");
        }
        if let Some(to) = &self.to {
            fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))?;
        }
        let mut told = json!({ "digest": plugin.digest(), "size_bytes": bytes.len() });
        let mut text = format!("built {} ({})", project.identity.name, output::bytes(bytes.len() as u64));
        let mut tell = |name: &str, value: Value| {
            if let Some(members) = told.as_object_mut() {
                members.insert(name.into(), value);
            }
        };
        let own = match &self.operator {
            Some(operator) => operator.clone(),
            None => project.operator()?,
        };
        let mut registered = own.clone();
        if let Some(client) = &self.server {
            registered = next_version(&own)?;
            upload(client, &registered, bytes)?;
            text.push_str(&format!(", registered {registered}"));
            tell("operator", json!(registered));
            if let Some(Target { pipeline, step }) = target {
                let body = json!({ "operator": registered, "mode": "immediate" }).to_string();
                let path = format!("pipelines/{pipeline}/steps/{step}/swap");
                let swapped = client.post(&path, "application/json", body.as_bytes());
                let report = swapped.inspect_err(|_| drop(client.delete(&super::path_of(&registered))))?;
                let pause_ms = report.get("pause_ms").and_then(Value::as_f64).unwrap_or_default();
                text.push_str(&format!(", swapped into {pipeline}/{step} (pause {pause_ms:.1} ms)"));
                tell("swap", report);
            }
            if let Some((_, before)) = last {
                // One that something still uses stays.
                let _ = client.delete(&super::path_of(before));
            }
        }
        *last = Some((plugin.digest(), registered));
        let took = begin.elapsed();
        tell("took_ms", json!(took.as_millis() as u64));
        match output {
            Output::Json => output::json(&told),
            Output::Text => output::line(format_args!("{text} in {:.2} s", took.as_secs_f64())),
        }
    }
}

/// A version of its own for each save, after the project's: versions never change.
fn next_version(own: &OperatorRef) -> Result<OperatorRef> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let version = own.version().to_string();
    let joined = if version.contains('-') { "." } else { "-" };
    Ok(OperatorRef::new(own.name(), &format!("{version}{joined}dev.{now_ms}"))?)
}

/// The step that a text such as `fraud/score` or, where one pipeline has it, `score` names.
fn target(client: &Client, text: &str) -> Result<Target> {
    if let Some((pipeline, step)) = text.split_once('/') {
        return Ok(Target { pipeline: pipeline.into(), step: step.into() });
    }
    let pipelines: Vec<Value> = client.get("pipelines")?;
    let names = pipelines.iter().filter_map(|pipeline| pipeline.get("name")?.as_str());
    let mut found = Vec::new();
    for name in names {
        let status: Value = client.get(&format!("pipelines/{name}/status"))?;
        let steps = status.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if steps.iter().any(|step| step.get("step").and_then(Value::as_str) == Some(text)) {
            found.push(name.to_owned());
        }
    }
    match &found[..] {
        [pipeline] => Ok(Target { pipeline: pipeline.clone(), step: text.into() }),
        [] => Err(Failure::new(INVALID, format!("no pipeline of the server has a step `{text}`"))
            .hint("`millstream pipeline list` shows the pipelines; name the step as PIPELINE/STEP")
            .into()),
        several => {
            Err(Failure::new(INVALID, format!("several pipelines have a step `{text}`: {}", several.join(", ")))
                .hint("name the step as PIPELINE/STEP")
                .into())
        }
    }
}

/// The files of a project as they are now: when each was written, and how long it is.
fn sources(directory: &Path) -> BTreeMap<PathBuf, (Option<SystemTime>, u64)> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_ignored = name.to_str().is_some_and(|name| name.starts_with('.') || IGNORED.contains(&name));
            let Some(facts) = entry.metadata().ok().filter(|_| !is_ignored) else { continue };
            if facts.is_dir() {
                directories.push(entry.path());
            } else if entry.path().extension().is_none_or(|extension| extension != "wasm") {
                files.insert(entry.path(), (facts.modified().ok(), facts.len()));
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_is_seen_and_what_tools_write_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("src")).unwrap();
        fs::create_dir_all(path("target")).unwrap();
        fs::write(path("src/lib.rs"), "1").unwrap();
        let before = sources(directory.path());
        fs::write(path("target/lib.rlib"), "made").unwrap();
        fs::write(path("out.wasm"), "made").unwrap();
        assert_eq!(sources(directory.path()), before);
        fs::write(path("src/lib.rs"), "12").unwrap();
        assert_ne!(sources(directory.path()), before);
    }

    #[test]
    fn each_save_has_a_version_of_its_own() {
        let version = |own: &str| next_version(&own.parse().unwrap()).unwrap().to_string();
        assert!(version("score@1.2.0").starts_with("score@1.2.0-dev."));
        assert!(version("score@1.2.0-rc.1").starts_with("score@1.2.0-rc.1.dev."));
    }
}

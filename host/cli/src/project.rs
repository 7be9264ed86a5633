//! Building operator projects: Cargo packages for `wasm32-wasip2`.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use millstream_types::OperatorRef;
use serde_json::Value;

use crate::failure::{FAILED, Failure, INVALID};

const TARGET: &str = "wasm32-wasip2";

/// What a build made.
pub(crate) struct Built {
    /// The component.
    pub(crate) wasm: PathBuf,
    /// The package's name.
    pub(crate) name: String,
    /// The package's version.
    pub(crate) version: String,
}

impl Built {
    /// The package's name and version as an operator.
    pub(crate) fn operator(&self) -> Result<OperatorRef> {
        OperatorRef::new(&self.name, &self.version).map_err(|error| {
            Failure::new(INVALID, format!("the package cannot be registered under its own name: {error}"))
                .hint("give another with --as NAME@VERSION")
                .into()
        })
    }
}

/// Builds the project in `directory`. The compiler's messages go to standard error.
pub(crate) fn build(directory: &Path) -> Result<Built> {
    let manifest = directory.join("Cargo.toml");
    let manifest = manifest.canonicalize().map_err(|error| {
        Failure::new(
            INVALID,
            format!("{} is not an operator project: {}: {error}", directory.display(), manifest.display()),
        )
        .hint("`millstream new operator NAME` writes one")
    })?;
    let package = package(&manifest)?;
    eprintln!("building {} {} for {TARGET}", package.name, package.version);
    let mut command = cargo();
    command
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format",
            "json-render-diagnostics",
            "--manifest-path",
        ])
        .arg(&manifest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().map_err(missing_cargo)?;
    let mut wasm = None;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            wasm = artifact(&line?, &manifest).or(wasm);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        return Err(Failure::new(FAILED, format!("{} does not build", directory.display()))
            .hint(format!("if the target is missing: rustup target add {TARGET}"))
            .into());
    }
    let wasm = wasm.ok_or_else(|| {
        Failure::new(INVALID, format!("{} builds no component", directory.display()))
            .hint("its Cargo.toml needs:  [lib] crate-type = [\"cdylib\"]")
    })?;
    Ok(Built { wasm, name: package.name, version: package.version })
}

struct Package {
    name: String,
    version: String,
}

fn package(manifest: &Path) -> Result<Package> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(missing_cargo)?;
    if !output.status.success() {
        return Err(Failure::new(INVALID, format!("cargo cannot read {}", manifest.display())).into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo's metadata cannot be read")?;
    let packages = metadata.get("packages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |package: &Value, name: &str| Some(package.get(name)?.as_str()?.to_owned());
    let found =
        packages.iter().find(|package| text(package, "manifest_path").is_some_and(|path| Path::new(&path) == manifest));
    match found.and_then(|package| Some(Package { name: text(package, "name")?, version: text(package, "version")? })) {
        Some(package) => Ok(package),
        None => Err(Failure::new(INVALID, format!("{} is a workspace and not one package", manifest.display()))
            .details(packages.iter().filter_map(|package| {
                Some(format!(
                    "{}: {}",
                    text(package, "name")?,
                    Path::new(&text(package, "manifest_path")?).parent()?.display()
                ))
            }))
            .hint("give the directory of one of its packages")
            .into()),
    }
}

/// The component in a message of cargo, if it is one of the package at `manifest`.
fn artifact(line: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")?.as_str()? != "compiler-artifact"
        || Path::new(message.get("manifest_path")?.as_str()?) != manifest
    {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
}

fn cargo() -> Command {
    let mut command = Command::new("cargo");
    // The host's own build directory is for another target and may be locked by the build that runs this.
    if let Some(directory) = env::var_os("MILLSTREAM_GUEST_TARGET") {
        command.env("CARGO_TARGET_DIR", directory);
    }
    // Set for the build of this very program, wrong for others.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(variable);
    }
    command
}

fn missing_cargo(error: std::io::Error) -> anyhow::Error {
    Failure::new(FAILED, format!("cargo cannot be run: {error}"))
        .hint(format!("install Rust from https://rustup.rs and its target: rustup target add {TARGET}"))
        .into()
}

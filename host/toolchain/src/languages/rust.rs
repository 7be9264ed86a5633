//! Cargo packages for `wasm32-wasip2`.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Built, Error, Form, Identity, Language, Project, Toolbox, command};

const TARGET: &str = "wasm32-wasip2";

/// Rust: the compiler itself makes the component.
pub(crate) struct Rust;

impl Language for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn markers(&self) -> &'static [&'static str] {
        &["Cargo.toml"]
    }

    fn identify(&self, directory: &Path) -> Result<Identity, Error> {
        let manifest = directory.join("Cargo.toml");
        let manifest = manifest.canonicalize().map_err(|error| Error::file("read", &manifest, &error))?;
        package(manifest)
    }

    fn check(&self, _: &Project, _: &Toolbox) -> Result<(), Error> {
        // The target is told of by the build, which knows the toolchain that the project asks for.
        command::capture(cargo().arg("--version"), &missing_cargo()).map(drop)
    }

    fn build(&self, project: &Project, _: &Toolbox) -> Result<Built, Error> {
        let manifest = &project.identity.manifest;
        let mut command = cargo();
        command
            .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
            .arg("--manifest-path")
            .arg(manifest)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let not_run =
            |error: std::io::Error| Error::tool(format!("cargo cannot be run: {error}")).hint(missing_cargo());
        let mut child = command.spawn().map_err(not_run)?;
        let mut wasm = None;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                wasm = artifact(&line.map_err(not_run)?, manifest).or(wasm);
            }
        }
        if !child.wait().map_err(not_run)?.success() {
            return Err(Error::tool(format!("{} does not build", project.directory.display()))
                .details([format!("the command was: {}", command::typed(&command))])
                .hint(format!("if the target is missing: rustup target add {TARGET}")));
        }
        let path = wasm.ok_or_else(|| {
            Error::project(format!("{} builds no component", project.directory.display()))
                .hint("its Cargo.toml needs:  [lib] crate-type = [\"cdylib\"]")
        })?;
        let bytes = fs::read(&path).map_err(|error| Error::file("read", &path, &error))?;
        Ok(Built { path, bytes, form: Form::Component })
    }
}

fn package(manifest: PathBuf) -> Result<Identity, Error> {
    let mut command = cargo();
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let output = command::capture(&mut command, &missing_cargo())?;
    let metadata: Value = serde_json::from_str(&output)
        .map_err(|error| Error::tool(format!("cargo's metadata of {} cannot be read: {error}", manifest.display())))?;
    let packages = metadata.get("packages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |package: &Value, name: &str| Some(package.get(name)?.as_str()?.to_owned());
    let found =
        packages.iter().find(|package| text(package, "manifest_path").is_some_and(|path| Path::new(&path) == manifest));
    let identity = |package| Some((text(package, "name")?, text(package, "version")?));
    match found.and_then(identity) {
        Some((name, version)) => Ok(Identity { manifest, name, version }),
        None => Err(Error::project(format!("{} is a workspace and not one package", manifest.display()))
            .details(packages.iter().filter_map(|package| {
                let path = text(package, "manifest_path")?;
                Some(format!("{}: {}", text(package, "name")?, Path::new(&path).parent()?.display()))
            }))
            .hint("give the directory of one of its packages")),
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

fn missing_cargo() -> String {
    format!("install Rust from https://rustup.rs and its target: rustup target add {TARGET}")
}

#[cfg(test)]
mod tests {
    use crate::recognise;

    #[test]
    fn a_workspace_is_told_from_a_package() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"score\"]\n");
        write("score/Cargo.toml", "[package]\nname = \"score\"\nversion = \"2.0.0\"\nedition = \"2024\"\n");
        write("score/src/lib.rs", "");
        let found = recognise(&directory.path().join("score")).unwrap();
        assert_eq!((found.identity.name.as_str(), found.identity.version.as_str()), ("score", "2.0.0"));
        let error = recognise(directory.path()).unwrap_err();
        assert!(error.to_string().ends_with("is a workspace and not one package"), "{error}");
        assert!(error.lines()[0].starts_with("score: "), "{:?}", error.lines());
        write("score/Cargo.toml", "[package\n");
        let error = recognise(&directory.path().join("score")).unwrap_err();
        assert!(error.to_string().starts_with("a command failed"), "{error}");
        assert!(error.lines().iter().any(|line| line.contains("Cargo.toml")), "{:?}", error.lines());
    }
}

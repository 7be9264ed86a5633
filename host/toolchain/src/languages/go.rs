//! Go modules for `wasip1`, as reactors.

use std::{fs, path::Path, process::Command};

use crate::{Built, Error, Form, Identity, Language, Project, Toolbox, command, component::componentise};

/// The first release with `//go:wasmexport` and c-shared for wasip1.
const OLDEST: (u32, u32) = (1, 24);

/// Go, by its own compiler.
pub(crate) struct Go;

impl Language for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn markers(&self) -> &'static [&'static str] {
        &["go.mod"]
    }

    fn identify(&self, directory: &Path) -> Result<Identity, Error> {
        let (identity, manifest) = Identity::of_millstream_toml(directory)?;
        manifest.only(&[], &["name", "version", "language"])?;
        Ok(identity)
    }

    fn check(&self, project: &Project, _: &Toolbox) -> Result<(), Error> {
        let mut go = Command::new("go");
        // In the project's directory, where its go.mod may ask for a toolchain of its own.
        let told = command::capture(go.args(["env", "GOVERSION"]).current_dir(&project.directory), &missing())?;
        let told = told.trim();
        match version(told) {
            Some(found) if found >= OLDEST => Ok(()),
            Some(_) => Err(Error::tool(format!("this Go is too old: {told}")).hint(missing())),
            None => Err(Error::tool(format!("the version of Go is not understood: {told}")).hint(missing())),
        }
    }

    fn build(&self, project: &Project, tools: &Toolbox) -> Result<Built, Error> {
        let results = tools.results(&project.directory, self.name())?;
        let results = results.canonicalize().map_err(|error| Error::file("find", &results, &error))?;
        let core = results.join("core.wasm");
        let mut go = Command::new("go");
        go.args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-w -checklinkname=0"])
            .arg("-o")
            .arg(&core)
            .arg(".")
            .env("GOOS", "wasip1")
            .env("GOARCH", "wasm")
            .env_remove("GOFLAGS")
            .current_dir(&project.directory);
        command::run(&mut go, &missing())?;
        let bytes = fs::read(&core).map_err(|error| Error::file("read", &core, &error))?;
        let component = componentise(&bytes)?;
        let path = results.join(format!("{}.wasm", project.identity.name));
        fs::write(&path, &component.bytes).map_err(|error| Error::file("write", &path, &error))?;
        Ok(Built { path, bytes: component.bytes, form: Form::Component })
    }
}

fn missing() -> String {
    format!("install Go {}.{} or later from https://go.dev/dl/", OLDEST.0, OLDEST.1)
}

/// Major and minor of `go1.26.8`, `go1.27rc1`, `go1.24`.
fn version(told: &str) -> Option<(u32, u32)> {
    let mut parts = told.strip_prefix("go")?.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?;
    let digits = minor.find(|character: char| !character.is_ascii_digit()).unwrap_or(minor.len());
    Some((major, minor.get(..digits)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_understood() {
        assert_eq!(version("go1.26.8"), Some((1, 26)));
        assert_eq!(version("go1.27rc1"), Some((1, 27)));
        assert_eq!(version("go1.9"), Some((1, 9)));
        assert_eq!(version("devel"), None);
    }
}

//! C, by the clang that the Python package `ziglang` brings, or by that of a wasi-sdk.
//!
//! Every source and the SDK are compiled in one command. What the table `[c]` of millstream.toml may say: `sources`
//! (files; by default every `.c` of the directory and of `src` but tests), `sdk` (the directory of `millstream.c`),
//! `flags`, and `make`: a file that the project's own Makefile makes instead, given `CC`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Built, Error, Form, Identity, Language, Manifest, Project, Toolbox, command, component::componentise};

/// What brings the compiler. Pinned, so that the same source gives the same component everywhere.
const ZIGLANG: &str = "0.17.1";
/// A wasi-sdk whose clang is to be used instead.
const WASI_SDK: &str = "WASI_SDK_PATH";
/// Where a project has the SDK.
const SDK: &str = "vendor/millstream";

/// For either compiler. Results must not depend on where the project lies.
const FLAGS: [&str; 5] = ["-mexec-model=reactor", "-O3", "-DNDEBUG", "-Wl,-z,stack-size=262144", "-ffile-prefix-map=="];

/// C, one component of all sources.
pub(crate) struct C;

impl Language for C {
    fn name(&self) -> &'static str {
        "c"
    }

    fn markers(&self) -> &'static [&'static str] {
        // A Makefile is no sign of C: projects of every language have one.
        &[]
    }

    fn identify(&self, directory: &Path) -> Result<Identity, Error> {
        let (identity, manifest) = Identity::of_millstream_toml(directory)?;
        manifest.only(&[], &["name", "version", "language", "c"])?;
        manifest.only(&["c"], &["sources", "sdk", "flags", "make"])?;
        Ok(identity)
    }

    fn check(&self, _: &Project, tools: &Toolbox) -> Result<(), Error> {
        compiler(tools).map(drop)
    }

    fn build(&self, project: &Project, tools: &Toolbox) -> Result<Built, Error> {
        let (_, manifest) = Identity::of_millstream_toml(&project.directory)?;
        let results = tools.results(&project.directory, self.name())?;
        let results = results.canonicalize().map_err(|error| Error::file("find", &results, &error))?;
        let core = match manifest.text(&["c", "make"])? {
            Some(target) => make(&project.directory, target, tools)?,
            None => compile(project, &manifest, &results, tools)?,
        };
        let core = fs::read(&core).map_err(|error| Error::file("read", &core, &error))?;
        let component = componentise(&core)?;
        let path = results.join(format!("{}.wasm", project.identity.name));
        fs::write(&path, &component.bytes).map_err(|error| Error::file("write", &path, &error))?;
        Ok(Built { path, bytes: component.bytes, form: Form::Component })
    }
}

/// Compiles and links everything at once.
fn compile(project: &Project, manifest: &Manifest, results: &Path, tools: &Toolbox) -> Result<PathBuf, Error> {
    let directory = &project.directory;
    let sources = match manifest.texts(&["c", "sources"])? {
        Some(given) => given.into_iter().map(str::to_owned).collect(),
        None => sources(directory)?,
    };
    if sources.is_empty() {
        return Err(Error::project(format!("{} has no source: no .c file in it or in src", directory.display())));
    }
    let sdk = manifest.text(&["c", "sdk"])?.unwrap_or(SDK);
    if !directory.join(sdk).join("millstream.c").is_file() {
        return Err(Error::project(format!("the SDK is not in {}", directory.join(sdk).display())).hint(
            "say where it is in millstream.toml:  [c]  and below  sdk = \"DIRECTORY\"; `millstream new operator NAME --lang c` brings one",
        ));
    }
    let core = results.join("core.wasm");
    let mut command = compiler(tools)?.command();
    command.current_dir(directory).args(FLAGS).arg(format!("-I{sdk}"));
    command.args(manifest.texts(&["c", "flags"])?.unwrap_or_default());
    command.args(&sources).arg(format!("{sdk}/millstream.c")).arg("-o").arg(&core);
    command::run(&mut command, "")?;
    Ok(core)
}

/// Lets the project's own Makefile do it.
fn make(directory: &Path, target: &str, tools: &Toolbox) -> Result<PathBuf, Error> {
    let compiler = compiler(tools)?;
    let mut command = Command::new("make");
    command.arg(format!("CC={} {}", command::typed(&compiler.command()), FLAGS.join(" "))).arg(target);
    compiler.surround(&mut command);
    command::run(command.current_dir(directory), "install make, or leave `make` out of [c] in millstream.toml")?;
    Ok(directory.join(target))
}

/// The sources that nobody named, relative to the project.
fn sources(directory: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for below in ["", "src"] {
        let place = directory.join(below);
        let Ok(entries) = fs::read_dir(&place) else { continue };
        for entry in entries {
            let entry = entry.map_err(|error| Error::file("read", &place, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_test = name.starts_with("test") || name.ends_with("_test.c");
            if name.ends_with(".c") && !is_test {
                found.push(if below.is_empty() { name } else { format!("{below}/{name}") });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A clang that knows WASI.
enum Compiler {
    /// `python -m ziglang cc` in an environment of its own, with a cache.
    Zig { python: PathBuf, cache: PathBuf },
    /// That of a wasi-sdk.
    Clang(PathBuf),
}

fn compiler(tools: &Toolbox) -> Result<Compiler, Error> {
    if let Some(sdk) = env::var_os(WASI_SDK) {
        let clang = PathBuf::from(sdk).join("bin/clang");
        return if clang.is_file() {
            Ok(Compiler::Clang(clang))
        } else {
            Err(Error::tool(format!("{WASI_SDK} is set, and {} is not there", clang.display()))
                .hint(format!("unset {WASI_SDK}, or set it to the directory of a wasi-sdk")))
        };
    }
    let environment = tools.python_environment(&format!("ziglang-{ZIGLANG}"), &[&format!("ziglang=={ZIGLANG}")]);
    let environment = environment.map_err(|error| {
        let instead = format!("or install a wasi-sdk and set {WASI_SDK} to its directory");
        let hint = error.advice().map_or(instead.clone(), |hint| format!("{hint}; {instead}"));
        error.hint(hint)
    })?;
    Ok(Compiler::Zig { python: environment.join("bin/python"), cache: tools.tool("zig-cache") })
}

impl Compiler {
    /// The command without any file.
    fn command(&self) -> Command {
        let mut command = match self {
            Self::Zig { python, .. } => {
                let mut command = Command::new(python);
                // No SIMD, and no bulk memory: operators are for any host, and neither made the SDK faster where it was
                // tried. Most copies are of a few bytes, which the SDK makes itself.
                command.args(["-m", "ziglang", "cc", "-target", "wasm32-wasi"]);
                command.arg("-mcpu=mvp+sign_ext+nontrapping_fptoint+mutable_globals");
                command
            }
            Self::Clang(clang) => {
                let mut command = Command::new(clang);
                command.args(["--target=wasm32-wasip1", "-mno-bulk-memory", "-msign-ext", "-mnontrapping-fptoint"]);
                // An overflow of the stack then traps and overwrites nothing. Zig does so anyway.
                command.arg("-Wl,--stack-first");
                command
            }
        };
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        if let Self::Zig { cache, .. } = self {
            command.env("ZIG_GLOBAL_CACHE_DIR", cache).env("ZIG_LOCAL_CACHE_DIR", cache);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_no_sources() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("src")).unwrap();
        for name in ["b.c", "a.c", "test.c", "b_test.c", "a.h", "src/deep.c", "src/test_deep.c"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(sources(directory.path()).unwrap(), ["a.c", "b.c", "src/deep.c"]);
    }
}

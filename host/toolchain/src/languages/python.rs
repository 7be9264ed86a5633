//! Python: programs in source text, and components of programs with packages of others.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use millstream_script::{Language as ScriptLanguage, Script, SourceFile};

use crate::{Built, Error, Form, Identity, Language, Manifest, Project, Toolbox, command, wit};

const MANIFEST: &str = "pyproject.toml";
/// What makes components. Pinned: the interpreter that ships with the host is made by the same one.
const COMPONENTIZE: &str = "componentize-py==0.25.1";
/// The Python that it brings, for which packages are chosen.
const PYTHON: &str = "3.14";
/// Where a project has the SDK, which a component is made with.
const SDK: &str = "vendor/millstream";
/// The SDK as pip knows it. It is in the interpreter.
const SDK_PACKAGE: &str = "millstream";
/// What the program is in where `main` says nothing.
const MAINS: [&str; 2] = ["operator.py", "main.py"];
/// Directories of a project that are no part of the program.
const LEFT_OUT: [&str; 6] = ["build", "dist", "tests", "vendor", "venv", "__pycache__"];

/// Each world, and the class of the SDK that answers for it.
const WORLDS: [(&str, &str); 6] = [
    ("operator", "Processor"),
    ("aggregator", "Aggregation"),
    ("window-assigner", "Assignment"),
    ("trigger", "Firing"),
    ("process-window", "WindowFunction"),
    ("watermark-generator", "Watermarks"),
];

/// Python, by the interpreter of the host, or with packages by componentize-py.
///
/// The table `[tool.millstream]` of pyproject.toml may say: `main` (the file that makes the operator), `world` (for a
/// component; `operator` unless given) and `sdk` (for a component: the directory that the SDK's package is in).
pub(crate) struct Python;

impl Language for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn markers(&self) -> &'static [&'static str] {
        &[MANIFEST]
    }

    fn identify(&self, directory: &Path) -> Result<Identity, Error> {
        let manifest = manifest(directory)?;
        manifest.only(&["tool", "millstream"], &["main", "world", "sdk"])?;
        Ok(Identity {
            manifest: manifest.path().to_owned(),
            name: manifest.required_text(&["project", "name"], "score")?.to_owned(),
            version: manifest.required_text(&["project", "version"], "0.1.0")?.to_owned(),
        })
    }

    fn check(&self, _: &Project, _: &Toolbox) -> Result<(), Error> {
        // A program in source text needs none; what makes a component is installed where one is made.
        Ok(())
    }

    fn build(&self, project: &Project, tools: &Toolbox) -> Result<Built, Error> {
        let directory = &project.directory;
        let manifest = manifest(directory)?;
        let results = tools.results(directory, self.name())?;
        let results = results.canonicalize().map_err(|error| Error::file("find", &results, &error))?;
        let main = main(directory, &manifest)?;
        let mut files = Vec::new();
        gather(directory, directory, &mut files)?;
        let packages = packages(&manifest)?;
        if !packages.is_empty() {
            let path = results.join(format!("{}.wasm", project.identity.name));
            component(
                &Component { directory, manifest: &manifest, main: &main, packages: &packages, results: &results },
                &path,
                tools,
            )?;
            let bytes = fs::read(&path).map_err(|error| Error::file("read", &path, &error))?;
            return Ok(Built { path, bytes, form: Form::Component });
        }
        let refused =
            |error: millstream_script::ScriptError| Error::project(format!("the program is not packed: {error}"));
        let script = Script::new(ScriptLanguage::Python, &main, files).map_err(refused)?;
        let bytes = script.pack().map_err(refused)?;
        let path = results.join(format!("{}.tar", project.identity.name));
        fs::write(&path, &bytes).map_err(|error| Error::file("write", &path, &error))?;
        Ok(Built { path, bytes, form: Form::Script(script) })
    }
}

fn manifest(directory: &Path) -> Result<Manifest, Error> {
    let missing = || Error::project(format!("{} is missing", directory.join(MANIFEST).display()));
    Manifest::read(directory, MANIFEST)?.ok_or_else(missing)
}

/// The file that makes the operator, relative to the project.
fn main(directory: &Path, manifest: &Manifest) -> Result<String, Error> {
    if let Some(main) = manifest.text(&["tool", "millstream", "main"])? {
        return if directory.join(main).is_file() {
            Ok(main.to_owned())
        } else {
            Err(Error::project(format!(
                "{}: field `tool.millstream.main`: there is no file {main}",
                manifest.path().display()
            )))
        };
    }
    MAINS.iter().find(|main| directory.join(main).is_file()).map(|main| (*main).to_owned()).ok_or_else(|| {
        Error::project(format!("{} has neither {} nor {}", directory.display(), MAINS[0], MAINS[1])).hint(
            "say which file makes the operator in pyproject.toml:  [tool.millstream]  and below  main = \"FILE.py\"",
        )
    })
}

/// The packages of others that the project asks for.
fn packages(manifest: &Manifest) -> Result<Vec<String>, Error> {
    let asked = manifest.texts(&["project", "dependencies"])?.unwrap_or_default();
    let is_sdk = |requirement: &str| {
        let end = requirement.find(|character: char| !(character.is_ascii_alphanumeric() || "-_.".contains(character)));
        requirement.get(..end.unwrap_or(requirement.len())) == Some(SDK_PACKAGE)
    };
    Ok(asked.into_iter().filter(|requirement| !is_sdk(requirement)).map(str::to_owned).collect())
}

/// Gathers the Python files of a directory and those below, without tests and what is no part of the program.
fn gather(root: &Path, directory: &Path, files: &mut Vec<SourceFile>) -> Result<(), Error> {
    let entries = fs::read_dir(directory).map_err(|error| Error::file("read", directory, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Error::file("read", directory, &error))?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.starts_with("test_") || name.ends_with("_test.py") || name == "conftest.py" {
            continue;
        }
        if path.is_dir() {
            let is_left_out = LEFT_OUT.contains(&name.as_str()) || path.join("pyvenv.cfg").exists();
            if !is_left_out {
                gather(root, &path, files)?;
            }
        } else if name.ends_with(".py") {
            let content = fs::read(&path).map_err(|error| Error::file("read", &path, &error))?;
            let below = path.strip_prefix(root).unwrap_or(&path);
            let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            files.push(SourceFile { path: parts.join("/"), content });
        }
    }
    Ok(())
}

/// What a component is made of.
struct Component<'a> {
    directory: &'a Path,
    manifest: &'a Manifest,
    main: &'a str,
    packages: &'a [String],
    results: &'a Path,
}

/// Makes a component of the program and its packages.
fn component(of: &Component<'_>, path: &Path, tools: &Toolbox) -> Result<(), Error> {
    let world = of.manifest.text(&["tool", "millstream", "world"])?.unwrap_or("operator");
    let Some((world, class)) = WORLDS.into_iter().find(|(name, _)| *name == world) else {
        let known = WORLDS.map(|(name, _)| name).join(", ");
        let unknown = format!("{}: field `tool.millstream.world`: `{world}` is no world", of.manifest.path().display());
        return Err(Error::project(unknown).hint(format!("there are: {known}")));
    };
    let sdk = of.directory.join(of.manifest.text(&["tool", "millstream", "sdk"])?.unwrap_or(SDK));
    if !sdk.join("millstream/__init__.py").is_file() {
        return Err(Error::project(format!("the SDK is not in {}", sdk.display())).hint(
            "say where it is in pyproject.toml:  [tool.millstream]  and below  sdk = \"DIRECTORY\"; \
             `millstream new operator NAME --lang python` brings one",
        ));
    }
    let tool = tools.python_environment("componentize-py-0.25.1", &[COMPONENTIZE])?;
    let installed = install(of, &tool, tools)?;
    let (contract, entry) = (of.results.join("wit"), of.results.join("entry"));
    wit::write_to(&contract)?;
    fs::create_dir_all(&entry).map_err(|error| Error::file("make", &entry, &error))?;
    let module = of.main.trim_end_matches(".py").replace('/', ".");
    // `operator` is a module of the standard library, and so may others be: the program is found by its file.
    let source = format!(
        "import linecache, string, traceback\n\nfrom millstream import _component\nfrom millstream._component import {class}\n\n\
         _component.built_in({:?}, {module:?}, {world:?})\n",
        of.main
    );
    let file = entry.join("millstream_entry.py");
    fs::write(&file, source).map_err(|error| Error::file("write", &file, &error))?;
    let full = if world == "operator" { world.to_owned() } else { format!("millstream:window/{world}") };
    let mut make = Command::new(tool.join("bin/componentize-py"));
    make.arg("-q").arg("-d").arg(&contract).args(["-w", &full, "componentize", "millstream_entry"]);
    for place in [&entry, of.directory, &sdk, &installed] {
        make.arg("-p").arg(place);
    }
    // An environment that is named is not looked for; what it has is nothing.
    let nothing = of.results.join("nothing");
    let packages = nothing.join("lib/python3/site-packages");
    fs::create_dir_all(&packages).map_err(|error| Error::file("make", &packages, &error))?;
    make.arg("-o").arg(path).env("VIRTUAL_ENV", &nothing);
    command::capture(&mut make, "").map(drop).map_err(|error| refused(&error).unwrap_or(error))
}

/// What the SDK says of a program that does not load, out of all that componentize-py says then.
fn refused(error: &Error) -> Option<Error> {
    let mut lines = error.lines().iter();
    let reason = lines.find_map(|line| Some(line.split_once("ProgramError: ")?.1.to_owned()))?;
    let place = lines.take_while(|line| !line.is_empty()).cloned();
    Some(Error::project(format!("the program does not load: {reason}")).details(place))
}

/// Installs the packages of others, for the Python of the component: pure ones, or such as have wheels for WASI.
fn install(of: &Component<'_>, tool: &Path, tools: &Toolbox) -> Result<PathBuf, Error> {
    let target = of.results.join("packages");
    let complete = of.results.join("packages.txt");
    let wanted = of.packages.join("\n");
    if fs::read_to_string(&complete).is_ok_and(|found| found == wanted) {
        return Ok(target);
    }
    tools.tell(&format!("installing {} for {PYTHON}", of.packages.join(", ")));
    if target.exists() {
        fs::remove_dir_all(&target).map_err(|error| Error::file("remove", &target, &error))?;
    }
    let mut pip = Command::new(tool.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"])
        .args([
            "--only-binary=:all:",
            "--implementation=py",
            "--abi=none",
            "--platform=any",
            "--platform=wasi_0_0_0_wasm32",
        ])
        .arg(format!("--python-version={PYTHON}"))
        .arg("--target")
        .arg(&target)
        .args(of.packages);
    command::run(&mut pip, "").map_err(|error| {
        error
            .hint("a package must be pure Python, or have a wheel for WASI: others are compiled for this machine alone")
    })?;
    fs::write(&complete, wanted).map_err(|error| Error::file("write", &complete, &error))?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Built, Error>) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join("score").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tools = Toolbox::below(directory.path());
        let built = crate::recognise(&directory.path().join("score")).and_then(|project| project.build(&tools));
        (directory, built)
    }

    const NAMED: &str = "[project]\nname = \"score\"\nversion = \"1.2.3\"\n";

    #[test]
    fn a_project_is_packed_without_what_is_no_part_of_it() {
        let (_directory, built) = project(&[
            (MANIFEST, NAMED),
            ("main.py", "import rules.big\n"),
            ("rules/big.py", ""),
            ("test_main.py", ""),
            ("tests/more.py", ""),
            ("venv/lib/x.py", ""),
            ("notes.txt", ""),
        ]);
        let Form::Script(script) = built.unwrap().form else { panic!("a script") };
        assert_eq!(script.main(), "main.py");
        let paths: Vec<_> = script.files().iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["main.py", "rules/big.py"]);
    }

    #[test]
    fn main_is_what_the_manifest_says() {
        let named = format!("{NAMED}dependencies = [\"millstream>=0.1\"]\n\n[tool.millstream]\nmain = \"other.py\"\n");
        let (_directory, built) = project(&[(MANIFEST, &named), ("main.py", ""), ("other.py", "")]);
        let Form::Script(script) = built.unwrap().form else { panic!("a script") };
        assert_eq!(script.main(), "other.py");
        let (_directory, built) = project(&[(MANIFEST, &named), ("main.py", "")]);
        assert!(built.unwrap_err().to_string().ends_with("there is no file other.py"));
        let (_directory, built) = project(&[(MANIFEST, NAMED)]);
        assert!(built.unwrap_err().to_string().ends_with("has neither operator.py nor main.py"));
    }

    #[test]
    fn what_the_program_lacks_is_told_without_the_rest() {
        let said = "Traceback:\n  x\nmillstream._failure.ProgramError: there is no module `a`\n  File \"main.py\", line 1\n\nCaused by:";
        let error = Error::tool("failed").details(said.lines().map(str::to_owned));
        let told = refused(&error).unwrap();
        assert_eq!(told.to_string(), "the program does not load: there is no module `a`");
        assert_eq!(told.lines(), ["  File \"main.py\", line 1"]);
        assert!(refused(&Error::tool("other")).is_none());
    }

    #[test]
    fn what_is_wrong_with_a_manifest_is_told() {
        let (_directory, built) = project(&[(MANIFEST, "[project]\nname = \"score\"\n"), ("main.py", "")]);
        assert!(built.unwrap_err().to_string().ends_with("pyproject.toml: field `project.version` is missing"));
        let unknown = format!("{NAMED}\n[tool.millstream]\nmian = \"a.py\"\n");
        let (_directory, built) = project(&[(MANIFEST, &unknown), ("main.py", "")]);
        assert!(built.unwrap_err().to_string().ends_with("unknown field `tool.millstream.mian`"));
        let packaged = format!("{NAMED}dependencies = [\"six\"]\n");
        let (_directory, built) = project(&[(MANIFEST, &packaged), ("main.py", "")]);
        let error = built.unwrap_err();
        assert!(error.to_string().contains("the SDK is not in"), "{error}");
    }
}

//! JavaScript and TypeScript: as source, or, with packages, as a component of its own.
//!
//! A project without `dependencies` in its package.json, but for the SDK, is packed as it is: the interpreter of the
//! host runs it. One with packages is bundled and componentised by tools that are installed on first use.

mod component;
mod sources;

use std::{fs, path::Path, process::Command};

use millstream_script::{Language as ScriptLanguage, Script};

use crate::{Built, Error, Form, Identity, Language, Manifest, Project, Toolbox, command};

const PACKAGE: &str = "package.json";
/// The SDK, which the interpreter and the tools bring.
const SDK: &str = "millstream";
/// The oldest Node.js that the tools run on.
const OLDEST_NODE: u32 = 20;
/// The main file where package.json names none.
const MAINS: [&str; 4] = ["operator.js", "operator.ts", "index.js", "index.ts"];

/// JavaScript and TypeScript.
pub(crate) struct JavaScript;

impl Language for JavaScript {
    fn name(&self) -> &'static str {
        "javascript"
    }

    fn markers(&self) -> &'static [&'static str] {
        &[PACKAGE]
    }

    fn identify(&self, directory: &Path) -> Result<Identity, Error> {
        let manifest = manifest(directory)?;
        Ok(Identity {
            manifest: manifest.path().to_owned(),
            name: manifest.required_text(&["name"], "score")?.to_owned(),
            version: manifest.required_text(&["version"], "0.1.0")?.to_owned(),
        })
    }

    fn check(&self, project: &Project, _: &Toolbox) -> Result<(), Error> {
        // Source is packed without any tool.
        if packages(&manifest(&project.directory)?).is_empty() { Ok(()) } else { check_node() }
    }

    fn build(&self, project: &Project, tools: &Toolbox) -> Result<Built, Error> {
        let manifest = manifest(&project.directory)?;
        let main = main_of(&project.directory, &manifest)?;
        let results = tools.results(&project.directory, self.name())?;
        if !packages(&manifest).is_empty() {
            return component::build(project, &main, &results, tools);
        }
        let files = sources::of_project(&project.directory)?;
        let script = Script::new(ScriptLanguage::JavaScript, &main, files)
            .map_err(|error| Error::project(format!("{}: {error}", project.directory.display())))?;
        let bytes = script.pack().map_err(|error| Error::project(error.to_string()))?;
        let path = results.join(format!("{}.tar", project.identity.name));
        fs::write(&path, &bytes).map_err(|error| Error::file("write", &path, &error))?;
        Ok(Built { path, bytes, form: Form::Script(script) })
    }
}

fn manifest(directory: &Path) -> Result<Manifest, Error> {
    Manifest::read(directory, PACKAGE)?
        .ok_or_else(|| Error::project(format!("{} is missing", directory.join(PACKAGE).display())))
}

/// The packages that the program needs when it runs.
fn packages(manifest: &Manifest) -> Vec<&str> {
    let dependencies = manifest.get(&["dependencies"]).and_then(|found| found.as_object());
    dependencies.into_iter().flatten().map(|(name, _)| name.as_str()).filter(|name| *name != SDK).collect()
}

/// The file that exports the operator, relative to the project.
fn main_of(directory: &Path, manifest: &Manifest) -> Result<String, Error> {
    let wrong = |main: &str| {
        Error::project(format!("{}: field `main`: there is no file {main}", manifest.path().display()))
            .hint("it names the file with `export default operator({ .. })`, such as operator.js")
    };
    match manifest.text(&["main"])? {
        Some(main) => {
            let main = main.strip_prefix("./").unwrap_or(main);
            if directory.join(main).is_file() { Ok(main.to_owned()) } else { Err(wrong(main)) }
        }
        None => {
            let found = MAINS.into_iter().find(|main| directory.join(main).is_file());
            found.map(str::to_owned).ok_or_else(|| wrong(MAINS[0]))
        }
    }
}

fn missing_node() -> String {
    format!("install Node.js {OLDEST_NODE} or later, with npm, from https://nodejs.org")
}

fn check_node() -> Result<(), Error> {
    let told = command::capture(Command::new("node").arg("--version"), &missing_node())?;
    let major = told.trim().strip_prefix('v').and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_NODE => {
            command::capture(Command::new("npm").arg("--version"), &missing_node()).map(drop)
        }
        _ => Err(Error::tool(format!("this Node.js is too old: {}", told.trim())).hint(missing_node())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(files: &[(&str, &str)]) -> Result<Built, Error> {
        let directory = tempfile::tempdir().unwrap();
        let tools = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        crate::recognise(directory.path())?.build(&Toolbox::below(tools.path()))
    }

    const NAMED: &str = r#"{"name":"score","version":"1.2.3","dependencies":{"millstream":"0.1.0"}}"#;

    #[test]
    fn a_project_is_packed_without_what_it_does_not_run() {
        let files = [
            (PACKAGE, NAMED),
            ("operator.ts", "export {}"),
            ("lib/rates.js", ""),
            ("lib/rates.json", "{}"),
            ("lib/rates.test.js", ""),
            ("tests/all.js", ""),
            ("node_modules/x/index.js", ""),
            ("vendor/millstream/src/index.js", ""),
            (".hidden/x.js", ""),
            ("README.md", ""),
        ];
        let built = built(&files).unwrap();
        let Form::Script(script) = built.form else { panic!("source is packed") };
        assert_eq!((script.language(), script.main()), (ScriptLanguage::JavaScript, "operator.ts"));
        let paths: Vec<&str> = script.files().iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["lib/rates.js", "lib/rates.json", "operator.ts"]);
        assert_eq!(Script::unpack(&built.bytes).unwrap(), script);
    }

    #[test]
    fn the_main_file_must_be_there() {
        let named = r#"{"name":"score","version":"1.2.3","main":"./src/score.js"}"#;
        let error = built(&[(PACKAGE, named), ("operator.js", "")]).unwrap_err();
        assert!(error.to_string().ends_with("package.json: field `main`: there is no file src/score.js"), "{error}");
        assert!(built(&[(PACKAGE, named), ("src/score.js", "")]).is_ok());
        assert!(built(&[(PACKAGE, NAMED)]).is_err());
        let error = built(&[(PACKAGE, r#"{"name":"score"}"#)]).unwrap_err();
        assert_eq!(error.advice(), Some("add:  \"version\": \"0.1.0\""));
    }
}

//! Recognising, checking and building a project.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use millstream_script::Script;

use crate::{Error, Manifest, Toolbox, languages::LANGUAGES};

/// The file that gives name and version where the language's own manifest has none. It may also say `language`.
pub(crate) const MILLSTREAM: &str = "millstream.toml";

/// A language that operators are written in.
pub trait Language: Sync {
    /// Its name: `c`. Also what `language` in millstream.toml and `millstream new operator --lang` call it.
    fn name(&self) -> &'static str;

    /// Files one of which makes a directory a project of this language: `go.mod`. None: only `millstream.toml` does.
    fn markers(&self) -> &'static [&'static str];

    /// Reads what a project is called.
    ///
    /// # Errors
    /// When its manifest is wrong; names file and field.
    fn identify(&self, directory: &Path) -> Result<Identity, Error>;

    /// Checks that the tools are there, in a version that will do.
    ///
    /// # Errors
    /// What is missing, and how it is installed.
    fn check(&self, project: &Project, tools: &Toolbox) -> Result<(), Error>;

    /// Builds. Messages of tools go to standard error.
    ///
    /// # Errors
    /// Which command failed, or what is wrong with what it made.
    fn build(&self, project: &Project, tools: &Toolbox) -> Result<Built, Error>;
}

/// What a manifest says that a project is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The manifest.
    pub manifest: PathBuf,
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
}

impl Identity {
    /// Reads `millstream.toml`, for languages whose own manifests name no version.
    ///
    /// # Errors
    /// When it is missing or incomplete.
    pub fn of_millstream_toml(directory: &Path) -> Result<(Self, Manifest), Error> {
        let manifest = Manifest::read(directory, MILLSTREAM)?.ok_or_else(|| {
            Error::project(format!("{} is missing", directory.join(MILLSTREAM).display()))
                .hint("write into it, for instance:  name = \"score\"  and on the next line  version = \"0.1.0\"")
        })?;
        let identity = Self {
            manifest: manifest.path().to_owned(),
            name: manifest.required_text(&["name"], "score")?.to_owned(),
            version: manifest.required_text(&["version"], "0.1.0")?.to_owned(),
        };
        Ok((identity, manifest))
    }
}

/// A directory that holds an operator's source.
pub struct Project {
    /// The language.
    pub language: &'static dyn Language,
    /// The directory.
    pub directory: PathBuf,
    /// What it is called.
    pub identity: Identity,
}

impl Project {
    /// Checks that the tools are there.
    ///
    /// # Errors
    /// What is missing, and how it is installed.
    pub fn check(&self, tools: &Toolbox) -> Result<(), Error> {
        self.language.check(self, tools)
    }

    /// Checks, then builds.
    ///
    /// # Errors
    /// What is missing, which command failed, or what is wrong with the project.
    pub fn build(&self, tools: &Toolbox) -> Result<Built, Error> {
        self.check(tools)?;
        self.language.build(self, tools)
    }
}

impl fmt::Debug for Project {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Project");
        shown.field("language", &self.language.name()).field("directory", &self.directory);
        shown.field("identity", &self.identity).finish()
    }
}

/// What a build made.
#[derive(Clone, Debug)]
pub struct Built {
    /// The file that was written.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// What it is.
    pub form: Form,
}

/// What a host takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A component.
    Component,
    /// A program in source text, packed; the interpreter of its language runs it.
    Script(Script),
}

/// Recognises the project in a directory.
///
/// # Errors
/// When there is none or more than one, with every candidate; or when its manifest is wrong.
pub fn recognise(directory: &Path) -> Result<Project, Error> {
    let language = language_of(directory)?;
    Ok(Project { language, directory: directory.to_owned(), identity: language.identify(directory)? })
}

fn language_of(directory: &Path) -> Result<&'static dyn Language, Error> {
    let manifest = Manifest::read(directory, MILLSTREAM)?;
    if let Some(manifest) = &manifest
        && let Some(name) = manifest.text(&["language"])?
    {
        return LANGUAGES.iter().copied().find(|language| language.name() == name).ok_or_else(|| {
            let known = LANGUAGES.iter().map(|language| language.name()).collect::<Vec<_>>().join(", ");
            Error::project(format!("{}: field `language`: `{name}` is not known", manifest.path().display()))
                .hint(format!("known are: {known}"))
        });
    }
    let found: Vec<(&'static dyn Language, &str)> = LANGUAGES
        .iter()
        .filter_map(|language| {
            let marker = language.markers().iter().find(|file| directory.join(file).is_file())?;
            Some((*language, *marker))
        })
        .collect();
    match found[..] {
        [(language, _)] => Ok(language),
        // A project of C has no file of its language's own.
        [] if manifest.is_some() || directory.join("Makefile").is_file() => Ok(&crate::languages::c::C),
        [] => {
            Err(Error::project(format!("{} is not an operator project: none of these is there", directory.display()))
                .details(LANGUAGES.iter().map(|language| match language.markers() {
                    [] => format!("{MILLSTREAM}: {}", language.name()),
                    markers => format!("{}: {}", markers.join(", "), language.name()),
                }))
                .hint("`millstream new operator NAME` writes one"))
        }
        ref several => Err(Error::project(format!("{} may be several projects", directory.display()))
            .details(several.iter().map(|(language, marker)| format!("{marker}: {}", language.name())))
            .hint(format!(
                "say which one in {MILLSTREAM}:  language = \"{}\"",
                several.first().map_or("", |(language, _)| language.name())
            ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Project, Error>) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let found = recognise(directory.path());
        (directory, found)
    }

    const NAMED: &str = "name = \"score\"\nversion = \"1.2.3\"\n";

    #[test]
    fn a_project_is_recognised_by_its_files() {
        let (_directory, found) = project(&[("millstream.toml", NAMED), ("go.mod", "module score\n\ngo 1.24\n")]);
        let found = found.unwrap();
        assert_eq!((found.language.name(), found.identity.name.as_str()), ("go", "score"));
        let (_directory, found) = project(&[("millstream.toml", NAMED), ("Makefile", "test:\n")]);
        let found = found.unwrap();
        assert_eq!((found.language.name(), found.identity.version.as_str()), ("c", "1.2.3"));
    }

    #[test]
    fn none_and_several_name_every_candidate() {
        let (_directory, found) = project(&[]);
        let error = found.unwrap_err();
        for line in ["Cargo.toml: rust", "go.mod: go", "millstream.toml: c"] {
            assert!(error.lines().iter().any(|told| told == line), "{line}: {:?}", error.lines());
        }
        let several = [("go.mod", "module score\n"), ("Cargo.toml", ""), ("millstream.toml", NAMED)];
        let (_directory, found) = project(&several);
        let error = found.unwrap_err();
        assert_eq!(error.lines(), ["Cargo.toml: rust", "go.mod: go"]);
        let said = format!("language = \"go\"\n{NAMED}");
        let (_directory, found) = project(&[several[0], several[1], ("millstream.toml", &said)]);
        assert_eq!(found.unwrap().language.name(), "go");
    }

    #[test]
    fn a_manifest_that_is_wrong_is_told_with_file_and_field() {
        let (_directory, found) = project(&[("millstream.toml", "name = \"score\"\n")]);
        assert!(found.unwrap_err().to_string().ends_with("millstream.toml: field `version` is missing"));
        let (_directory, found) = project(&[("Makefile", "")]);
        assert!(found.unwrap_err().to_string().ends_with("millstream.toml is missing"));
        let (_directory, found) = project(&[("millstream.toml", "language = \"cobol\"\n")]);
        let error = found.unwrap_err();
        assert!(error.to_string().ends_with("field `language`: `cobol` is not known"), "{error}");
    }
}

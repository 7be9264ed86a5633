//! Operators as source text: what is registered of them, and how it is packed.
//!
//! A [`Script`] is a program with the interpreter that runs it. Packed it is one file, a tar archive that is the same
//! bytes for the same program, so that it is stored, named by its digest and compared as a component is:
//!
//! ```text
//! millstream.json    {"language":"python","main":"operator.py","interpreter":"sha256:.."}
//! operator.py
//! lib/rates.py
//! ```

mod archive;
mod language;

use std::collections::BTreeSet;

use millstream_types::Digest;
use serde::{Deserialize, Serialize};

pub use language::Language;

/// The archive's first entry.
const MANIFEST: &str = "millstream.json";
/// The most files of a script.
pub const MAX_FILES: usize = 1000;

/// A file of a script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// Its path, relative, with `/` between the parts.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A program as source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    language: Language,
    main: String,
    interpreter: Option<Digest>,
    files: Vec<SourceFile>,
}

/// Why there is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The bytes are no archive.
    #[error("it is not a tar archive: {0}")]
    NotAnArchive(String),
    /// An entry that is no file of a program.
    #[error("`{path}` in it is {problem}")]
    Entry {
        /// Its path.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Too many files, or none.
    #[error("it has {0} files where 1 to {MAX_FILES} are allowed")]
    Files(usize),
    /// A path does not fit the format.
    #[error("the path `{0}` is too long for an archive")]
    PathTooLong(String),
    /// The manifest cannot be read.
    #[error("its {MANIFEST} is wrong: {0}")]
    Manifest(String),
    /// Nothing says which file the program begins with.
    #[error("it does not say which file defines the program; {}", .0)]
    NoMain(&'static str),
    /// The file that defines the program is not there.
    #[error("it has no file `{0}`, which is to define the program")]
    MissingMain(String),
}

/// What helps against [`ScriptError::NoMain`].
const NAME_MAIN: &str = "name it operator, main or index (.py, .js, .ts), or give a millstream.json: \
                         {\"language\": \"python\", \"main\": \"lib/rates.py\"}";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    language: Language,
    main: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interpreter: Option<Digest>,
}

impl Script {
    /// A program of some files, of which `main` defines it.
    ///
    /// # Errors
    /// When a path is none, two are the same, or `main` is none of them.
    pub fn new(language: Language, main: &str, mut files: Vec<SourceFile>) -> Result<Self, ScriptError> {
        if files.is_empty() || files.len() > MAX_FILES {
            return Err(ScriptError::Files(files.len()));
        }
        files.sort();
        let mut known = BTreeSet::new();
        for file in &files {
            let problem = problem_of(&file.path).or((!known.insert(&file.path)).then_some("there twice"));
            if let Some(problem) = problem {
                return Err(ScriptError::Entry { path: file.path.clone(), problem });
            }
        }
        if !known.contains(&main.to_owned()) {
            return Err(ScriptError::MissingMain(main.into()));
        }
        Ok(Self { language, main: main.into(), interpreter: None, files })
    }

    /// A program of one file.
    pub fn of_text(language: Language, main: &str, text: impl Into<Vec<u8>>) -> Self {
        let files = vec![SourceFile { path: main.into(), content: text.into() }];
        Self { language, main: main.into(), interpreter: None, files }
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The path of the file that defines the program.
    pub fn main(&self) -> &str {
        &self.main
    }

    /// The digest of the interpreter that runs it; `None`: whichever a host has for its language.
    pub fn interpreter(&self) -> Option<Digest> {
        self.interpreter
    }

    /// The files, by path.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The same program, run by this interpreter.
    #[must_use]
    pub fn run_by(mut self, interpreter: Digest) -> Self {
        self.interpreter = Some(interpreter);
        self
    }

    /// Whether bytes are an archive, and so no component.
    pub fn is_packed(bytes: &[u8]) -> bool {
        archive::is_archive(bytes)
    }

    /// Packs it.
    ///
    /// # Errors
    /// [`ScriptError::PathTooLong`].
    pub fn pack(&self) -> Result<Vec<u8>, ScriptError> {
        let manifest = Manifest { language: self.language, main: self.main.clone(), interpreter: self.interpreter };
        let text = serde_json::to_vec(&manifest).map_err(|error| ScriptError::Manifest(error.to_string()))?;
        let manifest = SourceFile { path: MANIFEST.into(), content: text };
        archive::write(std::iter::once(&manifest).chain(&self.files))
    }

    /// Unpacks an archive. One without a manifest defines its program in a file named operator, main or index.
    ///
    /// # Errors
    /// When it is none, or not of a program.
    pub fn unpack(bytes: &[u8]) -> Result<Self, ScriptError> {
        let mut files = archive::read(bytes)?;
        let manifest = files.iter().position(|file| file.path == MANIFEST).map(|at| files.swap_remove(at));
        let manifest = match manifest {
            Some(file) => {
                serde_json::from_slice(&file.content).map_err(|error| ScriptError::Manifest(error.to_string()))?
            }
            None => {
                let main = |file: &SourceFile| {
                    let (stem, extension) = file.path.rsplit_once('.')?;
                    let language = Language::of_extension(extension)?;
                    let is_main = matches!(stem, "operator" | "main" | "index");
                    is_main.then(|| Manifest { language, main: file.path.clone(), interpreter: None })
                };
                let mut candidates = files.iter().filter_map(main);
                match (candidates.next(), candidates.next()) {
                    (Some(manifest), None) => manifest,
                    _ => return Err(ScriptError::NoMain(NAME_MAIN)),
                }
            }
        };
        let script = Self::new(manifest.language, &manifest.main, files)?;
        Ok(Self { interpreter: manifest.interpreter, ..script })
    }
}

/// What speaks against a path.
fn problem_of(path: &str) -> Option<&'static str> {
    if path == MANIFEST {
        return Some("the archive's own manifest");
    }
    if path.starts_with('/') || path.contains('\\') || path.contains('\0') {
        return Some("not a relative path with `/` between its parts");
    }
    let odd = |part: &str| matches!(part, "" | "." | "..");
    path.split('/').any(odd).then_some("a path with a part that is empty, `.` or `..`")
}

#[cfg(test)]
mod tests;

//! Operator projects: recognised and built by the toolchain of their language.

use std::path::Path;

use anyhow::Result;
use millstream_toolchain::{Built, Fault, Identity, Toolbox, recognise};
use millstream_types::OperatorRef;

use crate::failure::{FAILED, Failure, INVALID};

/// A project that was built.
pub(crate) struct BuiltProject {
    /// The language's name.
    pub(crate) language: &'static str,
    /// What the project is called.
    pub(crate) identity: Identity,
    /// What was made of it.
    pub(crate) built: Built,
}

impl BuiltProject {
    /// The project's own name and version as an operator.
    pub(crate) fn operator(&self) -> Result<OperatorRef> {
        OperatorRef::new(&self.identity.name, &self.identity.version).map_err(|error| {
            Failure::new(INVALID, format!("the project cannot be registered under its own name: {error}"))
                .hint("give another with --as NAME@VERSION")
                .into()
        })
    }
}

/// Builds the project in `directory`. What its compiler says goes to standard error.
pub(crate) fn build(directory: &Path) -> Result<BuiltProject> {
    let project = recognise(directory).map_err(failure)?;
    let (language, identity) = (project.language.name(), project.identity.clone());
    eprintln!("building {} {} ({language})", identity.name, identity.version);
    let tools = Toolbox::of_process(|line| eprintln!("{line}")).map_err(failure)?;
    let built = project.build(&tools).map_err(failure)?;
    Ok(BuiltProject { language, identity, built })
}

fn failure(error: millstream_toolchain::Error) -> anyhow::Error {
    let code = match error.fault() {
        Fault::Project => INVALID,
        Fault::Tool => FAILED,
    };
    let failure = Failure::new(code, error.to_string()).details(error.lines().iter().cloned());
    match error.advice() {
        Some(hint) if !hint.is_empty() => failure.hint(hint).into(),
        _ => failure.into(),
    }
}

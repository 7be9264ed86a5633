//! Completion scripts and the JSON Schema of pipeline files.

use anyhow::Result;
use clap::CommandFactory;

use crate::{args::Cli, output};

/// Writes the completion script of a shell.
pub(crate) fn write(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "millstream", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())
}

/// Writes the JSON Schema of pipeline files.
pub(crate) fn schema() -> Result<()> {
    output::line(format_args!("{:#}", millstream_pipeline::json_schema()))
}

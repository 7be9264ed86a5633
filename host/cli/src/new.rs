//! `millstream new`: projects that build and run at once.

mod vendor;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use include_dir::{Dir, include_dir};
use millstream_types::PipelineName;
use serde_json::json;

use crate::{
    args::Output,
    failure::{FAILED, Failure, INVALID},
    plugin::done,
};

static OPERATOR: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/rust/template");
static PIPELINE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/pipeline");

/// Where an operator project has the SDK.
const VENDORED: &str = "vendor/millstream-guest";

#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// Writes an operator in Rust, with the SDK beside it and a test.
    #[command(after_help = "\
Example:
  millstream new operator velocity
  cd velocity && cargo test && millstream plugin build")]
    Operator(NewArgs),
    /// Writes a pipeline with an operator and some data.
    #[command(after_help = "Example:\n  millstream new pipeline hello\n  millstream run hello/pipeline.yaml")]
    Pipeline(NewArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct NewArgs {
    /// Its name; also that of the directory.
    name: PipelineName,
    /// Write it to this directory instead.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl NewArgs {
    /// The directory to write to, which must be empty or not there.
    fn directory(&self) -> Result<PathBuf> {
        let directory = self.directory.clone().unwrap_or_else(|| self.name.as_str().into());
        let occupied = match std::fs::read_dir(&directory) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        };
        if occupied {
            return Err(Failure::new(INVALID, format!("{} is there already", directory.display()))
                .hint("give another place with --directory DIR")
                .into());
        }
        Ok(directory)
    }
}

pub(crate) fn run(command: NewCommand, output: Output) -> Result<()> {
    match command {
        NewCommand::Operator(args) => {
            let directory = args.directory()?;
            write_operator(&directory, args.name.as_str())?;
            let shown = directory.display();
            let text = format!("wrote {shown}; try it:\n  cd {shown}\n  cargo test\n  millstream plugin build");
            done(output, json!({ "directory": directory, "operator": args.name }), &text)
        }
        NewCommand::Pipeline(args) => {
            let directory = args.directory()?;
            let name = args.name.as_str();
            let operator = format!("{name}-count");
            let operator = if operator.len() <= 64 { operator } else { "count".into() };
            write_templates(&PIPELINE, &directory, &[("name", name), ("operator", &operator)])?;
            write_operator(&directory.join("operator"), &operator)?;
            let shown = directory.display();
            let text = format!("wrote {shown}; try it:\n  millstream run {shown}/pipeline.yaml");
            done(output, json!({ "directory": directory, "pipeline": args.name, "operator": operator }), &text)
        }
    }
}

fn write_operator(directory: &Path, name: &str) -> Result<()> {
    write_templates(&OPERATOR, directory, &[("name", name), ("sdk", VENDORED)])?;
    vendor::write_sdk(&directory.join(VENDORED))
}

/// Writes the files of a template with `{{name}}` and the like filled in. `.template` at the end of a file's name goes.
fn write_templates(templates: &Dir<'_>, directory: &Path, names: &[(&str, &str)]) -> Result<()> {
    for file in templates.files() {
        let mut text = String::from_utf8_lossy(file.contents()).into_owned();
        for (name, value) in names {
            text = text.replace(&format!("{{{{{name}}}}}"), value);
        }
        let path = file.path().to_string_lossy();
        write(&directory.join(path.strip_suffix(".template").unwrap_or(&path)), text.as_bytes())?;
    }
    templates.dirs().try_for_each(|below| write_templates(below, directory, names))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, bytes));
    written.map_err(|error| Failure::new(FAILED, format!("cannot write {}: {error}", path.display())).into())
}

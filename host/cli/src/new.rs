//! `millstream new`: projects that build and run at once.

mod languages;
mod vendor;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Subcommand, builder::PossibleValuesParser};
use include_dir::{Dir, include_dir};
use millstream_types::PipelineName;
use serde_json::json;

use self::languages::Template;
use crate::{
    args::Output,
    failure::{FAILED, Failure, INVALID},
    plugin::done,
};

static PIPELINE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/pipeline");

#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// Writes an operator in the language of your choice, with the SDK beside it and a test.
    #[command(after_help = "\
Examples:
  millstream new operator velocity
  cd velocity && cargo test && millstream plugin build

  millstream new operator velocity --lang c
  cd velocity && make test && millstream plugin build")]
    Operator {
        #[command(flatten)]
        args: NewArgs,
        /// The language.
        #[arg(long = "lang", value_name = "LANGUAGE", default_value = languages::DEFAULT,
            value_parser = PossibleValuesParser::new(languages::names()))]
        language: String,
    },
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
        NewCommand::Operator { args, language } => {
            let template = template(&language)?;
            let directory = args.directory()?;
            template.write(&directory, args.name.as_str())?;
            let (shown, test) = (directory.display(), template.test);
            let text = format!("wrote {shown}; try it:\n  cd {shown}\n  {test}\n  millstream plugin build");
            done(output, json!({ "directory": directory, "operator": args.name, "language": language }), &text)
        }
        NewCommand::Pipeline(args) => {
            let directory = args.directory()?;
            let name = args.name.as_str();
            let operator = format!("{name}-count");
            let operator = if operator.len() <= 64 { operator } else { "count".into() };
            write_templates(&PIPELINE, &directory, &[("name", name), ("operator", &operator)])?;
            template(languages::DEFAULT)?.write(&directory.join("operator"), &operator)?;
            let shown = directory.display();
            let text = format!("wrote {shown}; try it:\n  millstream run {shown}/pipeline.yaml");
            done(output, json!({ "directory": directory, "pipeline": args.name, "operator": operator }), &text)
        }
    }
}

fn template(language: &str) -> Result<&'static Template> {
    let unknown = || Failure::new(INVALID, format!("there is no template for `{language}`"));
    Ok(Template::of(language).ok_or_else(|| unknown().hint(format!("there are: {}", languages::names().join(", "))))?)
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

//! The binary as its users call it: what it does, what it prints, and with which exit code it ends.

#![expect(clippy::indexing_slicing, reason = "indexing JSON gives null where nothing is")]

mod examples;
mod files;
mod full_disk;
mod packages;
mod projects;
mod runs;
mod savepoints;
mod server;
mod state;
mod topics;
mod window_parts;

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use millstream_tests::{Ran, run};

/// Runs `millstream` with arguments as they are typed, without quotes.
fn call(directory: &Path, arguments: &str) -> Result<Ran> {
    call_with(directory, arguments, "")
}

fn call_with(directory: &Path, arguments: &str, input: &str) -> Result<Ran> {
    run(directory, &arguments.split_whitespace().collect::<Vec<_>>(), input)
}

fn write(directory: &Path, file: &str, text: &str) -> Result<()> {
    fs::write(directory.join(file), text).with_context(|| format!("cannot write {file}"))
}

/// Runs a case of `pipeline.yaml`, which passes.
fn passes(directory: &Path, case: &str) -> Result<()> {
    write(directory, "case.yaml", case)?;
    let ran = call(directory, "test pipeline.yaml --case case.yaml")?;
    ensure!(ran.code == Some(0) && ran.stdout.ends_with("1 passed, 0 failed\n"), "{ran:#?}");
    Ok(())
}

fn read(directory: &Path, file: &str) -> Result<String> {
    fs::read_to_string(directory.join(file)).with_context(|| format!("cannot read {file}"))
}

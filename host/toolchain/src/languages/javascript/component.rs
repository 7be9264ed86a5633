//! Components of projects with packages.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use include_dir::{Dir, DirEntry, include_dir};

use super::missing_node;
use crate::{Built, Error, Form, Project, Toolbox, run, wit};

/// The SDK, and the tools that make components of what uses it.
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/javascript/src");
static TOOLS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/javascript/interpreter/tools");
/// The files that say which packages the tools are.
const LOCKED: [&str; 2] = ["package.json", "package-lock.json"];

/// Bundles a project with its packages and makes a component of it.
pub(super) fn build(project: &Project, main: &str, results: &Path, tools: &Toolbox) -> Result<Built, Error> {
    let tool = install(tools)?;
    let directory = absolute(&project.directory)?;
    if !directory.join("node_modules").is_dir() {
        tools.tell("installing the packages of the project");
        npm("install", &directory)?;
    }
    let contract = results.join("wit");
    wit::write_to(&contract)?;
    let path = absolute(results)?.join(format!("{}.wasm", project.identity.name));
    let mut node = Command::new("node");
    node.arg("project.mjs").arg(directory.join(main)).arg(tool.join("sdk")).arg(absolute(&contract)?).arg(&path);
    run(node.current_dir(&tool), &missing_node())?;
    let bytes = fs::read(&path).map_err(|error| Error::file("read", &path, &error))?;
    Ok(Built { path, bytes, form: Form::Component })
}

/// Puts the tools where they are kept, on first use and when they have changed.
fn install(tools: &Toolbox) -> Result<PathBuf, Error> {
    let directory = tools.tool("javascript-component");
    let _alone = lock(&directory)?;
    write(&TOOLS, &directory)?;
    write(&SDK, &directory.join("sdk/src"))?;
    let texts = LOCKED.map(|name| TOOLS.get_file(name).and_then(|file| file.contents_utf8()).unwrap_or_default());
    let (complete, wanted) = (directory.join("complete"), texts.concat());
    if !fs::read_to_string(&complete).is_ok_and(|found| found == wanted) {
        tools.tell(&format!("installing what builds JavaScript into {}", directory.display()));
        npm("ci", &directory)?;
        fs::write(&complete, wanted).map_err(|error| Error::file("write", &complete, &error))?;
    }
    Ok(directory)
}

/// Waits for other builds that look after the same directory. Until the file is dropped they wait for this one.
fn lock(directory: &Path) -> Result<fs::File, Error> {
    fs::create_dir_all(directory).map_err(|error| Error::file("make", directory, &error))?;
    let path = directory.join("lock");
    let held = fs::File::create(&path).and_then(|file| file.lock().map(|()| file));
    held.map_err(|error| Error::file("lock", &path, &error))
}

/// `install` takes what package.json asks for, `ci` just what package-lock.json names, with its digests.
fn npm(verb: &str, directory: &Path) -> Result<(), Error> {
    let mut npm = Command::new("npm");
    npm.args([verb, "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(directory);
    run(&mut npm, &missing_node()).map_err(|error| error.hint("npm needs a package registry: see `npm config`"))
}

fn write(from: &Dir<'_>, to: &Path) -> Result<(), Error> {
    for entry in from.entries() {
        let path = entry.path().file_name().map_or_else(|| to.to_owned(), |name| to.join(name));
        match entry {
            DirEntry::Dir(below) => write(below, &path)?,
            DirEntry::File(file) => {
                fs::create_dir_all(to).map_err(|error| Error::file("make", to, &error))?;
                // Another build may be reading it.
                if !fs::read(&path).is_ok_and(|found| found == file.contents()) {
                    fs::write(&path, file.contents()).map_err(|error| Error::file("write", &path, &error))?;
                }
            }
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(|error| Error::file("find", path, &error))
}

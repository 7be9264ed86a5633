//! The files of a program.

use std::{fs, path::Path};

use millstream_script::SourceFile;

use crate::Error;

/// What a program is made of.
const ENDINGS: [&str; 5] = ["js", "mjs", "ts", "mts", "json"];
/// Directories with other things: packages, results, tests.
const OTHERS: [&str; 7] = ["node_modules", "vendor", "build", "dist", "test", "tests", "coverage"];
/// Files that tools read.
const MANIFESTS: [&str; 3] = ["package.json", "package-lock.json", "tsconfig.json"];

/// Every file below a directory that the program may import, by path.
pub(super) fn of_project(directory: &Path) -> Result<Vec<SourceFile>, Error> {
    let mut files = Vec::new();
    collect(directory, "", &mut files)?;
    Ok(files)
}

fn collect(directory: &Path, below: &str, files: &mut Vec<SourceFile>) -> Result<(), Error> {
    let unread = |error| Error::file("read", directory, &error);
    for entry in fs::read_dir(directory).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (path, relative) = (entry.path(), format!("{below}{name}"));
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if !OTHERS.contains(&name.as_str()) {
                collect(&path, &format!("{relative}/"), files)?;
            }
        } else if is_source(&name) {
            let content = fs::read(&path).map_err(|error| Error::file("read", &path, &error))?;
            files.push(SourceFile { path: relative, content });
        }
    }
    Ok(())
}

fn is_source(name: &str) -> bool {
    let mut parts = name.rsplit('.');
    let is_code = parts.next().is_some_and(|ending| ENDINGS.contains(&ending));
    // `rates.test.js`, `rates.d.ts`
    is_code && !matches!(parts.next(), Some("test" | "d")) && !MANIFESTS.contains(&name)
}

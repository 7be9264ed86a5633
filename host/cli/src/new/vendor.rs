//! The guest SDK as part of a project: a copy that needs nothing of Millstream's own workspace.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use include_dir::{Dir, include_dir};

use super::write;

static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/rust");
/// Where the SDK's manifests take versions from.
static WORKSPACE: &str = include_str!("../../../../Cargo.toml");

/// What of the SDK's directory is not part of the crate.
const LEFT_OUT: [&str; 2] = ["template", "tests"];

/// Writes the SDK.
pub(super) fn write_sdk(directory: &Path) -> Result<()> {
    write_below(&SDK, directory)
}

fn write_below(sources: &Dir<'_>, directory: &Path) -> Result<()> {
    for file in sources.files() {
        let target = directory.join(file.path());
        if file.path().file_name().is_some_and(|name| name == "Cargo.toml") {
            let manifest = String::from_utf8_lossy(file.contents());
            write(&target, standalone(&manifest, WORKSPACE).as_bytes())?;
        } else {
            write(&target, file.contents())?;
        }
    }
    let left_out = |below: &Dir<'_>| LEFT_OUT.iter().any(|name| below.path() == Path::new(name));
    sources.dirs().filter(|below| !left_out(below)).try_for_each(|below| write_below(below, directory))
}

/// A manifest in which everything that it takes from its workspace is written out.
fn standalone(manifest: &str, workspace: &str) -> String {
    let package = section(workspace, "workspace.package");
    let dependencies = section(workspace, "workspace.dependencies");
    let mut text = String::new();
    let mut in_package = false;
    let mut lines = manifest.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with('[') {
            in_package = line == "[package]";
            // Lints are the SDK's own matter, not that of a project that uses it.
            if line.starts_with("[lints") {
                let end = text.rfind("\n\n").filter(|at| text[*at..].trim_start().starts_with('#')).map(|at| at + 2);
                text.truncate(end.unwrap_or(text.len()));
                while lines.next_if(|line| !line.starts_with('[')).is_some() {}
                continue;
            }
        }
        let inherited = if in_package { &package } else { &dependencies };
        text.push_str(&written_out(line, inherited).unwrap_or_else(|| line.into()));
        text.push('\n');
    }
    text
}

/// A line that takes its value from the workspace, with the value instead; `None` for any other line.
fn written_out(line: &str, inherited: &BTreeMap<String, String>) -> Option<String> {
    let (left, right) = line.split_once('=')?;
    let (left, right) = (left.trim(), right.trim());
    if let Some(name) = left.strip_suffix(".workspace") {
        return Some(format!("{name} = {}", local(name, inherited.get(name)?)));
    }
    // With more beside it: `serde = { workspace = true, optional = true }`.
    let value = local(left, inherited.get(left)?);
    let inner = match value.strip_prefix('{').and_then(|table| table.strip_suffix('}')) {
        Some(table) => table.trim().to_owned(),
        None => format!("version = {value}"),
    };
    right.contains("workspace = true").then(|| format!("{left} = {}", right.replace("workspace = true", &inner)))
}

/// Paths within the SDK, as seen from its own directory.
fn local(name: &str, value: &str) -> String {
    if name == "millstream-guest-macros" { r#"{ path = "macros" }"#.into() } else { value.into() }
}

/// The entries of a section, each on one line.
fn section(manifest: &str, name: &str) -> BTreeMap<String, String> {
    let header = format!("[{name}]");
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1).take_while(|line| !is_header(line));
    let mut entries = BTreeMap::new();
    let mut open: Option<(String, String)> = None;
    for line in lines.filter(|line| !line.trim_start().starts_with('#')) {
        let entry = match open.take() {
            Some((name, value)) => Some((name, format!("{value} {}", line.trim()))),
            None => line.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())),
        };
        let Some((name, value)) = entry else { continue };
        let depth = |opening: char, closing: char| {
            value.matches(opening).count() as i64 - value.matches(closing).count() as i64
        };
        if depth('[', ']') + depth('{', '}') > 0 {
            open = Some((name, value));
        } else {
            entries.insert(name, value);
        }
    }
    entries
}

/// A section begins at the start of a line; a closing bracket of a list does not look like it.
fn is_header(line: &str) -> bool {
    line.starts_with('[') && line.trim_end().ends_with(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_manifest_takes_from_the_workspace_is_written_out() {
        let workspace = "[workspace.package]\nversion = \"1.2.3\"\n\n[workspace.dependencies]\n# why\na = \"1\"\n\
                         b = { version = \"2\", features = [\n  \"x\",\n] }\n\n[profile.release]\nlto = false\n";
        let manifest = "[package]\nname = \"m\"\nversion.workspace = true\n\n[dependencies]\na.workspace = true\n\
                        b = { workspace = true, optional = true }\nc = \"3\"\n\n[lints]\nworkspace = true\n";
        assert_eq!(
            standalone(manifest, workspace),
            "[package]\nname = \"m\"\nversion = \"1.2.3\"\n\n[dependencies]\na = \"1\"\n\
             b = { version = \"2\", features = [ \"x\", ], optional = true }\nc = \"3\"\n\n"
        );
    }

    #[test]
    fn the_sdk_needs_nothing_of_the_workspace() {
        let directory = tempfile::tempdir().expect("a directory");
        write_sdk(directory.path()).expect("written");
        for manifest in ["Cargo.toml", "macros/Cargo.toml"] {
            let text = std::fs::read_to_string(directory.path().join(manifest)).expect(manifest);
            assert!(!text.contains("workspace = true"), "{manifest}: {text}");
        }
        for file in ["src/lib.rs", "macros/src/lib.rs", "wit/operator.wit"] {
            assert!(directory.path().join(file).is_file(), "{file}");
        }
        assert!(!directory.path().join("template").exists());
    }
}

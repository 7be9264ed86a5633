//! The languages that an operator project may be written in, as `millstream new` knows them.

use std::path::Path;

use anyhow::Result;
use include_dir::{Dir, include_dir};

use super::{vendor, write, write_templates};

/// The language that is meant where none is named.
pub(super) const DEFAULT: &str = "rust";

/// What a project in a language begins with.
///
/// Its files hold `{{name}}` for the operator's name and `{{sdk}}` for [`Template::sdk`]; `.template` at the end of a
/// file's name goes.
pub(super) struct Template {
    /// What `--lang` calls it.
    name: &'static str,
    files: Dir<'static>,
    /// Where the project has the SDK, relative to it.
    sdk: &'static str,
    write_sdk: fn(&Path) -> Result<()>,
    /// The command that runs its tests.
    pub(super) test: &'static str,
}

static TEMPLATES: [Template; 6] = [
    Template {
        name: "rust",
        files: include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/rust/template"),
        sdk: "vendor/millstream-guest",
        write_sdk: vendor::write_sdk,
        test: "cargo test",
    },
    Template {
        name: "c",
        files: include_dir!("$CARGO_MANIFEST_DIR/templates/c"),
        sdk: "vendor/millstream",
        write_sdk: |directory| copy(&C_SDK, directory, &["tests"], &["test", "README.md"]),
        test: "make test",
    },
    Template {
        name: "go",
        files: include_dir!("$CARGO_MANIFEST_DIR/templates/go"),
        // Not `vendor`, which Go takes for what its own command has written.
        sdk: "millstream",
        write_sdk: |directory| copy(&GO_SDK, directory, &["stress"], &["test", "README.md"]),
        test: "go test",
    },
    Template {
        name: "python",
        files: include_dir!("$CARGO_MANIFEST_DIR/templates/python"),
        sdk: "vendor/millstream",
        write_sdk: |directory| copy(&PYTHON_SDK, directory, &[], &[]),
        test: "python3 -m unittest",
    },
    Template {
        name: "javascript",
        files: include_dir!("$CARGO_MANIFEST_DIR/templates/javascript"),
        sdk: "vendor/millstream",
        write_sdk: write_javascript_sdk,
        test: "npm install && npm test",
    },
    Template {
        name: "typescript",
        files: include_dir!("$CARGO_MANIFEST_DIR/templates/typescript"),
        sdk: "vendor/millstream",
        write_sdk: write_javascript_sdk,
        test: "npm install && npm test",
    },
];

static C_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/c");
static PYTHON_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/python/src");
static GO_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/go");
static JAVASCRIPT_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/javascript");

fn write_javascript_sdk(directory: &Path) -> Result<()> {
    copy(&JAVASCRIPT_SDK, directory, &["interpreter", "tests"], &["test"])
}

impl Template {
    /// That of a name.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        TEMPLATES.iter().find(|template| template.name == name)
    }

    /// Writes a project with the SDK beside it.
    pub(super) fn write(&self, directory: &Path, name: &str) -> Result<()> {
        write_templates(&self.files, directory, &[("name", name), ("sdk", self.sdk)])?;
        (self.write_sdk)(&directory.join(self.sdk))
    }
}

/// The names of all of them.
pub(super) fn names() -> Vec<&'static str> {
    TEMPLATES.iter().map(|template| template.name).collect()
}

/// Writes an SDK as it is, without some of its top-level directories and files.
fn copy(sdk: &Dir<'_>, to: &Path, directories: &[&str], files: &[&str]) -> Result<()> {
    let is_named = |path: &Path, names: &[&str]| names.iter().any(|name| path == Path::new(name));
    for file in sdk.files().filter(|file| !is_named(file.path(), files)) {
        write(&to.join(file.path()), file.contents())?;
    }
    let kept = sdk.dirs().filter(|below| !is_named(below.path(), directories));
    kept.into_iter().try_for_each(|below| copy(below, to, directories, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        for template in &TEMPLATES {
            let directory = tempfile::tempdir().expect("a directory");
            template.write(directory.path(), "score").expect("written");
            for entry in std::fs::read_dir(directory.path()).expect("listed") {
                let path = entry.expect("an entry").path();
                if path.is_file() {
                    let text = std::fs::read_to_string(&path).expect("text");
                    assert!(!text.contains("{{"), "{}: {text}", path.display());
                }
            }
            let found = millstream_toolchain::recognise(directory.path()).expect("a project");
            // As the toolchain calls it, which builds both.
            let language = if template.name == "typescript" { "javascript" } else { template.name };
            assert_eq!((found.language.name(), found.identity.name.as_str()), (language, "score"));
        }
    }
}

//! Manifests: TOML and JSON files that say what a project is.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Error;

/// A manifest that was read: `millstream.toml`, `pyproject.toml`, `package.json`. Every error names file and field.
#[derive(Clone, Debug)]
pub struct Manifest {
    path: PathBuf,
    value: Value,
}

impl Manifest {
    /// Reads `directory/name`, JSON where the name ends so and TOML otherwise; `None` where there is no such file.
    ///
    /// # Errors
    /// When it cannot be read or is no TOML or JSON; says where.
    pub fn read(directory: &Path, name: &str) -> Result<Option<Self>, Error> {
        let path = directory.join(name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", &path, &error)),
        };
        let value = if name.ends_with(".json") {
            serde_json::from_str(&text).map_err(|error| error.to_string())
        } else {
            toml::from_str(&text).map_err(|error| error.to_string())
        };
        match value {
            Ok(value) => Ok(Some(Self { path, value })),
            Err(reason) => Err(Error::project(format!("{} is not read", path.display()))
                .details(reason.trim_end().lines().map(str::to_owned))),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a field, by its path: `["project", "name"]`.
    pub fn get(&self, field: &[&str]) -> Option<&Value> {
        field.iter().try_fold(&self.value, |value, name| value.get(name))
    }

    /// A text.
    ///
    /// # Errors
    /// When the field is there and something else, or empty.
    pub fn text(&self, field: &[&str]) -> Result<Option<&str>, Error> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(other) => Err(self.wrong(field, "a text that is not empty", other)),
        }
    }

    /// A text that must be there. `example` is what the hint shows as its value.
    ///
    /// # Errors
    /// When it is not.
    pub fn required_text(&self, field: &[&str], example: &str) -> Result<&str, Error> {
        self.text(field)?.ok_or_else(|| self.missing(field, example))
    }

    /// A list of texts.
    ///
    /// # Errors
    /// When the field is there and something else.
    pub fn texts(&self, field: &[&str]) -> Result<Option<Vec<&str>>, Error> {
        let Some(found) = self.get(field) else { return Ok(None) };
        let texts = found.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        texts.map(Some).ok_or_else(|| self.wrong(field, "a list of texts", found))
    }

    /// Refuses fields of the table at `table` (`[]`: the whole file) that nobody reads, so that a typo does not pass.
    ///
    /// # Errors
    /// When there is one, or the table is none.
    pub fn only(&self, table: &[&str], known: &[&str]) -> Result<(), Error> {
        let Some(found) = self.get(table) else { return Ok(()) };
        let Some(fields) = found.as_object() else { return Err(self.wrong(table, "a table", found)) };
        match fields.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(unknown) => {
                let mut field = table.to_vec();
                field.push(unknown);
                Err(Error::project(format!("{}: unknown field `{}`", self.path.display(), field.join(".")))
                    .hint(format!("fields there: {}", known.join(", "))))
            }
        }
    }

    /// Says that a field is missing and how it is written.
    pub fn missing(&self, field: &[&str], example: &str) -> Error {
        let error = Error::project(format!("{}: field `{}` is missing", self.path.display(), field.join(".")));
        let is_json = self.path.extension().is_some_and(|extension| extension == "json");
        error.hint(match field {
            [name] if is_json => format!("add:  \"{name}\": \"{example}\""),
            [name] => format!("add:  {name} = \"{example}\""),
            [table @ .., name] => format!("add to [{}]:  {name} = \"{example}\"", table.join(".")),
            [] => "add it".into(),
        })
    }

    fn wrong(&self, field: &[&str], expected: &str, found: &Value) -> Error {
        let field = field.join(".");
        Error::project(format!("{}: field `{field}` must be {expected}, and is {found}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, text: &str) -> Result<Option<Manifest>, Error> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(name), text).unwrap();
        Manifest::read(directory.path(), name)
    }

    #[test]
    fn toml_and_json_are_read_alike() {
        let toml = manifest("pyproject.toml", "[project]\nname = \"a\"\nfiles = [\"x\", \"y\"]\n").unwrap().unwrap();
        let json = manifest("package.json", r#"{"project":{"name":"a","files":["x","y"]}}"#).unwrap().unwrap();
        for manifest in [toml, json] {
            assert_eq!(manifest.text(&["project", "name"]), Ok(Some("a")));
            assert_eq!(manifest.texts(&["project", "files"]), Ok(Some(vec!["x", "y"])));
            assert_eq!(manifest.text(&["project", "other"]), Ok(None));
        }
        let directory = tempfile::tempdir().unwrap();
        assert!(Manifest::read(directory.path(), "package.json").unwrap().is_none());
    }

    #[test]
    fn errors_name_file_and_field() {
        let found = manifest("millstream.toml", "name = 1\nversoin = \"1\"\n").unwrap().unwrap();
        let told = |error: Error| (error.to_string(), error.advice().unwrap_or_default().to_owned());
        let (message, _) = told(found.text(&["name"]).unwrap_err());
        assert!(
            message.ends_with("millstream.toml: field `name` must be a text that is not empty, and is 1"),
            "{message}"
        );
        let (message, hint) = told(found.required_text(&["version"], "0.1.0").unwrap_err());
        assert!(message.ends_with("millstream.toml: field `version` is missing"), "{message}");
        assert_eq!(hint, "add:  version = \"0.1.0\"");
        let (message, hint) = told(found.only(&[], &["name", "version"]).unwrap_err());
        assert!(message.ends_with("unknown field `versoin`"), "{message}");
        assert_eq!(hint, "fields there: name, version");
    }

    #[test]
    fn what_is_no_manifest_is_told_with_its_place() {
        let error = manifest("millstream.toml", "name = \n").unwrap_err();
        assert!(error.to_string().ends_with("millstream.toml is not read"), "{error}");
        assert!(error.lines().iter().any(|line| line.contains("line 1")), "{:?}", error.lines());
    }
}

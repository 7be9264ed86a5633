//! Languages that run from source.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A language whose programs an interpreter runs from source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Python.
    Python,
    /// JavaScript, and TypeScript.
    JavaScript,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// Its name, and that of its interpreter's file without `.wasm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }

    /// The language of files with an extension.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "py" => Some(Self::Python),
            "js" | "mjs" | "ts" | "mts" => Some(Self::JavaScript),
            _ => None,
        }
    }

    /// The language of a text of a media type, and what a file with it is called.
    pub fn of_media_type(media_type: &str) -> Option<(Self, &'static str)> {
        match media_type {
            "text/x-python" | "text/python" | "application/x-python" => Some((Self::Python, "operator.py")),
            "text/javascript" | "application/javascript" => Some((Self::JavaScript, "operator.js")),
            "text/typescript" | "text/x-typescript" | "application/typescript" => {
                Some((Self::JavaScript, "operator.ts"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Of a name that is no language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no language that runs from source; there are python and javascript")]
pub struct UnknownLanguage(String);

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(name: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|language| language.name() == name).ok_or_else(|| UnknownLanguage(name.into()))
    }
}

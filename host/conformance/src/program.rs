//! What is tested.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use millstream_operator::{OperatorDescription, OperatorFactory, Parts};
use millstream_types::OperatorRef;
use serde::Deserialize;

/// A conformance program, of which there is one in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The operator that is configured with a mode.
    Probe,
    /// The operator of typed columns, written by records or by columns.
    Typed,
    /// The aggregator.
    Sums,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Probe, Self::Typed, Self::Sums];

    /// Which one a component must be, by its world and what it declares; `None`: none of them.
    pub fn of(world: &str, description: &OperatorDescription) -> Option<Self> {
        match world {
            "aggregator" => Some(Self::Sums),
            "operator" if description.reads.is_empty() => Some(Self::Probe),
            "operator" => Some(Self::Typed),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Typed => "typed",
            Self::Sums => "sums",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| format!("there is no program `{text}`; there are probe, typed and sums"))
    }
}

/// What an instance may use, where a case says other than the host's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Time for a batch.
    pub deadline: Option<Duration>,
    /// Memory in bytes.
    pub memory_bytes: Option<usize>,
}

/// A component that is tested.
pub trait Program: Send + Sync {
    /// What an operator declares.
    fn description(&self) -> &OperatorDescription;

    /// The operator with a configuration, JSON text.
    ///
    /// # Errors
    /// Why it refuses the configuration.
    fn factory(&self, operator: OperatorRef, config: String, quota: &Quota)
    -> Result<Arc<dyn OperatorFactory>, String>;

    /// The same component as a part of a window step.
    fn parts(&self) -> Arc<dyn Parts>;
}

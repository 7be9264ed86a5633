//! The worlds that a component may be of.

use std::fmt;

/// What a component is: the interface that it exports decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum World {
    /// Records in, records out.
    Operator,
    /// A function of many records, kept as accumulators.
    Aggregator,
    /// Says which windows records are in.
    WindowAssigner,
    /// Says when windows fire.
    Trigger,
    /// A function of all records of a window.
    ProcessWindow,
    /// Says how far event time has come in a partition.
    WatermarkGenerator,
}

/// Interfaces of types alone, which every component may import.
const TYPES: [&str; 2] = ["millstream:operator/types@0.1.0", "millstream:window/types@0.1.0"];
/// What parts of windows may import.
const PART: [&str; 2] = ["millstream:operator/log@0.1.0", "millstream:operator/metrics@0.1.0"];
/// What watermark generators may import: they belong to a source, and metrics to a step.
const GENERATOR: [&str; 1] = ["millstream:operator/log@0.1.0"];
/// What operators may import.
const OPERATOR: [&str; 4] = [
    "millstream:operator/log@0.1.0",
    "millstream:operator/state@0.1.0",
    "millstream:operator/metrics@0.1.0",
    "millstream:operator/clock@0.1.0",
];

impl World {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Operator,
        Self::Aggregator,
        Self::WindowAssigner,
        Self::Trigger,
        Self::ProcessWindow,
        Self::WatermarkGenerator,
    ];

    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Aggregator => "aggregator",
            Self::WindowAssigner => "window-assigner",
            Self::Trigger => "trigger",
            Self::ProcessWindow => "process-window",
            Self::WatermarkGenerator => "watermark-generator",
        }
    }

    /// The interface that its components export.
    pub fn export(self) -> &'static str {
        match self {
            Self::Operator => "millstream:operator/processor@0.1.0",
            Self::Aggregator => "millstream:window/aggregation@0.1.0",
            Self::WindowAssigner => "millstream:window/assignment@0.1.0",
            Self::Trigger => "millstream:window/firing@0.1.0",
            Self::ProcessWindow => "millstream:window/window-function@0.1.0",
            Self::WatermarkGenerator => "millstream:window/watermarks@0.1.0",
        }
    }

    /// The functions of that interface.
    pub(crate) fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Operator => &["describe", "configure", "process", "on-timer"],
            Self::Aggregator => &["describe", "configure", "add", "merge", "retract", "results"],
            Self::WindowAssigner => &["describe", "configure", "assign"],
            Self::Trigger => &["describe", "configure", "on-elements", "on-time", "on-merge"],
            Self::ProcessWindow => &["describe", "configure", "begin", "elements", "end"],
            Self::WatermarkGenerator => &["describe", "configure", "on-records", "on-time"],
        }
    }

    /// Whether its components may import an interface of the contract.
    pub(crate) fn grants(self, import: &str) -> bool {
        let granted = match self {
            Self::Operator => &OPERATOR[..],
            Self::WatermarkGenerator => &GENERATOR[..],
            _ => &PART[..],
        };
        TYPES.contains(&import) || granted.contains(&import)
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

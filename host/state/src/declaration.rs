//! What an operator declares about its state.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The kind of a keyed state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateKind {
    /// One value for each key.
    Value,
    /// A map from fields to values for each key, ordered by field.
    Map,
    /// An append-only list for each key.
    List,
}

/// A state that an operator keeps for each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDeclaration {
    /// Its name, unique within the operator; ties stored state to the operator across versions.
    pub name: String,
    /// Its kind.
    pub kind: StateKind,
    /// The version of the stored values' format.
    pub schema_version: u32,
    /// Time to live since the last write, in processing time.
    pub ttl: Option<Duration>,
    /// Value state only: read ahead for the keys of a batch.
    pub prefetch: bool,
}

/// Identifies one state of one step within a stage's store and changelog.
///
/// It is the hash of `step/state`, so that it is the same on every host and after every restart without a
/// registry. The planner refuses a stage in which two names collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub u32);

impl StateId {
    /// Reserved for what the runtime keeps in a task's state beside the operators' states: positions of
    /// sources that are not topics and the operator versions in force.
    pub const RUNTIME: Self = Self(0);

    /// The id of state `state` of step `step`: 32-bit FNV-1a, but never 0 or `u32::MAX`, which are reserved.
    pub fn of(step: &str, state: &str) -> Self {
        let bytes = step.bytes().chain([b'/']).chain(state.bytes());
        let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self(hash.clamp(1, u32::MAX - 1))
    }
}

/// A state as a task knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHandle {
    /// Its id.
    pub id: StateId,
    /// Its kind.
    pub kind: StateKind,
    /// Time to live since the last write.
    pub ttl: Option<Duration>,
}

impl StateHandle {
    /// The handle of what step `step` declared.
    pub fn new(step: &str, declaration: &StateDeclaration) -> Self {
        Self { id: StateId::of(step, &declaration.name), kind: declaration.kind, ttl: declaration.ttl }
    }
}

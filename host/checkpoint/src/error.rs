//! Errors of the registry.

use millstream_types::{Digest, OperatorRef, PipelineName};

use crate::{location::BadLocation, storage::StorageError};

/// Why the registry did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The place given for the registry is none. The user's fault.
    #[error("`{location}` is no place for a registry: {reason}")]
    Location {
        /// As given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store did not answer, or not well. The same call may succeed later. A write that ended so may
    /// have happened; every call can be repeated safely.
    #[error("`{object}` in the registry's store cannot be reached: {reason}")]
    Unavailable {
        /// The object, or the place where there is no single one.
        object: String,
        /// What the store said.
        reason: String,
    },
    /// The store refuses access. Somebody has to mend permissions.
    #[error("`{object}` in the registry's store may not be accessed: {reason}")]
    Denied {
        /// The object, or the place where there is no single one.
        object: String,
        /// What the store said.
        reason: String,
    },
    /// An object is not what was written. Nothing is skipped: somebody has to restore it.
    #[error("`{object}` in the registry's store is damaged: {reason}")]
    Corrupt {
        /// The object.
        object: String,
        /// How it is damaged.
        reason: String,
    },
    /// What the registry holds does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl RegistryError {
    /// Whether the same call may succeed later without anyone doing anything.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl From<StorageError> for RegistryError {
    fn from(StorageError { object, reason, denied }: StorageError) -> Self {
        if denied { Self::Denied { object, reason } } else { Self::Unavailable { object, reason } }
    }
}

impl From<BadLocation> for RegistryError {
    fn from(BadLocation { location, reason }: BadLocation) -> Self {
        Self::Location { location, reason }
    }
}

/// Why a change is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A version is immutable, and these are other bytes.
    #[error("{operator} is registered with other bytes: {registered}, not {offered}; register a new version")]
    Conflict {
        /// The operator.
        operator: OperatorRef,
        /// The digest in force.
        registered: Digest,
        /// The digest of what was offered.
        offered: Digest,
    },
    /// No such plugin.
    #[error("{0} is not registered")]
    UnknownOperator(OperatorRef),
    /// Pipelines need the plugin.
    #[error("{operator} is in use by {}", .pipelines.iter().map(PipelineName::as_str).collect::<Vec<_>>().join(", "))]
    InUse {
        /// The operator.
        operator: OperatorRef,
        /// Who uses it.
        pipelines: Vec<PipelineName>,
    },
    /// No such pipeline.
    #[error("there is no pipeline `{0}`")]
    UnknownPipeline(PipelineName),
    /// No such step, or not one with an operator.
    #[error("pipeline `{pipeline}` has no step `{step}` with an operator")]
    UnknownStep {
        /// The pipeline.
        pipeline: PipelineName,
        /// The step.
        step: String,
    },
    /// Somebody else changed the pipeline in between.
    #[error("pipeline `{pipeline}` is at generation {current}, not {expected}")]
    StaleGeneration {
        /// The pipeline.
        pipeline: PipelineName,
        /// The generation that the caller had seen; 0 for none.
        expected: u64,
        /// The generation in force; 0 where there is no such pipeline.
        current: u64,
    },
}

//! Errors of state.

/// Why a state call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    /// The caller named a state of another kind, or columns that do not fit.
    #[error("{0}")]
    Misuse(String),
    /// The store is open elsewhere, in this process or another: it may be free later.
    #[error("state store: {0}")]
    InUse(String),
    /// The store could not be read or written.
    #[error("state store: {0}")]
    Store(String),
    /// What is stored was written in a format that this version does not know.
    #[error("incompatible state format: {0}")]
    Incompatible(String),
    /// What is stored cannot be understood: another kind than the declared one, or broken bytes.
    #[error("stored state cannot be used: {0}")]
    Corrupt(String),
}

//! How the server gets at components without knowing the engine that runs them.

use std::sync::Arc;

use millstream_operator::{OperatorDescription, OperatorFactory, Parts};
use millstream_types::{Digest, OperatorRef};

/// Every reason why a component is not a plugin; at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Refusal(pub Vec<String>);

/// Compiles and checks components. Calls may take seconds, so the server makes them on threads that may block.
pub trait PluginLoader: Send + Sync {
    /// Compiles a component and asks it what it is.
    ///
    /// # Errors
    /// Every reason against it, not only the first.
    fn load(&self, bytes: &[u8]) -> Result<Arc<dyn LoadedPlugin>, Refusal>;
}

/// A compiled component.
pub trait LoadedPlugin: Parts {
    /// The digest of its bytes.
    fn digest(&self) -> Digest;

    /// What it declares.
    fn description(&self) -> &OperatorDescription;

    /// The world that it exports.
    fn world(&self) -> &str;

    /// The interfaces that it imports.
    fn imports(&self) -> Vec<String>;

    /// The operator with one step's configuration (JSON text), configured once as a trial.
    ///
    /// # Errors
    /// That it is none, or why it does not take the configuration.
    fn factory(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn OperatorFactory>, String>;
}

//! How the server gets at components without knowing the engine that runs them.

use std::sync::Arc;

use bytes::Bytes;
use millstream_operator::{OperatorDescription, OperatorFactory, Parts};
use millstream_script::{Language, Script};
use millstream_types::{Digest, OperatorRef};

/// Every reason why a component is not a plugin; at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Refusal(pub Vec<String>);

/// Compiles and checks components. Calls may take seconds, so the server makes them on threads that may block.
pub trait PluginLoader: Send + Sync {
    /// Compiles a component, or loads a packed script into its interpreter, and asks it what it is.
    ///
    /// # Errors
    /// Every reason against it, not only the first.
    fn load(&self, bytes: &[u8]) -> Result<Arc<dyn LoadedPlugin>, Refusal>;

    /// The interpreter that is installed for a language.
    ///
    /// # Errors
    /// That there is none, and where it was looked for.
    fn installed(&self, language: Language) -> Result<Interpreter, Refusal> {
        Err(Refusal(vec![format!("no interpreter for {language} is installed")]))
    }

    /// Whether scripts of the interpreter with this digest can be loaded.
    fn has_interpreter(&self, _digest: Digest) -> bool {
        false
    }

    /// Lets go of what is kept of components that nobody needs any more; of those for which `needed` holds it stays.
    fn tidy(&self, _needed: &dyn Fn(Digest) -> bool) {}

    /// Takes an interpreter that is not installed, for scripts that were registered with it.
    ///
    /// # Errors
    /// Every reason against it.
    fn add_interpreter(&self, _bytes: &[u8]) -> Result<(), Refusal> {
        Err(Refusal(vec!["scripts are not run here".into()]))
    }
}

/// A component that runs scripts.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
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

    /// The script, where it is one.
    fn script(&self) -> Option<&Script> {
        None
    }

    /// The operator with one step's configuration (JSON text), configured once as a trial.
    ///
    /// # Errors
    /// That it is none, or why it does not take the configuration.
    fn factory(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn OperatorFactory>, String>;
}

//! Errors of the host and reasons for refusing a component.

use std::fmt;

/// Why the host could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum WasmError {
    /// The engine does not take its configuration.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// The directory of the compiled-code cache cannot be used.
    #[error("the compiled-code cache {path} cannot be used: {reason}")]
    Cache {
        /// The directory.
        path: String,
        /// Why.
        reason: String,
    },
}

/// One reason for refusing a component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Larger than the host takes.
    #[error("it has {bytes} bytes where at most {limit_bytes} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Not WebAssembly at all.
    #[error("it is not a WebAssembly component: {0}")]
    NotWebAssembly(String),
    /// A core module instead of a component.
    #[error(
        "it is a core WebAssembly module and not a component; build it for the target wasm32-wasip2, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// The bytes do not validate or compile.
    #[error("it is not a valid component: {0}")]
    Invalid(String),
    /// It exports the contract in a version that this host does not have.
    #[error("it exports `{found}` where this host runs `{supported}`; build it against that version of the contract")]
    WrongVersion {
        /// What it exports.
        found: String,
        /// What the host supports.
        supported: String,
    },
    /// An export of the world is missing.
    #[error("it does not export `{0}`, which every operator must")]
    MissingExport(String),
    /// It exports the interfaces of several worlds.
    #[error("it exports {} where a component is of one world", .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "))]
    ManyWorlds(Vec<String>),
    /// It imports something that it is not granted.
    #[error("it imports `{0}`, which is not granted")]
    ImportNotGranted(String),
    /// Imports or exports have other types than the contract's.
    #[error("its types are not those of the contract: {0}")]
    WrongType(String),
    /// It cannot be instantiated within the limits.
    #[error("it does not instantiate: {0}")]
    DoesNotInstantiate(String),
    /// `describe` trapped or ran over its time.
    #[error("`describe` failed: {0}")]
    DescribeFailed(String),
    /// It is a script that its interpreter does not take, or that is none.
    #[error("the program does not load: {0}")]
    Script(String),
    /// The interpreter that runs it is not here.
    #[error("the interpreter that runs it ({0}) is not installed")]
    NoInterpreter(String),
    /// What `describe` says contradicts itself or the contract.
    #[error("`describe` contradicts the contract: {0}")]
    Contradiction(String),
}

/// A component was refused, with every reason that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reasons; at least one.
    pub reasons: Vec<Refusal>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the component is refused: ")?;
        for (index, reason) in self.reasons.iter().enumerate() {
            write!(f, "{}{reason}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

impl From<Refusal> for Refused {
    fn from(reason: Refusal) -> Self {
        Self { reasons: vec![reason] }
    }
}

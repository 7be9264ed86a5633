//! Operators as WebAssembly components: engine, bindings, limits, validation. The only user of `wasmtime`.
//!
//! ```text
//! bytes --WasmHost::load--> Plugin --Plugin::factory--> OperatorFactory --instantiate--> Operator
//!        validate, compile          config, trial run                     one a worker
//! ```
//!
//! A program in source text is run by an interpreter, a component of its own that [`WasmHost::add_interpreter`] takes:
//! its code is compiled once, and each instance loads one program.
//!
//! A guest is granted what its batch needs and nothing else: records and state arrive as columns, time and
//! randomness come from the host, output is bounded, and each call ends at a deadline. WASI is linked so
//! that ordinary toolchains work, and empty: no files, no sockets, no environment, no sleeping.
//!
//! Calls are synchronous and may take long; an async caller runs them on a blocking thread.

mod cache;
mod columns;
mod config;
mod description;
mod engine;
mod error;
mod exports;
mod failure;
mod generated;
mod guest;
mod guest_log;
mod instance;
mod interfaces;
mod interpreter;
mod limiter;
mod operator;
mod output;
mod plugin;
mod precompiled;
mod randomness;
mod resident;
mod ticker;
mod validate;
mod wasi;
mod window;
mod world;

pub use cache::Pruned;
pub use config::{EngineConfig, Limits};
pub use engine::WasmHost;
pub use error::{Refusal, Refused, WasmError};
pub use plugin::Plugin;
pub use world::World;

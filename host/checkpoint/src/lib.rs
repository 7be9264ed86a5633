//! What is kept in an object store: the registry of plugins and pipelines, and [`snapshots`] of their state.
//!
//! # The registry
//!
//! The control plane is a log of small numbered objects. An entry is appended by creating the object with
//! the next number *if it is absent*, so of several hosts exactly one wins each number, and the others read
//! what won and decide again. A crash leaves either the entry or nothing. The bytes of plugins are blobs
//! named by their digest, written before the entry that names them.
//!
//! ```text
//!   control/00000000000000000001.json             entries, never changed and never deleted
//!   control/00000000000000000002.json
//!   control/snapshot-00000000000000000064.json    everything that entries 1 to 64 say; only a shortcut
//!   plugins/<sha256 in hex>.wasm                  the bytes of a plugin
//! ```
//!
//! The same objects lie in a local directory, in S3 or in memory; see [`Registry::open`].

mod decision;
mod entry;
mod error;
mod file_store;
mod format;
mod location;
mod registry;
pub mod snapshots;
mod state;
mod storage;

pub use entry::{Desired, Entry, LogRecord, SpecFormat};
pub use error::{Refusal, RegistryError};
pub use file_store::{FileStoreError, FileStores, UrlFiles};
pub use registry::{ApplyOutcome, PluginMeta, PutOutcome, Registry, SpecDocument, digest_of};
pub use state::{FoldError, PipelineRecord, PluginRecord, RegistryState};

#[cfg(test)]
mod tests;

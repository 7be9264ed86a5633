//! Keyed state of a task: what is uncommitted, what is committed and not yet written back, a cache of hot
//! keys, and the store below.

mod backend;
mod budget;
mod declaration;
pub mod encoding;
mod error;
mod groups;
mod memory;
mod small_bytes;
pub mod snapshot;
mod table;
mod task_state;

pub use backend::{Begun, Entry, ScanVisitor, StateBackend, StateBackends, StoreWork};
pub use budget::CacheBudget;
pub use declaration::{StateDeclaration, StateHandle, StateId, StateKind};
pub use error::StateError;
pub use groups::{KeyGroups, NO_GROUP};
pub use memory::{MemoryBackend, MemoryBackends};
pub use task_state::{ElementPage, FieldPage, KeyPage, MapPage, PageLimits, RuntimeEntry, SweepReport, TaskState};

use std::hash::BuildHasher;

/// The hash of a key, the same for every table of this process.
#[inline]
pub(crate) fn hash_key(key: &[u8]) -> u64 {
    foldhash::fast::FixedState::default().hash_one(key)
}

//! Keyed state of a task: what is uncommitted, what is committed and not yet written back, a cache of hot
//! keys, and the store below.

mod backend;
mod declaration;
mod error;
mod groups;

pub use backend::{Entry, ScanVisitor, StateBackend, StateBackends};
pub use declaration::{StateDeclaration, StateHandle, StateId, StateKind};
pub use error::StateError;
pub use groups::{KeyGroups, NO_GROUP};

use std::hash::BuildHasher;

/// The hash of a key, the same for every table of this process.
#[inline]
pub(crate) fn hash_key(key: &[u8]) -> u64 {
    foldhash::fast::FixedState::default().hash_one(key)
}

//! RocksDB: the only crate that knows it.
//!
//! [`RocksBackends`] keeps the state of tasks; [`database`] is one database with a write-ahead log, on
//! which the embedded log stands.

mod backend;
mod backends;
pub mod database;
mod install;
mod load;

pub use backends::{RocksBackends, RocksConfig};

//! RocksDB: the only crate that knows it.
//!
//! [`database`] is one database with a write-ahead log, on which the embedded log stands.

pub mod database;

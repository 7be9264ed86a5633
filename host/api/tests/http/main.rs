//! The API as a client uses it, over the memory log and operators that are plain Rust.

mod harness;
mod operations;
mod pipelines;
mod plugins;
mod restart;
mod swaps;
mod topics;

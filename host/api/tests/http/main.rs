//! The API as a client uses it, over the memory log and operators that are plain Rust.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends where it fails")]

mod harness;
mod operations;
mod pipelines;
mod plugins;
mod restart;
mod state;
mod swaps;
mod topics;

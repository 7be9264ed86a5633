//! The binary as its users call it: what it prints, where, and with which exit code.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends where it fails")]

mod cases;
mod harness;
mod offline;
mod runs;
mod server;
mod topics;

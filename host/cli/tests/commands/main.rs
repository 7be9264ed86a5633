//! The binary as its users call it: what it prints, where, and with which exit code.

mod harness;
mod offline;
mod runs;
mod server;
mod topics;

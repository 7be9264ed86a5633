//! A harness for tests of the whole system: the binary, a server, the operators of the examples.
//!
//! Nothing here knows the inside of Millstream: what a user cannot do, these tests do not either.

mod guests;
mod server;

use std::{env, path::PathBuf};

pub use guests::{fraud_operator, operators_of};
pub use server::{Answer, Server, ServerOptions};

/// The repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, PathBuf::from)
}

/// The `millstream` binary: `$MILLSTREAM_BIN`, or the one beside this test program.
///
/// # Panics
/// When there is none: build it with `./x build`.
#[expect(clippy::panic, reason = "a test cannot go on without it")]
pub fn binary() -> PathBuf {
    let beside = || Some(env::current_exe().ok()?.parent()?.parent()?.join("millstream"));
    match env::var_os("MILLSTREAM_BIN").map(PathBuf::from).or_else(beside) {
        Some(path) if path.is_file() => path,
        other => panic!("there is no millstream binary at {other:?}; run `./x build`"),
    }
}

/// The Kafka broker to test against, where one was given.
pub fn kafka() -> Option<String> {
    env::var("MILLSTREAM_KAFKA").ok().filter(|bootstrap| !bootstrap.is_empty())
}

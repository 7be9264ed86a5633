//! A harness for tests of the whole system: the binary, a server, the operators of the examples.
//!
//! Nothing here knows the inside of Millstream: what a user cannot do, these tests do not either.

#![allow(clippy::indexing_slicing, reason = "indexing JSON gives null where nothing is")]

mod client;
mod command;
mod disk;
mod guests;
mod objects;
mod payments;
mod server;

use std::{
    env,
    fmt::Debug,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

pub use client::{Answer, Client};
pub use command::{Ran, Running, clean, millstream, run, signal};
pub use disk::SmallDisk;
pub use guests::{fraud_operator, guest_target, operators_of};
pub use objects::{Manner, ObjectServer};
pub use payments::{Scores, payments, value_of};
pub use server::{Server, ServerOptions};

/// How long anything is waited for. Far above what it takes, so that only what never comes fails a test.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at something that is waited for.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
///
/// # Errors
/// When it does not in two minutes, or cannot be asked.
pub fn until(what: &str, condition: impl Fn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < end {
        match condition() {
            Ok(true) => return Ok(()),
            Ok(false) => last = None,
            Err(error) => last = Some(error),
        }
        thread::sleep(PAUSE);
    }
    bail!("waited in vain until {what}{}", last.map_or_else(String::new, |error| format!(": {error:#}")))
}

/// Waits until `look` says that all is there, for as long as what it says of how far things are changes.
///
/// # Errors
/// When all is not there and nothing has changed for two minutes, or it cannot be asked for as long.
pub fn while_it_moves<P: PartialEq + Debug>(what: &str, look: impl Fn() -> Result<(bool, P)>) -> Result<()> {
    let mut moved = Instant::now();
    let mut last: Option<P> = None;
    let mut failure = None;
    while moved.elapsed() < PATIENCE {
        match look() {
            Ok((true, _)) => return Ok(()),
            Ok((false, at)) => {
                failure = None;
                if last.as_ref() != Some(&at) {
                    (moved, last) = (Instant::now(), Some(at));
                }
            }
            Err(error) => failure = Some(error),
        }
        thread::sleep(PAUSE);
    }
    let why = failure.map_or_else(String::new, |error| format!(": {error:#}"));
    bail!("nothing moves any more until {what}, and it is at {last:?}{why}")
}

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

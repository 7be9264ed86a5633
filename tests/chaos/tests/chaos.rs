//! A few rounds on the embedded log.

use std::{path::Path, process::Command};

#[test]
fn a_host_on_the_embedded_log_loses_and_doubles_nothing() {
    let run = Command::new(Path::new(env!("CARGO_BIN_EXE_millstream-chaos")))
        .args(["--rounds", "4", "--seed", "1"])
        .status()
        .expect("a run");
    assert!(run.success(), "the lines above say what was found and how to run it again");
}

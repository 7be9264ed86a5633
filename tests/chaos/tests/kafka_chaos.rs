//! A few rounds with several hosts, on a broker of their own. Takes Java, and is therefore of the suite `kafka`.

use std::{path::Path, process::Command};

#[test]
fn hosts_on_kafka_lose_and_double_nothing() {
    if millstream_tests::kafka().is_none() {
        eprintln!("skipped: MILLSTREAM_KAFKA is not set; run `./x test kafka`");
        return;
    }
    let run = Command::new(Path::new(env!("CARGO_BIN_EXE_millstream-chaos")))
        .args(["--kafka", "--rounds", "6", "--seed", "300"])
        .status()
        .expect("a run");
    assert!(run.success(), "the lines above say what was found and how to run it again");
}

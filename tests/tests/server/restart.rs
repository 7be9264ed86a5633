use std::{collections::BTreeSet, thread};

use anyhow::{Context, Result, ensure};
use millstream_tests::{Scores, Server, ServerOptions};

use crate::{Producer, finish_fraud, launch_fraud, until_scored};

/// Payments scored on each partition before the server goes away.
const SOME: u64 = 300;

/// What becomes of the server while payments come.
#[derive(Clone, Copy, Debug)]
enum End {
    Crash,
    Stop,
}

#[test]
fn crashes_and_stops_in_the_middle_lose_and_double_nothing() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut server = Server::start(data.path(), &ServerOptions::default())?;
    launch_fraud(&server)?;
    let producer = Producer::default();
    let mut acknowledged = BTreeSet::new();
    for end in [End::Crash, End::Crash, End::Stop, End::Crash, End::Crash, End::Stop, End::Crash] {
        let client = (*server).clone();
        let made = thread::scope(|scope| {
            let making = scope.spawn(|| producer.run(&client));
            let ended = until_scored(&server, SOME).and_then(|()| match end {
                End::Crash => server.kill(),
                End::Stop => {
                    let status = server.stop()?;
                    ensure!(status.success(), "{status}");
                    Ok(())
                }
            });
            producer.stop();
            let made = making.join().ok().context("the producer panicked")?;
            ended.map(|()| made)
        })?;
        ensure!(!made.is_empty(), "nothing was made before the {end:?}");
        acknowledged.extend(made);
        producer.go_on();
        // The pipeline runs again by itself.
        server = Server::start(data.path(), &ServerOptions::default())?;
        let status = server.status("fraud")?;
        ensure!(status["state"] == "running" && status["desired"] == "running", "after a {end:?}: {status}");
    }
    finish_fraud(&server)?;
    let scores = Scores::check(&server, &acknowledged)?;
    ensure!(scores.count >= acknowledged.len(), "{} of {}", scores.count, acknowledged.len());
    Ok(())
}

#[test]
fn what_was_stopped_stays_stopped() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    launch_fraud(&server)?;
    server.act("fraud", "stop")?.success()?;
    ensure!(server.stop()?.success());
    let server = Server::start(data.path(), &ServerOptions::default())?;
    let status = server.status("fraud")?;
    ensure!(status["state"] == "stopped" && status["desired"] == "stopped", "{status}");
    server.act("fraud", "start")?.success()?;
    server.produce("payments", &millstream_tests::payments(0..10))?;
    finish_fraud(&server)?;
    Scores::check(&server, &(0..10).collect()).map(drop)
}

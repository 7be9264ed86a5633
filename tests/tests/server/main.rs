//! A server as its clients use it, over HTTP: plugins, pipelines, swaps under load, restarts in the middle.

#![expect(clippy::indexing_slicing, reason = "indexing JSON gives null where nothing is")]

mod objects;
mod operations;
mod pipelines;
mod plugins;
mod restart;
mod savepoints;
mod scripts;
mod swap;

use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use anyhow::{Result, ensure};
use millstream_tests::{Answer, Client, fraud_operator, payments, repository};

/// Checks that an answer is a problem of a kind, and gives it back.
fn problem(answer: Answer, status: u16, kind: &str) -> Result<Answer> {
    let document = answer.json();
    ensure!(answer.status == status, "expected {status} {kind}: {answer:?}");
    ensure!(answer.content_type == "application/problem+json", "{answer:?}");
    ensure!(document["type"] == format!("urn:millstream:problem:{kind}"), "{answer:?}");
    ensure!(document["status"] == status && document["detail"].is_string(), "{answer:?}");
    Ok(answer)
}

/// Registers the fraud example and starts it on a topic `payments` with four partitions. It commits often, so that
/// there is much to get wrong.
fn launch_fraud(client: &Client) -> Result<()> {
    for (operator, name) in [
        ("parse-payment@1.0.0", "parse_payment"),
        ("velocity@1.0.0", "velocity"),
        ("score@1.0.0", "score_v1"),
        ("score@2.0.0", "score_v2"),
    ] {
        client.push(operator, &fraud_operator(name)?)?;
    }
    client.create_topic("payments", 4)?;
    let yaml = fs::read_to_string(repository().join("examples/fraud/pipeline.yaml"))?;
    client.launch("fraud", &format!("{yaml}commit: {{ interval: 15ms }}\n"))
}

/// Payments that are made until they are told to stop, or the server goes away.
#[derive(Default)]
struct Producer {
    next: AtomicU64,
    stop: AtomicBool,
}

impl Producer {
    /// Makes payments, and returns those that the server has acknowledged. What it has not is never made again.
    fn run(&self, client: &Client) -> BTreeSet<u64> {
        const TOGETHER: u64 = 200;
        let mut acknowledged = BTreeSet::new();
        while !self.stop.load(Ordering::Acquire) {
            let first = self.next.fetch_add(TOGETHER, Ordering::AcqRel);
            let ids = first..first + TOGETHER;
            if client.produce("payments", &payments(ids.clone())).is_err() {
                break;
            }
            acknowledged.extend(ids);
        }
        acknowledged
    }

    /// Makes those that run stop.
    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Lets the next run go on where the last one ended.
    fn go_on(&self) {
        self.stop.store(false, Ordering::Release);
    }
}

/// Waits until so many more records are in every partition of topic `fraud-scores`.
fn until_scored(client: &Client, by: u64) -> Result<()> {
    let ends = || -> Result<Vec<u64>> {
        let topic = client.get("/api/v1/topics/fraud-scores")?.json();
        let offsets = topic["offsets"].as_array().cloned().unwrap_or_default();
        Ok(offsets.iter().map(|range| range[1].as_u64().unwrap_or_default()).collect())
    };
    let before = ends()?;
    client.until(&format!("{by} more payments of each partition are scored"), || {
        let now = ends()?;
        let grown = |(at, end): (usize, &u64)| *end >= before.get(at).copied().unwrap_or_default() + by;
        Ok(!now.is_empty() && now.iter().enumerate().all(grown))
    })
}

/// Waits until every payment has been scored, and stops the pipeline.
fn finish_fraud(client: &Client) -> Result<()> {
    let made = client.record_count("payments")?;
    client.until("every payment is scored", || {
        let status = client.status("fraud")?;
        ensure!(status["state"] == "running", "{status}");
        let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
        let waits = |lags: &serde_json::Value| {
            lags.as_object().is_some_and(|lags| lags.values().any(|lag| lag.as_i64() != Some(0)))
        };
        let idle = !tasks.is_empty() && !tasks.iter().any(|task| waits(&task["lag"]));
        Ok(idle && client.record_count("fraud-scores")? >= made)
    })?;
    let status = client.act("fraud", "stop")?.success()?.json();
    ensure!(status["state"] == "stopped", "{status}");
    Ok(())
}

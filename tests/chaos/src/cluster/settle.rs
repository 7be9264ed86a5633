//! Bringing a cluster back to order, and finding out that it is.

use anyhow::{Result, bail};
use millstream_tests::Manner;
use serde_json::Value;

use super::Cluster;
use crate::{
    host::Host,
    link::Mode,
    patience::{Seen, wait},
    pipeline,
};

/// What the runtime says when a worker begins again, and what it then says of another owner.
const BEGINS_AGAIN: &str = "a worker starts again";
const REPLACED: [&str; 6] = ["fenced", "lost", "unknown member", "unknownmember", "epoch", "another"];

/// What it says of snapshots.
const SNAPSHOT_TAKEN: &str = "kept a snapshot";
const SNAPSHOT_USED: &str = "restores from a snapshot";
const SNAPSHOT_FAILED: [&str; 3] =
    ["a snapshot was not kept", "a snapshot cannot be used", "snapshots cannot be used; the changelog is replayed"];

/// What it says where a worker goes on with the store of a standby.
const TAKEN_OVER: &str = "takes over from a standby";

/// How far a host is.
enum Standing {
    Running,
    /// Not yet, with what it says.
    Coming(String),
    /// The pipeline gave up.
    Failed(String),
}

impl Cluster {
    /// Ends every fault that is left, and waits until each member runs the pipeline.
    ///
    /// # Errors
    /// When a member does not come to it, or its pipeline gave up for a reason other than a full disk.
    pub fn settle(&mut self) -> Result<()> {
        if let Some(broker) = &mut self.broker {
            if !broker.runs() {
                broker.start()?;
            }
            broker.wait()?;
        }
        self.store.set(Manner::Answers);
        for number in 0..self.hosts.len() {
            let host = self.host(number)?;
            host.free_disk()?;
            host.thaw()?;
            if let Some(link) = &host.link {
                link.set(Mode::Pass);
            }
        }
        wait("every host runs the pipeline", || {
            self.tend()?;
            let mut coming = Vec::new();
            for number in 0..self.hosts.len() {
                let host = self.host(number)?;
                if host.leaving {
                    coming.push(format!("{} ends", host.name));
                } else if host.member && !host.runs() && host.again_at.is_none() {
                    self.revive(number)?;
                    coming.push(format!("host-{number} starts"));
                } else if host.member {
                    match standing(host) {
                        Standing::Running => {}
                        Standing::Coming(says) => coming.push(format!("{}: {says}", host.name)),
                        Standing::Failed(reason) => self.help(number, &reason)?,
                    }
                }
            }
            Ok(if coming.is_empty() { Seen::There(()) } else { Seen::NotYet(coming) })
        })?;
        self.hosts.iter_mut().for_each(|host| host.was_full = false);
        Ok(())
    }

    /// Starts a pipeline again that stopped since there was no room, as its reason says to do.
    fn help(&mut self, number: usize, reason: &str) -> Result<()> {
        let host = self.host(number)?;
        if !host.was_full {
            bail!("the pipeline gave up on {}: {reason}", host.name);
        }
        let answer = host.client().map(|client| client.act(pipeline::NAME, "start").map(|answer| answer.status));
        self.journal.counts.helped += 1;
        self.journal.note(format_args!("host-{number} gave up: {reason}; started by hand: {answer:?}"))
    }

    /// Counts what the hosts' logs say of workers that began again, and of snapshots.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn count_log_lines(&mut self) -> Result<()> {
        let counts = &mut self.journal.counts;
        for host in &mut self.hosts {
            for line in host.new_log_lines()? {
                if line.contains(BEGINS_AGAIN) {
                    let line = line.to_lowercase();
                    counts.worker_restarts += 1;
                    counts.fences += u64::from(REPLACED.iter().any(|word| line.contains(word)));
                }
                counts.snapshots += u64::from(line.contains(SNAPSHOT_TAKEN));
                counts.snapshots_used += u64::from(line.contains(SNAPSHOT_USED));
                counts.takeovers += u64::from(line.contains(TAKEN_OVER));
                counts.snapshots_failed += u64::from(SNAPSHOT_FAILED.iter().any(|says| line.contains(says)));
            }
        }
        Ok(())
    }

    /// What every host says of the pipeline, for whoever looks into a failure.
    pub fn statuses(&self) -> Value {
        let statuses =
            self.hosts.iter().map(|host| (host.name.clone(), host.status(pipeline::NAME).unwrap_or_default()));
        Value::Object(statuses.collect())
    }
}

fn standing(host: &Host) -> Standing {
    let Some(client) = host.client() else { return Standing::Coming("does not listen yet".into()) };
    let ready = client.get("/readyz");
    let status = client.status(pipeline::NAME).unwrap_or_default();
    let text = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let state = text("state");
    match (state.as_str(), ready) {
        ("failed", _) => Standing::Failed(text("reason")),
        ("running", Ok(answer)) if answer.status == 200 => Standing::Running,
        _ => {
            let commits = status.pointer("/commits/count").and_then(Value::as_u64).unwrap_or_default();
            Standing::Coming(format!("state `{state}`, {commits} commits, {}", text("reason")))
        }
    }
}

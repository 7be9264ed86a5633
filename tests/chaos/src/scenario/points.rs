//! Hosts that kill or stop themselves at a named point of the protocol.

use std::time::Duration;

use anyhow::Result;
use millstream_protocol::Step;
use rand::{Rng, rngs::StdRng};

use super::{Scenario, Trouble};
use crate::{
    cluster::{Cluster, Ground},
    host::Deed,
};

/// SIGKILL of itself before or after a step, and a start right after it.
pub struct KillPoint;

/// SIGSTOP of itself before or after a step, until it has been replaced.
pub struct StopPoint;

#[derive(Debug)]
struct AtPoint {
    nth: usize,
    deed: Deed,
    /// `before-commit-log:3`.
    point: String,
    lasts: Duration,
    /// It begins without its state on disk, so that it comes to the point with a snapshot.
    wipe: bool,
    host: Option<usize>,
    /// Which process of the host it is.
    start: u64,
}

impl AtPoint {
    fn draw(random: &mut StdRng, deed: Deed, lasts_ms: std::ops::Range<u64>) -> Box<dyn Trouble> {
        let steps = Step::ALL.len();
        let step = Step::ALL.into_iter().nth(random.random_range(0..steps)).unwrap_or(Step::CommitLog);
        let side = if random.random_bool(0.5) { "before" } else { "after" };
        let count = random.random_range(1..=often(step));
        Box::new(Self {
            nth: random.random_range(0..6),
            deed,
            point: format!("{side}-{}:{count}", step.name()),
            lasts: Duration::from_millis(random.random_range(lasts_ms)),
            wipe: random.random_bool(0.3),
            host: None,
            start: 0,
        })
    }
}

/// How often a host surely comes to a step soon after its start.
fn often(step: Step) -> u64 {
    match step {
        Step::OpenStore | Step::RestoreChangelog | Step::ReadPositions | Step::OpenConnectors | Step::StartReading => 3,
        Step::Flush | Step::CloseTasks | Step::Release => 1,
        _ => 30,
    }
}

impl Scenario for KillPoint {
    fn name(&self) -> &'static str {
        "kill-point"
    }

    fn about(&self) -> &'static str {
        "a host kills itself before or after a step of the protocol"
    }

    fn obstacle(&self, ground: &Ground) -> Option<&'static str> {
        without_fail_points(ground)
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        AtPoint::draw(random, Deed::Kill, 7000..9000)
    }
}

impl Scenario for StopPoint {
    fn name(&self) -> &'static str {
        "stop-point"
    }

    fn about(&self) -> &'static str {
        "a host stands still before or after a step of the protocol until it has been replaced, and wakes up"
    }

    fn obstacle(&self, ground: &Ground) -> Option<&'static str> {
        without_fail_points(ground)
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        AtPoint::draw(random, Deed::Stop, 8000..11_000)
    }
}

fn without_fail_points(ground: &Ground) -> Option<&'static str> {
    ground.fail_points.is_none().then_some("the binary with fail points is not built; build the whole workspace")
}

impl Trouble for AtPoint {
    fn lasts(&self) -> Duration {
        self.lasts
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        self.host = cluster.pick(self.nth, |host| host.member && host.is_active() && host.armed.is_none());
        let Some(number) = self.host else { return Ok(false) };
        let host = cluster.host(number)?;
        host.kill()?;
        if self.wipe {
            host.wipe_state()?;
        }
        let armed = host.start_armed(self.deed, &self.point)?;
        self.start = host.starts;
        cluster.journal.counts.kills += 1;
        cluster.journal.counts.wipes += u64::from(self.wipe);
        Ok(armed)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        let Some(number) = self.host else { return Ok(true) };
        let host = cluster.host(number)?;
        if host.starts != self.start {
            return Ok(true);
        }
        host.thaw()?;
        // It never came there; nothing of this round may happen in the next one.
        if host.armed.take().is_some() {
            host.kill()?;
            cluster.journal.counts.kills += 1;
            cluster.revive(number)?;
        }
        Ok(true)
    }
}

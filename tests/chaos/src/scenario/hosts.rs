//! Hosts that are killed, stopped, frozen and woken.

use std::time::Duration;

use anyhow::Result;
use rand::{Rng, rngs::StdRng};

use super::{Scenario, Trouble};
use crate::{
    broker::SESSION_TIMEOUT_MS,
    cluster::{Cluster, TRANSACTION_TIMEOUT_MS},
    host::Host,
};

/// SIGKILL, and a start a little later, often without the state on disk.
pub struct Kill;

#[derive(Debug)]
struct Killed {
    nth: usize,
    down: Duration,
    wipe: bool,
    host: Option<usize>,
}

impl Scenario for Kill {
    fn name(&self) -> &'static str {
        "kill"
    }

    fn about(&self) -> &'static str {
        "a host is killed and started again, often without its state on disk"
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        Box::new(Killed {
            nth: random.random_range(0..6),
            down: Duration::from_millis(random.random_range(0..3000)),
            wipe: random.random_bool(0.5),
            host: None,
        })
    }
}

impl Trouble for Killed {
    fn lasts(&self) -> Duration {
        self.down
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        self.host = cluster.pick(self.nth, |host| host.member && host.runs());
        let Some(number) = self.host else { return Ok(false) };
        cluster.host(number)?.kill()?;
        cluster.journal.counts.kills += 1;
        Ok(true)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        let Some(number) = self.host else { return Ok(true) };
        let host = cluster.host(number)?;
        // Something else may have started it meanwhile.
        if self.wipe && !host.runs() {
            host.wipe_state()?;
            cluster.journal.counts.wipes += 1;
        }
        cluster.revive(number)?;
        Ok(true)
    }
}

/// SIGTERM, and a start once it has ended.
pub struct Stop;

#[derive(Debug)]
struct Stopped {
    nth: usize,
    down: Duration,
    host: Option<usize>,
}

impl Scenario for Stop {
    fn name(&self) -> &'static str {
        "stop"
    }

    fn about(&self) -> &'static str {
        "a host is stopped in order and started again"
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        let down = Duration::from_millis(random.random_range(500..3000));
        Box::new(Stopped { nth: random.random_range(0..6), down, host: None })
    }
}

impl Trouble for Stopped {
    fn lasts(&self) -> Duration {
        self.down
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        self.host = cluster.pick(self.nth, |host| host.member && host.is_active());
        let Some(number) = self.host else { return Ok(false) };
        cluster.host(number)?.ask_to_leave()?;
        cluster.journal.counts.stops += 1;
        Ok(true)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        let Some(number) = self.host else { return Ok(true) };
        let gone = is_gone(cluster, number)?;
        if gone {
            cluster.revive(number)?;
        }
        Ok(gone)
    }
}

/// Whether a host that was asked to end has ended, which it cannot while it is frozen.
pub(super) fn is_gone(cluster: &mut Cluster, number: usize) -> Result<bool> {
    let host = cluster.host(number)?;
    host.thaw()?;
    Ok(!host.leaving)
}

/// SIGSTOP for less than any time-out.
pub struct Freeze;

/// SIGSTOP until the broker has given the host up and aborted what it had open, then SIGCONT.
pub struct Zombie;

#[derive(Debug)]
struct Frozen {
    nth: usize,
    still: Duration,
    host: Option<usize>,
}

impl Frozen {
    fn draw(random: &mut StdRng, range_ms: std::ops::Range<u64>) -> Box<dyn Trouble> {
        let still = Duration::from_millis(random.random_range(range_ms));
        Box::new(Self { nth: random.random_range(0..6), still, host: None })
    }

    fn is_zombie(&self) -> bool {
        self.still > Duration::from_millis(SESSION_TIMEOUT_MS)
    }
}

impl Scenario for Freeze {
    fn name(&self) -> &'static str {
        "freeze"
    }

    fn about(&self) -> &'static str {
        "a host stands still for less than any time-out"
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        Frozen::draw(random, 100..SESSION_TIMEOUT_MS * 2 / 3)
    }
}

impl Scenario for Zombie {
    fn name(&self) -> &'static str {
        "zombie"
    }

    fn about(&self) -> &'static str {
        "a host stands still until it has been replaced, and wakes up"
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        let fenced = SESSION_TIMEOUT_MS.max(TRANSACTION_TIMEOUT_MS) + 1000;
        Frozen::draw(random, fenced..fenced + 3000)
    }
}

impl Trouble for Frozen {
    fn lasts(&self) -> Duration {
        self.still
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        self.host = cluster.pick(self.nth, |host| host.member && host.is_active());
        let Some(number) = self.host else { return Ok(false) };
        cluster.host(number)?.freeze()?;
        Ok(true)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        let Some(number) = self.host else { return Ok(true) };
        // It may have been killed in its sleep.
        if cluster.host(number).and_then(Host::thaw)?.is_some() {
            let counts = &mut cluster.journal.counts;
            *(if self.is_zombie() { &mut counts.zombies } else { &mut counts.freezes }) += 1;
        }
        Ok(true)
    }
}

//! Disks without room.

use std::time::Duration;

use anyhow::Result;
use rand::{Rng, rngs::StdRng};

use super::{Scenario, Trouble};
use crate::cluster::{Cluster, Ground};

/// The disk of a host is full for a while.
pub struct FullDisk;

#[derive(Debug)]
struct Full {
    nth: usize,
    lasts: Duration,
    /// The host is asked to end meanwhile, which writes what is in memory.
    stop: bool,
    host: Option<usize>,
}

impl Scenario for FullDisk {
    fn name(&self) -> &'static str {
        "full-disk"
    }

    fn about(&self) -> &'static str {
        "the disk of a host is full for a while"
    }

    fn obstacle(&self, ground: &Ground) -> Option<&'static str> {
        (!ground.small_disks).then_some("mounting a small file system takes root")
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        Box::new(Full {
            nth: random.random_range(0..6),
            lasts: Duration::from_millis(random.random_range(1000..6000)),
            stop: random.random_bool(0.3),
            host: None,
        })
    }
}

impl Trouble for Full {
    fn lasts(&self) -> Duration {
        self.lasts
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        self.host = cluster.pick(self.nth, |host| host.member && host.is_active());
        let Some(number) = self.host else { return Ok(false) };
        let host = cluster.host(number)?;
        if !host.fill_disk()? {
            return Ok(false);
        }
        if self.stop {
            host.ask_to_leave()?;
            cluster.journal.counts.stops += 1;
        }
        cluster.journal.counts.full_disks += 1;
        Ok(true)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        let Some(number) = self.host else { return Ok(true) };
        cluster.host(number)?.free_disk()?;
        Ok(true)
    }
}

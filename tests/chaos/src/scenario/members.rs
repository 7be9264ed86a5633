//! Hosts that come and go, and the broker that does.

use std::time::Duration;

use anyhow::{Context, Result};
use rand::{Rng, rngs::StdRng};

use super::{Scenario, Trouble, hosts::is_gone, without_kafka};
use crate::cluster::{Cluster, Ground};

/// A host more, or one less.
pub struct Scale;

#[derive(Debug)]
struct Scaled {
    nth: usize,
    /// Rather one more than one less.
    up: bool,
    leaving: Option<usize>,
}

impl Scenario for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn about(&self) -> &'static str {
        "a host is added or taken away"
    }

    fn obstacle(&self, ground: &Ground) -> Option<&'static str> {
        (ground.hosts < 2).then_some("there is one host alone")
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        Box::new(Scaled { nth: random.random_range(0..6), up: random.random_bool(0.6), leaving: None })
    }
}

impl Trouble for Scaled {
    fn lasts(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        let absent = cluster.pick(self.nth, |host| !host.member && !host.runs());
        let members = cluster.hosts.iter().filter(|host| host.member).count();
        match (absent, cluster.pick(self.nth, |host| host.member && host.is_active())) {
            (Some(number), _) if self.up || members < 2 => {
                cluster.add_host(number)?;
                cluster.journal.counts.hosts_added += 1;
            }
            (_, Some(number)) if members > 1 => {
                let host = cluster.host(number)?;
                host.member = false;
                host.ask_to_leave()?;
                self.leaving = Some(number);
                cluster.journal.counts.hosts_removed += 1;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        self.leaving.map_or(Ok(true), |number| is_gone(cluster, number))
    }
}

/// SIGKILL of the broker, and a start a little later.
pub struct BrokerKill;

#[derive(Debug)]
struct BrokerKilled {
    down: Duration,
}

impl Scenario for BrokerKill {
    fn name(&self) -> &'static str {
        "broker"
    }

    fn about(&self) -> &'static str {
        "the broker is killed and started again"
    }

    fn obstacle(&self, ground: &Ground) -> Option<&'static str> {
        without_kafka(ground)
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        Box::new(BrokerKilled { down: Duration::from_millis(random.random_range(0..4000)) })
    }
}

impl Trouble for BrokerKilled {
    fn lasts(&self) -> Duration {
        self.down
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        let killed = cluster.broker.as_mut().context("there is no broker")?.kill()?;
        cluster.journal.counts.broker_restarts += u64::from(killed);
        Ok(killed)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        cluster.broker.as_mut().context("there is no broker")?.start()?;
        Ok(true)
    }
}

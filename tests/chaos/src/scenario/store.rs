//! An object store that is away, faulty or slow.

use std::time::Duration;

use anyhow::Result;
use millstream_tests::Manner;
use rand::{Rng, rngs::StdRng};

use super::{Scenario, Trouble};
use crate::cluster::Cluster;

/// It refuses everything for a while.
pub struct StoreAway;

/// It loses what it is sent, or that it has it.
pub struct StoreFaults;

/// It is late, and what it sends trickles.
pub struct StoreSlow;

#[derive(Debug)]
struct Failing {
    manner: Manner,
    lasts: Duration,
}

impl Failing {
    fn draw(random: &mut StdRng, manner: Manner) -> Box<dyn Trouble> {
        Box::new(Self { manner, lasts: Duration::from_millis(random.random_range(1000..8000)) })
    }
}

impl Scenario for StoreAway {
    fn name(&self) -> &'static str {
        "store-away"
    }

    fn about(&self) -> &'static str {
        "the object store refuses everything, or closes every connection"
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        let manner = if random.random_bool(0.5) { Manner::Refuses } else { Manner::Resets };
        Failing::draw(random, manner)
    }
}

impl Scenario for StoreFaults {
    fn name(&self) -> &'static str {
        "store-faults"
    }

    fn about(&self) -> &'static str {
        "the object store tears uploads and downloads, loses answers, or fails now and then"
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        let manner = match random.random_range(0..3) {
            0 => Manner::Tears,
            1 => Manner::LosesAnswers,
            _ => Manner::Moody(random.random_range(2..5)),
        };
        Failing::draw(random, manner)
    }
}

impl Scenario for StoreSlow {
    fn name(&self) -> &'static str {
        "store-slow"
    }

    fn about(&self) -> &'static str {
        "the object store answers late, and what it sends trickles"
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        let delay = Duration::from_millis(random.random_range(50..1500));
        Failing::draw(random, Manner::Slow(delay))
    }
}

impl Trouble for Failing {
    fn lasts(&self) -> Duration {
        self.lasts
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        if cluster.store.manner() != Manner::Answers {
            return Ok(false);
        }
        cluster.store.set(self.manner);
        let counts = &mut cluster.journal.counts;
        *(match self.manner {
            Manner::Refuses | Manner::Resets => &mut counts.store_outages,
            Manner::Slow(_) => &mut counts.slow_stores,
            _ => &mut counts.store_faults,
        }) += 1;
        Ok(true)
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        cluster.store.set(Manner::Answers);
        Ok(true)
    }
}

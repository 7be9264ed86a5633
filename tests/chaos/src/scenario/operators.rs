//! Operators that are swapped under everything else.

use std::{
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Result, anyhow};
use millstream_tests::Client;
use rand::{Rng, rngs::StdRng};

use super::{Scenario, Trouble};
use crate::{
    cluster::Cluster,
    pipeline::{NAME, SWAPPED_STEPS, VERSIONS},
};

/// One swap of one step on every host.
pub struct Swap;

/// A dozen of swaps, of both steps, one after the other.
pub struct SwapStorm;

/// What came of the swaps on one host, a line each.
type Outcomes = Vec<Result<String, String>>;

struct Swapping {
    /// Step and version, in this order.
    swaps: Vec<(&'static str, &'static str)>,
    running: Vec<JoinHandle<Outcomes>>,
}

impl std::fmt::Debug for Swapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swapping").field("swaps", &self.swaps).finish()
    }
}

fn swaps(random: &mut StdRng, count: usize) -> Box<dyn Trouble> {
    let mut pick = |of: [&'static str; 2]| if random.random_bool(0.5) { of[0] } else { of[1] };
    let swaps = (0..count).map(|_| (pick(SWAPPED_STEPS), pick(VERSIONS))).collect();
    Box::new(Swapping { swaps, running: Vec::new() })
}

impl Scenario for Swap {
    fn name(&self) -> &'static str {
        "swap"
    }

    fn about(&self) -> &'static str {
        "an operator is swapped on every host"
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        swaps(random, 1)
    }
}

impl Scenario for SwapStorm {
    fn name(&self) -> &'static str {
        "swap-storm"
    }

    fn about(&self) -> &'static str {
        "operators are swapped a dozen times on every host"
    }

    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble> {
        swaps(random, 12)
    }
}

impl Trouble for Swapping {
    fn lasts(&self) -> Duration {
        Duration::from_secs(4)
    }

    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool> {
        for host in cluster.hosts.iter().filter(|host| host.member && host.is_active()) {
            let (Some(client), swaps) = (host.client(), self.swaps.clone()) else { continue };
            self.running.push(thread::spawn(move || swap_all(&client, &swaps)));
        }
        Ok(!self.running.is_empty())
    }

    fn end(&mut self, cluster: &mut Cluster) -> Result<bool> {
        // Each answer is waited for ten seconds at most, so that this comes to an end.
        if self.running.iter().any(|running| !running.is_finished()) {
            return Ok(false);
        }
        for running in self.running.drain(..) {
            for outcome in running.join().map_err(|_| anyhow!("a swap panicked"))? {
                match outcome {
                    Ok(report) => {
                        cluster.journal.counts.swaps += 1;
                        cluster.journal.note(format_args!("swapped: {report}"))?;
                    }
                    Err(refusal) => {
                        cluster.journal.counts.failed_swaps += 1;
                        cluster.journal.note(format_args!("not swapped: {refusal}"))?;
                    }
                }
            }
        }
        Ok(true)
    }
}

/// Until one fails, since the host is then busy with something else.
fn swap_all(client: &Client, swaps: &[(&str, &str)]) -> Outcomes {
    let mut outcomes = Vec::new();
    for (step, version) in swaps {
        let outcome = client.swap(NAME, step, version).and_then(millstream_tests::Answer::success);
        let failed = outcome.is_err();
        outcomes.push(outcome.map(|answer| answer.text).map_err(|error| format!("{step} to {version}: {error:#}")));
        if failed {
            break;
        }
    }
    outcomes
}

//! What goes wrong, and how often.

use rand::{Rng, rngs::StdRng};

/// The longest stalls of a run.
const STALLS_MS: [i64; 3] = [5_000, 20_000, 60_000];

/// Probabilities from 0 to 1 of each call or step, and times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// A worker dies; its host lives.
    pub worker_crash: f64,
    /// A host dies with all of its workers, and its disk is as after some earlier write.
    pub host_crash: f64,
    /// Of the hosts that die: those whose disk is lost.
    pub disk_lost: f64,
    /// A worker stands still, for up to [`Self::stall_ms`].
    pub stall: f64,
    /// The longest that a worker stands still.
    pub stall_ms: i64,
    /// A request never reaches the broker.
    pub request_lost: f64,
    /// The answer to a request never comes.
    pub answer_lost: f64,
    /// Events of the group come later than records.
    pub late_rebalance: f64,
    /// The store of snapshots does not answer, or keeps a damaged one.
    pub snapshot_lost: f64,
    /// Somebody else goes on where nobody has to.
    pub switch: f64,
}

impl Faults {
    /// A mixture for one run, so that runs differ in what they are hard on.
    pub(crate) fn draw(random: &mut StdRng) -> Self {
        let stalls = random.random_range(0..STALLS_MS.len());
        // Most kinds in most runs, each at a rate that varies over two orders of magnitude.
        let mut rate =
            |most: f64| if random.random_bool(0.25) { 0.0 } else { most * 10f64.powf(-2.0 * random.random::<f64>()) };
        Self {
            worker_crash: rate(0.02),
            host_crash: rate(0.01),
            disk_lost: 0.3,
            stall: rate(0.02),
            // Shorter than time-outs, about as long, far longer.
            stall_ms: STALLS_MS.into_iter().nth(stalls).unwrap_or_default(),
            request_lost: rate(0.05),
            answer_lost: rate(0.05),
            late_rebalance: rate(0.5),
            snapshot_lost: rate(0.5),
            switch: 0.3,
        }
    }

    /// Nothing goes wrong any more; who goes on is still drawn.
    pub(crate) fn none() -> Self {
        Self { switch: 0.3, ..Self::default() }
    }
}

//! What is done to a cluster. One scenario a file or a few of one kind; each draws troubles, which begin and end while
//! others are going on.

mod disks;
mod hosts;
mod members;
mod network;
mod operators;
mod points;
mod store;

use std::{fmt::Debug, time::Duration};

use anyhow::Result;
use rand::rngs::StdRng;

use crate::cluster::{Cluster, Ground};

/// A kind of trouble. To add one, implement this and add it to [`ALL`].
pub trait Scenario: Sync {
    /// Its name, for `--scenario`.
    fn name(&self) -> &'static str;

    /// What it does, in a few words.
    fn about(&self) -> &'static str;

    /// Why it cannot happen on this ground; `None`: it can.
    fn obstacle(&self, _ground: &Ground) -> Option<&'static str> {
        None
    }

    /// Draws one trouble of this kind.
    fn draw(&self, random: &mut StdRng) -> Box<dyn Trouble>;
}

/// One thing that is done to a cluster. What it prints as a `Debug` is written to the journal.
pub trait Trouble: Debug {
    /// From its beginning to its end.
    fn lasts(&self) -> Duration;

    /// Does it. False: there is nothing that it could be done to now; then it does not end either.
    ///
    /// # Errors
    /// When it cannot be done.
    fn begin(&mut self, cluster: &mut Cluster) -> Result<bool>;

    /// Takes it back. False: that takes longer, and it is asked again; it never waits, since others are due meanwhile.
    ///
    /// # Errors
    /// When that cannot be done.
    fn end(&mut self, cluster: &mut Cluster) -> Result<bool>;
}

/// Every scenario.
pub const ALL: [&dyn Scenario; 18] = [
    &hosts::Kill,
    &hosts::Stop,
    &hosts::Freeze,
    &hosts::Zombie,
    &points::KillPoint,
    &points::StopPoint,
    &members::Scale,
    &members::BrokerKill,
    &network::Cut,
    &network::Silence,
    &network::LostAnswers,
    &network::SlowLink,
    &disks::FullDisk,
    &store::StoreAway,
    &store::StoreFaults,
    &store::StoreSlow,
    &operators::Swap,
    &operators::SwapStorm,
];

/// Why scenarios of brokers and links are not for the embedded log.
fn without_kafka(ground: &Ground) -> Option<&'static str> {
    (!ground.kafka).then_some("the embedded log has no broker; it takes --kafka")
}

//! The log: topics, partitions, positions, and one atomic commit.
//!
//! Everything that Millstream reads, writes and remembers goes through this trait, and every pipeline,
//! test and guest runs unchanged on each implementation: Kafka (`millstream-log-kafka`), one directory
//! (`millstream-log-embedded`) and memory ([`memory`]). [`simulated`] behaves as Kafka does when owners die,
//! stall and wake up, for the simulation of the exactly-once protocol. The currency is batches of columns.
//!
//! A worker opens one [`LogSession`]. What it appends stays invisible until [`LogSession::commit`] makes
//! the outputs, the state deltas and the positions durable in one atomic step.

mod assignment;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod coordination;
mod error;
pub mod local;
pub mod memory;
mod partitioner;
mod session;
pub mod simulated;
mod topics;

pub use assignment::range_assignment;
pub use coordination::{GroupCoordinator, GroupEvent, Member, Refused};
pub use error::{ErrorKind, LogError};
pub use partitioner::{murmur2, partition_for_key};
pub use session::{
    Committed, DeliveryGuarantee, Fetched, LogSession, PollEvent, Routing, SessionSpec, StartPosition, StateDelta,
};
pub use topics::{CleanupPolicy, Log, TopicInfo, TopicReader, TopicSpec, TopicWriter};

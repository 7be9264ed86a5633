//! A deterministic simulation of the exactly-once protocol.
//!
//! The real runtime runs on a log that behaves as Kafka does ([`millstream_log::simulated`]): several hosts
//! with several workers each, all on threads of which only one runs at any time. Whoever comes to a call of
//! the log, a write to its disk or a step of the protocol gives up the turn, and a seeded generator says who
//! goes on, how much time passed, and what goes wrong: a worker or a host dies there, stands still until
//! everybody took it for dead, or never hears the answer. The same seed gives the same run.
//!
//! Afterwards the faults end, the pipeline drains, and a model that counts looks at the result: every
//! record once, in order within its key, with the totals that the committed input gives; the changelogs
//! fold to the same totals; no disk holds anything that was not committed.
//!
//! A checker that finds nothing proves nothing, so the tests also run protocols that are wrong
//! ([`millstream_protocol::Mutation`]) on logs that keep less than they promise
//! ([`millstream_log::simulated::Breakages`]), and each must be found.

#![forbid(unsafe_code)]

mod checker;
mod disk;
mod faults;
mod input;
mod operators;
mod scheduler;
mod snapshots;
mod windows;
mod world;

pub use checker::Violation;
pub use faults::Faults;
pub use world::{Options, Report, run};

//! The protocol of exactly once: what is done in which order, and what follows when a part of it fails.
//!
//! Decisions only: no I/O, no threads, no clock. The runtime carries the steps out, the simulation carries
//! the same steps out on a log that fails, and `docs/exactly-once.md` explains them.
//!
//! ```text
//!  worker   joining --> running --------------------------------> leaving --> gone
//!              ^           | fenced, lost, aborted, unknown                     ^
//!              '-- again <-+ (everything uncommitted is dropped)                |
//!                          '-- what only a person can mend ---------> failed ---'
//!
//!  task     assigned --> opening --> running --> closing --> released
//!                           ^ same as before  '--> parked ---> released
//!                           '---------------------------------- assigned again
//!
//!  commit   clean --> dirty --> preparing --> committing --> committed --> clean
//!                                                 |-- aborted --> dropped
//!                                                 '-- unknown --> dropped; the log tells when it is asked
//! ```
//!
//! - [`Occasion`]: what happened to a worker. [`Rules::steps`] answers with the [`Step`]s to take, in order.
//! - [`Rules::after_step`]: what follows when a step fails, by the [`ErrorKind`] of the failure: a [`Recovery`].
//! - [`Rules::resume`]: what becomes of a parked task that is assigned again: a [`Resume`].
//! - [`Retries`]: when a worker that ended begins again.
//! - [`restore_plan`]: from where a task's state is brought back; [`SnapshotPace`]: when a snapshot is due.
//! - [`follows`]: which hosts keep a standby of a task; [`standby_plan`]: with what a standby begins.
//! - [`Probe`]: told of every step, so that tests can end a process between any two of them.

#![forbid(unsafe_code)]

mod mutation;
mod outcome;
mod parking;
mod probe;
mod restore;
mod retries;
mod rules;
mod snapshot;
mod standby;
mod step;

pub use mutation::Mutation;
pub use outcome::{ErrorKind, Recovery};
pub use parking::{Resume, Standing};
pub use probe::{Point, Probe};
pub use restore::{RestoreError, RestoreFrom, restore_plan};
pub use retries::Retries;
pub use rules::{Occasion, Rules};
pub use snapshot::SnapshotPace;
pub use standby::{StandbyFrom, follows, standby_plan};
pub use step::Step;

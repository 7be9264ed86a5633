//! The host's side of the contract, one file an interface.

mod clock;
mod log;
mod metrics;
mod state;

pub(crate) use metrics::{BatchMetrics, MetricNames};

use crate::{generated::millstream::operator::types, guest::GuestData};

// The interface has types and no functions.
impl types::Host for GuestData {}

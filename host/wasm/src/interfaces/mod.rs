//! The host's side of the contract, one file an interface.

mod clock;
mod log;
mod metrics;
mod state;

pub(crate) use metrics::{BatchMetrics, MetricNames};

use crate::{
    generated::millstream::{operator, window},
    guest::GuestData,
};

// These interfaces have types and no functions.
impl operator::types::Host for GuestData {}
impl window::types::Host for GuestData {}

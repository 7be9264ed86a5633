//! Windows against models that know no slices, timers or state.

mod aligned;
mod ids;
mod model;

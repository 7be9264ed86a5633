//! Windows against models that know no slices, timers or state.

mod aligned;
mod functions;
mod ids;
mod keyed;
mod model;
mod sliding;

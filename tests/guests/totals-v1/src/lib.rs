//! Running totals of each key, version 1. What chaos runs count by.

mod totals;

/// What each output says about who made it.
const VERSION: u32 = 1;

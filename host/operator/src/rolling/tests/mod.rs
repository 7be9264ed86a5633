//! Rolling features through the operator trait, on task state that is committed, restored and undone.

mod behaviour;
mod harness;
mod model;
mod recomputation;
mod sizes;

//! Task state over the store in memory.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod suite;

use millstream_state::MemoryBackends;

#[test]
fn random_histories_match_the_model() {
    suite::random_histories(600, MemoryBackends::new);
}

#[test]
fn uncommitted_values_stay_out_of_the_store() {
    suite::uncommitted_values_stay_out_of_the_store(&MemoryBackends::new());
}

#[test]
fn deltas_are_these_bytes() {
    suite::deltas_are_these_bytes(&MemoryBackends::new());
}

#[test]
fn another_kind_of_state_is_refused() {
    suite::another_kind_of_state_is_refused(&MemoryBackends::new());
}

#[test]
fn stores_are_kept_by_task() {
    suite::stores_are_kept_by_task(&MemoryBackends::new());
}

#[test]
fn a_budget_bounds_the_cache() {
    suite::a_budget_bounds_the_cache(&MemoryBackends::new());
}

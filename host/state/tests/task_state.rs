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

#[test]
fn a_sweep_stays_within_its_budget() {
    suite::a_sweep_stays_within_its_budget(&MemoryBackends::new());
}

#[test]
fn a_sweep_keeps_its_pace() {
    suite::a_sweep_keeps_its_pace(&MemoryBackends::new());
}

#[test]
fn a_sweep_spares_what_was_written_again() {
    suite::a_sweep_spares_what_was_written_again(&MemoryBackends::new());
}

#[test]
fn a_sweep_that_was_not_committed_is_repeated() {
    suite::a_sweep_that_was_not_committed_is_repeated(&MemoryBackends::new());
}

#[test]
fn a_sweep_finds_what_was_restored() {
    suite::a_sweep_finds_what_was_restored(&MemoryBackends::new());
}

#[test]
fn a_sweep_trims_lists() {
    suite::a_sweep_trims_lists(&MemoryBackends::new());
}

#[test]
fn a_sweep_bears_any_clock() {
    suite::a_sweep_bears_any_clock(&MemoryBackends::new());
}

#[test]
fn a_sweep_refuses_what_is_wrong() {
    suite::a_sweep_refuses_what_is_wrong(&MemoryBackends::new());
}

#[test]
fn another_format_is_refused() {
    suite::another_format_is_refused(&MemoryBackends::new());
}

#[test]
fn a_sweep_finds_what_was_written_late() {
    suite::a_sweep_finds_what_was_written_late(&MemoryBackends::new());
}

#[test]
fn a_sweep_comes_back_for_the_rest_of_a_list() {
    suite::a_sweep_comes_back_for_the_rest_of_a_list(&MemoryBackends::new());
}

#[test]
fn a_checkpoint_is_the_store_as_it_was() {
    suite::a_checkpoint_is_the_store_as_it_was(&MemoryBackends::new());
}

#[test]
fn an_installed_copy_replaces_the_store() {
    suite::an_installed_copy_replaces_the_store(&MemoryBackends::new());
}

#[test]
fn a_long_restore_is_as_many_short_ones() {
    suite::a_long_restore_is_as_many_short_ones(&MemoryBackends::new());
}

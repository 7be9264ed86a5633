//! Task state over RocksDB: the suite that every store passes.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../state/tests/suite/mod.rs"]
mod suite;

use std::path::{Path, PathBuf};

use millstream_state::{StateBackend, StateBackends, StateError};
use millstream_state_rocksdb::{RocksBackends, RocksConfig};
use tempfile::TempDir;

struct Temporary {
    backends: RocksBackends,
    _directory: TempDir,
}

impl Temporary {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let config = RocksConfig {
            block_cache_bytes: 1 << 20,
            write_buffer_bytes: 1 << 20,
            max_open_files: 64,
            background_jobs: 2,
        };
        let backends = RocksBackends::open(directory.path().join("state"), config).expect("a root");
        Self { backends, _directory: directory }
    }
}

impl StateBackends for Temporary {
    fn open(&self, task: &str) -> Result<Box<dyn StateBackend>, StateError> {
        self.backends.open(task)
    }

    fn remove(&self, task: &str) -> Result<(), StateError> {
        self.backends.remove(task)
    }

    fn install(&self, task: &str, from: &Path) -> Result<(), StateError> {
        self.backends.install(task, from)
    }

    fn path_of(&self, task: &str) -> Option<PathBuf> {
        self.backends.path_of(task)
    }
}

#[test]
fn random_histories_match_the_model() {
    suite::random_histories(40, Temporary::new);
}

#[test]
fn uncommitted_values_stay_out_of_the_store() {
    suite::uncommitted_values_stay_out_of_the_store(&Temporary::new());
}

#[test]
fn deltas_are_these_bytes() {
    suite::deltas_are_these_bytes(&Temporary::new());
}

#[test]
fn another_kind_of_state_is_refused() {
    suite::another_kind_of_state_is_refused(&Temporary::new());
}

#[test]
fn stores_are_kept_by_task() {
    suite::stores_are_kept_by_task(&Temporary::new());
}

#[test]
fn a_budget_bounds_the_cache() {
    suite::a_budget_bounds_the_cache(&Temporary::new());
}

#[test]
fn a_sweep_stays_within_its_budget() {
    suite::a_sweep_stays_within_its_budget(&Temporary::new());
}

#[test]
fn a_sweep_keeps_its_pace() {
    suite::a_sweep_keeps_its_pace(&Temporary::new());
}

#[test]
fn a_sweep_spares_what_was_written_again() {
    suite::a_sweep_spares_what_was_written_again(&Temporary::new());
}

#[test]
fn a_sweep_that_was_not_committed_is_repeated() {
    suite::a_sweep_that_was_not_committed_is_repeated(&Temporary::new());
}

#[test]
fn a_sweep_finds_what_was_written_late() {
    suite::a_sweep_finds_what_was_written_late(&Temporary::new());
}

#[test]
fn a_sweep_finds_what_was_restored() {
    suite::a_sweep_finds_what_was_restored(&Temporary::new());
}

#[test]
fn a_sweep_trims_lists() {
    suite::a_sweep_trims_lists(&Temporary::new());
}

#[test]
fn a_sweep_comes_back_for_the_rest_of_a_list() {
    suite::a_sweep_comes_back_for_the_rest_of_a_list(&Temporary::new());
}

#[test]
fn a_sweep_bears_any_clock() {
    suite::a_sweep_bears_any_clock(&Temporary::new());
}

#[test]
fn a_sweep_refuses_what_is_wrong() {
    suite::a_sweep_refuses_what_is_wrong(&Temporary::new());
}

#[test]
fn another_format_is_refused() {
    suite::another_format_is_refused(&Temporary::new());
}

#[test]
fn a_checkpoint_is_the_store_as_it_was() {
    suite::a_checkpoint_is_the_store_as_it_was(&Temporary::new());
}

#[test]
fn an_installed_copy_replaces_the_store() {
    suite::an_installed_copy_replaces_the_store(&Temporary::new());
}

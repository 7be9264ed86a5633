//! Task state over RocksDB: the suite that every store passes.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../state/tests/suite/mod.rs"]
mod suite;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_state::{Begun, CacheBudget, StateBackend, StateBackends, StateError, StateKind, TaskState};
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

#[test]
fn a_long_restore_is_as_many_short_ones() {
    suite::a_long_restore_is_as_many_short_ones(&Temporary::new());
}

/// A state that is used while its store is copied, and closed before the copy is complete.
#[test]
fn a_copy_is_of_the_moment_at_which_it_was_begun() {
    let scratch = tempfile::tempdir().expect("a directory");
    let backends = Temporary::new();
    let state = suite::handle(7, StateKind::Value, None);
    let open = || {
        let backend = backends.open("task").expect("a store, which nobody has open any more");
        TaskState::new(backend, Arc::new(CacheBudget::new(1 << 20)))
    };
    let commit = |task: &mut TaskState, value: &str, position| {
        task.put_many(&state, &suite::column(["key"]), &suite::column([value])).expect("a put");
        task.take_delta();
        task.committed(position);
    };
    let mut task = open();
    commit(&mut task, "one", 10);
    let copy = scratch.path().join("copy");
    let Some((10, Begun::Left(work))) = task.begin_checkpoint(&copy).expect("begun") else { panic!("nothing is left") };
    commit(&mut task, "two", 20);
    task.write_back().expect("a write-back");
    assert_eq!(task.position(), Some(10), "the store is not written while it is copied");
    let copying = std::thread::spawn(work);
    // Waits for the copy.
    assert_eq!(task.flush().expect("a flush"), Some(20));
    copying.join().expect("no panic").expect("a copy");

    commit(&mut task, "three", 30);
    let Begun::Left(flush) = task.begin_flush().expect("begun").1 else { panic!("nothing is left") };
    let flushing = std::thread::spawn(flush);
    drop(task);
    flushing.join().expect("no panic").expect("a flush");
    assert_eq!(open().position(), Some(30));

    backends.install("task", &copy).expect("installed");
    let mut task = open();
    assert_eq!(task.position(), Some(10));
    let found = task.get_many(&state, &suite::column(["key"])).expect("a read");
    assert_eq!(suite::rows(&found), [Some(b"one".to_vec())]);
}

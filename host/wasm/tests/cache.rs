//! Compiled code is kept, and never trusted unseen.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use millstream_wasm::{EngineConfig, WasmHost};
use support::guest;

fn host(directory: &std::path::Path) -> WasmHost {
    WasmHost::new(EngineConfig { cache_dir: Some(directory.into()), ..EngineConfig::default() }).expect("a host")
}

fn files(directory: &std::path::Path) -> Vec<PathBuf> {
    let engines = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    engines
        .flat_map(|engine| fs::read_dir(engine).expect("a directory").map(|entry| entry.expect("an entry").path()))
        .collect()
}

#[test]
fn code_is_kept_privately_and_used_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = host(directory.path()).load(&guest("echo")).expect("a plugin");
    let kept = files(directory.path());
    assert_eq!(kept.len(), 1);
    let mode = |path: &std::path::Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&kept[0]), 0o600);
    assert_eq!(mode(kept[0].parent().expect("a parent")), 0o700);

    let written = fs::metadata(&kept[0]).expect("metadata").modified().expect("a time");
    let second = host(directory.path()).load(&guest("echo")).expect("a plugin");
    assert_eq!(first.digest(), second.digest());
    assert_eq!(fs::metadata(&kept[0]).expect("metadata").modified().expect("a time"), written, "not written again");
}

#[test]
fn damaged_code_is_compiled_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    host(directory.path()).load(&guest("echo")).expect("a plugin");
    let path = files(directory.path()).remove(0);
    let good = fs::read(&path).expect("the file");
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for damaged in [Vec::new(), b"short".to_vec(), flipped, good[..good.len() - 1].to_vec()] {
        fs::write(&path, &damaged).expect("the file is damaged");
        host(directory.path()).load(&guest("echo")).expect("a plugin");
        assert_eq!(fs::read(&path).expect("the file"), good, "replaced by sound code");
    }
}

#[test]
fn code_of_one_component_is_not_taken_for_another() {
    let directory = tempfile::tempdir().expect("a directory");
    host(directory.path()).load(&guest("echo")).expect("a plugin");
    let echo = files(directory.path()).remove(0);
    host(directory.path()).load(&guest("keyed-sum")).expect("a plugin");
    let sum = files(directory.path()).into_iter().find(|path| *path != echo).expect("a second file");
    fs::copy(&echo, &sum).expect("misplaced");
    let plugin = host(directory.path()).load(&guest("keyed-sum")).expect("a plugin");
    assert_eq!(plugin.description().states.len(), 1);
}

/// Makes as if the code of a file had last been used that long ago.
fn used(path: &Path, ago: Duration) {
    let time = SystemTime::now() - ago;
    let file = File::options().write(true).open(path).expect("the file");
    file.set_times(FileTimes::new().set_accessed(time).set_modified(time)).expect("times");
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A cache with the code of two components, and the file of each.
fn two_components(directory: &Path) -> (WasmHost, [PathBuf; 2]) {
    let cache = host(directory);
    cache.load(&guest("echo")).expect("a plugin");
    let echo = files(directory).remove(0);
    cache.load(&guest("keyed-sum")).expect("a plugin");
    let sum = files(directory).into_iter().find(|path| *path != echo).expect("a second file");
    (cache, [echo, sum])
}

#[test]
fn code_that_nobody_has_used_for_long_goes() {
    let directory = tempfile::tempdir().expect("a directory");
    let (cache, [echo, sum]) = two_components(directory.path());
    let other_engine = directory.path().join("0011223344556677");
    fs::create_dir(&other_engine).expect("a directory");
    let of_other_engine = other_engine.join(sum.file_name().expect("a name"));
    fs::copy(&sum, &of_other_engine).expect("copied");
    let stranger = other_engine.join("README");
    fs::write(&stranger, "not ours").expect("written");
    for path in [&echo, &sum, &of_other_engine, &stranger] {
        used(path, 31 * DAY);
    }
    // Loading is use.
    host(directory.path()).load(&guest("echo")).expect("a plugin");
    let pruned = cache.prune_code(&|_| false).expect("pruned");
    assert_eq!(pruned.files, 2, "{pruned:?}");
    assert!(echo.exists() && !sum.exists() && !of_other_engine.exists() && stranger.exists());
    used(&echo, 29 * DAY);
    assert_eq!(cache.prune_code(&|_| false).expect("pruned").files, 0);
}

#[test]
fn code_of_what_is_registered_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let (cache, [echo, sum]) = two_components(directory.path());
    let registered = cache.load(&guest("keyed-sum")).expect("a plugin").digest();
    used(&echo, 31 * DAY);
    used(&sum, 31 * DAY);
    assert_eq!(cache.prune_code(&|digest| digest == registered).expect("pruned").files, 1);
    assert!(!echo.exists() && sum.exists());
}

#[test]
fn the_bytes_of_the_cache_are_bounded() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, [echo, sum]) = two_components(directory.path());
    let bytes = |path: &Path| fs::metadata(path).expect("metadata").len();
    let bounded = |cache_bytes| {
        let config = EngineConfig { cache_dir: Some(directory.path().into()), cache_bytes, ..EngineConfig::default() };
        WasmHost::new(config).expect("a host")
    };
    used(&echo, DAY);
    used(&sum, 2 * DAY);
    let both = bytes(&echo) + bytes(&sum);
    assert_eq!(bounded(both).prune_code(&|_| false).expect("pruned").files, 0);
    let pruned = bounded(both - 1).prune_code(&|_| false).expect("pruned");
    assert_eq!((pruned.files, pruned.bytes), (1, both - bytes(&echo)));
    assert!(echo.exists() && !sum.exists(), "what was used longest ago goes first");
}

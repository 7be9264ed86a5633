//! Compiled code is kept, and never trusted unseen.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

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

//! Components of guest workspaces, built when they are first asked for.

use std::{
    collections::BTreeMap,
    env,
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};

use crate::repository;

/// Where guests are built: `$MILLSTREAM_GUEST_TARGET`, or a directory of the user's cache.
pub fn guest_target() -> PathBuf {
    let cache = || {
        let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).unwrap_or_default().join("millstream/guests")
    };
    env::var_os("MILLSTREAM_GUEST_TARGET").map_or_else(cache, PathBuf::from)
}

/// Builds a guest workspace of the repository, once for this process, and returns the directory of its components.
///
/// # Errors
/// When it does not build.
pub fn operators_of(workspace: &str) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(directory) = built.get(workspace) {
        return Ok(directory.clone());
    }
    let target = guest_target();
    let manifest = repository().join(workspace).join("Cargo.toml");
    let status = Command::new("cargo")
        .args(["build", "--release", "--locked", "--quiet", "--target", "wasm32-wasip2", "--manifest-path"])
        .arg(&manifest)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "{} does not build", manifest.display());
    let directory = target.join("wasm32-wasip2/release");
    built.insert(workspace.into(), directory.clone());
    Ok(directory)
}

/// The component of one operator of the fraud example, for instance `score_v1`.
///
/// # Errors
/// When it does not build or cannot be read.
pub fn fraud_operator(name: &str) -> Result<Vec<u8>> {
    // Both versions of the score bear one name, which a workspace takes once.
    let workspace = if name == "score_v2" { "examples/fraud/operators/score-v2" } else { "examples/fraud/operators" };
    let path = operators_of(workspace)?.join(format!("{name}.wasm"));
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

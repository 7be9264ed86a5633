//! Components of `benches/guests`.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

/// Builds the guests, which costs nothing where they are built, and reads one.
///
/// # Errors
/// When cargo fails.
pub fn guest(name: &str) -> Result<Vec<u8>> {
    let cache = || -> Option<PathBuf> {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        cache
            .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
            .map(|cache| cache.join("millstream/guests"))
    };
    let target = env::var_os("MILLSTREAM_GUEST_TARGET").map(PathBuf::from).or_else(cache);
    // A directory of their own, since other workspaces have guests of the same names.
    let target = target.context("neither MILLSTREAM_GUEST_TARGET nor HOME is set")?.join("benches");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/Cargo.toml");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2", "--manifest-path", manifest])
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .status()?;
    ensure!(status.success(), "the guests do not build");
    let file = target.join("wasm32-wasip2/release").join(name.replace('-', "_")).with_extension("wasm");
    fs::read(&file).with_context(|| format!("reading {}", file.display()))
}

//! Compiled code on disk.
//!
//! One file a component: `<directory>/<engine>/<component digest>.cwasm`, where `engine` is a hash of the
//! wasmtime version, its settings and the machine. Layout: magic, SHA-256 over (engine, digest, code), code. A
//! file that is cut, damaged or misplaced is compiled anew and replaced. The time of a file's last access says when its
//! code was last used; it is set here, since file systems often do not keep it.

mod prune;

use std::{
    fs::{self, DirBuilder, File, FileTimes, OpenOptions},
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use millstream_types::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use crate::{WasmError, precompiled::VerifiedCode};

pub use prune::Pruned;

const MAGIC: &[u8; 8] = b"MSCWASM1";
const EXTENSION: &str = "cwasm";

/// A directory of compiled components for one engine configuration.
#[derive(Debug)]
pub(crate) struct CodeCache {
    directory: PathBuf,
    engine_hash: [u8; 32],
    next_file: AtomicU64,
}

/// Feeds what is hashed into SHA-256, since std's hashers differ from run to run.
struct StableHasher(Sha256);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl CodeCache {
    pub(crate) fn open(directory: &Path, engine: &Engine) -> Result<Self, WasmError> {
        let mut hasher = StableHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine_hash: [u8; 32] = hasher.0.finalize().into();
        let short = engine_hash.first_chunk::<8>().map(|bytes| hex(bytes)).unwrap_or_default();
        let directory = directory.join(short);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|error| WasmError::Cache { path: directory.display().to_string(), reason: error.to_string() })?;
        Ok(Self { directory, engine_hash, next_file: AtomicU64::new(0) })
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(hex(&digest.0)).with_extension(EXTENSION)
    }

    fn checksum(&self, digest: Digest, code: &[u8]) -> [u8; 32] {
        let mut sha = Sha256::new();
        sha.update(self.engine_hash);
        sha.update(digest.0);
        sha.update(code);
        sha.finalize().into()
    }

    /// The component as compiled before; `None` where it was not, or where the file cannot be trusted.
    pub(crate) fn get(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let path = self.path(digest);
        let file = match read_and_touch(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled code cannot be read, compiling anew");
                return None;
            }
        };
        let code = file
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.split_first_chunk::<32>())
            .filter(|(checksum, code)| **checksum == self.checksum(digest, code))
            .map(|(_, code)| code);
        let Some(code) = code else {
            tracing::warn!(path = %path.display(), "compiled code is damaged, compiling anew");
            return None;
        };
        match VerifiedCode::assume(code).load(engine) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = %format!("{error:#}"), "compiled code does not load, compiling anew");
                None
            }
        }
    }

    /// Keeps a compiled component. A failure costs time at the next start and is logged only.
    pub(crate) fn put(&self, digest: Digest, component: &Component) {
        let code = match component.serialize() {
            Ok(code) => code,
            Err(error) => {
                tracing::warn!(%digest, error = %format!("{error:#}"), "compiled code cannot be serialised");
                return;
            }
        };
        let path = self.path(digest);
        if let Err(error) = self.write(&path, digest, &code) {
            tracing::warn!(path = %path.display(), %error, "compiled code cannot be kept");
        }
    }

    fn write(&self, path: &Path, digest: Digest, code: &[u8]) -> io::Result<()> {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{number}.tmp", process::id()));
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
                file.write_all(MAGIC)?;
                file.write_all(&self.checksum(digest, code))?;
                file.write_all(code)
            });
        let renamed = written.and_then(|()| fs::rename(&temporary, path));
        if renamed.is_err() {
            // Nothing more can be done about it; the error is reported by the caller.
            let _ = fs::remove_file(&temporary);
        }
        renamed
    }
}

/// Reads a file and notes that it was used.
fn read_and_touch(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if let Err(error) = file.set_times(FileTimes::new().set_accessed(SystemTime::now())) {
        tracing::debug!(path = %path.display(), %error, "the use of compiled code is not noted");
    }
    Ok(bytes)
}

//! Deleting compiled code that nobody needs any more.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use millstream_types::Digest;

use super::{CodeCache, EXTENSION};

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// A file of the cache.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl CodeCache {
    /// Deletes what nobody has used for `age`, and of the rest what was used longest ago until `bytes` are left. What
    /// this engine has of the components for which `needed` holds stays, and does not count. Code of other engines, of
    /// other versions for instance, lies in the same place and goes by the same rule.
    ///
    /// Other processes may use the cache meanwhile: code that is missing is compiled anew.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file not be deleted.
    pub(crate) fn prune(&self, needed: &dyn Fn(Digest) -> bool, bytes: u64, age: Duration) -> io::Result<Pruned> {
        let mut kept = Vec::new();
        for engine in directories(self.directory.parent().unwrap_or(&self.directory))? {
            let is_ours = engine == self.directory;
            for file in files(&engine)? {
                if !(is_ours && digest_of(&file.path).is_some_and(needed)) {
                    kept.push(file);
                }
            }
        }
        kept.sort_by_key(|file| file.used);
        let mut left: u64 = kept.iter().map(|file| file.bytes).sum();
        let now = SystemTime::now();
        let mut pruned = Pruned::default();
        for file in kept {
            let unused = now.duration_since(file.used).unwrap_or_default();
            if unused < age && left <= bytes {
                break;
            }
            gone_is_done(fs::remove_file(&file.path))?;
            left -= file.bytes;
            pruned.files += 1;
            pruned.bytes += file.bytes;
        }
        Ok(pruned)
    }
}

fn gone_is_done(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn directories(place: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The files of one engine: compiled code, and what was being written when a process died.
fn files(engine: &Path) -> io::Result<Vec<Kept>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(engine)? {
        let entry = entry?;
        // A file that is gone meanwhile is nobody's concern.
        let Ok(metadata) = entry.metadata() else { continue };
        let path = entry.path();
        let is_of_cache = path.extension().is_some_and(|extension| extension == EXTENSION || extension == "tmp");
        if metadata.is_file() && is_of_cache {
            let written = metadata.modified()?;
            let used = metadata.accessed().map_or(written, |accessed| accessed.max(written));
            found.push(Kept { path, bytes: metadata.len(), used });
        }
    }
    Ok(found)
}

/// The component that a file has the code of.
fn digest_of(path: &Path) -> Option<Digest> {
    let digits = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    format!("sha256:{digits}").parse().ok()
}

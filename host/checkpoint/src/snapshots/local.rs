//! Files on the local disk: what is in a directory, what their digests are, copying and making durable.

use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use millstream_state::snapshot::{SnapshotError, is_immutable_file};
use millstream_types::Digest;
use sha2::{Digest as _, Sha256};

const READ_BYTES: usize = 256 << 10;

/// A file of a checkpoint.
#[derive(Clone, Debug)]
pub(super) struct LocalFile {
    pub name: String,
    pub path: PathBuf,
    pub size_bytes: u64,
    pub digest: Digest,
}

/// What tells a file from every other that was ever on this disk under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    size_bytes: u64,
    modified: Option<SystemTime>,
    /// Device and inode.
    place: (u64, u64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let place = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let place = (0, 0);
        Self { size_bytes: metadata.len(), modified: metadata.modified().ok(), place }
    }
}

type Known = HashMap<String, (Identity, Digest)>;

/// The digests of the immutable files of each task's store, so that a table is read for the first snapshot
/// that has it and not for each. A hard link has the identity of the file itself.
#[derive(Debug, Default)]
pub(super) struct DigestCache(Mutex<HashMap<String, Known>>);

impl DigestCache {
    /// The files of a directory, with their digests. Blocks.
    pub fn read_directory(&self, task: &str, directory: &Path) -> Result<Vec<LocalFile>, SnapshotError> {
        let mut known = self.known(task);
        let mut next = Known::new();
        let mut files = Vec::new();
        for entry in fs::read_dir(directory).map_err(|error| local(directory, &error))? {
            let entry = entry.map_err(|error| local(directory, &error))?;
            let path = entry.path();
            let metadata = entry.metadata().map_err(|error| local(&path, &error))?;
            let name = entry.file_name().into_string().map_err(|_| misplaced(&path, "a name that is not text"))?;
            if !metadata.is_file() {
                return Err(misplaced(&path, "something that is not a file"));
            }
            let identity = Identity::of(&metadata);
            let digest = match known.remove(&name) {
                Some((same, digest)) if same == identity => digest,
                _ => digest_of_file(&path)?,
            };
            if is_immutable_file(&name) {
                next.insert(name.clone(), (identity, digest));
            }
            files.push(LocalFile { name, path, size_bytes: identity.size_bytes, digest });
        }
        files.sort_by(|left, right| left.name.cmp(&right.name));
        self.replace(task, next);
        Ok(files)
    }

    /// Takes note of files whose digests were just checked. Blocks.
    pub fn learn(&self, task: &str, files: impl IntoIterator<Item = (PathBuf, String, Digest)>) {
        let mut known = Known::new();
        for (path, name, digest) in files {
            if is_immutable_file(&name)
                && let Ok(metadata) = fs::metadata(path)
            {
                known.insert(name, (Identity::of(&metadata), digest));
            }
        }
        self.replace(task, known);
    }

    /// Forgets what is known of a task's files.
    pub fn forget(&self, task: &str) {
        self.replace(task, Known::new());
    }

    fn known(&self, task: &str) -> Known {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(task).cloned().unwrap_or_default()
    }

    fn replace(&self, task: &str, known: Known) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task.to_owned(), known);
    }
}

/// Whether a file has this size and digest. It is read, since recovery may have to do with a damaged disk.
/// Blocks.
pub(super) fn is_file_with(path: &Path, size_bytes: u64, digest: Digest) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size_bytes)
        && digest_of_file(path).is_ok_and(|found| found == digest)
}

/// Puts `from` at `to`, durably: by a link where the file never changes, by a copy otherwise. Blocks.
pub(super) fn link_or_copy(from: &Path, to: &Path, name: &str) -> io::Result<()> {
    if !is_immutable_file(name) || fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
    }
    File::open(to)?.sync_all()
}

/// An empty directory at `path`, whatever was there. Blocks.
pub(super) fn make_empty(path: &Path) -> Result<(), SnapshotError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(local(path, &error)),
        _ => {}
    }
    fs::create_dir_all(path).map_err(|error| local(path, &error))
}

/// Makes the entries of a directory durable. Blocks.
pub(super) fn sync_directory(path: &Path) -> Result<(), SnapshotError> {
    // Only Unix lets a directory be opened and synced.
    if cfg!(unix) {
        File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| local(path, &error))?;
    }
    Ok(())
}

pub(super) fn local(path: &Path, error: &io::Error) -> SnapshotError {
    SnapshotError::Local { path: path.display().to_string(), reason: error.to_string() }
}

fn misplaced(path: &Path, what: &str) -> SnapshotError {
    SnapshotError::Misuse(format!("{}: {what} is in a checkpoint, where only files are expected", path.display()))
}

fn digest_of_file(path: &Path) -> Result<Digest, SnapshotError> {
    let mut file = File::open(path).map_err(|error| local(path, &error))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest(hasher.finalize().into())),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(local(path, &error)),
        }
    }
}

//! Where finished files are put, whole or not at all: a directory, or an object store that the host reaches.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

use tempfile::NamedTempFile;

use crate::ConnectorError;

/// What came of putting a file under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there now.
    Done,
    /// There was one already; perhaps ours, where an answer got lost. It was left as it is.
    Exists,
}

/// A place for finished files. Used by several threads at once.
pub trait FileStore: Send + Sync {
    /// The place, for messages; without anything secret.
    fn place(&self) -> &str;

    /// Puts the first `length` bytes of `file` under a name that nobody has. Readers see nothing or all of
    /// it, and what they see survives a crash. Repeating a call that failed is safe.
    ///
    /// # Errors
    /// When it is not known to be there.
    fn put_if_absent(&self, name: &str, file: &File, length: u64) -> Result<Put, ConnectorError>;

    /// The length of the file with that name in bytes; `None` where there is none.
    ///
    /// # Errors
    /// When the place cannot be looked at.
    fn length(&self, name: &str) -> Result<Option<u64>, ConnectorError>;

    /// The names that begin with `prefix`, in any order.
    ///
    /// # Errors
    /// When the place cannot be looked at.
    fn list(&self, prefix: &str) -> Result<Vec<String>, ConnectorError>;

    /// Removes what interrupted calls left behind under other names than this one. Never what readers see.
    ///
    /// # Errors
    /// When the place cannot be looked at.
    fn sweep(&self, _name: &str) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// What sinks need of their host.
pub trait SinkHost: Send + Sync {
    /// A file without a name for what is not finished, gone when it is closed.
    ///
    /// # Errors
    /// When none can be made.
    fn scratch(&self) -> io::Result<File>;

    /// The object store at a URL.
    ///
    /// # Errors
    /// When the URL names none that this host can use.
    fn store(&self, url: &str) -> Result<Arc<dyn FileStore>, ConnectorError>;
}

/// A host without object stores.
#[derive(Clone, Debug)]
pub struct LocalFiles {
    scratch: PathBuf,
}

impl LocalFiles {
    /// Unfinished files are in the directory `scratch`, which is made where it is missing. It should be on a
    /// disk: it holds as much as the files that are being written.
    pub fn new(scratch: impl Into<PathBuf>) -> Self {
        Self { scratch: scratch.into() }
    }
}

impl SinkHost for LocalFiles {
    fn scratch(&self) -> io::Result<File> {
        fs::create_dir_all(&self.scratch)?;
        tempfile::tempfile_in(&self.scratch)
    }

    fn store(&self, url: &str) -> Result<Arc<dyn FileStore>, ConnectorError> {
        let url = url.split('?').next().unwrap_or_default();
        Err(ConnectorError::new(format!("`{url}`: this host uses no object stores; give a `directory`")))
    }
}

/// A directory.
///
/// A file is written and synced under a hidden name and given its own, which fails where that is taken; then the
/// directory is synced.
#[derive(Debug)]
pub struct DirectoryStore {
    directory: PathBuf,
    place: String,
}

impl DirectoryStore {
    /// Makes the directory where it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, ConnectorError> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(|error| ConnectorError::io("create", &directory, &error))?;
        Ok(Self { place: directory.display().to_string(), directory })
    }

    /// A copy beside the place that it is for, under a name that no other call has. Dropped, it is gone.
    fn copy(&self, name: &str, source: &File, length: u64) -> io::Result<NamedTempFile<File>> {
        let mut part = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(PART)
            .make_in(&self.directory, |path| OpenOptions::new().write(true).create_new(true).open(path))?;
        let mut source = source;
        source.seek(SeekFrom::Start(0))?;
        let copied = io::copy(&mut source.take(length), part.as_file_mut())?;
        if copied != length {
            let what = format!("the scratch file has {copied} bytes of {length}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        part.as_file().sync_all()?;
        Ok(part)
    }

    fn names(&self) -> Result<Vec<String>, ConnectorError> {
        let failed = |error: io::Error| ConnectorError::io("read", &self.directory, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            // A name that is not text is none of ours.
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }
}

const PART: &str = ".part";

impl FileStore for DirectoryStore {
    fn place(&self) -> &str {
        &self.place
    }

    fn put_if_absent(&self, name: &str, file: &File, length: u64) -> Result<Put, ConnectorError> {
        let path = self.directory.join(name);
        let put = self.copy(name, file, length).and_then(|part| match part.persist_noclobber(&path) {
            Ok(_) => Ok(Put::Done),
            Err(_) if path.exists() => Ok(Put::Exists),
            Err(refused) => Err(refused.error),
        });
        let put = put.and_then(|put| File::open(&self.directory)?.sync_all().map(|()| put));
        put.map_err(|error| {
            // Whoever took the task over may have swept the part away.
            let is_swept = error.kind() == io::ErrorKind::NotFound && self.directory.is_dir();
            let error = ConnectorError::io("write", &path, &error);
            ConnectorError { retriable: error.retriable || is_swept, ..error }
        })
    }

    fn length(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        let path = self.directory.join(name);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ConnectorError::io("read", &path, &error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, ConnectorError> {
        let mut names = self.names()?;
        names.retain(|name| name.starts_with(prefix));
        Ok(names)
    }

    fn sweep(&self, name: &str) -> Result<(), ConnectorError> {
        let prefix = format!(".{name}.");
        for part in self.names()?.iter().filter(|part| part.starts_with(&prefix) && part.ends_with(PART)) {
            let path = self.directory.join(part);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ConnectorError::io("remove", &path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, path::Path};

    use super::*;

    fn scratch(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("writes");
        file
    }

    fn hidden(directory: &Path) -> usize {
        let entries = fs::read_dir(directory).expect("reads");
        entries.filter(|entry| entry.as_ref().expect("reads").file_name().to_string_lossy().starts_with('.')).count()
    }

    #[test]
    fn a_file_is_put_once_and_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = DirectoryStore::open(directory.path().join("a/b")).expect("opens");
        let file = scratch(b"12345 and more");
        assert_eq!(store.length("x-0").expect("looks"), None);
        assert_eq!(store.put_if_absent("x-0", &file, 5).expect("puts"), Put::Done);
        assert_eq!(store.put_if_absent("x-0", &scratch(b"other"), 5).expect("puts"), Put::Exists);
        assert_eq!(store.put_if_absent("x-1", &file, 14).expect("puts"), Put::Done);
        assert_eq!(fs::read(directory.path().join("a/b/x-0")).expect("reads"), b"12345");
        assert_eq!(store.length("x-1").expect("looks"), Some(14));
        let mut names = store.list("x-").expect("lists");
        names.sort();
        assert_eq!(names, ["x-0", "x-1"]);
        assert_eq!(hidden(&directory.path().join("a/b")), 0);
    }

    #[test]
    fn what_a_crash_left_is_swept_away() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = DirectoryStore::open(directory.path()).expect("opens");
        for name in ["x-0", "x-00"] {
            store.copy(name, &scratch(b"123"), 3).expect("copies").keep().expect("stays");
        }
        assert_eq!(store.list("").expect("lists").len(), 2);
        store.sweep("x-0").expect("sweeps");
        assert_eq!(hidden(directory.path()), 1, "of another file");
        store.sweep("x-00").expect("sweeps");
        assert_eq!(hidden(directory.path()), 0);
    }

    #[test]
    fn what_cannot_be_put_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = DirectoryStore::open(directory.path()).expect("opens");
        let error = store.put_if_absent("x-0", &scratch(b"12"), 3).expect_err("too short");
        assert!(error.message.contains("has 2 bytes of 3"), "{error}");
        assert_eq!((hidden(directory.path()), store.length("x-0").expect("looks")), (0, None));
        let gone = DirectoryStore { directory: directory.path().join("gone"), place: String::new() };
        assert!(!gone.put_if_absent("x-0", &scratch(b"1"), 1).expect_err("no directory").retriable);
        assert!(gone.list("").expect_err("no directory").message.contains("gone"));
        let file = directory.path().join("file");
        fs::write(&file, "").expect("writes");
        assert!(DirectoryStore::open(file.join("x")).expect_err("no directory").message.contains("cannot create"));
    }
}

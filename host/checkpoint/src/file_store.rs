//! Whole files in an object store, for sinks: put under a name that nobody has, listed and measured.
//!
//! The calls block, and are for threads that are not of an async runtime. A small file is created if it is
//! absent by the store itself. A large one goes up in parts, for which stores have no such condition: it is
//! looked for first, and the last part makes it appear as a whole. Two owners of a task that do this at once put
//! the same content under one name, so that it does not matter whose stays.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, path::Path};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    location::{self, BadLocation},
    storage::{Create, Storage, StorageError, failure},
};

/// Bytes of a part. S3 takes 10,000 of them.
const PART_BYTES: u64 = 8 << 20;
/// The most parts in memory, those of all uploads together.
const PARTS_IN_MEMORY: usize = 8;

/// Why a file store did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct FileStoreError {
    /// What was wrong, with the file and the place.
    pub message: String,
    /// Whether the same call may succeed later without anyone doing anything. It can be repeated safely.
    pub retriable: bool,
}

/// Opens file stores; they share threads and memory.
#[derive(Clone, Debug)]
pub struct FileStores(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    /// One permit for each part in memory.
    parts: Arc<Semaphore>,
    retry_timeout: Duration,
}

impl FileStores {
    /// Starts the threads that files are sent by. A call that fails is tried again for `retry_timeout`.
    ///
    /// # Errors
    /// When there are no threads.
    pub fn new(retry_timeout: Duration) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("files").enable_all().build()?;
        let parts = Arc::new(Semaphore::new(PARTS_IN_MEMORY));
        Ok(Self(Arc::new(Shared { runtime: Some(runtime), parts, retry_timeout })))
    }

    /// Opens the store at a URL such as `s3://bucket/prefix?option=value`; see
    /// [`Registry::open`](crate::Registry::open). Nothing is asked of it yet.
    ///
    /// # Errors
    /// When the URL names none.
    pub fn open(&self, url: &str) -> Result<UrlFiles, FileStoreError> {
        // Its options may be secret.
        let place = url.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
        let store = location::open(url, self.0.retry_timeout).map_err(|BadLocation { reason, .. }| FileStoreError {
            message: format!("`{place}` is no place for files: {reason}"),
            retriable: false,
        })?;
        Ok(UrlFiles { place, storage: Storage(store), shared: Arc::clone(&self.0) })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is forbidden where async code drops it.
            runtime.shutdown_background();
        }
    }
}

/// The files at a URL.
#[derive(Clone, Debug)]
pub struct UrlFiles {
    place: String,
    storage: Storage,
    shared: Arc<Shared>,
}

impl UrlFiles {
    /// The URL without its options.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Puts the first `length` bytes of `file` under `name`, and tells whether it did: `false` where there is a
    /// file of that name. Readers see nothing or all of it.
    ///
    /// # Errors
    /// When it is not known to be there.
    pub fn put_if_absent(&self, name: &str, file: &File, length: u64) -> Result<bool, FileStoreError> {
        self.wait_for(name, async {
            let local = |error: io::Error| local(name, &error);
            let mut file = file.try_clone().map_err(local)?;
            file.seek(SeekFrom::Start(0)).map_err(local)?;
            if length <= PART_BYTES {
                let (_, bytes) = self.read(name, file, length).await?;
                Ok(self.storage.create(name, bytes.into()).await? == Create::Created)
            } else if self.storage.size(name).await?.is_some() {
                Ok(false)
            } else {
                self.upload(name, file, length).await.map(|()| true)
            }
        })
    }

    /// The length of a file in bytes; `None` where there is none.
    ///
    /// # Errors
    /// When the store does not tell.
    pub fn length(&self, name: &str) -> Result<Option<u64>, FileStoreError> {
        self.wait_for(name, self.storage.size(name))
    }

    /// The names that begin with `prefix`.
    ///
    /// # Errors
    /// When the store does not tell.
    pub fn list(&self, prefix: &str) -> Result<Vec<String>, FileStoreError> {
        self.wait_for(prefix, async {
            let mut names = Vec::new();
            let mut listing = self.storage.0.list_with_offset(None, &Path::from(prefix));
            while let Some(object) = listing.try_next().await.map_err(|error| failure(prefix, &error))? {
                // They come in order, so that there are no more of them.
                if !object.location.as_ref().starts_with(prefix) {
                    break;
                }
                names.push(object.location.to_string());
            }
            Ok::<_, StorageError>(names)
        })
    }

    fn wait_for<T, E: Into<CallError>>(
        &self,
        name: &str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, FileStoreError> {
        let Some(runtime) = &self.shared.runtime else {
            return Err(FileStoreError { message: "the threads that send files are gone".into(), retriable: false });
        };
        runtime.block_on(call).map_err(|error| {
            let CallError { reason, denied } = error.into();
            let place = &self.place;
            FileStoreError { message: format!("`{name}` at `{place}`: {reason}"), retriable: !denied }
        })
    }

    async fn upload(&self, name: &str, file: File, length: u64) -> Result<(), CallError> {
        let mut upload =
            self.storage.0.put_multipart(&Path::from(name)).await.map_err(|error| failure(name, &error))?;
        let sent = self.upload_parts(name, file, length, upload.as_mut()).await;
        if sent.is_err()
            && let Err(error) = upload.abort().await
        {
            // The store's own rule for unfinished uploads removes it.
            tracing::debug!(name, %error, "an upload could not be given up");
        }
        sent
    }

    async fn upload_parts(
        &self,
        name: &str,
        mut file: File,
        length: u64,
        upload: &mut dyn MultipartUpload,
    ) -> Result<(), CallError> {
        let ended = |result: Result<Result<(), object_store::Error>, tokio::task::JoinError>| match result {
            Ok(sent) => sent.map_err(|error| CallError::from(failure(name, &error))),
            Err(error) => Err(CallError { reason: error.to_string(), denied: false }),
        };
        let mut sending = JoinSet::new();
        let mut sent = 0;
        while sent < length {
            // Nobody closes it.
            let permit = Arc::clone(&self.shared.parts).acquire_owned().await;
            while let Some(result) = sending.try_join_next() {
                ended(result)?;
            }
            let (next, bytes) = self.read(name, file, PART_BYTES.min(length - sent)).await?;
            file = next;
            sent += bytes.len() as u64;
            let part = upload.put_part(bytes.into());
            sending.spawn(async move {
                let result = part.await;
                drop(permit);
                result
            });
        }
        while let Some(result) = sending.join_next().await {
            ended(result)?;
        }
        upload.complete().await.map(drop).map_err(|error| failure(name, &error).into())
    }

    /// The next `length` bytes of a file.
    async fn read(&self, name: &str, mut file: File, length: u64) -> Result<(File, Bytes), CallError> {
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact(&mut bytes)?;
            Ok((file, bytes.into()))
        });
        match read.await {
            Ok(read) => read.map_err(|error: io::Error| local(name, &error)),
            Err(error) => Err(CallError { reason: error.to_string(), denied: false }),
        }
    }
}

/// Why a call failed.
struct CallError {
    reason: String,
    denied: bool,
}

impl From<StorageError> for CallError {
    fn from(error: StorageError) -> Self {
        Self { reason: error.reason, denied: error.denied }
    }
}

fn local(name: &str, error: &io::Error) -> CallError {
    CallError { reason: format!("the scratch file of `{name}` cannot be read: {error}"), denied: false }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn open(url: &str) -> UrlFiles {
        FileStores::new(Duration::ZERO).expect("threads").open(url).expect("a place")
    }

    fn scratch(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("writes");
        file
    }

    fn content(files: &UrlFiles, name: &str) -> Bytes {
        let call = files.storage.get(name);
        files.wait_for(name, call).expect("answers").expect("is there")
    }

    #[test]
    fn a_file_is_put_once_whatever_its_size() {
        let files = open("memory://files?secret=x");
        assert_eq!(files.place(), "memory://files");
        let large: Vec<u8> = (0..(5_u64 << 20)).flat_map(|number| (number as u32).to_le_bytes()).collect();
        for (name, bytes) in [("small", b"12345".as_slice()), ("empty", b""), ("large", &large)] {
            assert_eq!(files.length(name).expect("answers"), None);
            let file = scratch(&[bytes, b"and more"].concat());
            assert!(files.put_if_absent(name, &file, bytes.len() as u64).expect("puts"), "{name}");
            assert!(!files.put_if_absent(name, &file, bytes.len() as u64).expect("looks"), "{name}");
            assert!(!files.put_if_absent(name, &scratch(b"other"), 5).expect("looks"), "{name}");
            assert_eq!(files.length(name).expect("answers"), Some(bytes.len() as u64));
            assert!(content(&files, name) == bytes, "{name}");
        }
    }

    #[test]
    fn names_are_listed_by_what_they_begin_with() {
        let files = open("memory:");
        for name in ["a-1-0.x", "a-1-1.x", "a-10-0.x", "a-2-0.x", "a-1", "b-1-0.x"] {
            files.put_if_absent(name, &scratch(b"x"), 1).expect("puts");
        }
        assert_eq!(files.list("a-1-").expect("lists"), ["a-1-0.x", "a-1-1.x"]);
        assert_eq!(files.list("c-").expect("lists"), Vec::<String>::new());
    }

    #[test]
    fn what_fails_is_named_and_leaves_nothing() {
        let files = open("memory:");
        for length in [6, 20 << 20] {
            let error = files.put_if_absent("x", &scratch(b"12345"), length).expect_err("is too short");
            assert!(error.message.starts_with("`x` at `memory:`: the scratch file of `x` cannot be read: "), "{error}");
        }
        assert_eq!(files.length("x").expect("answers"), None);
        let stores = FileStores::new(Duration::ZERO).expect("threads");
        let error = stores.open("ftp://host/x?password=y").expect_err("is no object store");
        assert!(!error.retriable && error.message.starts_with("`ftp://host/x` is no place for files: "), "{error}");
        let nobody =
            "s3://bucket/out?endpoint=http://127.0.0.1:1&allow_http=true&region=x&access_key_id=a&secret_access_key=b";
        let error = stores.open(nobody).expect("a place").length("x").expect_err("nobody listens");
        assert!(error.retriable && error.message.starts_with("`x` at `s3://bucket/out`: "), "{error}");
    }
}

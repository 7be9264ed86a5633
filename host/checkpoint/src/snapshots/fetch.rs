//! Bringing a snapshot back.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::TryChunksError};
use millstream_state::snapshot::{SnapshotError, SnapshotFile, SnapshotInfo};
use millstream_types::Digest;
use object_store::{Error, GetResultPayload, ObjectStoreExt};
use sha2::{Digest as _, Sha256};
use tracing::debug;

use super::{
    Engine, blocking,
    document::corrupt,
    layout::{TaskPath, is_file_name},
    local::{is_file_with, link_or_copy, local, make_empty, sync_directory},
};
use crate::storage::failure;

/// Pieces of a response, some kilobytes each, that are written at a time.
const PIECES_AT_ONCE: usize = 32;
const BUFFER_BYTES: usize = 256 << 10;

impl Engine {
    pub(super) async fn fetch(
        self: &Arc<Self>,
        snapshot: &SnapshotInfo,
        into: &Path,
        reuse: &Path,
    ) -> Result<(), SnapshotError> {
        let task = &TaskPath::parse(&snapshot.task)?;
        if let Some(file) = snapshot.files.iter().find(|file| !is_file_name(&file.name)) {
            return Err(corrupt(&task.manifest(snapshot.number), format!("`{}` is not the name of a file", file.name)));
        }
        let directory = into.to_owned();
        blocking(move || make_empty(&directory)).await?;
        // After a failure the others end before this does, so that nothing is written afterwards.
        let failed = &AtomicBool::new(false);
        let results: Vec<Result<bool, SnapshotError>> = futures::stream::iter(&snapshot.files)
            .map(|file| async move {
                let result = self.fetch_file(task, snapshot.number, file, into, reuse, failed).await;
                failed.fetch_or(result.is_err(), Ordering::Relaxed);
                result
            })
            .buffer_unordered(self.transfers.parallel)
            .collect()
            .await;
        let reused =
            results.into_iter().collect::<Result<Vec<bool>, _>>()?.into_iter().filter(|reused| *reused).count();
        debug!(%task, number = snapshot.number, files = snapshot.files.len(), reused, "fetched a snapshot");
        let (engine, task, into) = (Arc::clone(self), task.to_string(), into.to_owned());
        let files: Vec<_> =
            snapshot.files.iter().map(|file| (into.join(&file.name), file.name.clone(), file.digest)).collect();
        blocking(move || {
            sync_directory(&into)?;
            engine.digests.learn(&task, files);
            Ok(())
        })
        .await
    }

    /// True: it was on the local disk.
    async fn fetch_file(
        &self,
        task: &TaskPath,
        number: u64,
        file: &SnapshotFile,
        into: &Path,
        reuse: &Path,
        failed: &AtomicBool,
    ) -> Result<bool, SnapshotError> {
        if failed.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let to = into.join(&file.name);
        if self.take_local(file, reuse.join(&file.name), to.clone()).await? {
            return Ok(true);
        }
        let object = task.file(file.origin, file.digest);
        match self.download(&object, file, to, failed).await {
            Ok(()) => Ok(false),
            Err(Download::Failed(error)) => Err(error),
            Err(Download::Damaged(reason)) => {
                // The next snapshot must not rely on it.
                self.distrust(&object);
                Err(corrupt(&object, reason))
            }
            Err(Download::Missing) => {
                if number <= self.numbers(task).await?.floor {
                    return Err(SnapshotError::Gone { task: task.to_string(), number });
                }
                Err(corrupt(&object, "it is missing"))
            }
        }
    }

    async fn take_local(&self, file: &SnapshotFile, from: PathBuf, to: PathBuf) -> Result<bool, SnapshotError> {
        let file = file.clone();
        blocking(move || {
            // The copy is checked and not its source, which a store may change or delete at any time.
            if from.metadata().is_ok_and(|found| found.is_file() && found.len() == file.size_bytes)
                && link_or_copy(&from, &to, &file.name).is_ok()
            {
                if is_file_with(&to, file.size_bytes, file.digest) {
                    return Ok(true);
                }
                std::fs::remove_file(&to).map_err(|error| local(&to, &error))?;
            }
            Ok(false)
        })
        .await
    }

    async fn download(
        &self,
        object: &str,
        file: &SnapshotFile,
        to: PathBuf,
        failed: &AtomicBool,
    ) -> Result<(), Download> {
        let unreachable = |error: &Error| Download::Failed(failure(object, error).into());
        let found = match self.storage.0.get(&object_store::path::Path::from(object)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Err(Download::Missing),
            Err(error) => return Err(unreachable(&error)),
        };
        if found.meta.size != file.size_bytes {
            return Err(Download::Damaged(format!("it has {} bytes, not {}", found.meta.size, file.size_bytes)));
        }
        let mut written = Written::create(to).await.map_err(Download::Failed)?;
        if let GetResultPayload::File(source, path) = found.payload {
            written = written.append_file(source, path).await.map_err(Download::Failed)?;
        } else {
            let mut pieces = found.into_stream().map_err(|error| unreachable(&error)).try_chunks(PIECES_AT_ONCE);
            while let Some(pieces) = pieces.next().await {
                let pieces = pieces.map_err(|TryChunksError(_, error)| error)?;
                if failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                written = written.append(pieces).await.map_err(Download::Failed)?;
            }
        }
        let digest = written.finish().await.map_err(Download::Failed)?;
        if digest == file.digest {
            return Ok(());
        }
        Err(Download::Damaged(format!("its bytes have the digest {digest}")))
    }
}

/// Why an object was not brought.
#[derive(Debug)]
enum Download {
    Missing,
    Damaged(String),
    Failed(SnapshotError),
}

/// A file that is being written, and the digest of what it has.
struct Written {
    file: File,
    path: PathBuf,
    hasher: Sha256,
}

impl Written {
    async fn create(path: PathBuf) -> Result<Self, SnapshotError> {
        blocking(move || {
            let file = File::create(&path).map_err(|error| local(&path, &error))?;
            Ok(Self { file, path, hasher: Sha256::new() })
        })
        .await
    }

    async fn append(mut self, pieces: Vec<Bytes>) -> Result<Self, SnapshotError> {
        blocking(move || {
            pieces.iter().try_for_each(|bytes| self.write(bytes))?;
            Ok(self)
        })
        .await
    }

    /// Appends what is in a file: of a store that is a directory.
    async fn append_file(mut self, mut source: File, path: PathBuf) -> Result<Self, SnapshotError> {
        blocking(move || {
            let mut buffer = vec![0; BUFFER_BYTES];
            loop {
                let read = source.read(&mut buffer).map_err(|error| local(&path, &error))?;
                if read == 0 {
                    return Ok(self);
                }
                self.write(buffer.get(..read).unwrap_or_default())?;
            }
        })
        .await
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|error| local(&self.path, &error))
    }

    async fn finish(self) -> Result<Digest, SnapshotError> {
        blocking(move || {
            self.file.sync_all().map_err(|error| local(&self.path, &error))?;
            Ok(Digest(self.hasher.finalize().into()))
        })
        .await
    }
}

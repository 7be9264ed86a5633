//! Sending files: bounded in number, memory and rate, and checked against their digests on the way.

use std::{
    fs::File,
    io::Read,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures::StreamExt;
use millstream_state::snapshot::SnapshotError;
use millstream_types::Digest;
use object_store::{MultipartUpload, ObjectStoreExt, path::Path};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use super::{
    Engine, blocking,
    local::{LocalFile, local},
    rate::RateLimit,
};
use crate::storage::failure;

/// S3 takes no more than 10,000 parts.
const MAX_PARTS: u64 = 9_000;

/// What transfers may use.
#[derive(Debug)]
pub(super) struct Transfers {
    /// Transfers at a time.
    pub parallel: usize,
    /// Bytes of a part; each transfer has one in memory.
    pub part_bytes: u64,
    /// One permit for each part that is in memory.
    permits: Arc<Semaphore>,
    rate: RateLimit,
}

impl Transfers {
    pub fn new(parallel: usize, part_bytes: u64, bytes_per_second: Option<NonZeroU64>) -> Self {
        let parallel = parallel.max(1);
        Self {
            parallel,
            part_bytes: part_bytes.max(1),
            permits: Arc::new(Semaphore::new(parallel)),
            rate: RateLimit::new(bytes_per_second),
        }
    }

    /// Waits until `bytes` may be in memory and be sent.
    async fn admit(&self, bytes: u64) -> Result<OwnedSemaphorePermit, SnapshotError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        self.rate.admit(bytes).await;
        // Nobody closes it.
        permit.map_err(|error| SnapshotError::Misuse(error.to_string()))
    }
}

impl Engine {
    /// Sends files to where they belong. After a failure none that was not begun is begun, and what was begun
    /// is ended, so that no half of an upload is left behind in the store.
    pub(super) async fn upload_all(&self, files: Vec<(LocalFile, String)>) -> Result<(), SnapshotError> {
        let failed = &AtomicBool::new(false);
        let results: Vec<Result<(), SnapshotError>> = futures::stream::iter(files)
            .map(|(file, object)| async move {
                if failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let result = self.upload(&file, &object).await;
                failed.fetch_or(result.is_err(), Ordering::Relaxed);
                result
            })
            .buffer_unordered(self.transfers.parallel)
            .collect()
            .await;
        results.into_iter().collect()
    }

    async fn upload(&self, file: &LocalFile, object: &str) -> Result<(), SnapshotError> {
        let reader = PartReader::open(file).await?;
        if file.size_bytes <= self.transfers.part_bytes {
            let _permit = self.transfers.admit(file.size_bytes).await?;
            let (reader, bytes) = reader.next(file.size_bytes).await?;
            reader.finish(file)?;
            self.storage.put(object, bytes).await?;
        } else {
            let path = Path::from(object);
            let mut upload = self.storage.0.put_multipart(&path).await.map_err(|error| failure(object, &error))?;
            if let Err(error) = self.upload_parts(file, object, reader, upload.as_mut()).await {
                // What could not be given up the store's own rule for unfinished uploads removes.
                if let Err(error) = upload.abort().await {
                    tracing::debug!(object, %error, "an upload could not be given up");
                }
                return Err(error);
            }
        }
        // Whatever was there before has been replaced.
        self.trust(object);
        Ok(())
    }

    async fn upload_parts(
        &self,
        file: &LocalFile,
        object: &str,
        mut reader: PartReader,
        upload: &mut dyn MultipartUpload,
    ) -> Result<(), SnapshotError> {
        let failed = |error: &object_store::Error| SnapshotError::from(failure(object, error));
        let ended = |result: Result<Result<(), object_store::Error>, tokio::task::JoinError>| match result {
            Ok(sent) => sent.map_err(|error| failed(&error)),
            Err(error) => Err(SnapshotError::Unavailable { object: object.to_owned(), reason: error.to_string() }),
        };
        let part_bytes = self.transfers.part_bytes.max(file.size_bytes.div_ceil(MAX_PARTS));
        let mut sent = 0;
        let mut sending = JoinSet::new();
        while sent < file.size_bytes {
            let length = part_bytes.min(file.size_bytes - sent);
            let permit = self.transfers.admit(length).await?;
            while let Some(result) = sending.try_join_next() {
                ended(result)?;
            }
            let (next, bytes) = reader.next(length).await?;
            reader = next;
            let part = upload.put_part(bytes.into());
            sending.spawn(async move {
                let result = part.await;
                drop(permit);
                result
            });
            sent += length;
        }
        while let Some(result) = sending.join_next().await {
            ended(result)?;
        }
        reader.finish(file)?;
        upload.complete().await.map(drop).map_err(|error| failed(&error))
    }
}

/// Reads a file part by part, and its digest with it.
struct PartReader {
    file: File,
    path: std::path::PathBuf,
    hasher: Sha256,
}

impl PartReader {
    async fn open(file: &LocalFile) -> Result<Self, SnapshotError> {
        let path = file.path.clone();
        blocking(move || {
            let file = File::open(&path).map_err(|error| local(&path, &error))?;
            Ok(Self { file, path, hasher: Sha256::new() })
        })
        .await
    }

    /// The next `length` bytes.
    async fn next(mut self, length: u64) -> Result<(Self, Bytes), SnapshotError> {
        blocking(move || {
            let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
            (&mut self.file).take(length).read_to_end(&mut bytes).map_err(|error| local(&self.path, &error))?;
            self.hasher.update(&bytes);
            Ok((self, bytes.into()))
        })
        .await
    }

    /// Checks that what was read is what was to be read.
    fn finish(self, file: &LocalFile) -> Result<(), SnapshotError> {
        if Digest(self.hasher.finalize().into()) == file.digest {
            return Ok(());
        }
        let reason = "it changed while it was read; a checkpoint must stay as it is until its snapshot is kept";
        Err(SnapshotError::Local { path: self.path.display().to_string(), reason: reason.into() })
    }
}

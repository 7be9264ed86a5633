//! The calls that are made on an object store.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};

/// What came of creating an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    /// It is ours.
    Created,
    /// There was one already; perhaps ours, where an answer got lost and the store's client asked again.
    Exists,
}

/// An object in a listing.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub path: String,
    pub size_bytes: u64,
    /// When it was written, milliseconds since 1970, by the store's clock.
    pub modified_ms: i64,
}

/// Why a call failed. A write may have happened.
#[derive(Clone, Debug)]
pub(crate) struct StorageError {
    /// The object, or the directory.
    pub object: String,
    /// What the store said.
    pub reason: String,
    /// Somebody has to mend permissions; otherwise the same call may succeed later.
    pub denied: bool,
}

/// The store, with calls that take paths as text.
#[derive(Clone, Debug)]
pub(crate) struct Storage(pub Arc<dyn ObjectStore>);

impl Storage {
    /// Creates an object if it is absent; whole and durable, or not at all.
    pub async fn create(&self, path: &str, bytes: Vec<u8>) -> Result<Create, StorageError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.0.put_opts(&Path::from(path), bytes.into(), options).await {
            Ok(_) => Ok(Create::Created),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Create::Exists),
            Err(error) => Err(failure(path, &error)),
        }
    }

    /// Writes an object, over one that may be there.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<(), StorageError> {
        self.0.put(&Path::from(path), bytes.into()).await.map(drop).map_err(|error| failure(path, &error))
    }

    /// Reads an object.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>, StorageError> {
        let result = match self.0.get(&Path::from(path)).await {
            Ok(result) => result.bytes().await,
            Err(error) => Err(error),
        };
        match result {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failure(path, &error)),
        }
    }

    /// The length of an object in bytes.
    pub async fn size(&self, path: &str) -> Result<Option<u64>, StorageError> {
        match self.0.head(&Path::from(path)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failure(path, &error)),
        }
    }

    /// Deletes an object; one that is not there is deleted.
    pub async fn delete(&self, path: &str) -> Result<(), StorageError> {
        match self.0.delete(&Path::from(path)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failure(path, &error)),
        }
    }

    /// Deletes objects, in as few calls as the store allows; ones that are not there are deleted.
    pub async fn delete_all(&self, paths: impl IntoIterator<Item = String>) -> Result<(), StorageError> {
        let paths: Vec<Path> = paths.into_iter().map(Path::from).collect();
        let Some(first) = paths.first().map(ToString::to_string) else { return Ok(()) };
        let mut deleted = self.0.delete_stream(futures::stream::iter(paths.into_iter().map(Ok)).boxed());
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(failure(&first, &error)),
            }
        }
        Ok(())
    }

    /// The objects of a directory whose path sorts after `offset`, in order.
    pub async fn list_after(&self, directory: &str, offset: &str) -> Result<Vec<Listed>, StorageError> {
        let listing = self.0.list_with_offset(Some(&Path::from(directory)), &Path::from(offset));
        let mut listed: Vec<Listed> = listing
            .map_ok(|meta| Listed {
                path: meta.location.to_string(),
                size_bytes: meta.size,
                modified_ms: meta.last_modified.timestamp_millis(),
            })
            .try_collect()
            .await
            .map_err(|error| failure(directory, &error))?;
        listed.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(listed)
    }

    /// The names of the directories directly below a directory, in order.
    pub async fn list_directories(&self, directory: &str) -> Result<Vec<String>, StorageError> {
        let path = Path::from(directory);
        let listed = self.0.list_with_delimiter(Some(&path)).await.map_err(|error| failure(directory, &error))?;
        let mut names: Vec<String> =
            listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }
}

pub(crate) fn failure(path: &str, error: &Error) -> StorageError {
    StorageError {
        object: path.to_owned(),
        reason: error.to_string(),
        denied: matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }),
    }
}

/// Whether something written at `modified_ms` is at least `age` old.
pub(crate) fn is_older(modified_ms: i64, now_ms: i64, age: Duration) -> bool {
    i128::from(now_ms) - i128::from(modified_ms) >= i128::try_from(age.as_millis()).unwrap_or(i128::MAX)
}

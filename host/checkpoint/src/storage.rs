//! The calls that the registry makes on an object store.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};

use crate::error::RegistryError;

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
    /// When it was written, milliseconds since 1970, by the store's clock.
    pub modified_ms: i64,
}

/// The store, with the errors of the registry.
#[derive(Clone, Debug)]
pub(crate) struct Storage(pub Arc<dyn ObjectStore>);

impl Storage {
    /// Creates an object if it is absent; whole and durable, or not at all.
    pub async fn create(&self, path: &str, bytes: Vec<u8>) -> Result<Create, RegistryError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.0.put_opts(&Path::from(path), bytes.into(), options).await {
            Ok(_) => Ok(Create::Created),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Create::Exists),
            Err(error) => Err(failure(path, &error)),
        }
    }

    /// Writes an object, over one that may be there.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<(), RegistryError> {
        self.0.put(&Path::from(path), bytes.into()).await.map(drop).map_err(|error| failure(path, &error))
    }

    /// Reads an object.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>, RegistryError> {
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
    pub async fn size(&self, path: &str) -> Result<Option<u64>, RegistryError> {
        match self.0.head(&Path::from(path)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failure(path, &error)),
        }
    }

    /// Deletes an object; one that is not there is deleted.
    pub async fn delete(&self, path: &str) -> Result<(), RegistryError> {
        match self.0.delete(&Path::from(path)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failure(path, &error)),
        }
    }

    /// The objects of a directory whose path sorts after `offset`, in order.
    pub async fn list_after(&self, directory: &str, offset: &str) -> Result<Vec<Listed>, RegistryError> {
        let listing = self.0.list_with_offset(Some(&Path::from(directory)), &Path::from(offset));
        let mut listed: Vec<Listed> = listing
            .map_ok(|meta| Listed {
                path: meta.location.to_string(),
                modified_ms: meta.last_modified.timestamp_millis(),
            })
            .try_collect()
            .await
            .map_err(|error| failure(directory, &error))?;
        listed.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(listed)
    }
}

fn failure(path: &str, error: &Error) -> RegistryError {
    let (object, reason) = (path.to_owned(), error.to_string());
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => RegistryError::Denied { object, reason },
        _ => RegistryError::Unavailable { object, reason },
    }
}

/// Whether something written at `modified_ms` is at least `age` old.
pub(crate) fn is_older(modified_ms: i64, now_ms: i64, age: Duration) -> bool {
    i128::from(now_ms) - i128::from(modified_ms) >= i128::try_from(age.as_millis()).unwrap_or(i128::MAX)
}

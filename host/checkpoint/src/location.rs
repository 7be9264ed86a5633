//! Where a registry lies: a directory or a URL.

use std::{path::Path, sync::Arc, time::Duration};

use object_store::{
    ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    local::LocalFileSystem,
    memory::InMemory,
    prefix::PrefixStore,
};
use url::Url;

use crate::error::RegistryError;

/// How long an object store is asked again before a call fails.
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// Opens the store at a directory, `file:///...`, `s3://bucket/prefix?option=value...` or `memory:`.
///
/// Options of S3 come from the environment (`AWS_*`) and, over them, from the URL's query.
pub(crate) fn open(location: &str) -> Result<Arc<dyn ObjectStore>, RegistryError> {
    let refused = |reason: String| RegistryError::Location { location: location.to_owned(), reason };
    let Some((scheme, _)) = location.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return open_directory(location, Path::new(location));
    };
    let url = Url::parse(location).map_err(|error| refused(error.to_string()))?;
    match scheme {
        "memory" => Ok(Arc::new(InMemory::new())),
        "file" => {
            let path = url.to_file_path().map_err(|()| refused("the URL is not a path on this machine".into()))?;
            open_directory(location, &path)
        }
        "s3" | "s3a" => open_s3(&url).map_err(refused),
        _ => Err(refused(format!("`{scheme}` is not supported; give a directory, s3://, file:// or memory:"))),
    }
}

/// A drive letter is no scheme.
fn is_scheme(text: &str) -> bool {
    text.len() > 1 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn open_directory(location: &str, path: &Path) -> Result<Arc<dyn ObjectStore>, RegistryError> {
    let refused = |reason: String| RegistryError::Location { location: location.to_owned(), reason };
    std::fs::create_dir_all(path).map_err(|error| refused(error.to_string()))?;
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| refused(error.to_string()))?;
    // Files are written beside their place, synced and linked into it, and the directory is synced.
    Ok(Arc::new(store.with_fsync(true)))
}

fn open_s3(url: &Url) -> Result<Arc<dyn ObjectStore>, String> {
    let mut bare = url.clone();
    bare.set_query(None);
    let retry = RetryConfig { retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::from_env().with_retry(retry).with_url(bare.as_str());
    for (key, value) in url.query_pairs() {
        let known: AmazonS3ConfigKey =
            key.to_ascii_lowercase().parse().map_err(|_| format!("`{key}` is not an option of S3"))?;
        builder = builder.with_config(known, value);
    }
    let store = builder.build().map_err(|error| error.to_string())?;
    let prefix = object_store::path::Path::from_url_path(url.path()).map_err(|error| error.to_string())?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}

//! Where objects lie: a directory or a URL.

use std::{path::Path, sync::Arc, time::Duration};

use object_store::{
    ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    local::LocalFileSystem,
    memory::InMemory,
    prefix::PrefixStore,
};
use url::Url;

/// A place that is none.
#[derive(Clone, Debug)]
pub(crate) struct BadLocation {
    /// As given.
    pub location: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Opens the store at a directory, `file:///...`, `s3://bucket/prefix?option=value...`, `gs://bucket/prefix`,
/// `az://container/prefix` or `memory:`.
///
/// Options of a cloud's store come from the environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`) and, over them, from
/// the URL's query. A call that fails is tried again with growing, random pauses for `retry_timeout`.
pub(crate) fn open(location: &str, retry_timeout: Duration) -> Result<Arc<dyn ObjectStore>, BadLocation> {
    let refused = |reason: String| BadLocation { location: location.to_owned(), reason };
    let Some((scheme, _)) = location.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return open_directory(Path::new(location)).map_err(refused);
    };
    let url = Url::parse(location).map_err(|error| refused(error.to_string()))?;
    let retry = RetryConfig { retry_timeout, ..RetryConfig::default() };
    match scheme {
        "memory" => Ok(Arc::new(InMemory::new())),
        "file" => {
            let path = url.to_file_path().map_err(|()| refused("the URL is not a path on this machine".into()))?;
            open_directory(&path).map_err(refused)
        }
        "s3" | "s3a" => open_s3(&url, retry).map_err(refused),
        "gs" => open_gcs(&url, retry).map_err(refused),
        "az" | "azure" | "abfs" | "abfss" => open_azure(&url, retry).map_err(refused),
        _ => Err(refused(format!(
            "`{scheme}` is not supported; give a directory, s3://, gs://, az://, file:// or memory:"
        ))),
    }
}

/// A drive letter is no scheme.
fn is_scheme(text: &str) -> bool {
    text.len() > 1 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn open_directory(path: &Path) -> Result<Arc<dyn ObjectStore>, String> {
    std::fs::create_dir_all(path).map_err(|error| error.to_string())?;
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| error.to_string())?;
    // Files are written beside their place, synced and linked into it, and the directory is synced.
    Ok(Arc::new(store.with_fsync(true)))
}

/// The three builders have the same methods and no common trait.
macro_rules! opens_bucket {
    ($name:ident, $builder:ty, $key:ty, $service:literal) => {
        fn $name(url: &Url, retry: RetryConfig) -> Result<Arc<dyn ObjectStore>, String> {
            let mut bare = url.clone();
            bare.set_query(None);
            let mut builder = <$builder>::from_env().with_retry(retry).with_url(bare.as_str());
            for (key, value) in url.query_pairs() {
                let known: $key = key
                    .to_ascii_lowercase()
                    .parse()
                    .map_err(|_| format!(concat!("`{}` is not an option of ", $service), key))?;
                builder = builder.with_config(known, value);
            }
            let store = builder.build().map_err(|error| error.to_string())?;
            let prefix = object_store::path::Path::from_url_path(url.path()).map_err(|error| error.to_string())?;
            Ok(Arc::new(PrefixStore::new(store, prefix)))
        }
    };
}

opens_bucket!(open_s3, AmazonS3Builder, AmazonS3ConfigKey, "S3");
opens_bucket!(open_gcs, GoogleCloudStorageBuilder, GoogleConfigKey, "Google Cloud Storage");
opens_bucket!(open_azure, MicrosoftAzureBuilder, AzureConfigKey, "Azure Blob Storage");

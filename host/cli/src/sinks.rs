//! What sinks of files have on this host: room for what is not finished, and object stores.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use millstream_checkpoint::{FileStoreError, FileStores, UrlFiles};
use millstream_connector::{ConnectorError, FileStore, LocalFiles, Put, SinkHost};

/// How long a call on an object store is tried again before the sink pauses and begins it anew.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Scratch files in the data directory, and object stores by URL.
pub(crate) struct HostFiles {
    local: LocalFiles,
    /// Started with the first URL.
    stores: OnceLock<Result<FileStores, ConnectorError>>,
}

impl HostFiles {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { local: LocalFiles::new(data_dir.join("scratch")), stores: OnceLock::new() }
    }
}

impl SinkHost for HostFiles {
    fn scratch(&self) -> io::Result<File> {
        self.local.scratch()
    }

    fn store(&self, url: &str) -> Result<Arc<dyn FileStore>, ConnectorError> {
        let stores = self.stores.get_or_init(|| {
            let no_threads = |error| ConnectorError::retriable(format!("cannot start threads: {error}"));
            FileStores::new(RETRY_TIMEOUT).map_err(no_threads)
        });
        let files = stores.as_ref().map_err(Clone::clone)?.open(url).map_err(connector_error)?;
        Ok(Arc::new(ObjectFiles(files)))
    }
}

struct ObjectFiles(UrlFiles);

impl FileStore for ObjectFiles {
    fn place(&self) -> &str {
        self.0.place()
    }

    fn put_if_absent(&self, name: &str, file: &File, length: u64) -> Result<Put, ConnectorError> {
        let is_put = self.0.put_if_absent(name, file, length).map_err(connector_error)?;
        Ok(if is_put { Put::Done } else { Put::Exists })
    }

    fn length(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        self.0.length(name).map_err(connector_error)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, ConnectorError> {
        self.0.list(prefix).map_err(connector_error)
    }
}

fn connector_error(FileStoreError { message, retriable }: FileStoreError) -> ConnectorError {
    if retriable { ConnectorError::retriable(message) } else { ConnectorError::new(message) }
}

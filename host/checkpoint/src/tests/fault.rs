//! A store that loses answers and fails on demand.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

/// Writes to paths that contain a text go wrong, a given number of times.
#[derive(Debug)]
pub(super) struct FaultyStore {
    pub inner: InMemory,
    pub path_contains: &'static str,
    /// Writes that do nothing and fail.
    pub fail_before: AtomicUsize,
    /// Writes that happen and fail.
    pub fail_after: AtomicUsize,
    /// Writes that happen and say that the object exists, as after a retry by the store's client.
    pub exists_after: AtomicUsize,
}

impl FaultyStore {
    pub fn new(path_contains: &'static str) -> Arc<Self> {
        Arc::new(Self {
            inner: InMemory::new(),
            path_contains,
            fail_before: AtomicUsize::new(0),
            fail_after: AtomicUsize::new(0),
            exists_after: AtomicUsize::new(0),
        })
    }
}

fn take(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn broken() -> Error {
    Error::Generic { store: "faulty", source: "connection reset".into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !path.as_ref().contains(self.path_contains) {
            return self.inner.put_opts(path, payload, options).await;
        }
        if take(&self.fail_before) {
            return Err(broken());
        }
        let done = self.inner.put_opts(path, payload, options).await?;
        if take(&self.fail_after) {
            return Err(broken());
        }
        if take(&self.exists_after) {
            return Err(Error::AlreadyExists { path: path.to_string(), source: "412".into() });
        }
        Ok(done)
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

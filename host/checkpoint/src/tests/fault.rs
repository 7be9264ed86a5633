//! A store that loses answers and fails on demand.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use tokio::sync::Notify;

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
    /// Holds deletions back.
    pub deletions: Option<Arc<Gate>>,
}

/// A place where calls wait until the test lets them go on.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// A call has come.
    pub reached: Notify,
    /// It may go on.
    pub open: Notify,
}

impl FaultyStore {
    pub fn new(path_contains: &'static str) -> Arc<Self> {
        Arc::new(Self::of(path_contains))
    }

    /// A store whose deletions of such paths wait at a gate.
    pub fn with_gate(path_contains: &'static str) -> (Arc<Self>, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        (Arc::new(Self { deletions: Some(Arc::clone(&gate)), ..Self::of(path_contains) }), gate)
    }

    fn of(path_contains: &'static str) -> Self {
        Self {
            inner: InMemory::new(),
            path_contains,
            fail_before: AtomicUsize::new(0),
            fail_after: AtomicUsize::new(0),
            exists_after: AtomicUsize::new(0),
            deletions: None,
        }
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
        let (gate, held) = (self.deletions.clone(), self.path_contains);
        let paths = paths.then(move |path| {
            let gate = gate.clone().filter(|_| path.as_ref().is_ok_and(|path| path.as_ref().contains(held)));
            async move {
                if let Some(gate) = gate {
                    gate.reached.notify_one();
                    gate.open.notified().await;
                }
                path
            }
        });
        self.inner.delete_stream(paths.boxed())
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

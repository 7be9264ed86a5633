//! A store that counts its calls, fails at a chosen one, or lets something else happen before it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart, path::Path,
};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call does nothing and fails.
    Fails,
    /// The call happens and its answer is lost.
    IsLost,
    /// The call does nothing, and none after it does: its maker has crashed.
    Crashes,
    /// The call is the last one that happens, and its answer is lost.
    CrashesAfter,
}

pub const FAULTS: [Fault; 4] = [Fault::Fails, Fault::IsLost, Fault::Crashes, Fault::CrashesAfter];

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    calls: Vec<String>,
    fault: Option<(usize, Fault)>,
    hook: Option<(usize, Hook)>,
}

#[derive(Clone)]
pub struct Interposed {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

impl Interposed {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// Makes call number `at` go wrong, counted from 0.
    pub fn failing(inner: Arc<dyn ObjectStore>, at: usize, fault: Fault) -> Self {
        let store = Self::new(inner);
        store.state().fault = Some((at, fault));
        store
    }

    /// Runs `hook` before call number `at`.
    pub fn hooked(inner: Arc<dyn ObjectStore>, at: usize, hook: impl FnOnce() + Send + 'static) -> Self {
        let store = Self::new(inner);
        store.state().hook = Some((at, Box::new(hook)));
        store
    }

    /// The calls so far, such as `put snapshots/...`.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// How many calls so far contain all of `parts`.
    pub fn count(&self, parts: &[&str]) -> usize {
        self.state().calls.iter().filter(|call| parts.iter().all(|part| call.contains(part))).count()
    }

    /// Whether the call was made at which something was to happen.
    pub fn reached(&self) -> bool {
        let state = self.state();
        let at = state.fault.map(|(at, _)| at).or(state.hook.as_ref().map(|(at, _)| *at));
        at.is_none_or(|at| state.calls.len() > at)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call. True: its answer is lost.
    async fn enter(&self, call: String) -> Result<bool> {
        let (hook, verdict) = {
            let mut state = self.state();
            let now = state.calls.len();
            state.calls.push(call);
            let hook = if state.hook.as_ref().is_some_and(|(at, _)| *at == now) { state.hook.take() } else { None };
            let verdict = match state.fault {
                Some((at, Fault::Fails)) if at == now => Err(broken()),
                Some((at, Fault::IsLost | Fault::CrashesAfter)) if at == now => Ok(true),
                Some((at, Fault::Crashes | Fault::CrashesAfter)) if at <= now => Err(broken()),
                _ => Ok(false),
            };
            (hook, verdict)
        };
        if let Some((_, hook)) = hook {
            tokio::task::spawn_blocking(hook).await.expect("the hook runs");
        }
        verdict
    }
}

fn broken() -> Error {
    Error::Generic { store: "interposed", source: "connection reset".into() }
}

fn answer<T>(lost: bool, result: Result<T>) -> Result<T> {
    if lost { result.and(Err(broken())) } else { result }
}

impl fmt::Debug for Interposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Interposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interposed")
    }
}

#[async_trait]
impl ObjectStore for Interposed {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let lost = self.enter(format!("put {path}")).await?;
        answer(lost, self.inner.put_opts(path, payload, options).await)
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let lost = self.enter(format!("begin {path}")).await?;
        let upload = answer(lost, self.inner.put_multipart_opts(path, options).await)?;
        Ok(Box::new(Upload { store: self.clone(), path: path.clone(), upload }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let lost = self.enter(format!("get {path}")).await?;
        answer(lost, self.inner.get_opts(path, options).await)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        paths
            .then(move |path| {
                let store = store.clone();
                async move {
                    let path = path?;
                    let lost = store.enter(format!("delete {path}")).await?;
                    let one = futures::stream::once(async move { Ok(path) }).boxed();
                    answer(lost, store.inner.delete_stream(one).try_collect::<Vec<_>>().await)
                        .map(|deleted| deleted.into_iter().next().unwrap_or_default())
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        futures::stream::once(async move {
            let lost = store.enter(format!("list {}", prefix.clone().unwrap_or_default())).await?;
            let listed = answer(lost, store.inner.list(prefix.as_ref()).try_collect::<Vec<_>>().await)?;
            Ok::<_, Error>(futures::stream::iter(listed.into_iter().map(Ok)))
        })
        .try_flatten()
        .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let lost = self.enter(format!("list {}", prefix.cloned().unwrap_or_default())).await?;
        answer(lost, self.inner.list_with_delimiter(prefix).await)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct Upload {
    store: Interposed,
    path: Path,
    upload: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (store, path, part) = (self.store.clone(), self.path.clone(), self.upload.put_part(data));
        async move {
            let lost = store.enter(format!("part {path}")).await?;
            answer(lost, part.await)
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let lost = self.store.enter(format!("complete {}", self.path)).await?;
        answer(lost, self.upload.complete().await)
    }

    async fn abort(&mut self) -> Result<()> {
        let lost = self.store.enter(format!("abort {}", self.path)).await?;
        answer(lost, self.upload.abort().await)
    }
}

//! The registry as its users see it.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use millstream_types::{Clock, Digest, OperatorRef, PipelineName};
use sha2::{Digest as _, Sha256};
use tracing::{debug, warn};

use crate::{
    decision::{self, Decision, PipelineOffer, PluginOffer},
    entry::{Desired, LogRecord, SpecFormat},
    error::{Refusal, RegistryError},
    format, location,
    state::{PluginRecord, RegistryState},
    storage::{Create, Storage, is_older},
};

mod recovery;

/// Entries between two snapshots.
const SNAPSHOT_EVERY: u64 = 64;
/// How long an object store is asked again before a call fails.
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
/// Lost races for the next number after which a change gives up; others made progress each time.
const MAX_RACES: u32 = 1000;

/// What is known about a plugin beside its bytes.
#[derive(Clone, Debug)]
pub struct PluginMeta {
    /// The world that it exports, for instance `operator`.
    pub kind: String,
    /// What it declares about itself.
    pub description: serde_json::Value,
    /// The interpreter that its description names, where it is a script: the digest and the bytes. The registry keeps it
    /// as long as some plugin names it.
    pub interpreter: Option<(Digest, Bytes)>,
}

/// A pipeline's text and what the registry must know of it.
#[derive(Clone, Debug)]
pub struct SpecDocument {
    /// As the user wrote it.
    pub text: String,
    /// The language of the text.
    pub format: SpecFormat,
    /// The operator of each step that has one.
    pub operators: BTreeMap<String, OperatorRef>,
}

/// What came of registering a plugin.
#[derive(Clone, Debug, PartialEq)]
pub enum PutOutcome {
    /// It is new.
    Created(PluginRecord),
    /// The same bytes were registered under this version before.
    AlreadyThere(PluginRecord),
}

/// What came of applying a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// There was none of this name.
    Created {
        /// Its generation.
        generation: u64,
    },
    /// It was another before.
    Changed {
        /// The new generation.
        generation: u64,
    },
    /// It was the same before, and no step was swapped.
    Unchanged {
        /// The generation in force.
        generation: u64,
    },
}

impl ApplyOutcome {
    /// The generation in force.
    pub fn generation(self) -> u64 {
        match self {
            Self::Created { generation } | Self::Changed { generation } | Self::Unchanged { generation } => generation,
        }
    }
}

/// The registry of plugins and pipelines. Cheap to clone; any number of hosts may share one place.
///
/// Every change reads the log to its end first, so it is decided in the state as it is, not as it was last
/// seen. Changes can be repeated safely after [`RegistryError::Unavailable`]: one that happened is found
/// to be so. Dropping a call's future leaves the change made or not made, never half made.
#[derive(Clone, Debug)]
pub struct Registry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    storage: Storage,
    clock: Arc<dyn Clock>,
    state: RwLock<Arc<RegistryState>>,
    /// Held while the log is read or appended to, so that tasks of one host do not race each other.
    log: tokio::sync::Mutex<()>,
    writer: u64,
    attempts: AtomicU64,
}

impl Registry {
    /// Opens the registry at a directory (created where it is missing), `file:///path`,
    /// `s3://bucket/prefix?region=..&endpoint=..&allow_http=true` (options also from `AWS_*` variables),
    /// `gs://bucket/prefix` (`GOOGLE_*`), `az://container/prefix` (`AZURE_*`) or `memory:`, and reads it.
    ///
    /// A directory must be on a file system with hard links, which make creation atomic.
    ///
    /// # Errors
    /// When the place is none, does not answer, or holds damaged objects.
    pub async fn open(location: &str, clock: Arc<dyn Clock>) -> Result<Self, RegistryError> {
        Self::over(Storage(location::open(location, RETRY_TIMEOUT)?), clock).await
    }

    pub(crate) async fn over(storage: Storage, clock: Arc<dyn Clock>) -> Result<Self, RegistryError> {
        let shared = Shared {
            storage,
            clock,
            state: RwLock::default(),
            log: tokio::sync::Mutex::default(),
            // Only has to differ from other writers of the same log; no behaviour depends on it.
            writer: RandomState::new().build_hasher().finish(),
            attempts: AtomicU64::new(0),
        };
        shared.recover().await?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What was registered when the log was last read. Does not read it.
    pub fn snapshot(&self) -> Arc<RegistryState> {
        self.shared.state()
    }

    /// Reads what other hosts appended and returns the state after it.
    ///
    /// # Errors
    /// When the store does not answer or an entry is damaged.
    pub async fn refresh(&self) -> Result<Arc<RegistryState>, RegistryError> {
        let _guard = self.shared.log.lock().await;
        self.shared.advance().await?;
        Ok(self.shared.state())
    }

    /// Registers a plugin. The bytes are stored before it becomes visible; stored bytes that are missing or
    /// damaged are written again.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] where the version exists with other bytes.
    pub async fn put_plugin(
        &self,
        operator: &OperatorRef,
        bytes: Bytes,
        meta: PluginMeta,
    ) -> Result<PutOutcome, RegistryError> {
        let offer = PluginOffer {
            operator: operator.clone(),
            digest: digest_in_background(bytes.clone()).await?,
            size_bytes: bytes.len() as u64,
            kind: meta.kind,
            description: meta.description,
            created_ms: self.shared.clock.now_ms(),
        };
        match decision::put_plugin(&*self.refresh().await?, &offer) {
            Decision::Refuse(refusal) => return Err(refusal.into()),
            Decision::Append(_) => {
                self.shared.storage.put(&blob_path(offer.digest), bytes.clone()).await?;
                self.keep_interpreter(meta.interpreter.as_ref()).await?;
            }
            Decision::Unchanged => {}
        }
        let (state, changed) = self.decide(|state| decision::put_plugin(state, &offer)).await?;
        // Another host may have collected what the entry needs before it could see the entry.
        self.keep_interpreter(meta.interpreter.as_ref()).await?;
        if changed && self.shared.storage.size(&blob_path(offer.digest)).await? != Some(offer.size_bytes)
            || !changed && self.blob(offer.digest).await.is_err()
        {
            self.shared.storage.put(&blob_path(offer.digest), bytes).await?;
        }
        let plugin = state.plugin(operator).cloned().ok_or_else(|| Refusal::UnknownOperator(operator.clone()))?;
        Ok(if changed { PutOutcome::Created(plugin) } else { PutOutcome::AlreadyThere(plugin) })
    }

    /// The bytes of a registered plugin, checked against its digest.
    ///
    /// # Errors
    /// [`Refusal::UnknownOperator`]; [`RegistryError::Corrupt`] where the bytes are missing or others.
    pub async fn plugin_bytes(&self, operator: &OperatorRef) -> Result<Bytes, RegistryError> {
        let known = self.snapshot().plugin(operator).map(|plugin| plugin.digest);
        let digest = match known {
            Some(digest) => digest,
            None => {
                let plugin = self.refresh().await?.plugin(operator).map(|plugin| plugin.digest);
                plugin.ok_or_else(|| Refusal::UnknownOperator(operator.clone()))?
            }
        };
        self.blob(digest).await
    }

    /// Stores an interpreter that is not stored yet.
    async fn keep_interpreter(&self, interpreter: Option<&(Digest, Bytes)>) -> Result<(), RegistryError> {
        let Some((digest, bytes)) = interpreter else { return Ok(()) };
        let object = interpreter_path(*digest);
        if self.shared.storage.size(&object).await? != Some(bytes.len() as u64) {
            self.shared.storage.put(&object, bytes.clone()).await?;
        }
        Ok(())
    }

    /// An interpreter that was kept, checked against its digest; `None`: it was not.
    ///
    /// # Errors
    /// [`RegistryError::Corrupt`] where its bytes are others.
    pub async fn interpreter(&self, digest: Digest) -> Result<Option<Bytes>, RegistryError> {
        let object = interpreter_path(digest);
        match self.shared.storage.get(&object).await? {
            Some(bytes) => checked(object, bytes, digest).await.map(Some),
            None => Ok(None),
        }
    }

    /// Removes a plugin, and the interpreter that no other one names. Its own bytes stay until
    /// [`Self::collect_garbage`].
    ///
    /// # Errors
    /// [`Refusal::InUse`] and [`Refusal::UnknownOperator`].
    pub async fn remove_plugin(&self, operator: &OperatorRef) -> Result<(), RegistryError> {
        let mut interpreter = None;
        self.decide(|state| {
            interpreter = state.plugin(operator).and_then(PluginRecord::interpreter);
            decision::remove_plugin(state, operator)
        })
        .await?;
        if let Some(digest) = interpreter
            && let Err(error) = self.delete_unused(&interpreter_path(digest)).await
        {
            // The plugin is gone all the same; the garbage is collected later.
            warn!(%digest, %error, "an interpreter that no plugin names was not deleted");
        }
        Ok(())
    }

    /// Creates or changes a pipeline. With `expected_generation` only if that is the one in force; 0 means
    /// that there must be none. A new pipeline is [`Desired::Stopped`]; a changed one keeps what it is.
    /// Steps run what the text says again, whatever was swapped in.
    ///
    /// # Errors
    /// [`Refusal::StaleGeneration`], and [`Refusal::UnknownOperator`] where one is not registered.
    pub async fn apply_pipeline(
        &self,
        name: &PipelineName,
        spec: SpecDocument,
        expected_generation: Option<u64>,
    ) -> Result<ApplyOutcome, RegistryError> {
        let offer = PipelineOffer {
            name: name.clone(),
            expected_generation,
            spec_text: spec.text,
            spec_format: spec.format,
            operators: spec.operators,
            applied_ms: self.shared.clock.now_ms(),
        };
        let mut existed = false;
        let (state, changed) = self
            .decide(|state| {
                existed = state.pipeline(name).is_some();
                decision::apply_pipeline(state, &offer)
            })
            .await?;
        let generation = state.last_generation(name);
        Ok(match (changed, existed) {
            (true, false) => ApplyOutcome::Created { generation },
            (true, true) => ApplyOutcome::Changed { generation },
            (false, _) => ApplyOutcome::Unchanged { generation },
        })
    }

    /// Says what a pipeline should be doing. False: it was so already.
    ///
    /// # Errors
    /// [`Refusal::UnknownPipeline`].
    pub async fn set_desired(&self, name: &PipelineName, desired: Desired) -> Result<bool, RegistryError> {
        Ok(self.decide(|state| decision::set_desired(state, name, desired)).await?.1)
    }

    /// Records that a step runs another operator from now on. False: it did already.
    ///
    /// # Errors
    /// [`Refusal::UnknownPipeline`], [`Refusal::UnknownStep`] and [`Refusal::UnknownOperator`].
    pub async fn record_swap(
        &self,
        name: &PipelineName,
        step: &str,
        operator: &OperatorRef,
    ) -> Result<bool, RegistryError> {
        Ok(self.decide(|state| decision::record_swap(state, name, step, operator)).await?.1)
    }

    /// Removes a pipeline, whatever it should be doing; hosts that run it stop when they see it.
    ///
    /// # Errors
    /// [`Refusal::UnknownPipeline`].
    pub async fn remove_pipeline(&self, name: &PipelineName) -> Result<(), RegistryError> {
        self.decide(|state| decision::remove_pipeline(state, name)).await.map(drop)
    }

    /// Deletes the plugins' bytes and the interpreters that no plugin refers to and that were written at least `age`
    /// ago, and returns how many objects that were. An hour is a good age: what an upload in progress needs then seldom
    /// has to be stored twice.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn collect_garbage(&self, age: Duration) -> Result<usize, RegistryError> {
        let mut listed = self.shared.storage.list_after("plugins", "plugins/").await?;
        listed.extend(self.shared.storage.list_after("interpreters", "interpreters/").await?);
        let now_ms = self.shared.clock.now_ms();
        let mut deleted = 0;
        for object in listed.iter().filter(|object| is_older(object.modified_ms, now_ms, age)) {
            deleted += usize::from(self.delete_unused(&object.path).await?);
        }
        Ok(deleted)
    }

    /// Deletes an object unless a plugin refers to it. True: it was there, and is deleted.
    ///
    /// Whoever registers a plugin meanwhile wins: either the entry is found here after the deletion, and the object put
    /// back, or the object is found missing there after the entry, and stored again.
    async fn delete_unused(&self, object: &str) -> Result<bool, RegistryError> {
        if is_used(&*self.refresh().await?, object) {
            return Ok(false);
        }
        let Some(bytes) = self.shared.storage.get(object).await? else { return Ok(false) };
        self.shared.storage.delete(object).await?;
        if is_used(&*self.refresh().await?, object) {
            self.shared.storage.put(object, bytes).await?;
            return Ok(false);
        }
        Ok(true)
    }

    async fn blob(&self, digest: Digest) -> Result<Bytes, RegistryError> {
        let object = blob_path(digest);
        let Some(bytes) = self.shared.storage.get(&object).await? else {
            return Err(RegistryError::Corrupt { object, reason: "it is missing".into() });
        };
        checked(object, bytes, digest).await
    }

    /// Appends what `decide` decides at the end of the log. True: something was appended.
    async fn decide(
        &self,
        mut decide: impl FnMut(&RegistryState) -> Decision,
    ) -> Result<(Arc<RegistryState>, bool), RegistryError> {
        let shared = &*self.shared;
        let _guard = shared.log.lock().await;
        shared.advance().await?;
        for _ in 0..MAX_RACES {
            let state = shared.state();
            let entry = match decide(&state) {
                Decision::Append(entry) => entry,
                Decision::Unchanged => return Ok((state, false)),
                Decision::Refuse(refusal) => return Err(refusal.into()),
            };
            let attempt = shared.attempts.fetch_add(1, Ordering::Relaxed);
            let writer = format!("{:016x}-{attempt}", shared.writer);
            let record = LogRecord { sequence: state.sequence() + 1, writer, entry };
            if shared.append(&record).await? {
                return Ok((shared.state(), true));
            }
            debug!(sequence = record.sequence, "another host appended first");
        }
        Err(RegistryError::Unavailable {
            object: "control".into(),
            reason: format!("other hosts won the race for the next entry {MAX_RACES} times"),
        })
    }
}

impl Shared {
    fn state(&self) -> Arc<RegistryState> {
        // Nothing can panic while the lock is held, and the value is replaced whole.
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_state(&self, state: RegistryState) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// Appends a record. False: another one has its number; the state includes that one now.
    async fn append(&self, record: &LogRecord) -> Result<bool, RegistryError> {
        let object = entry_path(record.sequence);
        let bytes = format::encode_record(record)
            .map_err(|error| RegistryError::Corrupt { object: object.clone(), reason: error.to_string() })?;
        let ours = match self.storage.create(&object, bytes).await? {
            Create::Created => {
                let mut state = (*self.state()).clone();
                fold(&mut state, record)?;
                self.set_state(state);
                true
            }
            Create::Exists => self.advance().await?.iter().any(|read| read.writer == record.writer),
        };
        if ours && record.sequence.is_multiple_of(SNAPSHOT_EVERY) {
            self.write_snapshot().await;
        }
        Ok(ours)
    }
}

fn fold(state: &mut RegistryState, record: &LogRecord) -> Result<(), RegistryError> {
    state
        .apply(record)
        .map_err(|error| RegistryError::Corrupt { object: entry_path(record.sequence), reason: error.to_string() })
}

fn entry_path(sequence: u64) -> String {
    format!("control/{sequence:020}.json")
}

fn blob_path(digest: Digest) -> String {
    let text = digest.to_string();
    format!("plugins/{}.wasm", text.strip_prefix("sha256:").unwrap_or(&text))
}

fn interpreter_path(digest: Digest) -> String {
    let text = digest.to_string();
    format!("interpreters/{}.wasm", text.strip_prefix("sha256:").unwrap_or(&text))
}

/// Whether a plugin needs an object: as its own bytes, or as its interpreter.
fn is_used(state: &RegistryState, object: &str) -> bool {
    state.plugins().any(|plugin| {
        blob_path(plugin.digest) == object
            || plugin.interpreter().is_some_and(|interpreter| interpreter_path(interpreter) == object)
    })
}

/// The bytes of an object, if they have the digest that they are to have.
async fn checked(object: String, bytes: Bytes, digest: Digest) -> Result<Bytes, RegistryError> {
    let found = digest_in_background(bytes.clone()).await?;
    if found == digest {
        Ok(bytes)
    } else {
        Err(RegistryError::Corrupt { object, reason: format!("its bytes have the digest {found}") })
    }
}

/// The digest of a plugin's bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// A component may have tens of megabytes: too long for a thread that serves others.
async fn digest_in_background(bytes: Bytes) -> Result<Digest, RegistryError> {
    tokio::task::spawn_blocking(move || digest_of(&bytes))
        .await
        .map_err(|error| RegistryError::Unavailable { object: "plugins".into(), reason: error.to_string() })
}

#[cfg(test)]
impl Registry {
    pub(crate) fn shared_storage(&self) -> Storage {
        self.shared.storage.clone()
    }
}

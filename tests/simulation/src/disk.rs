//! The local disk of a host, which a crash leaves as it was after some earlier write.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_state::{Entry, ScanVisitor, StateBackend, StateBackends, StateError};
use millstream_types::BytesColumn;
use parking_lot::Mutex;

use crate::scheduler::{Scheduler, disk_point};

/// What a store holds, and up to where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) entries: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) position: Option<i64>,
}

#[derive(Debug, Default)]
struct Store {
    now: Contents,
    /// What it was after each write since the last flush, the flush first.
    since_flush: Vec<Contents>,
    is_open: bool,
}

/// Copies of stores on their way to or from where snapshots are kept, by the directory that they would be in.
pub(crate) type Copies = Arc<Mutex<BTreeMap<PathBuf, Contents>>>;

/// The stores of one host.
#[derive(Debug)]
pub(crate) struct Disk {
    stores: Arc<Mutex<BTreeMap<String, Store>>>,
    copies: Copies,
    scheduler: Arc<Scheduler>,
}

impl Disk {
    pub(crate) fn new(scheduler: Arc<Scheduler>) -> Self {
        Self { stores: Arc::default(), copies: Arc::default(), scheduler }
    }

    pub(crate) fn copies(&self) -> Copies {
        self.copies.clone()
    }

    /// The host crashed: each store is as after one of the writes since its last flush.
    pub(crate) fn tear(&self) {
        for store in self.stores.lock().values_mut() {
            let candidates = store.since_flush.len() as u64 + 1;
            let drawn = self.scheduler.below(candidates) as usize;
            if let Some(earlier) = store.since_flush.get(drawn) {
                store.now = earlier.clone();
            }
            store.since_flush = vec![store.now.clone()];
            store.is_open = false;
        }
    }

    /// Another disk takes its place.
    pub(crate) fn lose(&self) {
        self.stores.lock().clear();
    }

    pub(crate) fn contents(&self) -> Vec<(String, Contents)> {
        self.stores.lock().iter().map(|(task, store)| (task.clone(), store.now.clone())).collect()
    }
}

impl StateBackends for Disk {
    fn open(&self, task: &str) -> Result<Box<dyn StateBackend>, StateError> {
        disk_point(&self.scheduler, "open a store");
        let mut stores = self.stores.lock();
        let store = stores.entry(task.to_owned()).or_default();
        if std::mem::replace(&mut store.is_open, true) {
            return Err(StateError::InUse(format!("the state of task {task} is open already")));
        }
        if store.since_flush.is_empty() {
            store.since_flush.push(store.now.clone());
        }
        Ok(Box::new(OpenStore {
            task: task.to_owned(),
            stores: self.stores.clone(),
            copies: self.copies.clone(),
            scheduler: self.scheduler.clone(),
        }))
    }

    fn remove(&self, task: &str) -> Result<(), StateError> {
        self.stores.lock().remove(task);
        Ok(())
    }

    fn install(&self, task: &str, from: &Path) -> Result<(), StateError> {
        disk_point(&self.scheduler, "install a snapshot");
        let copy = self.copies.lock().remove(from);
        let copy = copy.ok_or_else(|| StateError::Misuse(format!("there is no copy in {}", from.display())))?;
        let mut stores = self.stores.lock();
        let store = stores.entry(task.to_owned()).or_default();
        if store.is_open {
            return Err(StateError::InUse(format!("the state of task {task} is open")));
        }
        *store = Store { since_flush: vec![copy.clone()], now: copy, is_open: false };
        Ok(())
    }

    fn path_of(&self, _task: &str) -> Option<PathBuf> {
        None
    }
}

struct OpenStore {
    task: String,
    stores: Arc<Mutex<BTreeMap<String, Store>>>,
    copies: Copies,
    scheduler: Arc<Scheduler>,
}

impl OpenStore {
    fn with<T>(&self, f: impl FnOnce(&mut Store) -> T) -> Result<T, StateError> {
        let mut stores = self.stores.lock();
        stores.get_mut(&self.task).map(f).ok_or_else(|| StateError::Misuse(format!("{} is gone", self.task)))
    }
}

impl Drop for OpenStore {
    fn drop(&mut self) {
        // A store that is gone is not open.
        let _ = self.with(|store| store.is_open = false);
    }
}

impl StateBackend for OpenStore {
    fn get_many(&self, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
        self.with(|store| {
            let mut values = BytesColumn::with_capacity(keys.len(), 0);
            for key in keys.iter() {
                values.push(key.and_then(|key| store.now.entries.get(key)).map(Vec::as_slice));
            }
            values
        })
    }

    fn scan(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        self.with(|store| {
            for (key, value) in store.now.entries.iter().filter(|(key, _)| &key[..] >= start && &key[..] < end) {
                if !visit(key, value) {
                    break;
                }
            }
        })
    }

    fn write(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        disk_point(&self.scheduler, "write to a store");
        self.with(|store| {
            for (key, value) in entries {
                match value {
                    Some(value) => store.now.entries.insert(key.to_vec(), value.to_vec()),
                    None => store.now.entries.remove(key),
                };
            }
            store.now.position = Some(position);
            store.since_flush.push(store.now.clone());
        })
    }

    fn position(&self) -> Option<i64> {
        self.with(|store| store.now.position).ok().flatten()
    }

    fn flush(&mut self) -> Result<Option<i64>, StateError> {
        disk_point(&self.scheduler, "flush a store");
        self.with(|store| {
            store.since_flush = vec![store.now.clone()];
            store.now.position
        })
    }

    fn checkpoint(&mut self, into: &Path) -> Result<Option<i64>, StateError> {
        disk_point(&self.scheduler, "copy a store");
        let copy = self.with(|store| {
            store.since_flush = vec![store.now.clone()];
            store.now.clone()
        })?;
        let position = copy.position;
        if position.is_some() {
            self.copies.lock().insert(into.to_owned(), copy);
        }
        Ok(position)
    }

    fn size_bytes(&self) -> u64 {
        0
    }
}

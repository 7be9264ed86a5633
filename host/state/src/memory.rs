//! Stores in memory, for tests and for pipelines that may forget.

mod copy;

use std::{
    collections::BTreeMap,
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_types::BytesColumn;
use parking_lot::Mutex;

use crate::{Entry, ScanVisitor, StateBackend, StateBackends, StateError};

#[derive(Debug, Default)]
struct Contents {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: u64,
    position: Option<i64>,
    open: bool,
}

/// A store in memory. A write is as durable as the [`MemoryBackends`] that it was opened from.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    contents: Arc<Mutex<Contents>>,
}

impl MemoryBackend {
    /// An empty store of its own.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Drop for MemoryBackend {
    fn drop(&mut self) {
        self.contents.lock().open = false;
    }
}

impl StateBackend for MemoryBackend {
    fn get_many(&self, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
        let contents = self.contents.lock();
        let mut values = BytesColumn::with_capacity(keys.len(), 0);
        for key in keys.iter() {
            values.push(key.and_then(|key| contents.entries.get(key)).map(Vec::as_slice));
        }
        Ok(values)
    }

    fn scan(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        if start >= end {
            return Ok(());
        }
        let contents = self.contents.lock();
        for (key, value) in contents.entries.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end))) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        let mut contents = self.contents.lock();
        for (key, value) in entries {
            let (added, previous) = match value {
                Some(value) => (key.len() + value.len(), contents.entries.insert(key.to_vec(), value.to_vec())),
                None => (0, contents.entries.remove(key)),
            };
            contents.bytes += added as u64;
            contents.bytes -= previous.map_or(0, |previous| key.len() + previous.len()) as u64;
        }
        contents.position = Some(position);
        Ok(())
    }

    fn position(&self) -> Option<i64> {
        self.contents.lock().position
    }

    fn flush(&mut self) -> Result<Option<i64>, StateError> {
        Ok(self.position())
    }

    fn checkpoint(&mut self, into: &Path) -> Result<Option<i64>, StateError> {
        let contents = self.contents.lock();
        contents.position.map(|position| copy::write(&contents.entries, position, into).map(|()| position)).transpose()
    }

    fn size_bytes(&self) -> u64 {
        self.contents.lock().bytes
    }
}

/// Stores in memory by task. A task that is opened again finds what was written before.
#[derive(Debug, Default)]
pub struct MemoryBackends {
    tasks: Mutex<BTreeMap<String, Arc<Mutex<Contents>>>>,
}

impl MemoryBackends {
    /// No stores yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl StateBackends for MemoryBackends {
    fn open(&self, task: &str) -> Result<Box<dyn StateBackend>, StateError> {
        let contents = Arc::clone(self.tasks.lock().entry(task.to_owned()).or_default());
        if std::mem::replace(&mut contents.lock().open, true) {
            return Err(StateError::InUse(format!("the state of task {task} is open already")));
        }
        Ok(Box::new(MemoryBackend { contents }))
    }

    fn remove(&self, task: &str) -> Result<(), StateError> {
        let mut tasks = self.tasks.lock();
        let below = format!("{task}/");
        let removed = |name: &str| name == task || name.starts_with(&below);
        if let Some((open, _)) = tasks.iter().find(|(name, contents)| removed(name) && contents.lock().open) {
            return Err(StateError::InUse(format!("the state of task {open} is open")));
        }
        tasks.retain(|name, _| !removed(name));
        Ok(())
    }

    fn install(&self, task: &str, from: &Path) -> Result<(), StateError> {
        let (entries, position) = copy::read(from)?;
        let bytes = entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
        let contents = Arc::clone(self.tasks.lock().entry(task.to_owned()).or_default());
        {
            let mut contents = contents.lock();
            if contents.open {
                return Err(StateError::InUse(format!("the state of task {task} is open")));
            }
            *contents = Contents { entries, bytes, position: Some(position), open: false };
        }
        copy::remove(from)
    }

    fn path_of(&self, _task: &str) -> Option<PathBuf> {
        None
    }
}

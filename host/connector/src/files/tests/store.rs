//! A store in memory that fails when it is told to.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{ConnectorError, FileStore, Put};

/// What happens to the next put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing is put.
    Refused,
    /// The file is put, and the answer lost.
    AnswerLost,
}

#[derive(Clone, Default)]
pub struct TestStore {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    faults: Arc<Mutex<Vec<Fault>>>,
    away: Arc<AtomicBool>,
    pub place: Arc<Mutex<Option<&'static str>>>,
}

impl TestStore {
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.files.lock().expect("not poisoned").clone()
    }

    pub fn insert(&self, name: &str, bytes: &[u8]) {
        self.files.lock().expect("not poisoned").insert(name.into(), bytes.into());
    }

    pub fn remove(&self, name: &str) {
        self.files.lock().expect("not poisoned").remove(name);
    }

    /// Lets the next put fail.
    pub fn fail(&self, fault: Fault) {
        self.faults.lock().expect("not poisoned").push(fault);
    }

    /// From now on every call fails, or none.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    fn answers(&self) -> Result<(), ConnectorError> {
        let away = self.away.load(Ordering::Relaxed);
        if away { Err(ConnectorError::retriable("the store is away")) } else { Ok(()) }
    }

    /// No put fails.
    pub fn mend(&self) {
        self.faults.lock().expect("not poisoned").clear();
    }
}

impl FileStore for TestStore {
    fn place(&self) -> &str {
        self.place.lock().expect("not poisoned").unwrap_or("test://bucket")
    }

    fn put_if_absent(&self, name: &str, mut file: &File, length: u64) -> Result<Put, ConnectorError> {
        self.answers()?;
        let fault = self.faults.lock().expect("not poisoned").pop();
        if fault == Some(Fault::Refused) {
            return Err(ConnectorError::retriable("the store refuses"));
        }
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.take(length).read_to_end(&mut bytes)).expect("reads");
        assert_eq!(bytes.len() as u64, length);
        let mut files = self.files.lock().expect("not poisoned");
        let is_there = files.contains_key(name);
        files.entry(name.into()).or_insert(bytes);
        match fault {
            Some(_) => Err(ConnectorError::retriable("the answer is lost")),
            None if is_there => Ok(Put::Exists),
            None => Ok(Put::Done),
        }
    }

    fn length(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        self.answers()?;
        Ok(self.files.lock().expect("not poisoned").get(name).map(|bytes| bytes.len() as u64))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, ConnectorError> {
        self.answers()?;
        let files = self.files.lock().expect("not poisoned");
        Ok(files.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }
}

//! Putting complete files to their place, beside the worker.

use std::{
    fs::File,
    thread::{self, JoinHandle},
};

use super::Files;
use crate::{ConnectorError, FileStore, Put};

/// A complete file and what is committed about it.
#[derive(Debug)]
pub(super) struct Complete {
    pub name: String,
    pub file: File,
    pub length: u64,
    /// As its first writer made it, perhaps with another version of an encoder.
    pub committed_length: u64,
}

/// A committed file on its way.
pub(super) struct Putting {
    pub name: String,
    state: State,
}

enum State {
    Running(JoinHandle<Result<(), ConnectorError>>),
    Ended(Result<(), ConnectorError>),
}

impl Putting {
    /// Begins to put a file.
    pub fn start(files: &Files, complete: Complete) -> Self {
        let name = complete.name.clone();
        let store = files.store.clone();
        if !files.threads {
            return Self { name, state: State::Ended(put(store.as_ref(), &complete)) };
        }
        let thread = thread::Builder::new().name(format!("{}/put", files.sink));
        let state = match thread.spawn(move || put(store.as_ref(), &complete)) {
            Ok(handle) => State::Running(handle),
            Err(error) => State::Ended(Err(ConnectorError::retriable(format!("cannot start a thread: {error}")))),
        };
        Self { name, state }
    }

    /// Whether [`Self::wait`] would return at once.
    pub fn has_ended(&self) -> bool {
        match &self.state {
            State::Running(handle) => handle.is_finished(),
            State::Ended(_) => true,
        }
    }

    /// Waits until the file is there.
    ///
    /// # Errors
    /// When it is not known to be there.
    pub fn wait(self) -> Result<(), ConnectorError> {
        match self.state {
            State::Running(handle) => handle.join().unwrap_or_else(|_| {
                Err(ConnectorError::new(format!("putting `{}` panicked, which is a defect of Millstream", self.name)))
            }),
            State::Ended(outcome) => outcome,
        }
    }
}

fn put(store: &dyn FileStore, complete: &Complete) -> Result<(), ConnectorError> {
    let Complete { name, file, length, committed_length } = complete;
    match store.put_if_absent(name, file, *length)? {
        Put::Done => Ok(()),
        Put::Exists => match store.length(name)? {
            Some(found) if found == *length || found == *committed_length => Ok(()),
            Some(found) => Err(ConnectorError::new(format!(
                "`{name}` in `{}` has {found} bytes, and the file that is committed under that name has {length}: \
                 something else wrote it; move it away and start the pipeline again",
                store.place()
            ))),
            None => Err(ConnectorError::retriable(format!("`{name}` in `{}` came and went", store.place()))),
        },
    }
}

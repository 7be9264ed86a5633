//! Putting complete files to their place, beside the worker.

use std::{
    fs::File,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::Files;
use crate::{ConnectorError, FileStore, Put};

/// The pause after the first failure of a file; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often somebody who waits for a file looks whether its place answers at all.
const LOOK: Duration = Duration::from_millis(50);

/// A complete file and what is committed about it.
#[derive(Debug)]
pub(super) struct Complete {
    pub name: String,
    pub file: File,
    pub length: u64,
    /// As its first writer made it, perhaps with another version of an encoder.
    pub committed_length: u64,
}

/// A committed file on its way. A place that does not answer is asked again until it does, or this is dropped.
pub(super) struct Putting {
    pub name: String,
    attempts: Attempts,
    /// Why it is not there yet, if it was tried.
    failure: Arc<Mutex<Option<String>>>,
}

enum Attempts {
    /// By a thread, which ends when nobody wants the file any more.
    Beside { thread: JoinHandle<()>, outcome: Receiver<Result<(), ConnectorError>>, _wanted: Sender<()> },
    /// By whoever looks.
    Here { store: Arc<dyn FileStore>, complete: Complete },
}

impl Putting {
    /// Begins to put a file.
    pub fn start(files: &Files, complete: Complete) -> Result<Self, ConnectorError> {
        let (name, store) = (complete.name.clone(), files.store.clone());
        let failure = Arc::default();
        if !files.threads {
            return Ok(Self { name, attempts: Attempts::Here { store, complete }, failure });
        }
        let (tell, outcome) = channel();
        let (_wanted, unwanted) = channel();
        let failed = Arc::clone(&failure);
        let thread = thread::Builder::new().name(format!("{}/put", files.sink));
        let thread = thread.spawn(move || {
            let outcome = put_until_there(store.as_ref(), &complete, &unwanted, &failed);
            // Nobody may want to know any more.
            drop(tell.send(outcome));
        });
        let thread = thread.map_err(|error| ConnectorError::retriable(format!("cannot start a thread: {error}")))?;
        Ok(Self { name, attempts: Attempts::Beside { thread, outcome, _wanted }, failure })
    }

    /// Whether it is worth while to look.
    pub fn may_have_ended(&self) -> bool {
        match &self.attempts {
            Attempts::Beside { thread, .. } => thread.is_finished(),
            Attempts::Here { .. } => true,
        }
    }

    /// Whether the file is there, or never will be; `None`: not yet. Waits for no longer than `patience`.
    pub fn look(&self, patience: Duration) -> Option<Result<(), ConnectorError>> {
        match &self.attempts {
            Attempts::Beside { outcome, .. } => match outcome.recv_timeout(patience) {
                Ok(outcome) => Some(outcome),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Err(ConnectorError::new(format!(
                    "putting `{}` panicked, which is a defect of Millstream",
                    self.name
                )))),
            },
            Attempts::Here { store, complete } => match put(store.as_ref(), complete) {
                Err(error) if error.retriable => {
                    *self.failure.lock() = Some(error.message);
                    None
                }
                outcome => Some(outcome),
            },
        }
    }

    /// Waits until the file is there: as long as it takes where its place answers, and `patience` where it does not.
    ///
    /// # Errors
    /// When it never will be, and when it is not.
    pub fn wait(&self, patience: Duration) -> Result<(), ConnectorError> {
        let began = Instant::now();
        loop {
            if let Some(outcome) = self.look(LOOK) {
                return outcome;
            }
            if began.elapsed() >= patience
                && let Some(failure) = self.failure.lock().clone()
            {
                return Err(ConnectorError::retriable(failure));
            }
        }
    }
}

fn put_until_there(
    store: &dyn FileStore,
    complete: &Complete,
    unwanted: &Receiver<()>,
    failure: &Mutex<Option<String>>,
) -> Result<(), ConnectorError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match put(store, complete) {
            Err(error) if error.retriable => {
                tracing::warn!(file = complete.name, %error, "a committed file is not at its place; trying again");
                *failure.lock() = Some(error.message.clone());
                if unwanted.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return Err(error);
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            outcome => return outcome,
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

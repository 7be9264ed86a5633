//! The clock of deadlines.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use wasmtime::Engine;

/// Advances an engine's epoch at an interval until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    interval: Duration,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine, interval: Duration) -> io::Result<Self> {
        let interval = interval.max(Duration::from_millis(1));
        let (stop, stopped) = mpsc::channel();
        let engine = engine.weak();
        let thread = thread::Builder::new().name("millstream-epoch".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread), interval })
    }

    /// The number of ticks that are sure to take at least `deadline`.
    pub(crate) fn ticks(&self, deadline: Duration) -> u64 {
        let ticks = deadline.as_nanos().div_ceil(self.interval.as_nanos().max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).saturating_add(1).min(u64::MAX / 2)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // It ends at once and has nothing to report.
            let _ = thread.join();
        }
    }
}

//! A part of a window step, with the host that it logs to.

use crate::host::{self, Simulated};
use crate::log::Level;

/// What is tested, and what it says to the host.
pub(super) struct Hosted<P> {
    pub(super) part: P,
    host: Simulated,
}

impl<P> Hosted<P> {
    pub(super) fn new(part: P) -> Self {
        Self { part, host: Simulated::default() }
    }

    /// Calls the part as the host does.
    pub(super) fn call<R>(&mut self, call: impl FnOnce(&mut P) -> R) -> R {
        host::swap(&mut self.host);
        let result = call(&mut self.part);
        host::swap(&mut self.host);
        result
    }

    pub(super) fn log(&self) -> &[(Level, String)] {
        &self.host.lines
    }
}

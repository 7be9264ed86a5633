//! The one place that runs machine code from disk.

// `Component::deserialize` is unsafe because it trusts the bytes: whoever can write them can run any code in
// this process. There is no safe way to load compiled code, and compiling a Python component anew at each
// start costs 10 s.
#![allow(unsafe_code)]

use wasmtime::{Engine, component::Component};

/// Bytes that [`crate::cache`] wrote itself and whose checksum it has verified.
pub(crate) struct VerifiedCode<'a>(&'a [u8]);

impl<'a> VerifiedCode<'a> {
    /// The caller has compared the checksum of `bytes` with the one stored beside them, in a directory that
    /// only the host's user may write.
    pub(crate) fn assume(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Makes a component of the code. Code of another engine version or configuration is refused by wasmtime.
    pub(crate) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: the bytes came from `Component::serialize` of this host (see `assume`).
        unsafe { Component::deserialize(engine, self.0) }
    }
}

//! The contract of every log, on the embedded one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // These are tests.

use std::sync::Arc;

use millstream_log::{Log, contract::LogUnderTest};
use millstream_log_embedded::{EmbeddedConfig, EmbeddedLog};
use tempfile::TempDir;

struct Directory(TempDir);

impl LogUnderTest for Directory {
    fn open(&self) -> Arc<dyn Log> {
        Arc::new(EmbeddedLog::open(self.0.path(), EmbeddedConfig::default()).expect("opens"))
    }
}

millstream_log::contract_tests!(
    || Box::new(Directory(tempfile::tempdir().expect("a directory"))) as Box<dyn LogUnderTest>
);

/// The same without batches in memory, so that everything is read from the database.
mod from_disk {
    use super::*;

    struct Cold(TempDir);

    impl LogUnderTest for Cold {
        fn open(&self) -> Arc<dyn Log> {
            let config = EmbeddedConfig { tail_bytes: 0, ..EmbeddedConfig::default() };
            Arc::new(EmbeddedLog::open(self.0.path(), config).expect("opens"))
        }
    }

    millstream_log::contract_tests!(
        || Box::new(Cold(tempfile::tempdir().expect("a directory"))) as Box<dyn LogUnderTest>
    );
}

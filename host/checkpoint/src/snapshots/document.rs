//! The bytes of manifests and savepoints: JSON in an envelope that says format, writer and checksum.
//!
//! The checksum covers the content's text as it is written, so damage that is still JSON is noticed.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use millstream_state::snapshot::{Savepoint, SnapshotError, SnapshotInfo};
use millstream_types::Digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::layout::TaskPath;
use crate::registry::digest_of;

/// The newest format that this version writes and reads.
pub(super) const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    format: u32,
    writer: String,
    checksum: Digest,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// A savepoint with its name, so that one that was copied to another name is noticed.
#[derive(Serialize, Deserialize)]
pub(super) struct NamedSavepoint {
    pub name: String,
    pub savepoint: Savepoint,
}

/// A document and who wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document<T> {
    /// Unique for each attempt to write, so that a writer whose answer was lost knows its own.
    pub writer: String,
    pub content: T,
}

/// Gives each attempt to write a name of its own.
#[derive(Debug)]
pub(super) struct Writers {
    // Only has to differ from other processes'; no behaviour depends on it.
    process: u64,
    attempts: AtomicU64,
}

impl Default for Writers {
    fn default() -> Self {
        Self { process: RandomState::new().build_hasher().finish(), attempts: AtomicU64::new(0) }
    }
}

impl Writers {
    pub fn next(&self) -> String {
        format!("{:016x}-{}", self.process, self.attempts.fetch_add(1, Ordering::Relaxed))
    }
}

pub(super) fn encode<T: Serialize>(object: &str, writer: &str, content: &T) -> Result<Vec<u8>, SnapshotError> {
    let bytes = || {
        let content = serde_json::value::to_raw_value(content)?;
        let checksum = digest_of(content.get().as_bytes());
        let envelope = Envelope { format: FORMAT, writer: writer.to_owned(), checksum, content: &content };
        let mut bytes = serde_json::to_vec(&envelope)?;
        bytes.push(b'\n');
        Ok(bytes)
    };
    bytes().map_err(|error: serde_json::Error| SnapshotError::Misuse(format!("`{object}` cannot be written: {error}")))
}

/// Reads a document.
pub(super) fn decode<T: DeserializeOwned>(object: &str, bytes: &[u8]) -> Result<Document<T>, SnapshotError> {
    let damaged = |reason: String| corrupt(object, reason);
    let FormatOnly { format } = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if format != FORMAT {
        return Err(SnapshotError::Format { object: object.to_owned(), found: format, supported: FORMAT });
    }
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    let found = digest_of(envelope.content.get().as_bytes());
    if found != envelope.checksum {
        return Err(damaged(format!("its content has the digest {found}, not {}", envelope.checksum)));
    }
    let content = serde_json::from_str(envelope.content.get()).map_err(|error| damaged(error.to_string()))?;
    Ok(Document { writer: envelope.writer, content })
}

/// Reads the manifest of snapshot `number` of `task`.
pub(super) fn decode_manifest(
    task: &TaskPath,
    number: u64,
    bytes: &[u8],
) -> Result<Document<SnapshotInfo>, SnapshotError> {
    let object = task.manifest(number);
    let document: Document<SnapshotInfo> = decode(&object, bytes)?;
    let SnapshotInfo { task: of, number: place, about, .. } = &document.content;
    let described = format!("{}/{}/{}", about.pipeline, about.stage, about.partition);
    let expected = task.to_string();
    for found in [of, &described] {
        if *found != expected {
            return Err(SnapshotError::Foreign { object, found: found.clone(), expected });
        }
    }
    if *place != number {
        return Err(corrupt(&object, format!("says that it is number {place}")));
    }
    Ok(document)
}

pub(super) fn corrupt(object: &str, reason: impl Into<String>) -> SnapshotError {
    SnapshotError::Corrupt { object: object.to_owned(), reason: reason.into() }
}

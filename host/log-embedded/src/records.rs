//! The small records of the database: topics, bounds of partitions, index entries.

use std::time::Duration;

use millstream_log::{CleanupPolicy, LogError, TopicSpec};
use serde::{Deserialize, Serialize};

use crate::error::user;

/// The version of the whole format.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// A topic as stored, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopicRecord {
    pub(crate) id: u32,
    pub(crate) partitions: u32,
    /// Whether the last record of each key stays.
    #[serde(default)]
    pub(crate) compact: bool,
    /// Whether batches go once every group has committed past them.
    #[serde(default)]
    pub(crate) purge_consumed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention_bytes: Option<u64>,
}

impl TopicRecord {
    /// What is kept of a specification; settings of other logs are left out.
    pub(crate) fn new(id: u32, spec: &TopicSpec) -> Result<Self, LogError> {
        let purge_consumed = match spec.settings.get("purge").map(String::as_str) {
            None => false,
            Some("consumed") => true,
            Some(other) => {
                let name = &spec.name;
                return Err(user(format!("topic {name}: setting purge is `{other}` where only `consumed` is known")));
            }
        };
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            id,
            partitions: spec.partitions,
            compact: spec.cleanup == CleanupPolicy::Compact,
            purge_consumed,
            retention_ms: spec.retention.map(millis),
            retention_bytes: spec.retention_bytes,
        })
    }
}

/// Bounds and size of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// The first offset.
    pub(crate) first: i64,
    /// The offset after the last record.
    pub(crate) end: i64,
    /// Bytes of all batches as stored.
    pub(crate) bytes: u64,
    /// Bytes of the batches that were appended since the last compaction.
    pub(crate) dirty_bytes: u64,
    /// Up to where the partition is compacted.
    pub(crate) compacted_to: i64,
}

impl Meta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.end.to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.dirty_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.compacted_to.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let [first, end, size, dirty, compacted_to] = *bytes.as_chunks::<8>().0 else { return None };
        Some(Self {
            first: i64::from_le_bytes(first),
            end: i64::from_le_bytes(end),
            bytes: u64::from_le_bytes(size),
            dirty_bytes: u64::from_le_bytes(dirty),
            compacted_to: i64::from_le_bytes(compacted_to),
        })
    }
}

/// What can be known of a batch without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// How many offsets it covers.
    pub(crate) span: u32,
    /// Bytes as stored.
    pub(crate) bytes: u32,
    /// When it was appended, in milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) appended_ms: i64,
}

impl IndexEntry {
    pub(crate) fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (span, rest) = bytes.split_at_mut(4);
        let (size, appended) = rest.split_at_mut(4);
        span.copy_from_slice(&self.span.to_le_bytes());
        size.copy_from_slice(&self.bytes.to_le_bytes());
        appended.copy_from_slice(&self.appended_ms.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (span, rest) = bytes.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        Some(Self {
            span: u32::from_le_bytes(*span),
            bytes: u32::from_le_bytes(*size),
            appended_ms: i64::from_le_bytes(rest.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_what_they_always_were() {
        let mut spec = TopicSpec::new("orders", 3).compacted();
        spec.settings.insert("purge".into(), "consumed".into());
        spec.settings.insert("replication.factor".into(), "3".into());
        spec.retention = Some(Duration::from_secs(60));
        let record = TopicRecord::new(7, &spec).expect("allowed");
        let json = serde_json::to_string(&record).expect("JSON");
        let expected = r#"{"id":7,"partitions":3,"compact":true,"purge_consumed":true,"retention_ms":60000}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<TopicRecord>(expected).expect("a topic"), record);
        spec.settings.insert("purge".into(), "never".into());
        assert!(TopicRecord::new(7, &spec).is_err());

        let meta = Meta { first: 1, end: 2, bytes: 3, dirty_bytes: 4, compacted_to: 5 };
        let mut expected = [0; 40];
        for (index, value) in [(0, 1), (8, 2), (16, 3), (24, 4), (32, 5)] {
            expected[index] = value;
        }
        assert_eq!(meta.encode(), expected);
        assert_eq!(Meta::decode(&expected), Some(meta));

        let entry = IndexEntry { span: 1, bytes: 2, appended_ms: -1 };
        assert_eq!(entry.encode(), [1, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(IndexEntry::decode(&entry.encode()), Some(entry));
        assert_eq!(IndexEntry::decode(&[0; 15]), None);
    }
}

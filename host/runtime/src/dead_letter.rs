//! Records that failed, as they go to the dead-letter topic.

use millstream_types::{RecordBatch, TopicPartition};

use crate::version::StepVersion;

/// Where a batch's records came from, so that a failure deep in a chain can name the record that it began with.
pub(crate) struct Origin<'a> {
    /// The partition read; for a connector the placement's.
    pub(crate) partition: &'a TopicPartition,
    /// The records as they were read.
    pub(crate) batch: &'a RecordBatch,
    /// The place of each: an offset, or what the connector calls it.
    pub(crate) places: Places<'a>,
}

/// The places of an origin's records.
pub(crate) enum Places<'a> {
    /// Offsets in the topic.
    Offsets(&'a [i64]),
    /// What the connector calls them.
    Named(&'a dyn Fn(usize) -> String),
}

impl Origin<'_> {
    /// Where record `index` is: `payments-3 at offset 17`.
    pub(crate) fn locate(&self, index: u32) -> String {
        match &self.places {
            Places::Offsets(offsets) => match offsets.get(index as usize) {
                Some(offset) => {
                    format!("{} partition {} offset {offset}", self.partition.topic, self.partition.partition)
                }
                None => self.partition.to_string(),
            },
            Places::Named(name) => name(index as usize),
        }
    }

    fn offset(&self, index: u32) -> String {
        match &self.places {
            Places::Offsets(offsets) => offsets.get(index as usize).map_or_else(String::new, ToString::to_string),
            Places::Named(name) => name(index as usize),
        }
    }

    /// Appends record `index` as it was read: its bytes, key, timestamp and headers, and beside them what
    /// happened, in headers named `millstream.*`.
    pub(crate) fn dead_letter(
        &self,
        into: &mut RecordBatch,
        index: u32,
        step: &str,
        version: Option<&StepVersion>,
        reason: &str,
    ) {
        let digest = version.and_then(|version| version.factory.digest()).map(|digest| digest.to_string());
        let operator = version.map(StepVersion::label);
        let offset = self.offset(index);
        let partition = self.partition.partition.to_string();
        let added: [(&str, Option<&str>); 7] = [
            ("millstream.error.reason", Some(reason)),
            ("millstream.error.step", Some(step)),
            ("millstream.error.operator", operator.as_deref()),
            ("millstream.error.operator.digest", digest.as_deref()),
            ("millstream.source.topic", Some(&self.partition.topic)),
            ("millstream.source.partition", Some(&partition)),
            ("millstream.source.offset", Some(&offset)),
        ];
        let added = added.into_iter().map(|(name, value)| (name.as_bytes(), value.map(str::as_bytes)));
        let headers = self.batch.headers.get(index as usize).chain(added);
        into.push_with_headers(self.batch.record(index as usize), headers);
    }
}

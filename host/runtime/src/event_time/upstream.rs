//! Watermarks through repartition topics.
//!
//! A record of a repartition topic may come from any task of the stages that write to it, so that none of its
//! timestamps says how far event time is. Each of these tasks tells every partition with a *control record*: no
//! key, a header with the name [`HEADER`], and a [`Notice`] as its value. It is part of the same transaction as the
//! records before it, so that a reader sees it after all that it speaks of. What counts for the reader is the
//! earliest of all upstream tasks; one that has said nothing yet holds everything back.

use std::{collections::BTreeMap, sync::Arc};

use millstream_types::{RecordBatch, RecordRef, UNKNOWN_WATERMARK};
use serde::{Deserialize, Serialize};

use super::Mark;

/// The header of a control record; its value is the version of what follows.
const HEADER: &[u8] = b"millstream.watermark";

/// The version of [`Notice`].
const VERSION: &[u8] = b"1";

/// What a task tells the readers of a repartition topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// The stage of the task that speaks.
    pub(crate) stage: Arc<str>,
    /// Its partition.
    pub(crate) partition: u32,
    /// Its watermark; `None`: unknown.
    pub(crate) watermark_ms: Option<i64>,
    /// Nothing comes from it at present.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) idle: bool,
}

impl Notice {
    pub(crate) fn new(stage: Arc<str>, partition: u32, mark: Mark) -> Self {
        Self { stage, partition, watermark_ms: (mark.at != UNKNOWN_WATERMARK).then_some(mark.at), idle: mark.idle }
    }

    fn mark(&self) -> Mark {
        Mark { at: self.watermark_ms.unwrap_or(UNKNOWN_WATERMARK), idle: self.idle }
    }

    /// The control record. `now_ms` is its timestamp, which only the topic's retention looks at.
    pub(crate) fn record(&self, now_ms: i64) -> Result<RecordBatch, serde_json::Error> {
        let value = serde_json::to_vec(self)?;
        let mut batch = RecordBatch::default();
        let record = RecordRef { key: None, value: Some(&value), timestamp_ms: now_ms };
        batch.push_with_headers(record, [(HEADER, Some(VERSION))]);
        Ok(batch)
    }
}

/// Takes the control records out of what was read from a repartition topic; returns them, or why one cannot be read.
/// `offsets` stay those of the records that are left.
pub(crate) fn take_notices(batch: &mut RecordBatch, offsets: &mut Vec<i64>) -> Result<Vec<Notice>, String> {
    let mut notices = Vec::new();
    if batch.headers.is_empty() {
        return Ok(notices);
    }
    let mut records = Vec::with_capacity(batch.len());
    for index in 0..batch.len() {
        match version(batch, index) {
            None => records.push(index as u32),
            Some(VERSION) => {
                let notice = serde_json::from_slice(batch.values.get(index).unwrap_or_default());
                notices.push(notice.map_err(|error| format!("a damaged watermark: {error}"))?);
            }
            Some(other) => {
                return Err(format!(
                    "a watermark of version {}, and this version of Millstream reads version 1; run all hosts in one version",
                    String::from_utf8_lossy(other)
                ));
            }
        }
    }
    if records.len() < batch.len() {
        *offsets = records.iter().filter_map(|&index| offsets.get(index as usize).copied()).collect();
        *batch = batch.take(&records);
    }
    Ok(notices)
}

/// The version of the control record at `index`; `None`: it is another record.
fn version(batch: &RecordBatch, index: usize) -> Option<&[u8]> {
    if batch.keys.get(index).is_some() {
        return None;
    }
    let header = batch.headers.get(index).find(|(name, _)| *name == HEADER);
    header.map(|(_, version)| version.unwrap_or_default())
}

/// The watermark of one partition of a repartition topic.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamClock {
    upstreams: BTreeMap<(Arc<str>, u32), Mark>,
}

impl UpstreamClock {
    /// A partition that tasks of these stages write to, given with how many there are, and that had heard `restored`
    /// of some of them.
    pub(crate) fn new(writers: &[(Arc<str>, u32)], restored: Vec<Notice>) -> Self {
        let expected = writers.iter().flat_map(|(stage, tasks)| (0..*tasks).map(|task| (stage.clone(), task)));
        let mut clock = Self { upstreams: expected.map(|upstream| (upstream, Mark::UNKNOWN)).collect() };
        for notice in restored {
            clock.hear(&notice);
        }
        clock
    }

    /// Takes note of what an upstream task says. Tasks that are no longer there have nothing to say.
    pub(crate) fn hear(&mut self, notice: &Notice) {
        if let Some(mark) = self.upstreams.get_mut(&(notice.stage.clone(), notice.partition)) {
            let said = notice.mark();
            // One that began anew repeats itself from further back.
            *mark = Mark { at: mark.at.max(said.at), idle: said.idle };
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark::of_all(self.upstreams.values().copied())
    }

    /// The upstream task that holds back the others: `stage/partition`.
    pub(crate) fn slowest(&self) -> Option<String> {
        let active = self.upstreams.iter().filter(|(_, mark)| !mark.idle);
        active.min_by_key(|(_, mark)| mark.at).map(|((stage, partition), _)| format!("{stage}/{partition}"))
    }

    /// What has been heard, to begin with after a restart. The end of an upstream's input is not part of it: its input
    /// may go on then.
    pub(crate) fn lasting(&self) -> Vec<Notice> {
        let heard = self.upstreams.iter().filter(|(_, mark)| **mark != Mark::UNKNOWN && mark.at != i64::MAX);
        heard.map(|((stage, partition), mark)| Notice::new(stage.clone(), *partition, *mark)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(stage: &str, partition: u32, at: i64) -> Notice {
        Notice::new(stage.into(), partition, Mark { at, idle: false })
    }

    #[test]
    fn one_that_has_said_nothing_holds_all_back() {
        let mut clock = UpstreamClock::new(&[("a".into(), 2), ("b".into(), 1)], Vec::new());
        clock.hear(&notice("a", 0, 10));
        clock.hear(&notice("b", 0, 5));
        assert_eq!(clock.mark(), Mark::UNKNOWN);
        assert_eq!(clock.slowest().as_deref(), Some("a/1"));
        clock.hear(&notice("a", 1, 7));
        assert_eq!(clock.mark().at, 5);
        clock.hear(&notice("b", 0, 3));
        assert_eq!(clock.mark().at, 5, "it has begun anew");
        clock.hear(&Notice::new("b".into(), 0, Mark { at: 5, idle: true }));
        assert_eq!(clock.mark().at, 7);
        let restored = UpstreamClock::new(&[("a".into(), 1), ("b".into(), 2)], clock.lasting());
        assert_eq!(restored.mark(), Mark::UNKNOWN, "b/1 is new, and a/1 is gone");
        assert_eq!(restored.slowest().as_deref(), Some("b/1"));
    }

    #[test]
    fn control_records_are_told_from_records() {
        let control = notice("a", 1, 42).record(7).expect("a record");
        let mut batch = RecordBatch::default();
        batch.push(RecordRef { key: Some(b"k"), value: Some(b"v"), timestamp_ms: 1 });
        batch.push_from(&control, 0);
        // A user's header of that name stays what it is.
        batch.push_with_headers(RecordRef { key: Some(b"l"), ..Default::default() }, [(HEADER, Some(VERSION))]);
        let mut offsets = vec![10, 11, 12];
        let notices = take_notices(&mut batch, &mut offsets).expect("sound");
        assert_eq!(notices, [notice("a", 1, 42)]);
        assert_eq!(batch.keys.iter().collect::<Vec<_>>(), [Some(&b"k"[..]), Some(b"l")]);
        assert_eq!(offsets, [10, 12]);
    }

    #[test]
    fn a_control_record_that_cannot_be_read_is_no_watermark() {
        let mut batch = RecordBatch::default();
        batch.push_with_headers(RecordRef { value: Some(b"{"), ..Default::default() }, [(HEADER, Some(VERSION))]);
        assert!(take_notices(&mut batch, &mut vec![1]).is_err());
        let mut batch = RecordBatch::default();
        batch.push_with_headers(RecordRef { value: Some(b"{}"), ..Default::default() }, [(HEADER, Some(&b"2"[..]))]);
        let refused = take_notices(&mut batch, &mut vec![1]).expect_err("another version");
        assert!(refused.contains("version 2"), "{refused}");
    }
}

//! An aggregation that tells exactly which records it has.

use std::sync::Arc;

use millstream_types::BytesColumn;

use crate::{
    OperatorError, RecordFailure,
    aggregate::{Added, Additions, Aggregation, AggregationFactory, Panes},
    window::{Window, WindowContents},
};

/// The value of a record that fails.
pub(super) const BAD: &str = "bad";

/// Accumulators are the values of records, each followed by a space, in order. Their result has the values as they
/// are, or sorted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    pub(super) sorted: bool,
}

impl Ids {
    pub(super) fn contents(sorted: bool) -> WindowContents {
        WindowContents::Aggregated(Arc::new(Self { sorted }))
    }

    /// The result of a window with these values.
    pub(super) fn result<'a>(&self, window: Window, ids: impl IntoIterator<Item = &'a str>) -> String {
        let mut ids: Vec<&str> = ids.into_iter().collect();
        if self.sorted {
            ids.sort_by_key(|id| (id.len(), *id));
        }
        format!("[{}, {}) {}", window.start_ms, window.end_ms, ids.join(" "))
    }
}

impl AggregationFactory for Ids {
    fn definition(&self) -> &str {
        r#"{"ids":true}"#
    }

    fn instantiate(&self, _step: &str) -> Result<Box<dyn Aggregation>, OperatorError> {
        Ok(Box::new(*self))
    }
}

impl Aggregation for Ids {
    fn add(&mut self, additions: &Additions<'_>, accumulators: &BytesColumn) -> Result<Added, OperatorError> {
        let mut lists: Vec<Option<Vec<u8>>> = accumulators.iter().map(|list| list.map(<[u8]>::to_vec)).collect();
        let mut failures: Vec<RecordFailure> = Vec::new();
        for (&row, &target) in additions.rows.iter().zip(additions.targets) {
            let value = additions.batch.values.get(row as usize).unwrap_or_default();
            if value == BAD.as_bytes() {
                failures.push(RecordFailure { record: row, reason: "it is bad".into() });
                continue;
            }
            let list = lists[target as usize].get_or_insert_default();
            list.extend_from_slice(value);
            list.push(b' ');
        }
        failures.sort_by_key(|failure| failure.record);
        failures.dedup_by_key(|failure| failure.record);
        Ok(Added { accumulators: lists.into_iter().collect(), failures })
    }

    fn merge(
        &mut self,
        accumulators: &BytesColumn,
        groups: &[u32],
        count: usize,
    ) -> Result<BytesColumn, OperatorError> {
        let mut lists: Vec<Option<Vec<u8>>> = vec![None; count];
        assert_eq!(accumulators.len(), groups.len());
        for (list, &group) in accumulators.iter().zip(groups) {
            lists[group as usize].get_or_insert_default().extend_from_slice(list.expect("an accumulator"));
        }
        Ok(lists.into_iter().collect())
    }

    fn results(&mut self, accumulators: &BytesColumn, panes: &Panes<'_>) -> Result<BytesColumn, OperatorError> {
        assert!(panes.keys.len() == accumulators.len() && panes.starts.len() == panes.ends.len());
        let result = |(at, list): (usize, Option<&[u8]>)| {
            let text = String::from_utf8_lossy(list.expect("an accumulator")).into_owned();
            let window = Window { start_ms: panes.starts[at], end_ms: panes.ends[at] };
            Some(self.result(window, text.split_whitespace()))
        };
        Ok(accumulators.iter().enumerate().map(result).collect())
    }
}

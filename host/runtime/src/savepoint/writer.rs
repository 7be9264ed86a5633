//! Writing state into changelogs, in commits of bounded size.

use std::collections::BTreeMap;

use millstream_log::{LogSession, StateDelta};
use millstream_types::TopicPartition;

use crate::{Failure, claim::still_claimed, topology::Topology};

/// Bytes of keys and values that are committed at a time.
const COMMIT_BYTES: usize = 8 << 20;

/// Entries on their way into changelogs.
pub(super) struct ChangelogWriter<'a> {
    session: &'a mut dyn LogSession,
    topology: &'a Topology,
    deltas: BTreeMap<TopicPartition, StateDelta>,
    bytes: usize,
    limit_bytes: usize,
}

impl<'a> ChangelogWriter<'a> {
    pub(super) fn new(session: &'a mut dyn LogSession, topology: &'a Topology) -> Self {
        Self { session, topology, deltas: BTreeMap::new(), bytes: 0, limit_bytes: COMMIT_BYTES }
    }

    /// One that commits only when it is told to.
    pub(super) fn as_one_commit(session: &'a mut dyn LogSession, topology: &'a Topology) -> Self {
        Self { limit_bytes: usize::MAX, ..Self::new(session, topology) }
    }

    /// Adds an entry, `None` to delete it, and commits where enough has come together.
    ///
    /// # Errors
    /// When the log refuses, or the pipeline was started elsewhere.
    pub(super) fn put(&mut self, changelog: &TopicPartition, key: &[u8], value: Option<&[u8]>) -> Result<(), Failure> {
        self.bytes += key.len() + value.map_or(0, <[u8]>::len);
        let delta = match self.deltas.get_mut(changelog) {
            Some(delta) => delta,
            None => self.deltas.entry(changelog.clone()).or_default(),
        };
        delta.keys.push(Some(key));
        delta.values.push(value);
        if self.bytes >= self.limit_bytes { self.commit(&[]) } else { Ok(()) }
    }

    /// Commits what there is, together with `positions`.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub(super) fn commit(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), Failure> {
        still_claimed(self.session, self.topology)?;
        if self.deltas.is_empty() && positions.is_empty() {
            return Ok(());
        }
        for (changelog, delta) in std::mem::take(&mut self.deltas) {
            self.session.append_changelog(&changelog, &delta)?;
        }
        self.bytes = 0;
        self.session.commit(positions)?;
        Ok(())
    }
}

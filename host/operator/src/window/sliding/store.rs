//! What is stored: the records of each moment, and each key's timer.

use millstream_state::{KeyGroups, StateDeclaration, StateError, StateHandle, StateKind, TaskState};
use millstream_types::BytesColumn;

use super::{Bucket, repeated};
use crate::timer::{TimeDomain, TimerChanges};

/// Moments that are read at once.
const PAGE: usize = 4096;

fn declaration(name: &str, kind: StateKind) -> StateDeclaration {
    StateDeclaration { name: name.into(), kind, schema_version: 1, ttl: None, prefetch: false }
}

/// The first time that a timer of each key stands for: a value of 8 bytes.
pub(super) struct Heads(StateHandle);

impl Heads {
    pub(super) fn declaration() -> StateDeclaration {
        declaration("sliding-timers", StateKind::Value)
    }

    pub(super) fn new(step: &str) -> Self {
        Self(StateHandle::new(step, &Self::declaration()))
    }

    /// The times of the keys of groups; `i64::MAX`: there is none.
    pub(super) fn read(&self, state: &mut TaskState, groups: &KeyGroups) -> Result<Vec<i64>, StateError> {
        let stored = state.get_groups(&self.0, groups)?;
        let read = |time: Option<&[u8]>| match time {
            None => Ok(i64::MAX),
            Some(bytes) => match bytes.first_chunk() {
                Some(bytes) => Ok(i64::from_le_bytes(*bytes)),
                None => Err(StateError::Corrupt(format!("timer {bytes:?} of sliding windows"))),
            },
        };
        stored.iter().map(read).collect()
    }

    /// Writes the times of groups; `i64::MAX`: none.
    pub(super) fn write(
        &self,
        state: &mut TaskState,
        groups: &KeyGroups,
        times: &[(u32, i64)],
    ) -> Result<(), StateError> {
        let indices: Vec<u32> = times.iter().map(|&(group, _)| group).collect();
        let value = |&(_, time): &(u32, i64)| (time < i64::MAX).then(|| time.to_le_bytes());
        let values: BytesColumn = times.iter().map(value).collect();
        state.put_groups(&self.0, groups, &indices, &values)
    }

    /// Sets timers for groups that wait for an earlier moment than that of the timer that stands.
    pub(super) fn arm(
        &self,
        state: &mut TaskState,
        groups: &KeyGroups,
        wanted: impl Iterator<Item = (u32, i64)>,
    ) -> Result<Vec<TimerChanges>, StateError> {
        let before = self.read(state, groups)?;
        let mut after = before.clone();
        for (group, time) in wanted {
            if let Some(first) = after.get_mut(group as usize) {
                *first = time.min(*first);
            }
        }
        let earlier = before.iter().zip(&after).enumerate().filter(|(_, (before, after))| after < before);
        let earlier: Vec<(u32, i64)> = earlier.map(|(group, (_, &time))| (group as u32, time)).collect();
        if earlier.is_empty() {
            return Ok(Vec::new());
        }
        self.write(state, groups, &earlier)?;
        let mut timers = TimerChanges::new(TimeDomain::Event);
        for &(group, time) in &earlier {
            timers.push(groups.keys.get(group as usize).unwrap_or_default(), b"", time);
        }
        Ok(vec![timers])
    }
}

/// The records of each key by moment: a map from the moment, ordered, to an accumulator.
pub(super) struct Moments(StateHandle);

impl Moments {
    pub(super) fn declaration() -> StateDeclaration {
        declaration("sliding-moments", StateKind::Map)
    }

    pub(super) fn new(step: &str) -> Self {
        Self(StateHandle::new(step, &Self::declaration()))
    }

    fn columns(keys: &BytesColumn, buckets: &[Bucket]) -> (BytesColumn, BytesColumn) {
        let of_buckets = buckets.iter().map(|bucket| keys.get(bucket.group as usize)).collect();
        (of_buckets, buckets.iter().map(|bucket| Some(ordered(bucket.at_ms))).collect())
    }

    pub(super) fn get(
        &self,
        state: &mut TaskState,
        keys: &BytesColumn,
        buckets: &[Bucket],
    ) -> Result<BytesColumn, StateError> {
        let (keys, fields) = Self::columns(keys, buckets);
        state.map_get_many(&self.0, &keys, &fields)
    }

    pub(super) fn put(
        &self,
        state: &mut TaskState,
        keys: &BytesColumn,
        buckets: &[Bucket],
        accumulators: &BytesColumn,
    ) -> Result<(), StateError> {
        let (keys, fields) = Self::columns(keys, buckets);
        state.map_put_many(&self.0, &keys, &fields, accumulators)
    }

    /// Visits pages of the moments of a key from `first_ms` to `last_ms`, both included, and their accumulators.
    #[expect(clippy::type_complexity, reason = "a page of points: their times and accumulators")]
    pub(super) fn visit<E: From<StateError>>(
        &self,
        state: &mut TaskState,
        key: &[u8],
        (first_ms, last_ms): (i64, i64),
        visit: &mut dyn FnMut(&[i64], &BytesColumn) -> Result<(), E>,
    ) -> Result<(), E> {
        if first_ms > last_ms {
            return Ok(());
        }
        let mut start = ordered(first_ms).to_vec();
        // After the 8 bytes of the last one.
        let end = [&ordered(last_ms)[..], &[0]].concat();
        loop {
            let page = state.map_scan(&self.0, key, &start, Some(&end), PAGE)?;
            let moments = page.fields.iter().map(|field| ordered_ms(field.unwrap_or_default()));
            let moments: Vec<i64> = moments.collect::<Result<_, StateError>>()?;
            visit(&moments, &page.values)?;
            if !page.more {
                return Ok(());
            }
            start = [page.fields.get(page.fields.len() - 1).unwrap_or_default(), &[0]].concat();
        }
    }

    /// The moments of a key from `first_ms` to `last_ms`, both included.
    pub(super) fn between(
        &self,
        state: &mut TaskState,
        key: &[u8],
        first_ms: i64,
        last_ms: i64,
    ) -> Result<Vec<i64>, StateError> {
        let mut found = Vec::new();
        self.visit(state, key, (first_ms, last_ms), &mut |moments, _| {
            found.extend_from_slice(moments);
            Ok::<(), StateError>(())
        })?;
        Ok(found)
    }

    /// The first moment of a key from `first_ms` on.
    pub(super) fn first_from(
        &self,
        state: &mut TaskState,
        key: &[u8],
        first_ms: i64,
    ) -> Result<Option<i64>, StateError> {
        let page = state.map_scan(&self.0, key, &ordered(first_ms), None, 1)?;
        page.fields.get(0).map(ordered_ms).transpose()
    }

    /// Deletes the moments of a key up to `last_ms`, that included; at most a page. Whether there may be more.
    pub(super) fn delete(&self, state: &mut TaskState, key: &[u8], last_ms: i64) -> Result<bool, StateError> {
        let end = [&ordered(last_ms)[..], &[0]].concat();
        let page = state.map_scan(&self.0, key, &[], Some(&end), PAGE)?;
        let count = page.fields.len();
        state.map_put_many(&self.0, &repeated(Some(key), count), &page.fields, &repeated(None, count))?;
        Ok(page.more)
    }
}

/// A moment as bytes that order as it does.
fn ordered(ms: i64) -> [u8; 8] {
    (ms.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn ordered_ms(field: &[u8]) -> Result<i64, StateError> {
    let damaged = || StateError::Corrupt(format!("moment {field:?} of sliding windows"));
    field.first_chunk().map(|bytes| (u64::from_be_bytes(*bytes) ^ (1 << 63)).cast_signed()).ok_or_else(damaged)
}

//! What is read and written with every event: one value for each key.
//!
//! ```text
//!   newest event time (8 bytes)
//!   for each level:   varint: slices from its current one to that of the newest event, plus 1; 0: nothing yet
//!                     and unless 0 the accumulator of the current slice and that of each window
//!   and, where a level has its open nodes here and not in an entry of their own, for each level:
//!                     varint: heads written since they changed, plus 1; 0: not here
//!                     and unless 0 their row
//! ```
//!
//! An accumulator or a row is its length as a varint and its bytes. Earlier versions had no open nodes here.

use millstream_state::StateError;

use super::{
    node::{damaged, read_bytes, read_varint, write_bytes, write_varint},
    spec::Level,
    spine::Spine,
};

/// One key, while a batch is worked on.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The newest event time; `None`: there is no event.
    pub newest_ms: Option<i64>,
    /// It is not as it is stored.
    pub changed: bool,
    /// By level.
    pub levels: Vec<LevelHead>,
}

/// One level of a key.
#[derive(Debug, Default)]
pub(super) struct LevelHead {
    /// The newest slice; `None`: there are none.
    pub current: Option<i64>,
    /// The accumulator of that slice.
    pub partial: Vec<u8>,
    /// Of each window the accumulator as of that slice, the slice included.
    pub windows: Vec<Vec<u8>>,
    /// The tree's open nodes, which change with slices and not with events.
    pub spine: Spine,
}

impl Head {
    /// Makes it what is stored, keeping its memory.
    ///
    /// # Errors
    /// When what is stored is damaged.
    pub(super) fn read(&mut self, levels: &[Level], stored: Option<&[u8]>) -> Result<(), StateError> {
        self.changed = false;
        self.newest_ms = None;
        self.levels.resize_with(levels.len(), LevelHead::default);
        let mut rest = stored.unwrap_or_default();
        if let Some((newest, after)) = rest.split_first_chunk() {
            self.newest_ms = Some(i64::from_le_bytes(*newest));
            rest = after;
        } else if stored.is_some() {
            return Err(damaged());
        }
        for (level, head) in levels.iter().zip(&mut self.levels) {
            head.current = None;
            head.partial.clear();
            head.windows.resize_with(level.windows.len(), Vec::new);
            head.windows.iter_mut().for_each(Vec::clear);
            head.spine.forget();
            let Some(newest_ms) = self.newest_ms else { continue };
            let Some(lag) = read_varint(&mut rest)?.checked_sub(1) else { continue };
            let lag = i64::try_from(lag).map_err(|_| damaged())?;
            head.current = Some(level.slice_of(newest_ms).checked_sub(lag).ok_or_else(damaged)?);
            head.partial.extend_from_slice(read_bytes(&mut rest)?);
            for window in &mut head.windows {
                window.extend_from_slice(read_bytes(&mut rest)?);
            }
        }
        if !rest.is_empty() {
            self.levels.iter_mut().try_for_each(|head| head.spine.read_of_head(&mut rest))?;
        }
        if rest.is_empty() { Ok(()) } else { Err(damaged()) }
    }

    /// The newest event time of a stored head.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn newest_of(stored: Option<&[u8]>) -> Result<Option<i64>, StateError> {
        let newest = stored.map(|stored| stored.first_chunk().ok_or_else(damaged)).transpose()?;
        Ok(newest.map(|newest| i64::from_le_bytes(*newest)))
    }

    /// Appends it as it is stored; where the open nodes are is settled.
    pub(super) fn write(&self, levels: &[Level], out: &mut Vec<u8>) {
        let Some(newest_ms) = self.newest_ms else { return };
        out.extend_from_slice(&newest_ms.to_le_bytes());
        for (level, head) in levels.iter().zip(&self.levels) {
            let Some(current) = head.current else {
                out.push(0);
                continue;
            };
            // Where slices are milliseconds the whole range may lie between; it is dropped long before.
            let lag = level.slice_of(newest_ms).saturating_sub(current).max(0).cast_unsigned();
            write_varint(lag.saturating_add(1), out);
            write_bytes(&head.partial, out);
            head.windows.iter().for_each(|window| write_bytes(window, out));
        }
        if self.levels.iter().any(|head| head.spine.is_in_head()) {
            self.levels.iter().for_each(|head| head.spine.write_to_head(out));
        }
    }

    /// Bytes of memory that it keeps.
    pub(super) fn capacity_bytes(&self) -> usize {
        let levels = self.levels.iter();
        let windows = |level: &LevelHead| level.windows.iter().map(Vec::capacity).sum::<usize>();
        levels.map(|level| level.partial.capacity() + windows(level) + level.spine.capacity_bytes()).sum()
    }
}

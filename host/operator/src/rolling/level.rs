//! An event at one level: the windows that share slices.

use super::{functions::RollingFunctions, head::LevelHead, spec::Level, store::SliceStore, tree::Tree};
use crate::OperatorError;

/// One level of one key, while an event is worked on.
pub(super) struct LevelTask<'a> {
    pub level: &'a Level,
    pub head: &'a mut LevelHead,
    pub store: SliceStore<'a>,
    pub functions: &'a mut dyn RollingFunctions,
}

impl LevelTask<'_> {
    fn tree(&mut self, current: i64) -> Tree<'_> {
        Tree {
            spine: &mut self.head.spine,
            store: self.store.reborrow(),
            functions: &mut *self.functions,
            heights: self.level.heights,
            keep: self.level.reach + self.level.late,
            current,
        }
    }

    /// Adds the event in hand in the current slice or a later one; the windows are as of it then.
    pub(super) fn add(&mut self, slice: i64) -> Result<(), OperatorError> {
        match self.head.current {
            Some(current) if current < slice => self.advance(current, slice)?,
            Some(_) => {}
            None => self.head.spine.read(self.level.heights, None)?,
        }
        self.head.current = Some(slice);
        self.functions.merge_held(&mut self.head.partial)?;
        for window in &mut self.head.windows {
            self.functions.merge_held(window)?;
        }
        Ok(())
    }

    /// The current slice ends and `next` begins, with nothing in it.
    fn advance(&mut self, current: i64, next: i64) -> Result<(), OperatorError> {
        let mut partial = std::mem::take(&mut self.head.partial);
        self.tree(current).advance(&partial, next)?;
        partial.clear();
        self.head.partial = partial;
        for (at, (_, slices)) in self.level.windows.iter().enumerate() {
            let from = next.saturating_sub(*slices);
            let mut window = self.head.windows.get_mut(at).map(std::mem::take).unwrap_or_default();
            window.clear();
            if from <= current {
                self.tree(next).merge_range(from, current, &mut window)?;
            }
            if let Some(place) = self.head.windows.get_mut(at) {
                *place = window;
            }
        }
        Ok(())
    }

    /// Adds the event in hand to a slice before the current one.
    pub(super) fn add_late(&mut self, current: i64, slice: i64) -> Result<(), OperatorError> {
        self.tree(current).add_late(slice)?;
        for ((_, slices), window) in self.level.windows.iter().zip(&mut self.head.windows) {
            if slice >= current.saturating_sub(*slices) {
                self.functions.merge_held(window)?;
            }
        }
        Ok(())
    }

    /// A window of `slices` as of a slice before the current one, into an empty accumulator.
    pub(super) fn as_of(
        &mut self,
        current: i64,
        slice: i64,
        slices: i64,
        into: &mut Vec<u8>,
    ) -> Result<(), OperatorError> {
        self.tree(current).merge_range(slice.saturating_sub(slices), slice, into)
    }
}

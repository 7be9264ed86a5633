//! The slices of one key and one resolution, as a tree of accumulators.
//!
//! Slices are the leaves' entries, eight to a leaf; eight nodes make a node of the next height, which keeps the merge
//! of each (a B-tree of partial aggregates: K. Tangwongsan, M. Hirzel, S. Schneider, "Optimal and General Out-of-Order
//! Sliding-Window Aggregation", PVLDB 12(10), 2019; here over slices and with fixed positions, so that nothing is ever
//! rebalanced). The nodes that the newest slice falls into are open: they are the [*spine*](super::spine), one row that is
//! rewritten when a slice ends. When its time is over a node is closed: it becomes a field of its own, written once, and its
//! merge joins the parent. A node of a single slice is not written at all: the slice stands in the parent.
//!
//! ```text
//!   stored tops      top of the spine       ...     leaf of the spine     current slice (in the head)
//!   [ . . . . ]      [ . . . . ] . . .              [ . . ] .  .  .  .     c
//!     | | | |          | | | |
//!    children         children, closed
//! ```
//!
//! So a slice that ends costs one row and, one time in eight, a field more; the merge of any range of slices takes at
//! most one way down on each side; a late record changes one leaf and what is above it. There are no scans. What lies
//! before the longest window is deleted a node at a time.

use millstream_state::StateError;

use super::{
    functions::RollingFunctions,
    node::{Entries, Entry, FANOUT_BITS, damaged, first_in, first_of, index_of, last_of},
    spine::Spine,
    store::SliceStore,
};
use crate::OperatorError;

/// How many heights a tree needs so that only a handful of its greatest nodes are alive when `slices` are kept.
pub(super) fn heights(slices: i64) -> u32 {
    (1..).find(|heights| slices >> (FANOUT_BITS * heights).min(63) < 4).unwrap_or(1)
}

/// The tree of one key and level at work.
pub(super) struct Tree<'a> {
    /// Its open nodes, known.
    pub spine: &'a mut Spine,
    /// Its closed ones.
    pub store: SliceStore<'a>,
    /// How accumulators are merged.
    pub functions: &'a mut dyn RollingFunctions,
    /// See [`heights`].
    pub heights: u32,
    /// How many slices before the current one are kept.
    pub keep: i64,
    /// The current slice, of which the tree knows nothing.
    pub current: i64,
}

impl Tree<'_> {
    fn check(&self) -> Result<(), StateError> {
        match self.spine.is_known() {
            true => Ok(()),
            false => Err(StateError::Misuse("a tree of slices whose open nodes were not read".into())),
        }
    }

    fn top(&self) -> u32 {
        self.heights.saturating_sub(1)
    }

    /// The stored nodes of the greatest height, oldest first: bits and indices.
    fn stored_tops(&self) -> impl Iterator<Item = (u32, i64)> + use<> {
        self.spine.stored_tops(self.current, self.top())
    }

    /// The current slice ends with `partial`, and `next` is the current one.
    pub(super) fn advance(&mut self, partial: &[u8], next: i64) -> Result<(), OperatorError> {
        self.check()?;
        self.spine.is_changed = true;
        let before = self.current;
        self.spine.has_skipped |= next > before.saturating_add(1);
        self.current = next;
        let (pruned, expired) = (before.saturating_sub(self.keep), next.saturating_sub(self.keep));
        if before < expired {
            return self.clear(before, pruned);
        }
        self.close(partial, before)?;
        if index_of(pruned, 0) != index_of(expired, 0) {
            self.prune(pruned, expired)?;
        }
        Ok(())
    }

    /// Adds the slice that ended, and closes the nodes that end with it.
    fn close(&mut self, partial: &[u8], ended: i64) -> Result<(), OperatorError> {
        let leaf = self.spine.nodes.first_mut().ok_or_else(damaged)?;
        Entry { slice: ended, single: true, accumulator: partial }.write(first_of(ended, 0), leaf);
        for height in 0..self.heights {
            if index_of(ended, height) == index_of(self.current, height) {
                break;
            }
            let node = self.spine.nodes.get_mut(height as usize).map(std::mem::take).ok_or_else(damaged)?;
            let index = index_of(ended, height);
            if height == self.top() {
                self.store.put(height, index, Some(&node))?;
                let moved = index_of(self.current, height).abs_diff(index);
                let shifted =
                    |tops: u64, by: u64| u32::try_from(by).ok().and_then(|by| tops.checked_shl(by)).unwrap_or(0);
                self.spine.tops = shifted(self.spine.tops, moved) | shifted(1, moved.saturating_sub(1));
            } else {
                let first = first_of(ended, height);
                let mut entries = Entries::of(&node, first);
                let only = entries.next()?.filter(|entry| entry.single && node.len() == entry_bytes(entry, first));
                let mut merged = Vec::new();
                let entry = match only {
                    Some(entry) => entry,
                    None => {
                        self.store.put(height, index, Some(&node))?;
                        self.merge_all(&node, first, &mut merged)?;
                        Entry { slice: first, single: false, accumulator: &merged }
                    }
                };
                let parent = self.spine.nodes.get_mut(height as usize + 1).ok_or_else(damaged)?;
                entry.write(first_of(ended, height + 1), parent);
            }
            // Its memory serves the next one.
            if let Some(open) = self.spine.nodes.get_mut(height as usize) {
                *open = node;
                open.clear();
            }
        }
        Ok(())
    }

    fn merge_all(&mut self, node: &[u8], first: i64, into: &mut Vec<u8>) -> Result<(), OperatorError> {
        let mut entries = Entries::of(node, first);
        while let Some(entry) = entries.next()? {
            self.functions.merge(into, entry.accumulator)?;
        }
        Ok(())
    }

    /// Deletes every node: the slices up to the one that was current are before the longest window.
    fn clear(&mut self, before: i64, pruned: i64) -> Result<(), OperatorError> {
        let open = std::mem::replace(&mut self.current, before);
        self.prune(pruned, i64::MAX)?;
        self.current = open;
        self.spine.tops = 0;
        self.spine.nodes.iter_mut().for_each(Vec::clear);
        Ok(())
    }

    /// Deletes the nodes whose last slice is before `expired`; those before `pruned` are.
    fn prune(&mut self, pruned: i64, expired: i64) -> Result<(), OperatorError> {
        let top = self.top();
        for (distance, index) in self.stored_tops() {
            let first = first_in(index, top);
            if first >= expired {
                break;
            }
            let node = self.store.get(top, index)?.ok_or_else(damaged)?;
            self.prune_children(&node, first, top, pruned, expired)?;
            if last_of(first, top) < expired {
                self.store.put(top, index, None)?;
                self.spine.tops &= !(1 << distance);
            }
        }
        for height in (1..self.heights).rev() {
            let node = self.spine.nodes.get_mut(height as usize).map(std::mem::take).ok_or_else(damaged)?;
            let done = self.prune_children(&node, first_of(self.current, height), height, pruned, expired);
            if let Some(open) = self.spine.nodes.get_mut(height as usize) {
                *open = node;
            }
            done?;
        }
        Ok(())
    }

    fn prune_children(
        &mut self,
        node: &[u8],
        first: i64,
        height: u32,
        pruned: i64,
        expired: i64,
    ) -> Result<(), OperatorError> {
        let Some(child) = height.checked_sub(1) else { return Ok(()) };
        let mut entries = Entries::of(node, first);
        while let Some(entry) = entries.next()? {
            if entry.slice >= expired {
                break;
            }
            let last = entry.last(height);
            if entry.single || last < pruned {
                continue;
            }
            let index = index_of(entry.slice, child);
            if child > 0 {
                let node = self.store.get(child, index)?.ok_or_else(damaged)?;
                self.prune_children(&node, entry.slice, child, pruned, expired)?;
            }
            if last < expired {
                self.store.put(child, index, None)?;
            }
        }
        Ok(())
    }

    /// Merges the slices from `from` to `to`, the current one not, into `into`.
    pub(super) fn merge_range(&mut self, from: i64, to: i64, into: &mut Vec<u8>) -> Result<(), OperatorError> {
        self.check()?;
        let top = self.top();
        if from < first_of(self.current, top) {
            for (_, index) in self.stored_tops() {
                let first = first_in(index, top);
                if first <= to && from <= last_of(first, top) {
                    let node = self.store.get(top, index)?.ok_or_else(damaged)?;
                    self.merge_children(&node, first, top, (from, to), into)?;
                }
            }
        }
        for height in (0..self.heights).rev() {
            let node = self.spine.nodes.get_mut(height as usize).map(std::mem::take).ok_or_else(damaged)?;
            let done = self.merge_children(&node, first_of(self.current, height), height, (from, to), into);
            if let Some(open) = self.spine.nodes.get_mut(height as usize) {
                *open = node;
            }
            done?;
        }
        Ok(())
    }

    fn merge_children(
        &mut self,
        node: &[u8],
        first: i64,
        height: u32,
        (from, to): (i64, i64),
        into: &mut Vec<u8>,
    ) -> Result<(), OperatorError> {
        let mut entries = Entries::of(node, first);
        while let Some(entry) = entries.next()? {
            let last = entry.last(height);
            if last < from {
                continue;
            }
            if entry.slice > to {
                break;
            }
            if from <= entry.slice && last <= to {
                self.functions.merge(into, entry.accumulator)?;
            } else {
                let child = height.checked_sub(1).ok_or_else(damaged)?;
                let node = self.store.get(child, index_of(entry.slice, child))?.ok_or_else(damaged)?;
                self.merge_children(&node, entry.slice, child, (from, to), into)?;
            }
        }
        Ok(())
    }

    /// Merges the event in hand into a slice before the current one, not more than [`Self::keep`] before it.
    pub(super) fn add_late(&mut self, slice: i64) -> Result<(), OperatorError> {
        self.check()?;
        let top = self.top();
        for height in 0..self.heights {
            if index_of(slice, height) == index_of(self.current, height) {
                self.spine.is_changed = true;
                let mut node = self.spine.nodes.get_mut(height as usize).map(std::mem::take).ok_or_else(damaged)?;
                let done = self.add_to_node(&mut node, height, slice);
                if let Some(open) = self.spine.nodes.get_mut(height as usize) {
                    *open = node;
                }
                return done;
            }
        }
        let index = index_of(slice, top);
        let distance = index_of(self.current, top).abs_diff(index).saturating_sub(1);
        let bit = u32::try_from(distance).ok().and_then(|distance| 1_u64.checked_shl(distance)).ok_or_else(damaged)?;
        let mut node = match self.spine.tops & bit {
            0 => Vec::new(),
            _ => self.store.get(top, index)?.ok_or_else(damaged)?,
        };
        self.add_to_node(&mut node, top, slice)?;
        self.spine.is_changed |= self.spine.tops & bit == 0;
        self.spine.tops |= bit;
        self.store.put(top, index, Some(&node))
    }

    fn add_to_node(&mut self, node: &mut Vec<u8>, height: u32, slice: i64) -> Result<(), OperatorError> {
        let first = first_of(slice, height);
        let mut changed = Vec::with_capacity(node.len() + 16);
        let mut entries = Entries::of(node, first);
        let mut next = entries.next()?;
        while let Some(entry) = next.filter(|entry| entry.last(height) < slice && !shares_child(entry, height, slice)) {
            entry.write(first, &mut changed);
            next = entries.next()?;
        }
        let met = next.filter(|entry| entry.slice <= slice || shares_child(entry, height, slice));
        let mut accumulator = met.map(|entry| entry.accumulator.to_vec()).unwrap_or_default();
        self.functions.merge_held(&mut accumulator)?;
        let is_single = match (met, height.checked_sub(1)) {
            (Some(entry), Some(child)) if !entry.single || entry.slice != slice => {
                self.add_to_child(&entry, child, slice)?;
                false
            }
            _ => true,
        };
        let slice = if is_single { slice } else { first_of(slice, height.saturating_sub(1)) };
        Entry { slice, single: is_single, accumulator: &accumulator }.write(first, &mut changed);
        if met.is_some() {
            next = entries.next()?;
        }
        while let Some(entry) = next {
            entry.write(first, &mut changed);
            next = entries.next()?;
        }
        *node = changed;
        Ok(())
    }

    /// Adds to the child that `entry` stands for; a single slice becomes a child with it.
    fn add_to_child(&mut self, entry: &Entry<'_>, child: u32, slice: i64) -> Result<(), OperatorError> {
        let index = index_of(slice, child);
        let mut node = if entry.single {
            let mut node = Vec::new();
            entry.write(first_of(slice, child), &mut node);
            node
        } else {
            self.store.get(child, index)?.ok_or_else(damaged)?
        };
        self.add_to_node(&mut node, child, slice)?;
        self.store.put(child, index, Some(&node))
    }
}

/// How long an entry is in its node.
fn entry_bytes(entry: &Entry<'_>, first: i64) -> usize {
    let mut alone = Vec::with_capacity(entry.accumulator.len() + 8);
    entry.write(first, &mut alone);
    alone.len()
}

/// Whether an entry and a slice belong to one child of a node of height `height`.
fn shares_child(entry: &Entry<'_>, height: u32, slice: i64) -> bool {
    height.checked_sub(1).is_some_and(|child| index_of(entry.slice, child) == index_of(slice, child))
}
